//! The data set that an experiment asks to be fetched: brought by the trainer, before the first trial.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use nas_api::{contract::Exit, objects::DataSet};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    process::{Launcher, exit_of},
    supervise::bound,
};
use crate::failure::Failure;

/// How often it is looked whether the fetch has ended, or is to end.
const TICK: Duration = Duration::from_millis(50);

impl Launcher {
    /// Has the trainer fetch the data set, if the experiment says so and its folder is empty or not there. What the trainer says is shown.
    pub(super) fn fetch(&self, data: &DataSet, stops: &AtomicUsize) -> Result<(), Failure> {
        let folder = self.data_dir.join(&data.name);
        let Some(fetch) = data.fetch.as_ref().filter(|_| !holds_something(&folder)) else { return Ok(()) };
        let mut command = bound(&self.itself, &[&self.trainer]);
        command.args(["data", "fetch", &data.name, "--dir"]).arg(&self.data_dir);
        command.envs(&self.env);
        command.args(fetch.url.iter().flat_map(|url| ["--url", url]));
        let mut child = command.spawn().map_err(Failure::io(&self.itself))?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(Failure::io(&self.trainer))? {
                break status;
            }
            if stops.load(Ordering::SeqCst) > 0 {
                // It may have heard the signal, too, and have ended; what it received is kept.
                let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX)), Signal::SIGTERM);
                let _ = child.wait();
                return Err(Failure::Interrupted);
            }
            thread::sleep(TICK);
        };
        let exit = exit_of(status);
        match refusal(exit, holds_something(&folder)) {
            None => Ok(()),
            // By Ctrl-C, of which this program hears as well.
            Some(_) if matches!(exit.code(), 129 | 130 | 143) => Err(Failure::Interrupted),
            Some((code, cure)) => {
                let (trainer, dir, name) = (self.trainer.display(), self.data_dir.display(), &data.name);
                let message = format!(
                    "{name} is not in {dir}, and `{trainer} data fetch {name}` did not bring it (exit code {}): {cure}",
                    exit.code()
                );
                Err(Failure::Trainer { message, code })
            }
        }
    }
}

/// The exit code and cure where a fetch did not do its work.
fn refusal(exit: Exit, is_there: bool) -> Option<(u8, &'static str)> {
    const FOREIGN: &str =
        "a trainer of your own need not know `data fetch`; bring the data set there with `nas-trainer data fetch`, or by hand";
    match exit {
        Exit::Reported if is_there => None,
        Exit::Usage => Some((64, "mend what it says above")),
        Exit::Data => Some((65, "mend what it says above (--url is spec.trial.data.fetch.url)")),
        Exit::Temporary => Some((75, "run the same command to go on")),
        Exit::Other(129..) => Some((75, "it was killed; run the same command to go on")),
        _ => Some((78, FOREIGN)),
    }
}

/// The trainer moves a whole data set to its place: what is there is not half of one.
fn holds_something(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_whether_to_mend_to_wait_or_to_fetch_otherwise() {
        let refused = |code, is_there| refusal(Exit::from_code(code), is_there);
        assert_eq!(refused(0, true), None);
        for (code, expected, word) in [
            (0, 78, "of your own"),
            (2, 78, "of your own"),
            (78, 78, "of your own"),
            (64, 64, "above"),
            (65, 65, "spec.trial.data.fetch.url"),
            (75, 75, "same command"),
            (137, 75, "killed"),
        ] {
            let (found, cure) = refused(code, false).unwrap();
            assert!(found == expected && cure.contains(word), "{code}: {found} {cure}");
        }
    }
}
