//! One pass over an experiment: observe, work (`work.rs`), status.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use nas_api::{
    Confirmation,
    objects::{NasExperiment, NasExperimentStatus, NasTrial},
};
use nas_search::Plan;

use super::{
    accept::{Refusal, accept, plan_of},
    confirm::Confirming,
    roster::Belongs,
    search::{Records, Search},
    status::{Failure, Inputs, is_finished, stall_cleared, status, transitions},
    unreadable::unreadable_trial,
    work::Shared,
};
use crate::{
    Error,
    apply::Writer,
    conditions::{Conditions, Kind},
    context::Context,
    events::Happened,
    metrics::ExperimentStanding,
    ownership::is_owned,
    pace::Turns,
    store::ExperimentKey,
    trial::{Allowance, Clock, Orders, TrialView, Waiting},
};

/// An experiment that is not accepted is looked at again after this long: claims and permissions may have come.
pub(super) const RECHECK: Duration = Duration::from_secs(10);
/// A safety net: nothing waits for it.
const SAFETY: Duration = Duration::from_mins(5);
/// When the next pass is due at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next(pub(crate) Duration);

/// One pass: over the search, or over the confirmation of its best, which is a search of its own with trials of its own.
pub(super) struct Pass<'a> {
    pub(super) context: &'a Context,
    pub(super) writer: Writer<'a>,
    pub(super) key: &'a ExperimentKey,
    /// As it was read, or written last.
    pub(super) experiment: Mutex<Arc<NasExperiment>>,
    pub(super) plan: Arc<Plan>,
    /// Where it is over the confirmation.
    pub(super) confirmation: Option<Confirmation>,
    /// What this pass records counts after this `decisionSeq`: a confirmation's outcomes after those of the search.
    pub(super) after: u64,
    pub(super) clock: Clock,
    pub(super) next: Mutex<Duration>,
    /// Versions of trials that this pass granted something: what they were granted is known from the server.
    pub(super) granted: Mutex<HashSet<String>>,
}

/// Does what can be done now for an experiment.
pub(crate) async fn reconcile(context: &Context, key: &ExperimentKey) -> Result<Next, Error> {
    let Some(experiment) = context.world.experiments.get(key, &key.experiment) else {
        context.forget(key);
        return Ok(Next(SAFETY));
    };
    if experiment.metadata.deletion_timestamp.is_some() {
        // Its trials and Jobs go with it.
        return Ok(Next(SAFETY));
    }
    let writer = Writer { context, key };
    let finished = is_finished(&experiment);
    let search = context.search(key);
    let mut search = search.lock().await;
    search.of(&experiment);
    if finished {
        note_late_edit(context, &writer, &experiment).await?;
        let is_clean = search.cleanup.nothing_to_remove == experiment.metadata.generation;
        if is_clean && !is_left_over(context, key, &experiment) {
            return Ok(Next(SAFETY));
        }
    }
    let now = context.metrics.now();
    let accepted = if finished {
        plan_of(context, key, &mut search, &experiment).await?
    } else {
        accept(context, key, &mut search, &experiment).await?
    };
    let plan = match accepted {
        Ok(plan) => plan,
        Err(_) if finished => return Ok(Next(SAFETY)),
        // Where an edit made a search invalid that has begun, what runs goes on as far as it was granted.
        Err(refusal) => {
            refuse(context, &writer, &experiment, &refusal, now).await?;
            return Ok(Next(RECHECK));
        }
    };
    if let Some(refusal) = unreadable_trial(&writer).await? {
        if finished {
            return Ok(Next(SAFETY));
        }
        refuse(context, &writer, &experiment, &refusal, now).await?;
        return Ok(Next(RECHECK));
    }
    let clock = Clock { now, stuck_after: context.config.stuck_after(), name_taken_after: context.config.name_taken_after() };
    let pass = Pass {
        context,
        writer,
        key,
        experiment: Mutex::new(experiment),
        plan,
        confirmation: None,
        after: 0,
        clock,
        next: Mutex::new(SAFETY),
        granted: Mutex::default(),
    };
    if finished {
        pass.clear(&mut search).await?;
    } else {
        pass.run(&mut search).await?;
    }
    Ok(Next(pass.next()))
}

