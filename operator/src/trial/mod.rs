//! One trial: the Job of its segment, what became of it, and what is to be done. Pure.

mod account;
mod end;
mod fetch;
mod job;
mod plan;
mod reporting;
mod standing;
mod view;

pub(crate) use account::{Account, account, held_seconds};
pub(crate) use job::{Settings, build_job};
pub(crate) use plan::{JobStep, plan};
pub(crate) use standing::Waiting;
pub(crate) use view::{Clock, Orders, TrialView, is_live};
