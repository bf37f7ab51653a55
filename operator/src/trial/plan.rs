//! What is to be done with a trial's Jobs.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use super::{
    standing::{Standing, Waiting, standing},
    view::{Clock, Orders, TrialView},
};

/// Something to do about a trial's Jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobStep {
    /// Raise the attempt: what the last one still writes is void.
    NextAttempt,
    /// Create the Job of the present segment.
    Create,
    /// Delete this Job, if it is still the one with this UID.
    Delete { name: String, uid: String },
    /// The same for one of another segment, if the trial still stands as it was seen: a cache that lags behind would take what was granted
    /// since for a left-over.
    DeleteOther { name: String, uid: String },
    /// Nothing, for now.
    Wait(Waiting),
}

/// The steps, in order. At most one Job of a trial is ever at work: the next is created when no process of the last can be.
pub(crate) fn job_steps(view: &TrialView, orders: Orders, clock: &Clock) -> Vec<JobStep> {
    let stays = |job: &&Job| is_of(view, job) && job.metadata.deletion_timestamp.is_none();
    let named = |job: &Job| (job.name_any(), job.uid().unwrap_or_default());
    let others = view.other_jobs().filter(stays).map(named);
    let mut steps: Vec<JobStep> = others.map(|(name, uid)| JobStep::DeleteOther { name, uid }).collect();
    let pending = view.trial.running().is_some();
    let own = view.job().filter(stays).map(named);
    if !pending || orders == Orders::End || view.is_noted() {
        steps.extend(own.map(|(name, uid)| JobStep::Delete { name, uid }));
    }
    if !pending || orders != Orders::Run || view.trial.metadata.deletion_timestamp.is_some() {
        return steps;
    }
    let lingers = view.has_live_pods(clock);
    if view.is_noted() {
        if lingers {
            steps.push(wait("PodsLeaving", "the last pod has not ended yet"));
        } else {
            steps.extend([JobStep::NextAttempt, JobStep::Create]);
        }
        return steps;
    }
    let standing = standing(view, clock);
    if matches!(standing, Standing::Absent | Standing::Blocked(_)) && view.gives_up_name(clock) && !lingers {
        steps.extend([JobStep::NextAttempt, JobStep::Create]);
        return steps;
    }
    match standing {
        Standing::Absent if lingers => steps.push(wait("PodsLeaving", "the last pod has not ended yet")),
        Standing::Absent => steps.push(JobStep::Create),
        Standing::Blocked(waiting) | Standing::Working(Some(waiting)) => steps.push(JobStep::Wait(waiting)),
        Standing::Working(None) | Standing::Stuck | Standing::Ended(_) | Standing::Unclear => {}
    }
    steps
}

fn wait(reason: &'static str, message: &str) -> JobStep {
    JobStep::Wait(Waiting { reason, message: message.to_owned() })
}

/// Whether a Job is the trial's: one of a namesake that was deleted before is left to the garbage collector.
fn is_of(view: &TrialView, job: &Job) -> bool {
    let uid = view.trial.uid();
    job.owner_references().iter().any(|owner| Some(&owner.uid) == uid.as_ref())
}
