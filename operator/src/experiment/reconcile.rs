//! One pass over an experiment: observe, account for what ended, decide, Jobs, status.
//!
//! Outcomes get their order before they are written; grants rest on those before them, and are written one after the other.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, future, stream};
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use nas_api::{
    Confirmation, RungEnd,
    objects::{EndStatus, NasExperiment, NasTrial, ReportedStatus, RunSegment},
};
use nas_search::{Decision, NewTrial, Outcome, Plan, View, decide};

use super::{
    accept::{Refusal, accept, plan_of},
    confirm::Confirming,
    search::{Records, Search, confirmations_of, is_owned, trials_of},
    status::{Failure, Inputs, is_finished, stall_cleared, status, transitions},
    unreadable::unreadable_trial,
};
use crate::{
    Error,
    apply::Writer,
    conditions::{Conditions, Kind, is_told},
    context::Context,
    events::Happened,
    metrics::{ExperimentStanding, SegmentEnd},
    store::Group,
    trial::{Account, Clock, Orders, TrialView, Waiting, account},
};

/// An experiment that is not accepted is looked at again after this long: claims and permissions may have come.
pub(super) const RECHECK: Duration = Duration::from_secs(10);
/// A safety net: nothing waits for it.
const SAFETY: Duration = Duration::from_mins(5);
/// Counts in the status follow at most this often; conditions follow at once.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Requests at the same time.
pub(super) const AT_ONCE: usize = 16;
/// Grants of one pass at most: their Jobs do not wait for those of others.
pub(super) const GRANTS: usize = 16;

/// When the next pass is due at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next(pub(crate) Duration);

/// One pass: over the search, or over the confirmation of its best, which is a search of its own with trials of its own.
pub(super) struct Pass<'a> {
    pub(super) context: &'a Context,
    pub(super) writer: Writer<'a>,
    pub(super) group: &'a Group,
    pub(super) experiment: Arc<NasExperiment>,
    pub(super) plan: Arc<Plan>,
    /// Where it is over the confirmation.
    pub(super) confirmation: Option<Confirmation>,
    /// What this pass records counts after this `decisionSeq`: a confirmation's outcomes after those of the search.
    pub(super) after: u64,
    pub(super) clock: Clock,
    pub(super) next: Duration,
    /// Versions of trials that this pass wrote: what they were granted is known from the server.
    pub(super) written: HashSet<String>,
}

/// What is to be written on a trial, and what is to be counted then.
type Accounted = (Arc<NasTrial>, Account, Option<SegmentEnd>);

