//! One trial: the Job of its segment, what became of it, and what is to be done. Pure.

mod account;
mod cleanup;
mod end;
mod fetch;
mod job;
mod moments;
mod orders;
mod overlay;
mod plan;
mod reporting;
mod standing;
mod view;
mod waiting;

pub(crate) use account::{Account, account};
pub(crate) use cleanup::{build_cleanup, cleanup_name};
pub(crate) use job::{Settings, build_job, segment_digest};
pub(crate) use moments::Moments;
pub(crate) use orders::{Allowance, Orders};
pub(crate) use plan::{JobStep, job_steps};
pub(crate) use standing::job_condition;
pub(crate) use view::{Clock, TrialView, held_seconds, is_live, is_terminal, run_of};
pub(crate) use waiting::{WaitReason, Waiting};
