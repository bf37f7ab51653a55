//! What was seen of a trainer: all that it is judged by.

use std::fmt;

use nas_api::contract::{Exit, MAX_MESSAGE_BYTES, Report, Reported};
use nas_search::Scalar;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With an exit code.
    Exit(Exit),
    /// By a signal that it did not handle.
    Signal(i32),
    /// By force: it took longer than it was given.
    Overdue,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(exit) => write!(f, "exit code {}", exit.code()),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::Overdue => f.write_str("it took too long and was killed"),
        }
    }
}

/// One process: what it was asked for, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `NAS_ATTEMPT`.
    pub(crate) attempt: u32,
    /// `NAS_TARGET_RUNG`.
    pub(crate) target_rung: usize,
    /// `NAS_TARGET_STEP`.
    pub(crate) target_step: u64,
    /// Its end.
    pub(crate) end: End,
    /// Its termination message.
    pub(crate) message: Vec<u8>,
    /// The last that it wrote to stdout and stderr.
    pub(crate) log: String,
    /// From its start (or the signal to stop) to its end.
    pub(crate) seconds: f64,
}

impl Seen {
    /// The report, if this process left a valid one; else why it did not.
    pub(crate) fn report(&self) -> Result<Report, String> {
        if self.end != End::Exit(Exit::Reported) {
            return Err(format!("{}{}", self.end, self.quoted_words()));
        }
        let bytes = self.message.len();
        if bytes > MAX_MESSAGE_BYTES {
            return Err(format!(
                "the report has {bytes} bytes, of which a cluster keeps {MAX_MESSAGE_BYTES}: leave out points and metrics"
            ));
        }
        let report = Report::from_message(&String::from_utf8_lossy(&self.message), self.attempt, self.target_rung);
        let report = report.map_err(|problem| problem.to_string())?;
        let reached = report.results.last().is_some_and(|last| last.outcome == Reported::Value);
        if reached && report.step != self.target_step {
            return Err(format!("the report's step is {}, not NAS_TARGET_STEP ({})", report.step, self.target_step));
        }
        Ok(report)
    }

    /// Whether it came as far as its report, however it ended then: a process may die of SIGTERM while it leaves.
    pub(crate) fn has_written_a_report(&self) -> bool {
        Report::from_message(&String::from_utf8_lossy(&self.message), self.attempt, self.target_rung).is_ok()
    }

    /// Whether it said this word, in its termination message or its log.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        self.log.contains(word) || String::from_utf8_lossy(&self.message).contains(word)
    }

    /// Its last words, to go behind something else.
    pub(crate) fn quoted_words(&self) -> String {
        let message = String::from_utf8_lossy(&self.message);
        let last = |text: &str| text.trim().lines().last().map(|line| line.chars().take(200).collect::<String>());
        last(&message).or_else(|| last(&self.log)).map_or_else(String::new, |words| format!(", and said {words:?}"))
    }
}

/// A trainer in every situation that it must stand.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// The first segment of a trial.
    pub(crate) start: Seen,
    /// Files below `NAS_CHECKPOINT_DIR` after it.
    pub(crate) checkpoint_files: usize,
    /// What builds on a first segment; absent where that left no report.
    pub(crate) later: Option<Later>,
    /// A segment with a parameter of the wrong type; absent where no parameter was given.
    pub(crate) wrong: Option<Wrong>,
    /// A segment with what the trainer should call infeasible; absent where that was not given.
    pub(crate) infeasible: Option<Seen>,
    /// The command with the argument `check`.
    pub(crate) check: Seen,
}

/// What builds on a first segment.
#[derive(Clone, Debug)]
pub(crate) struct Later {
    /// The first segment again, as the next attempt.
    pub(crate) rerun: Seen,
    /// The same trial to each higher rung, as far as it went well.
    pub(crate) resumed: Vec<Seen>,
    /// SIGTERM in a segment of another trial, and the attempt after it; absent where that trial ended sooner each time.
    pub(crate) stop: Option<Stop>,
    /// An attempt that is void.
    pub(crate) fence: Fence,
}

/// A segment that was stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// How it ended.
    pub(crate) stopped: Seen,
    /// The next attempt, to the same rung.
    pub(crate) resumed: Seen,
}

/// An older attempt that starts after a newer one.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    /// Attempt 2, to rung 0.
    pub(crate) newer: Seen,
    /// Attempt 1, to rung 1, after it.
    pub(crate) older: Seen,
    /// Files of before that attempt 1 changed or removed.
    pub(crate) altered: Vec<String>,
    /// Attempt 3, to rung 1.
    pub(crate) next: Seen,
}

/// A parameter of the wrong type.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    /// Its name.
    pub(crate) name: String,
    /// What it was set to.
    pub(crate) value: Scalar,
    /// How the segment ended.
    pub(crate) seen: Seen,
}
