//! Brings a trainer into every situation that it must stand.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use nas_search::Scalar;

use super::{
    process::{Moment, Starter},
    seen::{Fence, Later, Observed, Seen, Stop, Wrong},
    setting::{Setting, files_below},
};
use crate::failure::Failure;

/// Trials that are started to be stopped, until one is in the middle when the signal comes.
const STOP_TRIES: i32 = 3;

/// Observes trainers in a setting.
pub(crate) struct Observer {
    pub(crate) setting: Setting,
    pub(crate) starter: Starter,
    /// A parameter's value that the trainer should call infeasible.
    pub(crate) infeasible: Option<(String, Scalar)>,
}

impl Observer {
    /// Runs all segments, one after the other.
    pub(crate) fn observe(&self) -> Result<Observed, Failure> {
        let start = self.run("first", 1, 0)?;
        let checkpoint_files = files_below(&self.setting.checkpoint_dir("first")).len();
        let later = if start.report().is_ok() { Some(self.later(&start)?) } else { None };
        let wrong = match self.setting.wrong_parameter() {
            Some((name, value)) => Some(Wrong { seen: self.run_with("wrong", &name, &value)?, name, value }),
            None => None,
        };
        let infeasible = match &self.infeasible {
            Some((name, value)) => Some(self.run_with("infeasible", name, value)?),
            None => None,
        };
        let segment = self.setting.segment("check", 0, 0);
        say("the argument `check`");
        let check = self.starter.run(&segment, &self.log("check", 0), &["check"])?;
        Ok(Observed { start, checkpoint_files, later, wrong, infeasible, check })
    }

    fn later(&self, start: &Seen) -> Result<Later, Failure> {
        let rerun = self.run("first", 2, 0)?;
        let mut resumed = Vec::new();
        for (attempt, rung) in (3..).zip(1..=self.setting.top()) {
            let seen = self.run("first", attempt, rung)?;
            let is_fine = seen.report().is_ok();
            resumed.push(seen);
            if !is_fine {
                break;
            }
        }
        let stop = self.stop(start, &rerun, &resumed)?;
        Ok(Later { rerun, resumed, stop, fence: self.fence()? })
    }

    fn stop(&self, start: &Seen, rerun: &Seen, resumed: &[Seen]) -> Result<Option<Stop>, Failure> {
        let top = self.setting.top();
        let (mut last, mut shows_itself) = (None, true);
        for number in 1..=STOP_TRIES {
            let trial = format!("stopped-{number}");
            let share = share(number, rerun.seconds, start.seconds, resumed.iter().map(|seen| seen.seconds));
            // What lies in the checkpoint folder shows that a process is past its beginning, on however slow a machine. It cannot be waited for
            // where a trainer writes nothing there before its end.
            let folder = self.setting.checkpoint_dir(&trial);
            let is_at_work = || fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
            let beginning = Duration::from_secs_f64(rerun.seconds);
            let moment = if shows_itself { Moment::AtWork(share) } else { Moment::Started(beginning + share) };
            say(&format!("trial {trial}, attempt 1: to rung {top}, and SIGTERM {moment}"));
            let stopped = self.starter.stop(&self.setting.segment(&trial, 1, top), &self.log(&trial, 1), moment, is_at_work)?;
            shows_itself &= stopped.was_at_work;
            // One that has written its report had its last step behind it when the signal came.
            let is_late = stopped.seen.as_ref().is_none_or(Seen::has_written_a_report);
            last = stopped.seen.map(|stopped| (trial, stopped)).or(last);
            if !is_late {
                break;
            }
        }
        let Some((trial, stopped)) = last else { return Ok(None) };
        Ok(Some(Stop { stopped, resumed: self.run(&trial, 2, top)? }))
    }

    fn fence(&self) -> Result<Fence, Failure> {
        let newer = self.run("fenced", 2, 0)?;
        let folder = self.setting.checkpoint_dir("fenced");
        let before = marks(&folder);
        let older = self.run("fenced", 1, 1)?;
        let after = marks(&folder);
        let altered = before.iter().filter(|(file, mark)| after.get(*file) != Some(mark));
        let altered = altered.map(|(file, _)| file.strip_prefix(&folder).unwrap_or(file).display().to_string()).collect();
        Ok(Fence { newer, older, altered, next: self.run("fenced", 3, 1)? })
    }

    fn run(&self, trial: &str, attempt: u32, rung: usize) -> Result<Seen, Failure> {
        say(&format!("trial {trial}, attempt {attempt}: to rung {rung}"));
        self.starter.run(&self.setting.segment(trial, attempt, rung), &self.log(trial, attempt), &[])
    }

    fn run_with(&self, trial: &str, name: &str, value: &Scalar) -> Result<Seen, Failure> {
        let mut segment = self.setting.segment(trial, 1, 0);
        segment.parameters = segment.parameters.with([(name.into(), value.clone())]);
        say(&format!("trial {trial}, attempt 1: to rung 0 with {name} = {value}"));
        self.starter.run(&segment, &self.log(trial, 1), &[])
    }

    fn log(&self, trial: &str, attempt: u32) -> PathBuf {
        self.setting.of_attempt(trial, attempt, "log")
    }
}

fn say(what: &str) {
    eprintln!("{what}");
}

/// After how much of its training a trial is asked to stop: half at the first try, less at each further one.
///
/// What a segment takes that finds nothing to train (`rerun`) is not training.
fn share(number: i32, rerun: f64, start: f64, resumed: impl Iterator<Item = f64>) -> Duration {
    let training: f64 = [start].into_iter().chain(resumed).map(|seconds| (seconds - rerun).max(0.0)).sum();
    Duration::from_secs_f64(training / 2_f64.powi(number))
}

/// Which file it is, its length, and when it was written last: another one after every write.
type Mark = (u64, u64, i64, i64);

fn marks(folder: &Path) -> BTreeMap<PathBuf, Mark> {
    let mark = |path: PathBuf| {
        let about = fs::metadata(&path).ok()?;
        Some((path, (about.ino(), about.len(), about.mtime(), about.mtime_nsec())))
    };
    files_below(folder).into_iter().filter_map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_stopped_in_the_middle_of_its_training_then_earlier() {
        let after = |number| share(number, 2.0, 4.0, [6.0, 1.0].into_iter());
        assert_eq!([after(1), after(2)], [Duration::from_secs(3), Duration::from_millis(1500)]);
    }
}
