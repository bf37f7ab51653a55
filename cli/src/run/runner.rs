//! The loop: decide, record, start, wait. All that is decided is in the journal before it is done.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use nas_api::{
    SourceFile, Surroundings,
    contract::{Reporting, Segment, remove_checkpoints},
    objects::{EndStatus, NasTrial},
};
use nas_search::{Decision, NewTrial, View, decide};

use super::{
    display::Display,
    gpus::Gpus,
    ledger::{Ledger, TrainerEnd},
    process::{Ended, LOG, Launcher, Running, Start},
};
use crate::failure::Failure;

/// How often the table is drawn anew and stop signals are looked for.
const TICK: Duration = Duration::from_millis(200);

/// A search that runs here, or the confirmation of its best.
pub(crate) struct Runner {
    pub(super) ledger: Ledger,
    pub(super) launcher: Launcher,
    pub(super) gpus: Gpus,
    pub(super) stops: Arc<AtomicUsize>,
    /// Outcomes up to here were there when a person started this command: they cannot stall it.
    stall_cleared: u64,
    /// Numbers of trials that have lost their checkpoints.
    cleaned: HashSet<u64>,
    children: BTreeMap<i64, Running>,
    ended: (Sender<Ended>, Receiver<Ended>),
    display: Display,
}

impl Runner {
    pub(super) fn new(ledger: Ledger, launcher: Launcher, gpus: Gpus, stops: Arc<AtomicUsize>) -> Self {
        Self {
            stall_cleared: ledger.index.view().seq,
            display: Display::new(&ledger),
            ledger,
            launcher,
            gpus,
            stops,
            cleaned: HashSet::new(),
            children: BTreeMap::new(),
            ended: channel(),
        }
    }

    /// Runs the search to its end. On a failure, every trainer is stopped after a checkpoint first.
    pub(super) fn search(&mut self) -> Result<EndStatus, Failure> {
        match self.ledger.journal.state.end.clone() {
            Some(end) => self.ledger.cancel().map(|()| end),
            None => self.run(),
        }
    }

    /// Decides and trains until there is an end. On a failure, every trainer is stopped after a checkpoint first.
    pub(super) fn run(&mut self) -> Result<EndStatus, Failure> {
        let ended = self.run_to_end();
        if ended.is_err() {
            self.stop_children();
        }
        ended
    }

    fn run_to_end(&mut self) -> Result<EndStatus, Failure> {
        let experiment = &self.ledger.source.experiment;
        if experiment.spec.suspend || self.ledger.source.plan.parallel_trials == 0 {
            return Err(Failure::Folder(
                "spec.suspend is true or spec.parallelTrials is 0: nothing may start; change the file".to_owned(),
            ));
        }
        self.launcher.fetch(&experiment.spec.trial.data, &self.stops)?;
        let mut checked = false;
        let mut cleaned_at = None;
        loop {
            let running = self.children.values().map(Running::held).sum();
            let usage = self.ledger.usage(running, self.stall_cleared);
            for decision in decide(&self.ledger.source.plan, &self.ledger.index, &usage) {
                if let (Decision::Create { new, view }, false) = (&decision, checked) {
                    self.check(new, *view)?;
                    checked = true;
                }
                if let Decision::Finish { reason, view } = decision {
                    let end = EndStatus::new(reason, view);
                    self.ledger.end(&end)?;
                    self.stop_children();
                    self.ledger.cancel()?;
                    self.display.erase();
                    return Ok(end);
                }
                if let Some(words) = self.ledger.record(&decision)? {
                    self.display.say(&words);
                }
            }
            if cleaned_at.replace(self.ledger.index.view().seq) != Some(self.ledger.index.view().seq) {
                // Who never goes on is decided at outcomes.
                self.clean_up(false);
            }
            self.start_granted()?;
            if self.children.is_empty() && self.ledger.index.is_stalled(self.stall_cleared) {
                return Err(self.ledger.stall());
            }
            self.display.draw(&self.ledger);
            if self.stops.load(Ordering::SeqCst) > 0 {
                self.display.erase();
                return Err(Failure::Interrupted);
            }
            self.keep_within_limit();
            if let Ok(ended) = self.ended.1.recv_timeout(TICK) {
                self.take_end(&ended)?;
            }
        }
    }

