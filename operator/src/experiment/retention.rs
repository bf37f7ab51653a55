//! Checkpoints that nobody will ask for again are taken away, by one Job at a time and beside the search: no decision waits for it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use k8s_openapi::api::batch::v1::Job;
use kube::{Resource, ResourceExt};
use nas_api::objects::{ConfirmStatus, NasTrial, Retained, Retention};
use nas_search::{Index, Outcome};

use super::{
    reconcile::{Pass, RECHECK},
    search::Search,
};
use crate::{
    Error,
    conditions::{Kind, holds},
    events::Happened,
    labels,
    trial::{build_cleanup, cleanup_name},
};

/// While a search goes on, a Job is not started for fewer trials.
const AT_LEAST: usize = 20;
/// One Job does no more.
const AT_MOST: usize = 100;
/// How often a Job that runs is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// A Job that failed is kept for people to look at, then tried again.
const AFTER_FAILURE: Duration = Duration::from_mins(10);

/// How a clean-up Job stands.
enum Standing {
    Working,
    Complete,
    Failed(String),
}

/// The trials that lose their checkpoints, by number: none of those that were confirmed. Pure.
fn due(
    retention: Retention,
    confirmed: &[ConfirmStatus],
    index: &Index,
    trials: &[Arc<NasTrial>],
    is_finished: bool,
) -> Vec<Arc<NasTrial>> {
    if retention.checkpoints == Retained::All {
        return Vec::new();
    }
    let best = usize::try_from(retention.best).unwrap_or_default();
    let kept: HashSet<u64> = index.best().take(best).map(|(_, _, trial)| trial.number).collect();
    let is_due = |trial: &&Arc<NasTrial>| {
        let record = trial.to_record();
        let ended = record.last().is_some_and(|last| !matches!(last.outcome, Outcome::Value(_)));
        let is_over = is_finished || trial.is_over() || ended;
        let removed = trial.status.as_ref().is_some_and(|status| holds(&status.conditions, Kind::CheckpointsRemoved));
        let is_confirmed = confirmed.iter().any(|confirmed| confirmed.trial == trial.name_any());
        is_over && !is_confirmed && !removed && record.running().is_none() && !kept.contains(&record.number)
    };
    trials.iter().filter(is_due).cloned().collect()
}

impl Pass<'_> {
    /// Goes on with taking away checkpoints. What fails is told and tried again; the search does not notice.
    pub(super) async fn retain(&mut self, search: &mut Search, is_finished: bool) {
        if let Err(error) = self.try_retain(search, is_finished).await {
            tracing::warn!(experiment = self.group.experiment, error = error.chain(), "cannot take away checkpoints");
            self.next = self.next.min(RECHECK);
        }
    }

    async fn try_retain(&mut self, search: &mut Search, is_finished: bool) -> Result<(), Error> {
        let generation = self.experiment.metadata.generation;
        let Some(claim) = self.experiment.spec.trial.checkpoints.clone() else {
            search.nothing_to_remove = generation;
            return Ok(());
        };
        let trials = self.trials();
        let confirmed = self.experiment.status.as_ref().map_or(&[] as &[_], |status| &status.confirm);
        let due = due(self.experiment.spec.retention, confirmed, search.searched.index(&self.plan), &trials, is_finished);
        // Before the end this says nothing of what is to go after it.
        search.nothing_to_remove = generation.filter(|_| is_finished && due.is_empty());
        if due.len() < if is_finished { 1 } else { AT_LEAST } {
            return Ok(());
        }
        let name = cleanup_name(&self.experiment);
        let again = match self.writer.read_job(&name).await? {
            None => {
                let names: Vec<String> = due.iter().take(AT_MOST).map(|trial| trial.name_any()).collect();
                let job = build_cleanup(&self.experiment, &claim, &names, &self.context.settings());
                self.writer.create_cleanup(&job).await?;
                EVERY
            }
            Some(job) if self.is_ours(&job) => self.see_to(&job, &due, search).await?,
            // A namesake's that is about to go.
            Some(_) => EVERY,
        };
        self.next = self.next.min(again);
        Ok(())
    }

    fn is_ours(&self, job: &Job) -> bool {
        let uid = self.experiment.uid();
        job.metadata.deletion_timestamp.is_none() && job.owner_references().iter().any(|owner| Some(&owner.uid) == uid.as_ref())
    }

    /// Tells what a Job has removed, and deletes it once nobody needs it; returns when to look again.
    async fn see_to(&self, job: &Job, due: &[Arc<NasTrial>], search: &mut Search) -> Result<Duration, Error> {
        let (name, uid) = (job.name_any(), job.uid().unwrap_or_default());
        match standing(job) {
            Standing::Working => return Ok(EVERY),
            Standing::Complete => {
                for trial in named(job, due) {
                    self.tell_removed(trial).await?;
                }
            }
            Standing::Failed(said) => {
                if search.cleanup_failed.as_ref() != Some(&uid) {
                    let message =
                        format!("the Job {name} failed ({said}): see the log of its pod; it is tried again in ten minutes");
                    self.context.events.publish(&self.experiment.object_ref(&()), &Happened::CleanupFailed { message }).await;
                    search.cleanup_failed = Some(uid.clone());
                }
                let began = job.metadata.creation_timestamp.as_ref().map_or(self.clock.now, |time| time.0);
                let left =
                    AFTER_FAILURE.saturating_sub(Duration::try_from(self.clock.now.duration_since(began)).unwrap_or_default());
                if !left.is_zero() {
                    return Ok(left);
                }
            }
        }
        self.writer.delete_job(&name, &uid).await?;
        Ok(EVERY)
    }

    async fn tell_removed(&self, trial: &NasTrial) -> Result<(), Error> {
        let mut status = trial.status.clone().unwrap_or_default();
        let message = "spec.retention of its experiment does not keep them";
        self.conditions(&mut status.conditions, trial).set(Kind::CheckpointsRemoved, true, "NotRetained", message);
        self.writer.write_trial_status(trial, &status).await.map(drop)
    }
}

