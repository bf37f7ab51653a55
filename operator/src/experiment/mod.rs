//! One experiment: accepted, searched, ended.

mod accept;
mod attached;
mod confirm;
mod failing;
mod grant;
mod jobs;
mod orphans;
mod reconcile;
mod record;
mod retention;
mod roster;
mod search;
mod status;
mod unreadable;
mod usage;
mod views;
mod waits;
mod warm_start;
mod work;

pub(crate) use failing::tell_failing;
pub(crate) use orphans::delete_orphans;
pub(crate) use reconcile::{Next, reconcile};
pub(crate) use search::Search;
pub(crate) use unreadable::tell_unreadable;
