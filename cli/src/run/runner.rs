//! The loop: decide, record, start, wait. All that is decided is in the journal before it is done.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use nas_api::{
    Conclusion, Confirmation, RungEnd, SourceFile, Surroundings, conclude,
    contract::{Exit, Report, Reporting, Segment, remove_checkpoints},
    genotype,
    objects::{EndStatus, NasTrial, NasTrialStatus, RunSegment},
};
use nas_search::{Decision, Index, Outcome, Plan, Usage, decide};

use super::{
    confirm::name_of,
    gpus::Gpus,
    journal::Journal,
    process::{Ended, LOG, Launcher, Running, Start},
};
use crate::{failure::Failure, table, validate::unit};

/// How often the table is drawn anew and stop signals are looked for.
const TICK: Duration = Duration::from_millis(200);

/// A search that runs here, or the confirmation of its best: a search of its own, with trials of its own.
pub(crate) struct Runner {
    pub(super) source: SourceFile,
    pub(super) confirmation: Option<Confirmation>,
    /// Outcomes count after this `decisionSeq`: a confirmation's after those of the search.
    after: u64,
    pub(super) journal: Journal,
    pub(super) launcher: Launcher,
    pub(super) gpus: Gpus,
    pub(super) stops: Arc<AtomicUsize>,
    pub(super) index: Index,
    /// Outcomes up to here were there when a person started this command: they cannot stall it.
    stall_cleared: u64,
    /// Numbers of trials that have lost their checkpoints.
    cleaned: HashSet<u64>,
    children: BTreeMap<i64, Running>,
    ended: (Sender<Ended>, Receiver<Ended>),
    began: Instant,
    steps_before: u64,
    drawn_lines: usize,
}

impl Runner {
    pub(crate) fn new(source: SourceFile, journal: Journal, launcher: Launcher, gpus: Gpus, stops: Arc<AtomicUsize>) -> Self {
        Self::over(source, None, 0, journal, launcher, gpus, stops)
    }

    /// A runner over the search, or over its confirmation.
    pub(super) fn over(
        source: SourceFile,
        confirmation: Option<Confirmation>,
        after: u64,
        journal: Journal,
        launcher: Launcher,
        gpus: Gpus,
        stops: Arc<AtomicUsize>,
    ) -> Self {
        let mut index = Index::new(source.plan.direction, &source.plan.rungs);
        let trials = if confirmation.is_some() { &journal.state.trainings } else { &journal.state.trials };
        for trial in trials.values() {
            index.apply(trial.to_record());
        }
        let stall_cleared = index.view().seq;
        let steps_before = index.steps_trained(&source.plan.rungs);
        Self {
            source,
            confirmation,
            after,
            journal,
            launcher,
            gpus,
            stops,
            index,
            stall_cleared,
            cleaned: HashSet::new(),
            children: BTreeMap::new(),
            ended: channel(),
            began: Instant::now(),
            steps_before,
            drawn_lines: 0,
        }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.source.plan
    }

    pub(crate) fn source(&self) -> &SourceFile {
        &self.source
    }

    pub(crate) fn metric(&self) -> &str {
        &self.source.experiment.spec.objective.metric
    }

    /// The best cells as SVG, where the search was for cells.
    pub(crate) fn drawing(&self) -> Option<String> {
        let best = self.index.trial(self.index.incumbent()?.trial)?;
        genotype(&best.assignment).ok().map(|genotype| genotype.to_svg())
    }

    /// Runs the search to its end. On a failure, every trainer is stopped after a checkpoint first.
    pub(crate) fn search(&mut self) -> Result<EndStatus, Failure> {
        let ended = match self.journal.state.end.clone() {
            Some(end) => self.cancel_children().map(|()| end),
            None => self.run_to_end(),
        };
        if ended.is_err() {
            self.stop_children();
        }
        ended
    }

    /// The trials, by number.
    fn trials(&self) -> &BTreeMap<i64, NasTrial> {
        if self.confirmation.is_some() { &self.journal.state.trainings } else { &self.journal.state.trials }
    }

