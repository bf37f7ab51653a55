//! One experiment: accepted, searched, ended.

mod accept;
mod confirm;
mod jobs;
mod orphans;
mod reconcile;
mod retention;
mod roster;
mod search;
mod status;
mod unreadable;
mod usage;
mod waits;
mod warm_start;

pub(crate) use orphans::delete_orphans;
pub(crate) use reconcile::{Next, reconcile};
pub(crate) use search::Search;
pub(crate) use unreadable::tell_unreadable;
