//! Processes of the trainer that is judged.

use std::{
    env,
    ffi::OsString,
    fmt,
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use nas_api::contract::{Exit, GRACE_SECONDS, Segment};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use signal_hook::{consts::TERM_SIGNALS, iterator::Signals};

use super::seen::{End, Seen};
use crate::{failure::Failure, run::supervise::supervised};

/// Time from SIGTERM to SIGKILL on a cluster.
const GRACE: Duration = Duration::from_secs(GRACE_SECONDS as u64);
/// How often is looked whether a process is at work, or it is time for its signal.
const TICK: Duration = Duration::from_millis(20);
/// What is kept of a log.
const LOG_BYTES: usize = 4000;

/// Starts the command that is judged.
pub(crate) struct Starter {
    itself: PathBuf,
    command: Vec<OsString>,
    /// For each rung that is to be reached.
    timeout: Duration,
    running: Running,
}

/// The process group at work, if there is one. Who holds the lock keeps others from starting.
type Running = Arc<Mutex<Option<Pid>>>;

impl Starter {
    pub(crate) fn new(command: Vec<OsString>, timeout: Duration) -> Result<Self, Failure> {
        let itself = env::current_exe().map_err(Failure::io("nasctl"))?;
        Ok(Self { itself, command, timeout, running: Running::default() })
    }

    /// From now on Ctrl-C or SIGTERM ends what runs, removes `folder` and ends this process.
    pub(crate) fn hear_stops(&self, folder: PathBuf) -> Result<(), Failure> {
        let running = Arc::clone(&self.running);
        let mut signals = Signals::new(TERM_SIGNALS).map_err(Failure::io("signals"))?;
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let group = running.lock().unwrap_or_else(PoisonError::into_inner);
                kill_group(*group);
                // What cannot be removed is left to the system, as after SIGKILL.
                let _ = fs::remove_dir_all(folder);
                eprintln!("nasctl: stopped, nothing is judged");
                std::process::exit(128 + signal);
            }
        });
        Ok(())
    }

    /// Time that a process may take.
    fn time_for(&self, segment: &Segment) -> Duration {
        self.timeout.saturating_mul(u32::try_from(segment.target_rung + 1).unwrap_or(u32::MAX))
    }

    /// Runs a segment to its end.
    pub(crate) fn run(&self, segment: &Segment, log: &Path, more: &[&str]) -> Result<Seen, Failure> {
        let process = Process::start(self, segment, log, more)?;
        let end = process.wait(self.time_for(segment));
        Ok(process.seen(segment, log, end))
    }

    /// Runs a segment and asks it to stop in its middle.
    pub(crate) fn stop(
        &self,
        segment: &Segment,
        log: &Path,
        moment: Moment,
        is_at_work: impl Fn() -> bool,
    ) -> Result<Signalled, Failure> {
        let mut process = Process::start(self, segment, log, &[])?;
        let mut at_work: Option<Instant> = None;
        while process.ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            if at_work.is_none() && is_at_work() {
                at_work = Some(Instant::now());
            }
            let lives = process.began.elapsed();
            let is_time = match (at_work, moment) {
                (Some(since), Moment::AtWork(after)) => since.elapsed() >= after,
                (None, Moment::AtWork(_)) => lives >= self.time_for(segment),
                (_, Moment::Started(after)) => lives >= after,
            };
            if is_time {
                let seen = process.terminate(segment, log);
                return Ok(Signalled { seen: Some(seen), was_at_work: at_work.is_some() });
            }
        }
        process.clear_up();
        Ok(Signalled { seen: None, was_at_work: at_work.is_some() })
    }
}

/// When a process is asked to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So long after it was first seen at work.
    AtWork(Duration),
    /// So long after its start.
    Started(Duration),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtWork(after) => write!(f, "{:.1} s after something lies in its checkpoint folder", after.as_secs_f64()),
            Self::Started(after) => write!(f, "{:.1} s after its start", after.as_secs_f64()),
        }
    }
}

/// A process that was to be asked to stop.
pub(crate) struct Signalled {
    /// How it ended after the signal; `None`: it had ended before.
    pub(crate) seen: Option<Seen>,
    /// Whether it was seen at work before that.
    pub(crate) was_at_work: bool,
}

/// The command at work, in a process group of its own.
struct Process {
    group: Pid,
    running: Running,
    ended: Receiver<End>,
    began: Instant,
}

impl Process {
    fn terminate(&mut self, segment: &Segment, log: &Path) -> Seen {
        // As on a cluster, process 1 alone is told.
        let _ = kill(self.group, Signal::SIGTERM);
        self.began = Instant::now();
        let end = self.wait(GRACE);
        self.seen(segment, log, end)
    }

    fn start(starter: &Starter, segment: &Segment, log: &Path, more: &[&str]) -> Result<Self, Failure> {
        let folder = &segment.checkpoint_dir;
        fs::create_dir_all(folder).map_err(Failure::io(folder))?;
        let output = File::create(log).map_err(Failure::io(log))?;
        let both = output.try_clone().map_err(Failure::io(log))?;
        let mut command = supervised(&starter.itself, segment, &starter.command);
        command.args(more).stdin(Stdio::null()).stdout(output).stderr(both).process_group(0);
        let mut running = starter.running.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let mut child = command.spawn().map_err(Failure::io(&starter.itself))?;
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        *running = Some(group);
        let (sender, ended) = channel();
        thread::spawn(move || {
            // Nobody waits where the judgement was broken off.
            let _ = sender.send(end_of(&mut child));
        });
        Ok(Self { group, running: Arc::clone(&starter.running), ended, began })
    }

    fn wait(&self, timeout: Duration) -> End {
        let end = self.ended.recv_timeout(timeout).unwrap_or(End::Overdue);
        self.clear_up();
        if end == End::Overdue {
            // It is gone once the kernel has heard of SIGKILL.
            let _ = self.ended.recv();
        }
        end
    }

    /// What the command leaves running, a container would kill with it.
    fn clear_up(&self) {
        kill_group(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn seen(&self, segment: &Segment, log: &Path, end: End) -> Seen {
        let seconds = self.began.elapsed().as_secs_f64();
        let log = fs::read(log).unwrap_or_default();
        Seen {
            attempt: segment.attempt,
            target_rung: segment.target_rung,
            target_step: segment.target_step,
            end,
            message: fs::read(&segment.termination_log).unwrap_or_default(),
            log: String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES)..]).into_owned(),
            seconds,
        }
    }
}

/// What is not there any more needs no signal.
fn kill_group(group: Option<Pid>) {
    if let Some(group) = group {
        let _ = killpg(group, Signal::SIGKILL);
    }
}

fn end_of(child: &mut Child) -> End {
    let read = |status: ExitStatus| match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(Exit::from_code(code)),
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    };
    child.wait().map_or(End::Exit(Exit::Other(-1)), read)
}
