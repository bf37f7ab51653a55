//! What is to be written on a trial about the segment that was granted last.

use k8s_openapi::{
    api::core::v1::Pod,
    jiff::{Timestamp, Unit},
};
use kube::ResourceExt;
use nas_api::{Conclusion, RungEnd, contract::Report, objects::RunSegment, one_line};
use nas_search::{Outcome, Plan};

use super::{
    end::terminated,
    standing::{Ended, Standing, lost, standing},
    view::{Clock, Orders, TrialView},
};

/// Something to write on a trial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Account {
    /// Record ends of rungs.
    Record { ends: Vec<RungEnd>, segment: RunSegment, report: Option<Report> },
    /// Note an end that recorded nothing: the segment needs another attempt.
    Note(RunSegment),
    /// Read the pods from the server, then look again.
    Look,
}

/// What is to be written; `None`: nothing.
pub(crate) fn account(plan: &Plan, view: &TrialView, orders: Orders, count: i64, clock: &Clock) -> Option<Account> {
    let rung = view.trial.to_record().running()?;
    let noted = view.is_noted();
    let note = |outcome: &str, message: &str| (!noted).then(|| Account::Note(segment(view, outcome, message, count, clock.now)));
    let mut standing = standing(view, clock);
    if standing == Standing::Absent && view.job_was_seen && !noted && orders != Orders::End {
        standing = lost(view, "the Job is gone: somebody deleted it");
    }
    match standing {
        Standing::Unclear => Some(Account::Look),
        Standing::Ended(Ended { conclusion: conclusion @ Conclusion::Record { .. }, report }) => {
            let measured = conclusion.measured(plan, &view.trial.assignment(), report.as_ref());
            let Conclusion::Record { ends, message } = measured else { return None };
            let refused = ends.iter().any(|end| end.outcome == Outcome::Misconfigured);
            if refused && orders == Orders::Hold {
                // One more of the ends that stalled the search: the trial starts anew once a person has looked.
                return note("Refused", &message);
            }
            let outcome = ends.last().map_or("Reported", |end| end.outcome.name());
            Some(Account::Record { segment: segment(view, outcome, &message, count, clock.now), ends, report })
        }
        Standing::Ended(Ended { conclusion: again @ Conclusion::Again { .. }, .. }) => {
            note(RunSegment::outcome_of(&again), again.message())
        }
        Standing::Stuck => note("Lost", "the pod's node does not answer"),
        _ if orders == Orders::End && !view.has_live_pods(clock) && view.jobs.is_empty() => {
            let segment = segment(view, Outcome::Cancelled.name(), "the experiment has ended", count, clock.now);
            Some(Account::Record { ends: vec![RungEnd::new(rung, Outcome::Cancelled)], segment, report: None })
        }
        Standing::Working(_) if orders == Orders::Pause => {
            note("Suspended", "spec.suspend is set, or spec.parallelTrials was lowered")
        }
        Standing::Absent | Standing::Blocked(_) | Standing::Working(_) => None,
    }
}

fn segment(view: &TrialView, outcome: &str, message: &str, count: i64, now: Timestamp) -> RunSegment {
    #[expect(clippy::cast_precision_loss, reason = "at most 64 accelerators")]
    let count = count as f64;
    RunSegment {
        rung: view.trial.spec.target_rung,
        attempt: view.trial.spec.attempt,
        job_uid: view.job().and_then(ResourceExt::uid).unwrap_or_default(),
        outcome: outcome.to_owned(),
        message: one_line(message, RunSegment::MESSAGE),
        accelerator_seconds: view.segment_pods().map(|pod| held_seconds(pod, now)).sum::<f64>() * count,
    }
}

/// How long a pod held its accelerators: from the start of its container to its end, or until now. What comes before, such as the pull of
/// an image or the fetch of a data set, does not count.
pub(crate) fn held_seconds(pod: &Pod, now: Timestamp) -> f64 {
    let end = terminated(pod);
    let running =
        || pod.status.as_ref()?.container_statuses.as_ref()?.first()?.state.as_ref()?.running.as_ref()?.started_at.clone();
    let Some(start) = end.and_then(|end| end.started_at.clone()).or_else(running) else { return 0.0 };
    let until = end.and_then(|end| end.finished_at.as_ref()).map_or(now, |time| time.0);
    until.since(start.0).ok().and_then(|span| span.total(Unit::Second).ok()).unwrap_or_default().max(0.0)
}
