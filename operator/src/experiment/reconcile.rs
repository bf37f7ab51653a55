//! One pass over an experiment: observe, account for what ended, decide, Jobs, status.
//!
//! All writes that decisions rest on are made here one after the other: recordings have an order, and trials are created in theirs.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use nas_api::objects::{EndStatus, NasExperiment, NasTrial, ReportedStatus, RunSegment};
use nas_search::{Decision, Outcome, Plan, Usage, decide};

use super::{
    accept::{Refusal, accept},
    conditions::{Conditions, Kind},
    search::{Search, trials_of},
    status::{Inputs, is_finished, stall_cleared, status},
};
use crate::{
    Error,
    apply::Writer,
    context::Context,
    events::Happened,
    metrics::ExperimentStanding,
    store::Group,
    trial::{Account, Clock, JobStep, Orders, TrialView, Waiting, account, build_job, held_seconds, plan as plan_jobs},
};

/// An experiment that is not accepted is looked at again after this long: claims and permissions may have come.
const RECHECK: Duration = Duration::from_secs(10);
/// A safety net: nothing waits for it.
const SAFETY: Duration = Duration::from_mins(5);
/// Counts in the status follow at most this often; conditions follow at once.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// A Job without pods is asked about after this long, and not more often.
const PODLESS: Duration = Duration::from_secs(5);
/// Requests for Jobs at the same time.
const AT_ONCE: usize = 16;

/// When the next pass is due at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next(pub(crate) Duration);

/// One pass.
struct Pass<'a> {
    context: &'a Context,
    writer: Writer<'a>,
    group: &'a Group,
    experiment: Arc<NasExperiment>,
    plan: Arc<Plan>,
    clock: Clock,
    next: Duration,
    /// Versions of trials that this pass wrote: what they were granted is known from the server.
    written: HashSet<String>,
}

/// A trial whose Job cannot be created, since another that no watch shows has its name.
struct Blocked {
    trial: Arc<NasTrial>,
    job: String,
}

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
    if is_finished(&experiment) {
        note_late_edit(context, &writer, &experiment).await?;
        return Ok(Next(SAFETY));
    }
    let search = context.search(group);
    let mut search = search.lock().await;
    search.of(&experiment);
    let now = Timestamp::now();
    let plan = match accept(context, group, &mut search, &experiment).await? {
        Ok(plan) => plan,
        // Where an edit made a search invalid that has begun, what runs goes on as far as it was granted.
        Err(refusal) => {
            refuse(context, &writer, &experiment, &refusal, now).await?;
            return Ok(Next(RECHECK));
        }
    };
    let clock = Clock { now, stuck_after: context.config.stuck_after(), name_taken_after: context.config.name_taken_after() };
    let mut pass = Pass { context, writer, group, experiment, plan, clock, next: SAFETY, written: HashSet::new() };
    pass.run(&mut search).await?;
    Ok(Next(pass.next))
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
        context.events.publish(&experiment.object_ref(&()), &happened).await;
    }
    Ok(())
}

/// The experiment is finished: an edit changes nothing, and is told so.
async fn note_late_edit(context: &Context, writer: &Writer<'_>, experiment: &NasExperiment) -> Result<(), Error> {
    let mut status = experiment.status.clone().unwrap_or_default();
    if status.observed_generation != experiment.metadata.generation {
        status.observed_generation = experiment.metadata.generation;
        writer.write_status(experiment, &status).await?;
        context.events.publish(&experiment.object_ref(&()), &Happened::EditIgnored).await;
    }
    Ok(())
}