/// Whether something of a finished experiment is at work: a leader that had not heard of the end may have granted it.
fn is_left_over(context: &Context, key: &ExperimentKey, experiment: &NasExperiment) -> bool {
    let mut trials = context.world.trials_of(key, experiment);
    trials.extend(context.world.confirmations_of(key, experiment));
    !context.world.jobs.of(key).is_empty() || trials.iter().any(|trial| trial.running().is_some())
}

async fn refuse(
    context: &Context,
    writer: &Writer<'_>,
    experiment: &NasExperiment,
    refusal: &Refusal,
    now: Timestamp,
) -> Result<(), Error> {
    let mut status = experiment.status.clone().unwrap_or_default();
    status.observed_generation = experiment.metadata.generation;
    let mut conditions = Conditions { list: &mut status.conditions, generation: experiment.metadata.generation, now };
    conditions.set(Kind::Accepted, false, refusal.reason, &refusal.message);
    conditions.set(Kind::Progressing, false, "NotAccepted", "see the condition Accepted");
    if experiment.status.as_ref() != Some(&status) {
        writer.write_status(experiment, &status).await?;
        let happened = Happened::NotAccepted { message: refusal.message.clone() };
        context.events.tell(&experiment.object_ref(&()), happened);
    }
    Ok(())
}

/// The experiment is finished: an edit changes nothing, and is told so.
async fn note_late_edit(context: &Context, writer: &Writer<'_>, experiment: &NasExperiment) -> Result<(), Error> {
    let mut status = experiment.status.clone().unwrap_or_default();
    if status.observed_generation != experiment.metadata.generation {
        status.observed_generation = experiment.metadata.generation;
        writer.write_status(experiment, &status).await?;
        context.events.tell(&experiment.object_ref(&()), Happened::EditIgnored);
    }
    Ok(())
}

