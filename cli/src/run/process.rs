//! Trainer processes.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::Write,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

use k8s_openapi::jiff::Timestamp;
use nas_api::contract::{Exit, GRACE_SECONDS, Segment, StepUnit};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    gpus::{ORDER, VISIBLE},
    supervise::supervised,
};
use crate::failure::Failure;

/// A trainer that was told to stop at its time limit has so long to write a checkpoint, as on a cluster.
const GRACE: Duration = Duration::from_secs(GRACE_SECONDS as u64);

/// The log of all attempts of a trial, in its folder.
pub(crate) const LOG: &str = "trainer.log";
/// How the line begins in a log at which an attempt begins; its number follows.
pub(crate) const HEADING: &str = "=== attempt ";

/// Starts trainers.
pub(crate) struct Launcher {
    pub(super) trainer: PathBuf,
    pub(super) itself: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) threads: u16,
    /// `spec.trial.env`.
    pub(super) env: BTreeMap<String, String>,
}

/// What a trainer is started with.
pub(crate) struct Start<'a> {
    pub(crate) trial: i64,
    pub(crate) segment: &'a Segment,
    /// Takes what it says, after what its earlier attempts said.
    pub(crate) log: &'a Path,
    /// The GPUs that it may use; `None`: it is not told.
    pub(crate) visible: Option<&'a str>,
}

/// A trainer that runs.
pub(crate) struct Running {
    pid: Pid,
    started: Instant,
    pub(crate) attempt: i64,
    /// Since when it is told to stop.
    told: Option<Instant>,
    overran: bool,
}

/// A trainer that has ended.
pub(crate) struct Ended {
    pub(crate) trial: i64,
    pub(crate) exit: Exit,
}

impl Launcher {
    pub(crate) fn new(trainer: PathBuf, data_dir: PathBuf, threads: u16, env: BTreeMap<String, String>) -> Result<Self, Failure> {
        let itself = env::current_exe().map_err(Failure::io("nasctl"))?;
        Ok(Self { trainer, itself, data_dir, threads, env })
    }

    /// Has the trainer check a segment without training it.
    pub(crate) fn check(&self, segment: &Segment, visible: Option<&str>) -> Result<String, Failure> {
        let output = self.command(segment, visible).arg("check").output().map_err(|source| {
            let message = format!(
                "cannot start the trainer {}: {source}; build it with `make build`, or give --trainer",
                self.trainer.display()
            );
            Failure::Trainer { message, code: 78 }
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match exit_of(output.status) {
            Exit::Reported => Ok(text(&output.stdout)),
            exit => {
                let mut message = text(&output.stderr);
                if message.is_empty() {
                    message = format!(
                        "the trainer's check ended with exit code {} without a word: run the same command again",
                        exit.code()
                    );
                }
                Err(Failure::Trainer { message, code: u8::try_from(exit.code()).unwrap_or(1) })
            }
        }
    }

    /// Starts a trainer; its end goes to `ended`. Must be called from a thread that lives as long as the search.
    pub(crate) fn start(&self, start: &Start, ended: Sender<Ended>) -> Result<Running, Failure> {
        let Start { trial, segment, log, visible } = *start;
        let _ = fs::remove_file(&segment.termination_log);
        let mut output = File::options().create(true).append(true).open(log).map_err(Failure::io(log))?;
        output.write_all(heading(segment, visible, Timestamp::now()).as_bytes()).map_err(Failure::io(log))?;
        let both = output.try_clone().map_err(Failure::io(log))?;
        // A group of its own: Ctrl-C reaches the runner alone, which then stops its trainers in order.
        let mut command = self.command(segment, visible);
        command.stdin(Stdio::null()).stdout(output).stderr(both).process_group(0);
        let child = command.spawn().map_err(Failure::io(&self.itself))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        wait_for(trial, child, ended);
        Ok(Running { pid, started: Instant::now(), attempt: i64::from(segment.attempt), told: None, overran: false })
    }

    fn command(&self, segment: &Segment, visible: Option<&str>) -> Command {
        let mut command = supervised(&self.itself, segment, &[&self.trainer]);
        command.envs(&self.env);
        if let Some(visible) = visible {
            command.env(ORDER.0, ORDER.1).env(VISIBLE, visible);
        }
        command
    }
}

impl Running {
    /// Asks the trainer to stop after a checkpoint, or kills it.
    pub(crate) fn signal(&mut self, at_once: bool) {
        self.send(if at_once { Signal::SIGKILL } else { Signal::SIGTERM });
    }

    /// Stops the trainer if it has run for `limit`; kills it where it does not listen.
    pub(crate) fn keep_within(&mut self, limit: Duration) {
        if let Some(signal) = due(self.held(), limit, self.told.map(|told| told.elapsed())) {
            self.overran = true;
            self.send(signal);
        }
    }

    /// Whether it was stopped at its time limit.
    pub(crate) fn overran(&self) -> bool {
        self.overran
    }

    fn send(&mut self, signal: Signal) {
        self.told.get_or_insert_with(Instant::now);
        // The process may have ended a moment ago; then there is nothing to do.
        let _ = kill(self.pid, signal);
    }

    pub(crate) fn held(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The line of a log at which an attempt begins.
fn heading(segment: &Segment, visible: Option<&str>, now: Timestamp) -> String {
    let Segment { attempt, target_rung, target_step, step_unit, .. } = segment;
    let gpus = visible.map(|visible| format!(", on GPU {visible}")).unwrap_or_default();
    let unit = match (target_step, step_unit) {
        (1, StepUnit::Epochs) => "epoch",
        (1, StepUnit::Batches) => "batch",
        _ => step_unit.as_str(),
    };
    format!("{HEADING}{attempt}: to rung {target_rung} ({target_step} {unit}){gpus}, {now:.0}\n")
}

/// The signal that is due to a trainer that has run for `held`, and was told to stop `told` ago if at all.
fn due(held: Duration, limit: Duration, told: Option<Duration>) -> Option<Signal> {
    match told {
        _ if held < limit => None,
        None => Some(Signal::SIGTERM),
        Some(told) if told < GRACE => None,
        Some(_) => Some(Signal::SIGKILL),
    }
}

fn wait_for(trial: i64, mut child: Child, ended: Sender<Ended>) {
    thread::spawn(move || {
        let exit = child.wait().map_or(Exit::Other(-1), exit_of);
        // The runner may be gone: then nobody waits for this.
        let _ = ended.send(Ended { trial, exit });
    });
}

pub(super) fn exit_of(status: ExitStatus) -> Exit {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(-1);
    // Killed by SIGTERM before the trainer could listen is as good as stopped.
    Exit::from_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trainer_is_stopped_at_its_limit_and_killed_after_the_grace() {
        let due =
            |held, told: Option<u64>| due(Duration::from_secs(held), Duration::from_hours(1), told.map(Duration::from_secs));
        assert_eq!(due(3599, None), None);
        assert_eq!(due(3600, None), Some(Signal::SIGTERM));
        assert_eq!(due(3601, Some(1)), None);
        assert_eq!(due(3709, Some(109)), None);
        assert_eq!(due(3710, Some(110)), Some(Signal::SIGKILL));
        // One that hangs where the search stops it, too; not before its limit, since a slow disk is no fault of its own.
        assert_eq!(due(3599, Some(600)), None);
        assert_eq!(due(3600, Some(600)), Some(Signal::SIGKILL));
    }
}
