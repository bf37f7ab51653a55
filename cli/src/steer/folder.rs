//! A run on this machine: the process that has its journal is told to stop.

use std::{
    io::{IsTerminal, stderr},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::{Signal, kill};

use super::Change;
use crate::{
    failure::Failure,
    run::{self, JOURNAL_FILE, State, holder},
    screen::Screen,
    table::minutes,
};

/// How often it is looked whether the run has stopped.
const TICK: Duration = Duration::from_millis(100);

/// Changes it; returns what is told.
pub(super) fn change(folder: &Path, change: Change) -> Result<String, Failure> {
    let journal = folder.join(JOURNAL_FILE);
    let (state, _) = State::read(&journal)?;
    let shown = folder.display();
    if state.experiment.is_none() {
        return Err(Failure::Folder(format!("{shown} holds no search: name a folder that `nasctl run` made, or an experiment")));
    }
    if let Some(end) = &state.end {
        return Err(Failure::Usage(format!(
            "the search of {shown} has ended ({}): nothing about it can be changed",
            end.message
        )));
    }
    let again = format!("`nasctl run` with the same file and --dir {shown}");
    let edit = |field: &str| {
        let said =
            format!("a run on this machine goes by its file: change {field} there, then `nasctl suspend {shown}`, then {again}");
        Err(Failure::Usage(format!("{said}; trials go on from their checkpoints")))
    };
    match change {
        Change::Suspend if wait_until_stopped(&journal)? => {
            Ok(format!("{shown} is suspended, after checkpoints: {again} goes on"))
        }
        Change::Suspend => Ok(format!("nobody runs {shown} now: {again} goes on")),
        Change::Resume => Err(Failure::Usage(format!("{again} goes on: it shows what the search does, and ends with it"))),
        Change::Scale(_) => edit("spec.parallelTrials"),
        Change::Stop { drain: true } => edit("spec.maxTrials"),
        Change::Stop { drain: false } => {
            wait_until_stopped(&journal)?;
            let end = run::end_early(folder)?;
            let confirms = state.experiment.is_some_and(|experiment| experiment.spec.confirm.is_some());
            let then = if confirms { format!("; {again} confirms the best") } else { String::new() };
            Ok(format!("the search of {shown} has ended: {}; `nasctl describe {shown}` shows what came out{then}", end.message))
        }
    }
}

/// Has the process that runs the search stop after checkpoints, and waits until it has. Returns whether there was one.
fn wait_until_stopped(journal: &Path) -> Result<bool, Failure> {
    let Some(pid) = holder(journal) else { return Ok(false) };
    kill(pid, Signal::SIGTERM).map_err(|error| Failure::io(format!("/proc/{pid}"))(error.into()))?;
    let began = Instant::now();
    let mut screen = Screen::default();
    while holder(journal) == Some(pid) {
        if stderr().is_terminal() {
            let words = format!("waiting for nasctl (process {pid}) to stop after checkpoints, {} ...", minutes(began.elapsed()));
            eprint!("{}", screen.redraw(&words));
        }
        thread::sleep(TICK);
    }
    eprint!("{}", screen.erase());
    Ok(true)
}