    /// Has the trainer check a trial that was just decided on, before any is trained.
    fn check(&mut self, new: &NewTrial, view: View) -> Result<(), Failure> {
        let trial = self.ledger.new_trial(new, view)?;
        let visible = self.gpus.take(trial.spec.number);
        let said = self.launcher.check(&self.segment(&trial, "check"), visible.as_deref());
        self.gpus.give_back(trial.spec.number);
        self.display.say(&said?);
        Ok(())
    }

    /// Stops the trainers that have taken as long as `spec.trial.timeLimit` allows.
    fn keep_within_limit(&mut self) {
        if let Some(limit) = self.ledger.source.experiment.time_limit() {
            self.children.values_mut().for_each(|child| child.keep_within(limit));
        }
    }

    /// Removes the checkpoints that `spec.retention` does not keep. What fails is told, and tried again by the next run of the command.
    pub(super) fn clean_up(&mut self, is_finished: bool) {
        let ledger = &self.ledger;
        if ledger.confirmation.is_some() {
            // The trainings of a confirmation keep theirs.
            return;
        }
        let retention = ledger.source.experiment.spec.retention;
        let due = retention.loses(&ledger.journal.state.confirm, &ledger.index, ledger.trials().values(), is_finished);
        let due: Vec<_> = due.into_iter().filter(|trial| !self.cleaned.contains(&trial.number())).collect();
        let due: Vec<_> = due.into_iter().map(|trial| (trial.number(), ledger.checkpoint_dir(trial))).collect();
        for (number, folder) in due {
            if let Err(error) = remove_checkpoints(&folder) {
                self.display.say(&format!("the checkpoints of trial {number} are still there: {error}"));
            }
            self.cleaned.insert(number);
        }
    }

    fn segment(&self, trial: &NasTrial, log: &str) -> Segment {
        let folder = self.ledger.checkpoint_dir(trial);
        let surroundings = Surroundings {
            termination_log: termination_log(&folder, log),
            checkpoint_dir: folder,
            data_dir: self.launcher.data_dir.clone(),
            threads: Some(self.launcher.threads),
            // There is no API server here, and the message is enough.
            reporting: Reporting::TerminationMessage,
        };
        let SourceFile { experiment, plan } = &self.ledger.source;
        trial.segment(experiment, &plan.rungs, surroundings)
    }

    /// Starts a trainer for each trial that was granted a rung and has none. Every start is an attempt of its own, recorded first: a
    /// trainer of an earlier run that may still be alive is void from then on.
    fn start_granted(&mut self) -> Result<(), Failure> {
        for number in self.ledger.granted() {
            if self.children.contains_key(&number) || self.children.len() >= self.ledger.source.plan.parallel_trials {
                continue;
            }
            let mut trial = self.ledger.trial(number)?;
            trial.spec.attempt += 1;
            let segment = self.segment(&trial, &trial.spec.attempt.to_string());
            let folder = segment.checkpoint_dir.clone();
            fs::create_dir_all(&folder).map_err(Failure::io(&folder))?;
            self.ledger.keep(trial)?;
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
        let folder = self.ledger.checkpoint_dir(&self.ledger.trial(ended.trial)?);
        let told = self.ledger.conclude(&TrainerEnd {
            trial: ended.trial,
            attempt: running.attempt,
            exit: ended.exit,
            message: left_in(&termination_log(&folder, &running.attempt.to_string())),
            overran: running.overran(),
            held: running.held(),
        })?;
        for line in &told {
            self.display.say(line);
        }
        Ok(())
    }

    /// Stops every trainer after a checkpoint and records how it ended; a second signal kills.
    fn stop_children(&mut self) {
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
}

/// Where a trainer writes its report: each attempt a file of its own.
fn termination_log(folder: &Path, log: &str) -> PathBuf {
    folder.join(format!("termination-{log}"))
}

/// What a trainer has left there, in whatever bytes; nothing, where it has left nothing.
fn left_in(termination_log: &Path) -> String {
    match fs::read(termination_log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => format!("{} cannot be read: {error}", termination_log.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_that_are_no_text_are_words_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = termination_log(folder.path(), "1");
        assert_eq!(left_in(&path), "");
        fs::write(&path, b"m\xe9moire insuffisante").unwrap();
        assert_eq!(left_in(&path), "m\u{fffd}moire insuffisante");
        // A trainer may leave anything there.
        let said = left_in(folder.path());
        assert!(said.starts_with(folder.path().to_str().unwrap()) && said.contains("cannot be read: "), "{said}");
    }
}
