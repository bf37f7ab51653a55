//! What breaks around a search is told where a person looks, loses nothing, and holds it up no longer than it lasts.

mod admission;
mod clocks;
mod cutting;
mod hands;
mod refusing;
mod rights;
mod storage;
mod unwritable;