    pub(super) fn run_to_end(&mut self) -> Result<EndStatus, Failure> {
        if self.source.experiment.spec.suspend || self.source.plan.parallel_trials == 0 {
            return Err(Failure::Folder(
                "spec.suspend is true or spec.parallelTrials is 0: nothing may start; change the file".to_owned(),
            ));
        }
        self.launcher.fetch(&self.source.experiment.spec.trial.data, &self.stops)?;
        let mut checked = false;
        let mut cleaned_at = None;
        loop {
            let usage = Usage {
                wall_clock: self.journal.elapsed(),
                accelerator: self.accelerator_time(),
                segments: Duration::try_from_secs_f64(self.ended_seconds()).unwrap_or(Duration::MAX),
                stall_cleared: self.stall_cleared,
                ..Usage::default()
            };
            for decision in decide(&self.source.plan, &self.index, &usage) {
                if let (Decision::Create { .. }, false) = (&decision, checked) {
                    let trial = self.new_trial(&decision)?;
                    let visible = self.gpus.take(trial.spec.number);
                    let said = self.launcher.check(&self.segment(&trial, "check"), visible.as_deref());
                    self.gpus.give_back(trial.spec.number);
                    let summary = said?;
                    self.say(&summary);
                    checked = true;
                }
                if let Decision::Finish { reason, view } = decision {
                    let end = EndStatus::new(reason, view);
                    if self.confirmation.is_none() {
                        self.journal.end(end.clone())?;
                    }
                    self.cancel_children()?;
                    self.erase();
                    return Ok(end);
                }
                self.record(&decision)?;
            }
            if cleaned_at.replace(self.index.view().seq) != Some(self.index.view().seq) {
                // Who never goes on is decided at outcomes.
                self.clean_up(false);
            }
            self.start_granted()?;
            if self.children.is_empty() && self.index.is_stalled(self.stall_cleared) {
                return Err(self.stall());
            }
            self.draw();
            if self.stops.load(Ordering::SeqCst) > 0 {
                self.erase();
                return Err(Failure::Interrupted);
            }
            self.keep_within_limit();
            if let Ok(ended) = self.ended.1.recv_timeout(TICK) {
                self.take_end(&ended)?;
            }
        }
    }

    /// Stops the trainers that have taken as long as `spec.trial.timeLimit` allows.
    fn keep_within_limit(&mut self) {
        if let Some(limit) = self.source.experiment.time_limit() {
            self.children.values_mut().for_each(|child| child.keep_within(limit));
        }
    }

    /// The object of a trial that was just decided on.
    fn new_trial(&self, decision: &Decision) -> Result<NasTrial, Failure> {
        let Decision::Create { new, view } = decision else {
            return Err(Failure::Folder("only a new trial is created".to_owned()));
        };
        let experiment = self.source.experiment.metadata.name.as_deref().unwrap_or_default();
        let lost =
            || Failure::Folder("the journal lacks a trial that is to be confirmed: restore it, or use another --dir".to_owned());
        let mut trial = match &self.confirmation {
            Some(confirmation) => confirmation.trial(new, *view).ok_or_else(lost)?,
            None => NasTrial::create(experiment, new, *view),
        };
        trial.metadata.uid = trial.metadata.name.as_ref().map(|name| format!("local-{name}"));
        trial.status = Some(NasTrialStatus::default());
        Ok(trial)
    }

    /// Puts a decision into the journal.
    fn record(&mut self, decision: &Decision) -> Result<(), Failure> {
        let trial = match decision {
            Decision::Create { .. } => self.new_trial(decision)?,
            Decision::Promote { trial, rung, view, reason } => {
                self.say(&format!("trial {trial} goes on to rung {rung}: {reason}"));
                let mut trial = self.trial(*trial)?;
                trial.promote(*rung, *view, reason.to_string());
                trial
            }
            Decision::Stop { trial, view, reason } => {
                self.say(&format!("trial {trial} is stopped: {reason}"));
                let mut trial = self.trial(*trial)?;
                trial.stop(*view);
                trial
            }
            Decision::Retire { trial, view, .. } => {
                let mut trial = self.trial(*trial)?;
                trial.retire(*view);
                trial
            }
            Decision::Finish { .. } => return Ok(()),
        };
        self.keep(trial)
    }

    /// Removes the checkpoints that `spec.retention` does not keep. What fails is told, and tried again by the next run of the command.
    pub(super) fn clean_up(&mut self, is_finished: bool) {
        if self.confirmation.is_some() {
            // The trainings of a confirmation keep theirs.
            return;
        }
        let retention = self.source.experiment.spec.retention;
        let (confirmed, trials) = (&self.journal.state.confirm, self.trials().values());
        let due = retention.loses(confirmed, &self.index, trials, is_finished);
        let due: Vec<_> = due.into_iter().filter(|trial| !self.cleaned.contains(&trial.number())).collect();
        let due: Vec<_> = due.into_iter().map(|trial| (trial.number(), self.checkpoint_dir(trial))).collect();
        for (number, folder) in due {
            if let Err(error) = remove_checkpoints(&folder) {
                self.say(&format!("the checkpoints of trial {number} are still there: {error}"));
            }
            self.cleaned.insert(number);
        }
    }

    fn keep(&mut self, trial: NasTrial) -> Result<(), Failure> {
        let record = trial.to_record();
        self.journal.trial(trial)?;
        self.index.apply(record);
        Ok(())
    }