/// Those of the trials that a Job was made for.
fn named<'a>(job: &Job, trials: &'a [Arc<NasTrial>]) -> impl Iterator<Item = &'a Arc<NasTrial>> {
    let names: HashSet<String> =
        job.annotations().get(labels::TRIALS).map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default();
    trials.iter().filter(move |trial| names.contains(&trial.name_any()))
}

fn standing(job: &Job) -> Standing {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let condition = |kind: &str| conditions?.iter().find(|condition| condition.type_ == kind && condition.status == "True");
    match (condition("Complete"), condition("Failed")) {
        (Some(_), _) => Standing::Complete,
        (_, Some(failed)) => Standing::Failed(failed.message.clone().unwrap_or_default()),
        _ => Standing::Working,
    }
}

#[cfg(test)]
mod tests {
    use nas_api::read_experiment;
    use nas_search::{Decision, Usage, decide};

    use super::*;
    use crate::conditions::Conditions;

    /// Trials of a search that has gone on for a while: number 0 is the best, 1 was retired, 2 diverged, 3 trains.
    fn trials() -> Option<(Index, Vec<Arc<NasTrial>>)> {
        let plan = read_experiment(include_str!("../../../configs/quickstart.yaml")).ok()?.plan;
        let mut index = Index::new(plan.direction, &plan.rungs);
        let mut trials = Vec::new();
        while trials.len() < 4 {
            let decisions = decide(&plan, &index, &Usage::default());
            let Decision::Create { new, view } =
                decisions.into_iter().find(|decision| matches!(decision, Decision::Create { .. }))?
            else {
                return None;
            };
            let mut trial = NasTrial::create("e", &new, view);
            let mut status = nas_api::objects::NasTrialStatus::default();
            let end = match new.number {
                0 => Some(Outcome::Value(0.9)),
                1 => Some(Outcome::Value(0.1)),
                2 => Some(Outcome::Diverged),
                _ => None,
            };
            let ends: Vec<_> = end.map(|end| nas_api::RungEnd::new(0, end)).into_iter().collect();
            status.record(&ends, index.view().seq);
            trial.status = Some(status);
            if new.number == 1 {
                trial.retire(view);
            }
            index.apply(trial.to_record());
            trials.push(Arc::new(trial));
        }
        Some((index, trials))
    }

    #[test]
    fn who_never_goes_on_loses_them_unless_among_the_best() {
        let Some((index, mut trials)) = trials() else { unreachable!() };
        let numbers = |retention, trials: &[Arc<NasTrial>], is_finished| -> Vec<u64> {
            due(retention, &[], &index, trials, is_finished).iter().map(|trial| trial.number()).collect()
        };
        let best = |best| Retention { checkpoints: Retained::Best, best };
        assert_eq!(numbers(best(1), &trials, false), [1, 2]);
        assert_eq!(numbers(best(2), &trials, false), [2], "the second best is kept though it was retired");
        assert_eq!(numbers(best(0), &trials, true), [0, 1, 2], "what trains keeps them, whatever is written of the end");
        assert_eq!(numbers(Retention { checkpoints: Retained::All, best: 0 }, &trials, true), [] as [u64; 0]);
        let confirmed = ConfirmStatus { trial: "e-1".to_owned(), ..ConfirmStatus::default() };
        assert_eq!(due(best(0), &[confirmed], &index, &trials, true).len(), 2);
        // Once is enough.
        let mut told = (*trials[2]).clone();
        let mut status = told.status.clone().unwrap_or_default();
        let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        Conditions { list: &mut status.conditions, generation: None, now }.set(Kind::CheckpointsRemoved, true, "x", "");
        told.status = Some(status);
        trials[2] = Arc::new(told);
        assert_eq!(numbers(best(1), &trials, false), [1]);
    }
}
