//! Checkpoints that nobody will ask for again are taken away, by one Job at a time and beside the search: no decision waits for it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use kube::{Resource, ResourceExt};
use nas_api::objects::NasTrial;

use super::{
    reconcile::{Pass, RECHECK},
    search::{Cleanup, Records},
    work::{AT_ONCE, Shared},
};
use crate::{
    Error,
    conditions::{Kind, holds},
    events::Happened,
    labels,
    ownership::is_owned,
    trial::{build_cleanup, cleanup_name, job_condition},
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
enum JobState {
    Working,
    Complete,
    Failed(String),
}

impl Pass<'_> {
    /// Goes on with taking away checkpoints. What fails is told and tried again; the search does not notice.
    pub(super) async fn retain(&self, shared: &Shared<'_>, cleanup: &mut Cleanup, is_finished: bool) {
        if let Err(error) = self.try_retain(shared, cleanup, is_finished).await {
            tracing::warn!(error = error.chain(), "cannot take away checkpoints");
            self.wake(RECHECK);
        }
    }

    async fn try_retain(&self, shared: &Shared<'_>, cleanup: &mut Cleanup, is_finished: bool) -> Result<(), Error> {
        let generation = self.experiment().metadata.generation;
        let Some(claim) = self.experiment().spec.trial.checkpoints.clone() else {
            cleanup.nothing_to_remove = generation;
            return Ok(());
        };
        let recently = cleanup.looked.map_or(Duration::ZERO, |at| EVERY.saturating_sub(at.elapsed()));
        if !is_finished && !recently.is_zero() {
            // It looks at all trials, and nothing waits for it.
            self.wake(recently);
            return Ok(());
        }
        cleanup.looked = Some(Instant::now());
        let due = shared.with(|records| self.due(records, is_finished));
        // Before the end this says nothing of what is to go after it.
        cleanup.nothing_to_remove = generation.filter(|_| is_finished && due.is_empty());
        if due.len() < if is_finished { 1 } else { AT_LEAST } {
            return Ok(());
        }
        let left = cleanup.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        if !left.is_zero() {
            self.wake(left);
            return Ok(());
        }
        let name = cleanup_name(&self.experiment());
        let again = match self.writer.read_job(&name).await? {
            None => {
                let names: Vec<String> = due.iter().take(AT_MOST).map(|trial| trial.name_any()).collect();
                let job = build_cleanup(&self.experiment(), &claim, &names, &self.context.settings());
                self.writer.create_cleanup(&job).await?;
                EVERY
            }
            Some(job) if self.is_ours(&job) => self.see_to(&job, &due, cleanup).await?,
            // A namesake's that is about to go.
            Some(_) => EVERY,
        };
        cleanup.due = Some(Instant::now() + again);
        self.wake(again);
        Ok(())
    }

    /// The trials whose checkpoints may go.
    fn due(&self, records: &mut Records, is_finished: bool) -> Vec<Arc<NasTrial>> {
        let experiment = self.experiment();
        let confirmed = experiment.status.as_ref().map_or(&[] as &[_], |status| &status.confirm);
        let trials: BTreeMap<u64, Arc<NasTrial>> =
            records.roster.all().map(|trial| (trial.number(), Arc::clone(trial))).collect();
        let index = records.index(&self.plan);
        let mut due = experiment.spec.retention.loses(confirmed, index, trials.values().map(Arc::as_ref), is_finished);
        due.retain(|trial| !has_lost(trial));
        due.into_iter().filter_map(|trial| trials.get(&trial.number()).cloned()).collect()
    }

    fn is_ours(&self, job: &Job) -> bool {
        job.metadata.deletion_timestamp.is_none() && is_owned(job, &*self.experiment())
    }

    /// Tells what a Job has removed, and deletes it once nobody needs it; returns when to look again.
    async fn see_to(&self, job: &Job, due: &[Arc<NasTrial>], cleanup: &mut Cleanup) -> Result<Duration, Error> {
        let (name, uid) = (job.name_any(), job.uid().unwrap_or_default());
        match state_of(job) {
            JobState::Working => return Ok(EVERY),
            JobState::Complete => {
                let writes: Vec<_> = named(job, due).map(|trial| self.tell_removed(trial)).collect();
                stream::iter(writes).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
            }
            JobState::Failed(said) => {
                if cleanup.failed.as_ref() != Some(&uid) {
                    let message =
                        format!("the Job {name} failed ({said}): see the log of its pod; it is tried again in ten minutes");
                    self.context.events.tell(&self.experiment().object_ref(&()), Happened::CleanupFailed { message });
                    cleanup.failed = Some(uid.clone());
                }
                let began = job.metadata.creation_timestamp.as_ref().map_or(self.clock.now, |time| time.0);
                let left = AFTER_FAILURE.saturating_sub(self.clock.since(began));
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

/// Whether its checkpoints were taken away before.
fn has_lost(trial: &NasTrial) -> bool {
    trial.status.as_ref().is_some_and(|status| holds(&status.conditions, Kind::CheckpointsRemoved))
}

/// Those of the trials that a Job was made for.
fn named<'a>(job: &Job, trials: &'a [Arc<NasTrial>]) -> impl Iterator<Item = &'a NasTrial> {
    let names: HashSet<String> =
        job.annotations().get(labels::TRIALS).map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default();
    trials.iter().map(Arc::as_ref).filter(move |trial| names.contains(&trial.name_any()))
}

fn state_of(job: &Job) -> JobState {
    match (job_condition(job, "Complete"), job_condition(job, "Failed")) {
        (Some(_), _) => JobState::Complete,
        (_, Some(failed)) => JobState::Failed(failed.message.clone().unwrap_or_default()),
        _ => JobState::Working,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use nas_api::{objects::NasTrialStatus, read_experiment};
    use nas_search::{Decision, Index, Usage, decide};

    use super::*;
    use crate::conditions::Conditions;

    #[test]
    fn once_is_enough() {
        let plan = read_experiment(include_str!("../../../configs/quickstart.yaml")).map(|read| read.plan);
        let Ok(plan) = plan else { unreachable!() };
        let decisions = decide(&plan, &Index::new(plan.direction, &plan.rungs), &Usage::default());
        let Some(Decision::Create { new, view }) = decisions.into_iter().next() else { unreachable!() };
        let mut trial = NasTrial::create("e", &new, view);
        assert!(!has_lost(&trial));
        let mut status = NasTrialStatus::default();
        let mut told = Conditions { list: &mut status.conditions, generation: None, now: Timestamp::UNIX_EPOCH };
        told.set(Kind::CheckpointsRemoved, true, "NotRetained", "");
        trial.status = Some(status);
        assert!(has_lost(&trial));
    }
}