    fn trial(&self, number: u64) -> Result<NasTrial, Failure> {
        let trial = i64::try_from(number).ok().and_then(|number| self.trials().get(&number));
        trial
            .cloned()
            .ok_or_else(|| Failure::Folder(format!("the journal lacks trial {number}: restore it, or use another --dir")))
    }

    fn checkpoint_dir(&self, trial: &NasTrial) -> PathBuf {
        let name = trial.metadata.name.clone().unwrap_or_default();
        // Absolute, since it goes to another program.
        let folder = fs::canonicalize(self.journal.folder()).unwrap_or_else(|_| self.journal.folder().to_owned());
        folder.join("trials").join(name)
    }

    fn segment(&self, trial: &NasTrial, log: &str) -> Segment {
        let folder = self.checkpoint_dir(trial);
        let surroundings = Surroundings {
            termination_log: folder.join(format!("termination-{log}")),
            checkpoint_dir: folder,
            data_dir: self.launcher.data_dir.clone(),
            threads: Some(self.launcher.threads),
            // There is no API server here, and the message is enough.
            reporting: Reporting::TerminationMessage,
        };
        trial.segment(&self.source.experiment, &self.source.plan.rungs, surroundings)
    }

    /// Starts a trainer for each trial that was granted a rung and has none. Every start is an attempt of its own, recorded first: a
    /// trainer of an earlier run that may still be alive is void from then on.
    fn start_granted(&mut self) -> Result<(), Failure> {
        let granted: Vec<u64> = self.index.trials().filter(|trial| trial.running().is_some()).map(|trial| trial.number).collect();
        for number in granted {
            let mut trial = self.trial(number)?;
            let number = trial.spec.number;
            if self.children.contains_key(&number) || self.children.len() >= self.source.plan.parallel_trials {
                continue;
            }
            trial.spec.attempt += 1;
            let segment = self.segment(&trial, &trial.spec.attempt.to_string());
            let folder = segment.checkpoint_dir.clone();
            fs::create_dir_all(&folder).map_err(Failure::io(&folder))?;
            self.keep(trial)?;
            let visible = self.gpus.take(number);
            let started = Start { trial: number, segment: &segment, log: &folder.join(LOG), visible: visible.as_deref() };
            let running = self.launcher.start(&started, self.ended.0.clone())?;
            self.children.insert(number, running);
        }
        Ok(())
    }

    /// Records what the end of a trainer means.
    fn take_end(&mut self, ended: &Ended) -> Result<(), Failure> {
        let Some(running) = self.children.remove(&ended.trial) else { return Ok(()) };
        self.gpus.give_back(ended.trial);
        let mut trial = self.trial(u64::try_from(ended.trial).unwrap_or_default())?;
        let log = self.checkpoint_dir(&trial).join(format!("termination-{}", running.attempt));
        let message = fs::read_to_string(&log).unwrap_or_default();
        let target = usize::try_from(trial.spec.target_rung).unwrap_or_default();
        let attempt = u32::try_from(running.attempt).unwrap_or_default();
        let (counted, assignment, name) = (trial.counted_ends(), trial.spec.assignment.clone(), name_of(&trial));
        let at = |rung: usize| if self.confirmation.is_some() { String::new() } else { format!(" at rung {rung}") };
        let status = trial.status.get_or_insert_default();
        let report = Report::from_message(&message, attempt, target).ok();
        let overran = self.source.experiment.time_limit().filter(|_| running.overran());
        let conclusion = match (overran, ended.exit) {
            (Some(limit), Exit::Stopped | Exit::Other(_)) => Conclusion::overran(limit, status.rungs.len(), counted),
            (_, exit) => conclude(exit, &message, attempt, target, status.rungs.len(), counted),
        };
        let conclusion = conclusion.measured(&self.source.plan, &assignment, report.as_ref());
        status.note(RunSegment {
            rung: trial.spec.target_rung,
            attempt: running.attempt,
            job_uid: String::new(),
            outcome: RunSegment::outcome_of(&conclusion).to_owned(),
            message: conclusion.message().to_owned(),
            accelerator_seconds: running.held().as_secs_f64(),
            ended_at: Some(Time(Timestamp::now())),
            estimated: false,
        });
        let mut told = Vec::new();
        if let Conclusion::Record { ends, message } = &conclusion {
            status.record(ends, self.index.view().seq.max(self.after));
            told.extend(ends.iter().map(|RungEnd { rung, outcome, .. }| match outcome {
                Outcome::Value(value) => format!("{name}{}: {} {value:.4}", at(*rung), self.metric()),
                other => format!("{name}{}: {}: {message}", at(*rung), other.name()),
            }));
        }
        self.keep(trial)?;
        for line in &told {
            self.say(line);
        }
        if let Conclusion::Again { counted, message } = conclusion {
            if ended.exit == Exit::Temporary {
                return Err(Failure::Trainer { message: format!("{name}: {message}; then run the same command"), code: 75 });
            }
            if counted || ended.exit != Exit::Stopped {
                self.say(&format!("{name} starts again: {message}"));
            }
        }
        Ok(())
    }

