//! What is to be written on a trial about the segment that was granted last.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::ResourceExt;
use nas_api::{
    Concluded, Conclusion, RungEnd,
    contract::Report,
    objects::{RunSegment, SegmentOutcome},
    one_line,
};
use nas_search::{Outcome, Plan};

use super::{
    orders::Orders,
    standing::{Standing, lost, standing},
    view::{Clock, TrialView},
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

impl Account {
    /// How many outcomes it records.
    pub(crate) fn outcomes(&self) -> u64 {
        if let Self::Record { ends, .. } = self { ends.len() as u64 } else { 0 }
    }

    /// Whether a trainer refused what it was given: several of these stall a search.
    pub(crate) fn refuses(&self) -> bool {
        matches!(self, Self::Record { ends, .. } if ends.iter().any(|end| end.outcome == Outcome::Misconfigured))
    }
}

/// What is to be written; `None`: nothing.
pub(crate) fn account(plan: &Plan, view: &TrialView, orders: Orders, count: i64, clock: &Clock) -> Option<Account> {
    let rung = view.trial.running()?;
    let noted = view.is_noted();
    let note = |outcome, message: &str| (!noted).then(|| Account::Note(segment(view, outcome, message, count, clock.now)));
    let mut standing = standing(view, clock);
    if standing == Standing::Absent && view.job_was_seen && !noted && orders != Orders::End {
        standing = lost(view, "the Job is gone: somebody deleted it");
    }
    if noted && matches!(&standing, Standing::Ended(Concluded { report: None, .. })) {
        // Accounted for, and one of those that count by now: it must not count once more.
        standing = Standing::Absent;
    }
    match standing {
        Standing::Unclear => Some(Account::Look),
        Standing::Ended(concluded @ Concluded { conclusion: Conclusion::Record { .. }, .. }) => {
            let Concluded { conclusion, report } = concluded.measured(plan, view.trial.assignment());
            let outcome = SegmentOutcome::from(&conclusion);
            let Conclusion::Record { ends, message } = conclusion else { return None };
            let refused = ends.iter().any(|end| end.outcome == Outcome::Misconfigured);
            if refused && orders == Orders::Hold {
                // One more of the ends that stalled the search: the trial starts anew once a person has looked.
                return note(SegmentOutcome::Refused, &message);
            }
            Some(Account::Record { segment: segment(view, outcome, &message, count, clock.now), ends, report })
        }
        Standing::Ended(Concluded { conclusion: again @ Conclusion::Again { .. }, .. }) => note((&again).into(), again.message()),
        Standing::Stuck => note(SegmentOutcome::Lost, "the pod's node does not answer"),
        _ if orders == Orders::End && !view.has_live_pods(clock) && !view.has_jobs() => {
            if !view.pods_are_live {
                // The watch of pods may lag behind that of Jobs: a pod that nobody knows of may still report.
                return Some(Account::Look);
            }
            let segment = segment(view, SegmentOutcome::Cancelled, "the experiment has ended", count, clock.now);
            Some(Account::Record { ends: vec![RungEnd::new(rung, Outcome::Cancelled)], segment, report: None })
        }
        Standing::Working(_) if orders == Orders::Pause => {
            note(SegmentOutcome::Suspended, "spec.suspend is set, or spec.parallelTrials was lowered")
        }
        Standing::Working(_) if orders != Orders::End && view.is_retried() => {
            note(SegmentOutcome::Retried, "a person asked for another attempt")
        }
        Standing::Absent | Standing::Blocked(_) | Standing::Working(_) => None,
    }
}

fn segment(view: &TrialView, outcome: SegmentOutcome, message: &str, count: i64, now: Timestamp) -> RunSegment {
    #[expect(clippy::cast_precision_loss, reason = "at most 64 accelerators")]
    let count = count as f64;
    let (seconds, estimated) = view.held_seconds(now);
    // To the second, as the times of pods are.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    RunSegment {
        rung: view.trial.spec.target_rung,
        attempt: view.trial.spec.attempt,
        job_uid: view.job().and_then(ResourceExt::uid).unwrap_or_default(),
        outcome,
        message: one_line(message, RunSegment::MESSAGE),
        accelerator_seconds: seconds * count,
        // Clocks of nodes differ: nothing ended after it was looked at.
        ended_at: Some(Time(view.ended_at().unwrap_or(now).min(now))),
        estimated,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use nas_api::{MAX_ATTEMPTS, objects::NasTrial, read_experiment};
    use nas_search::{Decision, Usage, View, decide};
    use serde_json::json;

    use super::*;
    use crate::labels;

    /// A trial whose attempt `attempt` ended without a report, after each one before it.
    fn view(attempt: usize, noted: bool) -> Option<(Plan, TrialView)> {
        let plan = read_experiment(include_str!("../../../configs/quickstart.yaml")).ok()?.plan;
        let index = nas_search::Index::new(plan.direction, &plan.rungs);
        let Decision::Create { new, .. } = decide(&plan, &index, &Usage::default()).into_iter().next()? else { return None };
        let mut trial = NasTrial::create("small", &new, View::default());
        trial.spec.attempt = i64::try_from(attempt).ok()?;
        let mut status = nas_api::objects::NasTrialStatus::default();
        for attempt in 0..attempt + usize::from(noted) {
            let attempt = i64::try_from(attempt).ok()?;
            status.note(RunSegment { attempt, outcome: SegmentOutcome::Crashed, ..RunSegment::default() });
        }
        trial.status = Some(status);
        let end = json!({"terminated": {"exitCode": 0, "message": "no report"}});
        let container =
            json!({"name": labels::CONTAINER, "state": end, "image": "", "imageID": "", "ready": false, "restartCount": 0});
        let labels = json!({labels::RUNG: "0", labels::ATTEMPT: attempt.to_string()});
        let pod = json!({"metadata": {"name": "pod", "labels": labels}, "status": {"phase": "Succeeded", "containerStatuses": [container]}});
        let pods = vec![Arc::new(serde_json::from_value(pod).ok()?)];
        let view = TrialView::new(Arc::new(trial), Vec::new(), pods, "".into());
        Some((plan, view))
    }

    fn accounted(attempt: usize, noted: bool, orders: Orders) -> Option<Account> {
        let (plan, view) = view(attempt, noted)?;
        account(&plan, &view, orders, 1, &clock())
    }

    fn clock() -> Clock {
        let wait = Duration::from_secs(10);
        Clock { now: Timestamp::default(), stuck_after: wait, name_taken_after: wait }
    }

    #[test]
    fn an_end_counts_once() {
        assert!(
            matches!(accounted(3, false, Orders::Run), Some(Account::Note(segment)) if segment.outcome == SegmentOutcome::Crashed)
        );
        // Noted, and the operator has died before it could raise the attempt: the last attempt is still to come.
        assert_eq!(accounted(3, true, Orders::Run), None);
        assert!(matches!(accounted(MAX_ATTEMPTS - 1, false, Orders::Run), Some(Account::Record { .. })));
    }

    #[test]
    fn an_attempt_is_given_up_for_whom_asked_for_another_and_counts_for_nothing() {
        let Some((plan, mut view)) = view(2, false) else { unreachable!() };
        let owner = json!({"apiVersion": "v1", "kind": "NasTrial", "name": "small-0", "uid": "uid", "controller": true});
        let mut trial = (*view.trial).clone();
        trial.metadata.uid = Some("uid".to_owned());
        let job = json!({"metadata": {"name": crate::trial::job::job_name(&trial), "ownerReferences": [owner], "annotations": {labels::SEGMENT: ""}}});
        view.set_jobs(vec![Arc::new(serde_json::from_value(job).unwrap_or_default())]);
        let pods = view.shared_segment_pods().cloned().collect();
        view.set_pods(Vec::new());
        for (asked, is_noted) in [(None, false), (Some("1"), false), (Some("2"), true), (Some("now"), false)] {
            trial.metadata.annotations = asked.map(|asked| [(labels::RETRY.to_owned(), asked.to_owned())].into());
            view.trial = Arc::new(trial.clone());
            let wanted = account(&plan, &view, Orders::Run, 1, &clock());
            assert_eq!(wanted.is_some(), is_noted, "{asked:?}: {wanted:?}");
            let Some(Account::Note(segment)) = wanted else { continue };
            assert_eq!((segment.outcome, segment.attempt), (SegmentOutcome::Retried, 2));
        }
        // What it reported counts all the same.
        trial.metadata.annotations = Some([(labels::RETRY.to_owned(), "2".to_owned())].into());
        view.trial = Arc::new(trial);
        view.set_pods(pods);
        let ended = account(&plan, &view, Orders::Run, 1, &clock());
        assert!(matches!(&ended, Some(Account::Note(segment)) if segment.outcome == SegmentOutcome::Crashed), "{ended:?}");
    }

    #[test]
    fn nothing_is_cancelled_before_its_pods_were_looked_for() {
        // What was noted holds up no end.
        assert_eq!(accounted(3, true, Orders::End), Some(Account::Look), "a pod may be there that the cache lacks");
        let Some((plan, mut view)) = view(3, true) else { unreachable!() };
        view.pods_are_live = true;
        let cancelled = account(&plan, &view, Orders::End, 1, &clock());
        assert!(matches!(cancelled, Some(Account::Record { ends, .. }) if ends[0].outcome == Outcome::Cancelled));
    }
}