impl Pass<'_> {
    async fn run(&self, search: &mut Search) -> Result<(), Error> {
        let Search { searched, confirmed, cleanup, turns, .. } = search;
        let shared = Shared::new(searched);
        if self.experiment().status.as_ref().is_none_or(|status| status.rungs.is_empty()) {
            // The rungs are fixed before the first trial is granted one.
            self.report(&shared, confirmed, turns, Vec::new(), Confirming::default()).await?;
        }
        let working = async {
            let waiting = self.work(&shared, self.retain(&shared, cleanup, false).boxed()).await?;
            let confirming = self.confirm(&shared, confirmed).await?;
            self.report(&shared, confirmed, turns, waiting, confirming).await
        };
        self.recording(&shared, working.boxed()).await
    }

    /// Ends what was granted after the end. What the experiment came to stays as it was told.
    async fn clear(&self, search: &mut Search) -> Result<(), Error> {
        let shared = Shared::new(&mut search.searched);
        self.record(&shared).await?;
        self.jobs(&shared).await?;
        self.retain(&shared, &mut search.cleanup, true).await;
        if let Some(pass) = self.of_confirmation(&mut search.searched) {
            let shared = Shared::new(&mut search.confirmed);
            pass.record(&shared).await?;
            pass.jobs(&shared).await?;
            self.wake(pass.next());
        }
        Ok(())
    }

    /// The experiment as it is known.
    pub(super) fn experiment(&self) -> Arc<NasExperiment> {
        Arc::clone(&self.experiment.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the experiment's status, and goes on with the experiment as it is then.
    pub(super) async fn write_status(&self, status: &NasExperimentStatus) -> Result<(), Error> {
        let written = self.writer.write_status(&self.experiment(), status).await?;
        *self.experiment.lock().unwrap_or_else(PoisonError::into_inner) = written;
        Ok(())
    }

    /// Looks again after so long, if nothing happens before.
    pub(super) fn wake(&self, after: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = after.min(*next);
    }

    /// When it is to be looked at again.
    pub(super) fn next(&self) -> Duration {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in the trials as they are now.
    pub(super) fn fold(&self, records: &mut Records) {
        let changes = self.context.world.trials.changes(self.key, records.roster.until());
        let confirms = self.confirmation.is_some();
        let belongs = |trial: &NasTrial| match is_owned(trial, &*self.experiment()) {
            true if trial.is_confirmation() == confirms => Belongs::Here,
            false if trial.metadata.deletion_timestamp.is_none() => Belongs::Nobody,
            _ => Belongs::Elsewhere,
        };
        let index = records.fold(&self.plan, changes, belongs);
        if let Some(confirmation) = &self.confirmation {
            confirmation.raise_created(index);
        } else {
            let created = self.experiment().status.as_ref().and_then(|status| status.trials).map_or(0, |trials| trials.created);
            index.raise_created(u64::try_from(created).unwrap_or_default());
        }
    }

    /// The trials that have something running or to run, each with its Jobs and pods.
    pub(super) fn views(&self, records: &mut Records) -> Vec<Arc<TrialView>> {
        self.fold(records);
        records.views.look(&self.context.world, self.key, &records.roster, &self.plan.rungs, self.clock.now)
    }

    /// Whether nothing is at work, and nothing is to be.
    pub(super) fn is_quiet(&self, views: &[Arc<TrialView>]) -> bool {
        let is_idle = |view: &Arc<TrialView>| view.trial.running().is_none() && !view.has_jobs();
        views.iter().all(|view| is_idle(view) && !view.has_live_pods(&self.clock))
    }

    /// What each trial may do.
    pub(super) fn orders(&self, records: &mut Records, views: &[Arc<TrialView>]) -> Vec<Orders> {
        let is_suspended = self.experiment().spec.suspend;
        let pending = |view: &Arc<TrialView>| view.trial.running().map(|_| (view.trial.spec.target_rung, view.trial.spec.number));
        let trials: Vec<_> = views.iter().map(pending).collect();
        let goes_on = records.excess_goes_on(self.plan.parallel_trials, trials.iter().flatten().count(), Instant::now());
        let excess = match goes_on.filter(|_| !is_suspended) {
            Some(left) => {
                self.wake(left);
                Orders::Hold
            }
            None => Orders::Pause,
        };
        let allowance = Allowance {
            slots: if is_suspended { 0 } else { self.plan.parallel_trials },
            excess,
            is_stalled: records.index(&self.plan).is_stalled(stall_cleared(&self.experiment())),
            has_ended: if self.confirmation.is_some() { is_finished(&self.experiment()) } else { self.has_ended() },
        };
        allowance.orders(&trials)
    }

    /// Whether the end of the search is decided.
    pub(super) fn has_ended(&self) -> bool {
        self.experiment().status.as_ref().is_some_and(|status| status.end.is_some())
    }

    /// Writes the experiment's status, where it has changed.
    #[tracing::instrument(name = "status", level = "debug", skip_all)]
    async fn report(
        &self,
        shared: &Shared<'_>,
        confirmed: &mut Records,
        turns: &mut Turns,
        waiting: Vec<Waiting>,
        confirming: Confirming,
    ) -> Result<(), Error> {
        let experiment = self.experiment();
        let (wanted, accelerator_seconds) = shared.with(|records| {
            let views = self.views(records);
            let accelerator_seconds = self.accelerator_seconds(records, &views);
            let failure = Failure::last(records, &self.plan, stall_cleared(&experiment));
            let index = records.index(&self.plan);
            let inputs = Inputs {
                plan: &self.plan,
                index,
                at_work: if confirming.has_begun() { confirmed.index(&self.plan) } else { index },
                accelerator_seconds,
                waiting,
                failure,
                is_quiet: self.is_quiet(&views),
                confirming: &confirming,
                now: self.clock.now,
            };
            (status(&experiment, &inputs), accelerator_seconds)
        });
        self.context.metrics.stands(
            self.key,
            &experiment.spec.objective.metric,
            &ExperimentStanding::of(&wanted, accelerator_seconds + confirming.accelerator_seconds),
        );
        let old = experiment.status.clone().unwrap_or_default();
        if old == wanted {
            turns.withdraw();
            return Ok(());
        }
        // The number of a trial that somebody deleted is not used again: a new leader knows that from here alone.
        let cancelled = |status: &NasExperimentStatus| status.trials.map(|trials| trials.cancelled);
        let only_counts = old.conditions == wanted.conditions
            && old.stall_cleared_seq == wanted.stall_cleared_seq
            && cancelled(&old) == cancelled(&wanted);
        if only_counts && let Some(left) = turns.wait(&self.context.pace, Instant::now()) {
            self.wake(left);
            return Ok(());
        }
        let happened = transitions(&experiment, &wanted);
        self.write_status(&wanted).await?;
        turns.written(Instant::now());
        for happened in happened {
            self.context.events.tell(&experiment.object_ref(&()), happened);
        }
        Ok(())
    }
}
