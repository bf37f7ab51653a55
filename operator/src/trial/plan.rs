//! What is to be done with a trial's Jobs.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use super::{
    orders::Orders,
    standing::{Standing, standing},
    view::{Clock, TrialView},
    waiting::{WaitReason, Waiting},
};
use crate::ownership::is_owned;

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
            steps.push(pods_leave());
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
        Standing::Absent if lingers => steps.push(pods_leave()),
        Standing::Absent => steps.push(JobStep::Create),
        Standing::Blocked(waiting) | Standing::Working(Some(waiting)) => steps.push(JobStep::Wait(waiting)),
        Standing::Working(None) | Standing::Stuck | Standing::Ended(_) | Standing::Unclear => {}
    }
    steps
}

fn pods_leave() -> JobStep {
    JobStep::Wait(Waiting::new(WaitReason::PodsLeaving, "the last pod has not ended yet"))
}

/// Whether a Job is the trial's: one of a namesake that was deleted before is left to the garbage collector.
fn is_of(view: &TrialView, job: &Job) -> bool {
    is_owned(job, &*view.trial)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
    use nas_api::{
        RungEnd,
        objects::{NasTrial, RunSegment, SegmentOutcome},
    };
    use nas_search::{NewTrial, Outcome, View};
    use serde_json::json;

    use super::{super::job::job_name, *};
    use crate::labels;

    /// What a trial has come to.
    #[derive(Clone, Copy)]
    enum Told {
        Nothing,
        /// Its rung is recorded.
        Recorded,
        /// Its attempt ended without a result, and another is to follow.
        Noted,
    }

    /// A trial with Jobs, each with its name and the UID of its owner, and perhaps a pod in this phase.
    fn view(told: Told, jobs: &[(Option<&str>, &str)], phase: Option<&str>) -> TrialView {
        let mut trial = NasTrial::create("small", &NewTrial::default(), View::default());
        trial.metadata.uid = Some("uid".to_owned());
        let status = trial.status.get_or_insert_default();
        match told {
            Told::Nothing => {}
            Told::Recorded => status.record(&[RungEnd::new(0, Outcome::Value(0.5))], 0),
            Told::Noted => status.note(RunSegment { outcome: SegmentOutcome::Crashed, ..RunSegment::default() }),
        }
        let own = job_name(&trial);
        let job = |(name, owner): &(Option<&str>, &str)| {
            let owner = json!({"apiVersion": "v1", "kind": "NasTrial", "name": "small-0", "uid": owner, "controller": true});
            let name = name.unwrap_or(&own);
            let metadata =
                json!({"name": name, "uid": name, "ownerReferences": [owner], "annotations": {labels::SEGMENT: "digest"}});
            serde_json::from_value::<Job>(json!({"metadata": metadata})).map(Arc::new).unwrap_or_default()
        };
        let pod = |phase: &str| {
            let labels = json!({labels::RUNG: "0", labels::ATTEMPT: "0"});
            let pod = json!({"metadata": {"name": "pod", "labels": labels}, "status": {"phase": phase}});
            serde_json::from_value::<Pod>(pod).map(Arc::new).unwrap_or_default()
        };
        TrialView::new(Arc::new(trial), jobs.iter().map(job).collect(), phase.map(pod).into_iter().collect(), "digest".into())
    }

    /// The steps in words.
    fn steps(view: &TrialView, orders: Orders) -> String {
        let wait = Duration::from_secs(10);
        let now = Timestamp::from_second(100).unwrap_or_default();
        let own = job_name(&view.trial);
        let named = |name: &str| if name == own { "own".to_owned() } else { name.to_owned() };
        let words =
            job_steps(view, orders, &Clock { now, stuck_after: wait, name_taken_after: wait }).into_iter().map(
                |step| match step {
                    JobStep::NextAttempt => "next".to_owned(),
                    JobStep::Create => "create".to_owned(),
                    JobStep::Delete { name, .. } => format!("delete {}", named(&name)),
                    JobStep::DeleteOther { name, .. } => format!("delete other {}", named(&name)),
                    JobStep::Wait(waiting) => waiting.reason.as_str().to_owned(),
                },
            );
        words.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_case_has_its_steps() {
        use Orders::{End, Hold, Pause, Run};
        let (own, foreign, other) = ((None, "uid"), (None, "namesake"), (Some("small-0-r9"), "uid"));
        for (told, jobs, phase, orders, expected) in [
            (Told::Nothing, vec![], None, Run, "create"),
            (Told::Nothing, vec![], None, Hold, ""),
            (Told::Nothing, vec![], None, Pause, ""),
            (Told::Nothing, vec![], None, End, ""),
            (Told::Nothing, vec![], Some("Running"), Run, "PodsLeaving"),
            (Told::Nothing, vec![], Some("Failed"), Run, "create"),
            (Told::Nothing, vec![own], Some("Running"), Run, ""),
            (Told::Nothing, vec![own], Some("Running"), Pause, ""),
            (Told::Nothing, vec![own], Some("Running"), End, "delete own"),
            (Told::Nothing, vec![other], None, Run, "delete other small-0-r9, create"),
            (Told::Nothing, vec![foreign], None, Run, "NameTaken"),
            (Told::Nothing, vec![foreign], None, End, ""),
            (Told::Recorded, vec![own], Some("Succeeded"), Run, "delete own"),
            (Told::Recorded, vec![foreign], None, Run, ""),
            (Told::Recorded, vec![], None, Run, ""),
            (Told::Noted, vec![own], Some("Running"), Run, "delete own, PodsLeaving"),
            (Told::Noted, vec![own], Some("Failed"), Run, "delete own, next, create"),
            (Told::Noted, vec![], None, Pause, ""),
        ] {
            let view = view(told, &jobs, phase);
            assert_eq!(steps(&view, orders), expected, "{jobs:?}, a pod {phase:?}, {orders:?}");
        }
    }

    #[test]
    fn a_name_that_is_taken_for_long_is_given_up_once_nothing_of_the_trial_is_at_work() {
        let at = |second| Timestamp::from_second(second).ok();
        let taken = |since, phase| {
            let mut view = view(Told::Nothing, &[(None, "namesake")], phase);
            view.name_taken_since = since;
            steps(&view, Orders::Run)
        };
        assert_eq!(taken(at(91), None), "NameTaken");
        assert_eq!(taken(at(90), None), "next, create");
        assert_eq!(taken(at(90), Some("Running")), "NameTaken");
    }
}