/// Does what can be done now for an experiment.
pub(crate) async fn reconcile(context: &Context, group: &Group) -> Result<Next, Error> {
    let Some(experiment) = context.world.experiments.get(group, &group.experiment) else {
        context.forget(group);
        return Ok(Next(SAFETY));
    };
    if experiment.metadata.deletion_timestamp.is_some() {
        // Its trials and Jobs go with it.
        return Ok(Next(SAFETY));
    }
    let writer = Writer { context, group };
    let finished = is_finished(&experiment);
    let search = context.search(group);
    let mut search = search.lock().await;
    search.of(&experiment);
    if finished {
        note_late_edit(context, &writer, &experiment).await?;
        let is_clean = search.nothing_to_remove == experiment.metadata.generation;
        if is_clean && !is_left_over(context, group, &experiment) {
            return Ok(Next(SAFETY));
        }
    }
    let now = Timestamp::now();
    let accepted = if finished {
        plan_of(context, group, &mut search, &experiment).await?
    } else {
        accept(context, group, &mut search, &experiment).await?
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
    let mut pass = Pass {
        context,
        writer,
        group,
        experiment,
        plan,
        confirmation: None,
        after: 0,
        clock,
        next: SAFETY,
        written: HashSet::new(),
    };
    if finished {
        pass.clear(&mut search).await?;
    } else {
        pass.run(&mut search).await?;
    }
    pass.retain(&mut search, finished).await;
    Ok(Next(pass.next))
}

/// Whether something of a finished experiment is at work: a leader that had not heard of the end may have granted it.
fn is_left_over(context: &Context, group: &Group, experiment: &NasExperiment) -> bool {
    let mut trials = trials_of(&context.world, group, experiment);
    trials.extend(confirmations_of(&context.world, group, experiment));
    !context.world.jobs.of(group).is_empty() || trials.iter().any(|trial| trial.running().is_some())
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
    async fn run(&mut self, search: &mut Search) -> Result<(), Error> {
        if self.experiment.status.as_ref().is_none_or(|status| status.rungs.is_empty()) {
            // The rungs are fixed before the first trial is granted one.
            self.report(search, Vec::new(), Confirming::default()).await?;
        }
        let waiting = self.work(&mut search.searched).await?;
        let confirming = self.confirm(search).await?;
        self.report(search, waiting, confirming).await
    }

    /// Accounts for what ended, decides, and sees to the Jobs; returns what trials wait for.
    pub(super) async fn work(&mut self, records: &mut Records) -> Result<Vec<Waiting>, Error> {
        self.account(records).await?;
        self.decide(records).await?;
        self.jobs(records).await
    }

    /// Ends what was granted after the end. What the experiment came to stays as it was told.
    async fn clear(&mut self, search: &mut Search) -> Result<(), Error> {
        self.account(&mut search.searched).await?;
        self.jobs(&mut search.searched).await?;
        if let Some(mut pass) = self.of_confirmation(&mut search.searched) {
            pass.account(&mut search.confirmed).await?;
            pass.jobs(&mut search.confirmed).await?;
            self.next = self.next.min(pass.next);
        }
        Ok(())
    }

    /// Takes in the trials as they are now.
    fn fold(&self, records: &mut Records) {
        let changes = self.context.world.trials.changes(self.group, records.roster.until());
        let confirms = self.confirmation.is_some();
        let is_wanted = |trial: &NasTrial| trial.is_confirmation() == confirms && is_owned(trial, &self.experiment);
        let index = records.fold(&self.plan, changes, is_wanted);
        if let Some(confirmation) = &self.confirmation {
            confirmation.raise_created(index);
        } else {
            let created = self.experiment.status.as_ref().and_then(|status| status.trials).map_or(0, |trials| trials.created);
            index.raise_created(u64::try_from(created).unwrap_or_default());
        }
    }

    pub(super) fn views(&self, records: &mut Records) -> Vec<TrialView> {
        self.fold(records);
        records.views(&self.context.world, self.group, &self.plan, self.clock.now)
    }

    /// Whether nothing is at work, and nothing is to be.
    pub(super) fn is_quiet(&self, views: &[TrialView]) -> bool {
        let is_idle = |view: &TrialView| view.trial.running().is_none() && view.jobs.is_empty();
        views.iter().all(|view| is_idle(view) && !view.has_live_pods(&self.clock))
    }

    /// What each trial may do. Slots go to the longest trained first, then to the oldest: what was lowered pauses the newest.
    pub(super) fn orders(&mut self, records: &mut Records, views: &[TrialView]) -> Vec<Orders> {
        let ended = if self.confirmation.is_some() { is_finished(&self.experiment) } else { self.has_ended() };
        let stalled = records.index(&self.plan).is_stalled(stall_cleared(&self.experiment));
        let mut pending: Vec<usize> = (0..views.len()).filter(|at| views[*at].trial.running().is_some()).collect();
        pending.sort_by_key(|at| (std::cmp::Reverse(views[*at].trial.spec.target_rung), views[*at].trial.spec.number));
        let slots = if self.experiment.spec.suspend { 0 } else { self.plan.parallel_trials };
        let goes_on = records.excess_goes_on(self.plan.parallel_trials, pending.len(), Instant::now());
        let excess = match goes_on.filter(|_| !self.experiment.spec.suspend) {
            Some(left) => {
                self.next = self.next.min(left);
                Orders::Hold
            }
            None => Orders::Pause,
        };
        let mut orders = vec![if stalled { Orders::Hold } else { Orders::Run }; views.len()];
        for at in pending.into_iter().skip(slots) {
            orders[at] = excess;
        }
        if ended { vec![Orders::End; views.len()] } else { orders }
    }

    /// Whether the end of the search is decided.
    fn has_ended(&self) -> bool {
        self.experiment.status.as_ref().is_some_and(|status| status.end.is_some())
    }

    /// Writes on each trial what has become of its segment: their order is fixed, then they are written at the same time.
    async fn account(&mut self, records: &mut Records) -> Result<(), Error> {
        let views = self.views(records);
        let orders = self.orders(records, &views);
        let mut knows_all = self.experiment.spec.suspend;
        let mut batch = Vec::new();
        for (mut view, mut orders) in views.into_iter().zip(orders) {
            // A stall may have begun in this very pass.
            if orders == Orders::Run && records.index(&self.plan).is_stalled(stall_cleared(&self.experiment)) {
                orders = Orders::Hold;
            }
            let count = self.accelerators().max(1);
            let mut wanted = account(&self.plan, &view, orders, count, &self.clock);
            if wanted == Some(Account::Look) {
                view.pods = self.writer.read_pods(&view.trial.name_any()).await?;
                view.pods_are_live = true;
                wanted = account(&self.plan, &view, orders, count, &self.clock);
            }
            let Some(wanted) = wanted else { continue };
            if orders == Orders::Pause && !knows_all {
                if self.writer.read_trials().await? {
                    // A watch that lags behind counts slots that are free by now: only one that knows all trials takes one away.
                    return Err(Error::Conflict { kind: "NasTrial", name: self.group.experiment.clone() });
                }
                knows_all = true;
            }
            let may_stall = wanted.refuses();
            let ended = SegmentEnd::of(&view, &wanted);
            batch.push((view.trial, wanted, ended));
            if may_stall {
                self.write_accounts(records, std::mem::take(&mut batch)).await?;
            }
        }
        self.write_accounts(records, batch).await
    }

    /// Outcomes count in the order of the batch, whichever is written first.
    async fn write_accounts(&self, records: &mut Records, batch: Vec<Accounted>) -> Result<(), Error> {
        let mut last = records.index(&self.plan).view().seq.max(self.after);
        let batch = batch.into_iter().map(|(trial, account, ended)| {
            let after = last;
            last += account.outcomes();
            (trial, account, ended, after)
        });
        let written: Vec<Result<Arc<NasTrial>, Error>> = stream::iter(batch)
            .map(|(trial, account, ended, after)| async move {
                let written = self.write_account(&trial, account, after).await?;
                self.context.metrics.segment_ended(self.group, ended);
                Ok(written)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut failed = Ok(());
        for written in written {
            match written {
                Ok(trial) => records.take(&self.plan, &trial),
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    /// Writes one account; its outcomes count after the `decisionSeq` `after`.
    async fn write_account(&self, trial: &Arc<NasTrial>, account: Account, after: u64) -> Result<Arc<NasTrial>, Error> {
        let mut status = trial.status.clone().unwrap_or_default();
        let about = trial.object_ref(&());
        match account {
            Account::Look => Ok(Arc::clone(trial)),
            Account::Note(segment) => {
                tracing::info!(trial = trial.name_any(), outcome = segment.outcome, message = segment.message, "segment ended");
                let message = format!("{}: {}", segment.outcome, segment.message);
                let again =
                    format!("attempt {} ended, and the next goes on from its checkpoint: {}", segment.attempt, segment.message);
                self.conditions(&mut status.conditions, trial).set(Kind::Waiting, true, &segment.outcome, &again);
                status.note(segment);
                let written = self.writer.write_trial_status(trial, &status).await?;
                self.context.events.tell(&about, Happened::SegmentAgain { message });
                Ok(written)
            }
            Account::Record { ends, segment, report } => {
                let RunSegment { message, .. } = &segment;
                let message = message.clone();
                status.record(&ends, after);
                let mut told = self.conditions(&mut status.conditions, trial);
                // What ended with its search has not failed.
                if let Some(failed) = ends.last().filter(|end| !matches!(end.outcome, Outcome::Value(_) | Outcome::Cancelled)) {
                    told.set(Kind::Failed, true, failed.outcome.name(), &message);
                }
                if is_told(told.list, Kind::Waiting) {
                    told.set(Kind::Waiting, false, "Ended", "its segment has ended");
                }
                status.note(segment);
                let report = report.map(ReportedStatus::from).filter(|report| report.follows(status.reported.as_ref()));
                status.reported = report.or(status.reported);
                let written = self.writer.write_trial_status(trial, &status).await?;
                for RungEnd { rung, outcome, .. } in ends {
                    tracing::info!(trial = written.name_any(), rung, ?outcome, message, "recorded");
                    self.context.metrics.recorded(self.group, outcome.name());
                    if !matches!(outcome, Outcome::Value(_)) {
                        let happened = Happened::OutcomeRecorded { outcome: outcome.name(), message: message.clone() };
                        self.context.events.tell(&about, happened);
                    }
                }
                Ok(written)
            }
        }
    }

    /// Decides, and records each decision.
    async fn decide(&mut self, records: &mut Records) -> Result<(), Error> {
        if self.confirmation.is_none() && self.has_ended() {
            return Ok(());
        }
        let views = self.views(records);
        let usage = self.usage(records, &views);
        let decisions = decide(&self.plan, records.index(&self.plan), &usage);
        // Who stops or is retired does so whatever else was decided. A grant rests on those before it: they are written one after the other.
        let (leave, mut grants): (Vec<_>, Vec<_>) =
            decisions.into_iter().partition(|decision| matches!(decision, Decision::Stop { .. } | Decision::Retire { .. }));
        let end = match grants.last() {
            Some(Decision::Finish { view, reason }) => Some((*reason, *view)),
            _ => None,
        };
        grants.retain(|decision| !matches!(decision, Decision::Finish { .. }));
        if grants.len() >= GRANTS {
            // There may be more.
            self.next = Duration::ZERO;
        }
        // That a confirmation is over is to be seen; nothing waits for a decision.
        let end = end.filter(|_| self.confirmation.is_none());
        if end.is_some() && self.writer.read_trials().await? {
            // An end is for good, and a watch may lag behind what another leader granted: the next pass decides on all there is.
            return Err(Error::Conflict { kind: "NasTrial", name: self.group.experiment.clone() });
        }
        let pass = &*self;
        let leaving = stream::iter(leave).map(|decision| async move { pass.carry(&decision).await }).buffer_unordered(AT_ONCE);
        let granting = async {
            let mut granted = Vec::new();
            for decision in &grants {
                match pass.carry(decision).await? {
                    Some(trial) => granted.push(trial),
                    None => return Ok::<_, Error>((granted, false)),
                }
            }
            Ok((granted, true))
        };
        let (left, granted) = future::join(leaving.collect::<Vec<_>>(), granting).await;
        let (granted, are_all) = granted?;
        self.written.extend(granted.iter().filter_map(|trial| trial.resource_version()));
        left.into_iter().collect::<Result<Vec<_>, _>>()?;
        if !are_all {
            self.next = self.next.min(Duration::from_secs(1));
            return Ok(());
        }
        if let Some((reason, view)) = end {
            let mut status = self.experiment.status.clone().unwrap_or_default();
            status.end = Some(EndStatus::new(reason, view));
            self.experiment = self.writer.write_status(&self.experiment, &status).await?;
            tracing::info!(%reason, "the search ends");
            self.context.events.tell(&self.experiment.object_ref(&()), Happened::Ended { reason });
            self.context.metrics.decided(self.group, "finish");
        }
        Ok(())
    }

    /// Records one decision about a trial. `None`: it cannot be, as another has the trial's name: an older experiment's that is still being
    /// deleted, or another replica was faster.
    async fn carry(&self, decision: &Decision) -> Result<Option<Arc<NasTrial>>, Error> {
        let seen = |number: u64| {
            let name = format!("{}-{number}", self.group.experiment);
            let gone = Error::Conflict { kind: "NasTrial", name: name.clone() };
            self.context.world.trials.get(self.group, &name).ok_or(gone)
        };
        let (word, written, happened) = match decision {
            Decision::Create { new, view } => {
                // One whose configuration is gone is passed over with the next pass.
                let Some(trial) = self.new_trial(new, *view) else { return Ok(None) };
                let Some(created) = self.writer.create_trial(&self.experiment, trial).await? else { return Ok(None) };
                tracing::info!(trial = created.name_any(), rejected = new.sample.rejected, "created");
                ("create", created, None)
            }
            Decision::Promote { trial, rung, view, reason } => {
                let reason = reason.to_string();
                let promoted = self.writer.promote(&*seen(*trial)?, *rung, *view, reason.clone()).await?;
                tracing::info!(trial = promoted.name_any(), rung, reason, "promoted");
                ("promote", promoted, Some(Happened::Promoted { rung: *rung, reason }))
            }
            Decision::Stop { trial, view, reason } => {
                let stopped = self.writer.stop(&*seen(*trial)?, *view).await?;
                ("stop", stopped, Some(Happened::Stopped { reason: reason.to_string() }))
            }
            Decision::Retire { trial, view, reason } => {
                let retired = self.writer.retire(&*seen(*trial)?, *view).await?;
                ("retire", retired, Some(Happened::Retired { reason: reason.to_string() }))
            }
            // Of no trial.
            Decision::Finish { .. } => return Ok(None),
        };
        if let Some(happened) = happened {
            self.context.events.tell(&written.object_ref(&()), happened);
        }
        self.context.metrics.decided(self.group, word);
        Ok(Some(written))
    }

    /// The object of a trial that was just decided on.
    fn new_trial(&self, new: &NewTrial, view: View) -> Option<NasTrial> {
        match &self.confirmation {
            Some(confirmation) => confirmation.trial(new, view),
            None => Some(NasTrial::create(&self.group.experiment, new, view)),
        }
    }

    /// Writes the experiment's status, where it has changed.
    async fn report(&mut self, search: &mut Search, waiting: Vec<Waiting>, confirming: Confirming) -> Result<(), Error> {
        let views = self.views(&mut search.searched);
        let accelerator_seconds = self.accelerator_seconds(&search.searched, &views);
        let failure = Failure::last(&mut search.searched, &self.plan, stall_cleared(&self.experiment));
        let index = search.searched.index(&self.plan);
        let inputs = Inputs {
            plan: &self.plan,
            index,
            at_work: if confirming.has_begun() { search.confirmed.index(&self.plan) } else { index },
            accelerator_seconds,
            accelerators: self.accelerators(),
            waiting,
            failure,
            is_quiet: self.is_quiet(&views),
            confirming: &confirming,
            now: self.clock.now,
        };
        let wanted = status(&self.experiment, &inputs);
        self.context.metrics.stands(
            self.group,
            &self.experiment.spec.objective.metric,
            &ExperimentStanding::of(&wanted, accelerator_seconds + confirming.accelerator_seconds),
        );
        let old = self.experiment.status.clone().unwrap_or_default();
        if old == wanted {
            return Ok(());
        }
        let only_counts = old.conditions == wanted.conditions && old.stall_cleared_seq == wanted.stall_cleared_seq;
        let since = search.status_written.map_or(STATUS_EVERY, |at| at.elapsed());
        if only_counts && since < STATUS_EVERY {
            self.next = self.next.min(STATUS_EVERY.saturating_sub(since));
            return Ok(());
        }
        let happened = transitions(&self.experiment, &wanted);
        self.experiment = self.writer.write_status(&self.experiment, &wanted).await?;
        search.status_written = Some(Instant::now());
        for happened in happened {
            self.context.events.tell(&self.experiment.object_ref(&()), happened);
        }
        Ok(())
    }
}