    fn stall(&self) -> Failure {
        let mut ended = self.trials().values().filter_map(|trial| trial.status.as_ref()?.segments.last());
        let refused = ended.rfind(|segment| segment.outcome == Outcome::Misconfigured.name());
        let words = refused.map(|segment| segment.message.clone()).unwrap_or_default();
        let message = format!("three trials in a row were refused by the trainer: {words}; mend this, then run the same command");
        Failure::Trainer { message, code: 78 }
    }

    /// Stops every trainer after a checkpoint and records how it ended; a second signal kills.
    pub(super) fn stop_children(&mut self) {
        self.children.values_mut().for_each(|child| child.signal(false));
        let mut killed = false;
        while !self.children.is_empty() {
            if self.stops.load(Ordering::SeqCst) > 1 && !killed {
                self.children.values_mut().for_each(|child| child.signal(true));
                killed = true;
            }
            self.keep_within_limit();
            if let Ok(ended) = self.ended.1.recv_timeout(TICK)
                && let Err(failure) = self.take_end(&ended)
            {
                failure.print();
            }
        }
    }

    /// The search has ended: what still runs is stopped, and what it did not report is cancelled.
    fn cancel_children(&mut self) -> Result<(), Failure> {
        self.stop_children();
        let running: Vec<u64> = self.index.trials().filter(|trial| trial.running().is_some()).map(|trial| trial.number).collect();
        for number in running {
            let mut trial = self.trial(number)?;
            let status = trial.status.get_or_insert_default();
            let rung = status.rungs.len();
            status.record(&[RungEnd::new(rung, Outcome::Cancelled)], self.index.view().seq.max(self.after));
            self.keep(trial)?;
        }
        Ok(())
    }

    /// Time that accelerators were held: none, where the experiment asks for none.
    fn accelerator_time(&self) -> Duration {
        let Some(accelerator) = &self.source.experiment.spec.trial.accelerator else { return Duration::ZERO };
        let running: f64 = self.children.values().map(|child| child.held().as_secs_f64()).sum();
        let count = u32::try_from(accelerator.count).unwrap_or(1);
        Duration::try_from_secs_f64(self.ended_seconds() + running).unwrap_or(Duration::MAX).saturating_mul(count)
    }

    /// Time for which slots were held by trainers that have ended.
    fn ended_seconds(&self) -> f64 {
        let segments = self.trials().values().filter_map(|trial| trial.status.as_ref()).flat_map(|status| &status.segments);
        segments.map(|segment| segment.accelerator_seconds).sum()
    }

    /// Time to go, at the speed so far: steps that an ideal search would still train.
    fn left(&self) -> Option<Duration> {
        let plan = &self.source.plan;
        let done = self.index.steps_trained(&plan.rungs);
        let total: u64 = plan.ideal().iter().map(|course| plan.rungs.steps_of(&course.entries)).sum();
        let here = done.checked_sub(self.steps_before).filter(|steps| *steps > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
        let ratio = total.saturating_sub(done) as f64 / here as f64;
        Duration::try_from_secs_f64(self.began.elapsed().as_secs_f64() * ratio).ok()
    }

    /// Draws the table in place of the last one, on a terminal.
    fn draw(&mut self) {
        if !std::io::stdout().is_terminal() {
            return;
        }
        self.erase();
        let plan = &self.source.plan;
        let text = match self.confirmed() {
            list if list.is_empty() => {
                table::rungs(&self.index, plan, unit(&self.source))
                    + &table::progress(&self.index, plan, self.journal.elapsed(), self.left())
            }
            list => table::confirmation(&self.source.experiment, &list),
        };
        self.drawn_lines = text.lines().count();
        print!("{text}");
        let _ = std::io::stdout().flush();
    }

    fn erase(&mut self) {
        if self.drawn_lines > 0 {
            // Up so many lines, and clear from there.
            print!("\x1b[{}A\x1b[J", self.drawn_lines);
            let _ = std::io::stdout().flush();
            self.drawn_lines = 0;
        }
    }

    /// A line that stays, above the table.
    fn say(&mut self, line: &str) {
        self.erase();
        println!("{line}");
        let _ = std::io::stdout().flush();
    }
}