impl Pass<'_> {
    async fn run(&mut self, search: &mut Search) -> Result<(), Error> {
        self.account(search).await?;
        self.decide(search).await?;
        let waiting = self.jobs(search).await?;
        self.report(search, waiting).await
    }

    fn trials(&self) -> Vec<Arc<NasTrial>> {
        trials_of(&self.context.world, self.group, &self.experiment)
    }

    fn views(&self, search: &mut Search) -> Vec<TrialView> {
        let trials = self.trials();
        search.fold(&self.plan, &self.experiment, &trials);
        search.views(&self.context.world, self.group, &self.plan, &trials)
    }

    fn accelerators(&self) -> i64 {
        self.experiment.spec.trial.accelerator.as_ref().map_or(0, |accelerator| accelerator.count)
    }

    /// What each trial may do. Slots go to the longest trained first, then to the oldest: what was lowered pauses the newest.
    fn orders(&self, search: &mut Search, views: &[TrialView]) -> Vec<Orders> {
        let status = self.experiment.status.as_ref();
        let ended = status.is_some_and(|status| status.end.is_some());
        let stalled = search.index(&self.plan).is_stalled(stall_cleared(&self.experiment));
        let mut pending: Vec<usize> = (0..views.len()).filter(|at| views[*at].trial.to_record().running().is_some()).collect();
        pending.sort_by_key(|at| (std::cmp::Reverse(views[*at].trial.spec.target_rung), views[*at].trial.spec.number));
        let slots = if self.experiment.spec.suspend { 0 } else { self.plan.parallel_trials };
        let mut orders = vec![if stalled { Orders::Hold } else { Orders::Run }; views.len()];
        for at in pending.into_iter().skip(slots) {
            orders[at] = Orders::Pause;
        }
        if ended { vec![Orders::End; views.len()] } else { orders }
    }

    /// Writes on each trial what has become of its segment.
    async fn account(&mut self, search: &mut Search) -> Result<(), Error> {
        let views = self.views(search);
        let orders = self.orders(search, &views);
        for (mut view, mut orders) in views.into_iter().zip(orders) {
            // A stall may have begun in this very pass.
            if orders == Orders::Run && search.index(&self.plan).is_stalled(stall_cleared(&self.experiment)) {
                orders = Orders::Hold;
            }
            let count = self.accelerators().max(1);
            let mut wanted = account(&view, orders, count, &self.clock);
            if wanted == Some(Account::Look) {
                view.pods = self.writer.read_pods(&view.trial.name_any()).await?;
                view.pods_are_live = true;
                wanted = account(&view, orders, count, &self.clock);
            }
            let Some(wanted) = wanted else { continue };
            self.write_account(search, &view.trial, wanted).await?;
        }
        Ok(())
    }

    async fn write_account(&mut self, search: &mut Search, trial: &NasTrial, account: Account) -> Result<(), Error> {
        let mut status = trial.status.clone().unwrap_or_default();
        let about = trial.object_ref(&());
        match account {
            Account::Look => {}
            Account::Note(segment) => {
                tracing::info!(trial = trial.name_any(), outcome = segment.outcome, message = segment.message, "segment ended");
                let message = format!("{}: {}", segment.outcome, segment.message);
                status.note(segment);
                self.writer.write_trial_status(trial, &status).await?;
                self.context.events.publish(&about, &Happened::SegmentAgain { message }).await;
            }
            Account::Record { outcomes, segment, report } => {
                let RunSegment { message, .. } = &segment;
                let message = message.clone();
                status.record(&outcomes, search.index(&self.plan).view().seq);
                status.note(segment);
                let report = report.map(ReportedStatus::from).filter(|report| report.follows(status.reported.as_ref()));
                status.reported = report.or(status.reported);
                let written = self.writer.write_trial_status(trial, &status).await?;
                let trials = self.trials();
                search.fold(&self.plan, &self.experiment, &trials);
                for (rung, outcome) in outcomes {
                    tracing::info!(trial = written.name_any(), rung, ?outcome, message, "recorded");
                    self.context.metrics.recorded(self.group, outcome.name());
                    if !matches!(outcome, Outcome::Value(_)) {
                        let happened = Happened::OutcomeRecorded { outcome: outcome.name(), message: message.clone() };
                        self.context.events.publish(&about, &happened).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Decides, and records each decision.
    async fn decide(&mut self, search: &mut Search) -> Result<(), Error> {
        if self.experiment.status.as_ref().is_some_and(|status| status.end.is_some()) {
            return Ok(());
        }
        let views = self.views(search);
        let usage = self.usage(&views);
        let decisions = decide(&self.plan, search.index(&self.plan), &usage);
        for decision in decisions {
            let name = |number: u64| format!("{}-{number}", self.group.experiment);
            let trial = |number: u64| {
                let name = name(number);
                let gone = Error::Conflict { kind: "NasTrial", name: name.clone() };
                self.context.world.trials.get(self.group, &name).ok_or(gone)
            };
            let word = match &decision {
                Decision::Create { number, seed, sample } => {
                    let view = search.index(&self.plan).view();
                    let trial = NasTrial::create(&self.group.experiment, *number, *seed, sample, view);
                    let Some(created) = self.writer.create_trial(&self.experiment, trial).await? else {
                        // An older experiment's trial of this name is still being deleted, or another replica was faster.
                        self.next = self.next.min(Duration::from_secs(1));
                        return Ok(());
                    };
                    self.written.extend(created.resource_version());
                    tracing::info!(trial = name(*number), rejected = sample.rejected, "created");
                    "create"
                }
                Decision::Promote { trial: number, rung, view, reason } => {
                    let trial = trial(*number)?;
                    let promoted = self.writer.promote(&trial, *rung, *view, reason.to_string()).await?;
                    self.written.extend(promoted.resource_version());
                    tracing::info!(trial = name(*number), rung, %reason, "promoted");
                    let happened = Happened::Promoted { rung: *rung, reason: reason.to_string() };
                    self.context.events.publish(&trial.object_ref(&()), &happened).await;
                    "promote"
                }
                Decision::Retire { trial: number, view, reason } => {
                    let trial = trial(*number)?;
                    self.writer.retire(&trial, *view).await?;
                    let happened = Happened::Retired { reason: reason.to_string() };
                    self.context.events.publish(&trial.object_ref(&()), &happened).await;
                    "retire"
                }
                Decision::Finish { view, reason } => {
                    let mut status = self.experiment.status.clone().unwrap_or_default();
                    status.end = Some(EndStatus::new(*reason, *view));
                    self.experiment = self.writer.write_status(&self.experiment, &status).await?;
                    tracing::info!(%reason, "the search ends");
                    self.context.events.publish(&self.experiment.object_ref(&()), &Happened::Ended { reason: *reason }).await;
                    "finish"
                }
            };
            self.context.metrics.decided(self.group, word);
        }
        Ok(())
    }

    fn usage(&mut self, views: &[TrialView]) -> Usage {
        let began = self.experiment.metadata.creation_timestamp.as_ref().map_or(self.clock.now, |time| time.0);
        let since = Duration::try_from(self.clock.now.duration_since(began)).unwrap_or_default();
        if let Some(limit) = self.plan.budget.wall_clock {
            self.next = self.next.min(limit.saturating_sub(since).max(Duration::from_millis(100)));
        }
        let lingering = |view: &&TrialView| view.trial.to_record().running().is_none() && view.has_live_pods(&self.clock);
        Usage {
            wall_clock: since,
            accelerator: Duration::try_from_secs_f64(self.accelerator_seconds(views)).unwrap_or(Duration::MAX),
            stall_cleared: stall_cleared(&self.experiment),
            suspended: self.experiment.spec.suspend,
            held: views.iter().filter(lingering).count(),
        }
    }

    /// Time that accelerators were held, by segments that ended and by pods that run.
    fn accelerator_seconds(&self, views: &[TrialView]) -> f64 {
        if self.accelerators() == 0 {
            return 0.0;
        }
        let trials = self.trials();
        let ended: f64 = trials
            .iter()
            .filter_map(|trial| trial.status.as_ref())
            .flat_map(|status| &status.segments)
            .map(|segment| segment.accelerator_seconds)
            .sum();
        let open = |view: &&TrialView| view.trial.to_record().running().is_some() && !view.is_noted();
        let running: f64 =
            views.iter().filter(open).flat_map(TrialView::segment_pods).map(|pod| held_seconds(pod, self.clock.now)).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 64 accelerators")]
        let count = self.accelerators() as f64;
        ended + running * count
    }

    /// Creates and deletes Jobs; returns what trials wait for.
    async fn jobs(&mut self, search: &mut Search) -> Result<Vec<Waiting>, Error> {
        let views = self.views(search);
        let orders = self.orders(search, &views);
        let jobs: HashSet<String> = views.iter().filter_map(|view| Some(view.job()?.name_any())).collect();
        search.creation_failures.retain(|job, _| jobs.contains(job));
        let mut waiting = Vec::new();
        let mut work = Vec::new();
        for (view, orders) in views.into_iter().zip(orders) {
            if let Some(at) = view.gives_up_at(&self.clock) {
                let left = Duration::try_from(at.duration_since(self.clock.now)).unwrap_or_default();
                self.next = self.next.min(left.max(Duration::from_millis(100)));
            }
            let mut steps = plan_jobs(&view, orders, &self.clock);
            let mut name_taken = false;
            steps.retain(|step| match step {
                JobStep::Wait(reason) => {
                    name_taken |= reason.is_for_name();
                    waiting.push(reason.clone());
                    false
                }
                _ => true,
            });
            if name_taken {
                self.name_is_taken(search, &view.trial);
            }
            if steps.is_empty() {
                waiting.extend(self.podless(search, &view).await?);
            } else {
                work.push((view, steps));
            }
        }
        let pass = &*self;
        let blocked: Vec<Option<Blocked>> =
            stream::iter(work).map(|(view, steps)| pass.carry_out(view, steps)).buffer_unordered(AT_ONCE).try_collect().await?;
        for Blocked { trial, job } in blocked.into_iter().flatten() {
            self.name_is_taken(search, &trial);
            self.next = self.next.min(RECHECK);
            waiting.push(Waiting::name_taken(&job));
        }
        Ok(waiting)
    }

    /// Remembers since when, so that the trial takes another name in the end.
    fn name_is_taken(&self, search: &mut Search, trial: &NasTrial) {
        let attempt = trial.spec.attempt;
        let known = search.names_taken.entry(trial.number()).or_insert((attempt, self.clock.now));
        if known.0 != attempt {
            *known = (attempt, self.clock.now);
        }
    }

    /// Takes the steps for one trial; returns what is in the way of its Job.
    async fn carry_out(&self, view: TrialView, steps: Vec<JobStep>) -> Result<Option<Blocked>, Error> {
        let mut trial = Arc::clone(&view.trial);
        let mut fresh = trial.resource_version().is_some_and(|version| self.written.contains(&version));
        for step in steps {
            match step {
                JobStep::Delete { name, uid } => self.writer.delete_job(&name, &uid).await?,
                JobStep::NextAttempt => {
                    trial = self.writer.next_attempt(&trial).await?;
                    fresh = true;
                }
                JobStep::Create => {
                    if !fresh {
                        // A Job is made only for what the server, not the cache, says was granted.
                        let Some(read) = self.writer.read_trial(&trial.name_any()).await? else { return Ok(None) };
                        if read.spec != trial.spec {
                            return Err(Error::Conflict { kind: "NasTrial", name: trial.name_any() });
                        }
                    }
                    let job = build_job(&self.experiment, &trial, &self.plan.rungs, &self.context.settings());
                    if !self.writer.create_job(&job).await? {
                        return Ok(Some(Blocked { job: job.name_any(), trial }));
                    }
                    tracing::info!(job = job.name_any(), "Job created");
                }
                JobStep::Wait(_) => {}
            }
        }
        Ok(None)
    }

    /// Why a Job that is at work has no pod: an event says so.
    async fn podless(&mut self, search: &mut Search, view: &TrialView) -> Result<Option<Waiting>, Error> {
        let Some(job) = view.job().filter(|_| view.segment_pods().next().is_none()) else { return Ok(None) };
        let age = |since: Timestamp| Duration::try_from(self.clock.now.duration_since(since)).unwrap_or_default();
        let created = job.metadata.creation_timestamp.as_ref().map_or(self.clock.now, |time| time.0);
        if age(created) < PODLESS {
            self.next = self.next.min(PODLESS);
            return Ok(None);
        }
        let name = job.name_any();
        if let Some((read, known)) = search.creation_failures.get(&name)
            && age(*read) < PODLESS
        {
            return Ok(known.clone());
        }
        let said = self.writer.read_creation_failure(&job.uid().unwrap_or_default()).await?;
        let waiting = said.map(|message| {
            let reason = if message.contains("exceeded quota") { "QuotaExceeded" } else { "PodsNotCreated" };
            Waiting { reason, message: format!("Job {name}: {message}") }
        });
        self.next = self.next.min(PODLESS);
        search.creation_failures.insert(name, (self.clock.now, waiting.clone()));
        Ok(waiting)
    }

    /// Writes the experiment's status, where it has changed.
    async fn report(&mut self, search: &mut Search, waiting: Vec<Waiting>) -> Result<(), Error> {
        let views = self.views(search);
        let accelerator_seconds = self.accelerator_seconds(&views);
        let is_quiet = views
            .iter()
            .all(|view| view.trial.to_record().running().is_none() && !view.has_live_pods(&self.clock) && view.jobs.is_empty());
        let inputs = Inputs {
            plan: &self.plan,
            index: search.index(&self.plan),
            accelerator_seconds,
            accelerators: self.accelerators(),
            waiting,
            is_quiet,
            now: self.clock.now,
        };
        let wanted = status(&self.experiment, &inputs);
        self.context.metrics.stands(
            self.group,
            &self.experiment.spec.objective.metric,
            &ExperimentStanding::of(&wanted, accelerator_seconds),
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
            self.context.events.publish(&self.experiment.object_ref(&()), &happened).await;
        }
        Ok(())
    }
}

/// What a new status tells that the old one did not.
fn transitions(experiment: &NasExperiment, wanted: &nas_api::objects::NasExperimentStatus) -> Vec<Happened> {
    use super::conditions::holds;
    let old = experiment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let begins = |kind| !holds(old, kind) && holds(&wanted.conditions, kind);
    let message = |kind: &str| {
        let found = wanted.conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|condition| condition.message.clone()).unwrap_or_default()
    };
    let mut happened = Vec::new();
    if begins(Kind::Accepted) {
        happened.push(Happened::Accepted);
    }
    if begins(Kind::Stalled) {
        happened.push(Happened::Stalled { message: message("Stalled") });
    }
    if begins(Kind::Finished) {
        let best = wanted.best.first().map(|best| format!("; best: {} with {}", best.trial, best.value)).unwrap_or_default();
        happened.push(Happened::Finished { message: message("Finished") + &best });
    }
    happened
}
