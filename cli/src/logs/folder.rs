//! The log of a trial in a run's folder.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::Path,
    thread,
    time::Duration,
};

use nas_api::objects::NasTrial;

use super::{
    View,
    sections::{Sections, last},
};
use crate::{
    failure::Failure,
    run::{JOURNAL_FILE, LOG, State, holder, trial_folder},
    trial::Named,
};

/// How often it is looked whether more was said.
const TICK: Duration = Duration::from_millis(200);

/// Shows it, and with `--follow` goes on until nothing more can come.
pub(super) fn show(folder: &Path, named: Named, view: View) -> Result<(), Failure> {
    let journal = folder.join(JOURNAL_FILE);
    let (mut state, mut read) = State::read(&journal)?;
    let trial = named.in_folder(&state, folder)?;
    let wanted = view.wanted(1, trial.spec.attempt, named)?;
    let path = trial_folder(folder, trial.metadata.name.as_deref().unwrap_or_default()).join(LOG);
    let mut sections = Sections::new(wanted);
    let mut from = 0;
    let mut lines = more(&path, &mut from, true)?;
    if from == 0 && !view.follow {
        return Err(Failure::Usage(nothing(&path, trial, named)));
    }
    lines.retain(|line| sections.wants(line));
    if wanted.is_some() && !sections.has_headings && from > 0 {
        let said = "was written by an earlier nasctl and does not say where attempts begin: leave --attempt and --previous out";
        return Err(Failure::Usage(format!("{} {said}", path.display())));
    }
    last(&mut lines, view.tail);
    print(&lines);
    if !view.follow {
        return Ok(());
    }
    let mut told = None;
    loop {
        let ended = stands(&state, named, &journal);
        let mut lines = more(&path, &mut from, matches!(ended, Stands::Over(_)))?;
        lines.retain(|line| sections.wants(line));
        print(&lines);
        match ended {
            Stands::Over(words) => {
                eprintln!("{}: {words}", named.words());
                return Ok(());
            }
            Stands::Waits(words) if told.as_ref() != Some(&words) => {
                eprintln!("{}: {words}", named.words());
                told = Some(words);
            }
            Stands::Waits(_) => {}
            Stands::Trains => told = None,
        }
        thread::sleep(TICK);
        if fs::metadata(&journal).is_ok_and(|now| now.len() != read) {
            (state, read) = State::read(&journal)?;
        }
    }
}

fn print(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}

/// Why there is no log.
fn nothing(path: &Path, trial: &NasTrial, named: Named) -> String {
    if trial.spec.attempt == 0 {
        return format!("{} has not started yet: give --follow to wait for it", named.words());
    }
    let path = path.display();
    format!(
        "the log of {} is gone: somebody removed {path}, and nothing else keeps it; nasctl describe --trials has its last words",
        named.words()
    )
}

/// The whole lines that came since; at the end, what is left without a line's end, too.
fn more(path: &Path, from: &mut u64, is_last: bool) -> Result<Vec<String>, Failure> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => {
            let read = file.seek(SeekFrom::Start(*from)).and_then(|_| file.read_to_end(&mut bytes));
            read.map_err(Failure::io(path))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(path)(error)),
    }
    let whole = if is_last { bytes.len() } else { bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) };
    *from += whole as u64;
    Ok(String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect())
}

/// Whether something more may be said.
#[derive(Debug, PartialEq)]
enum Stands {
    Trains,
    /// Not now.
    Waits(String),
    /// Never.
    Over(String),
}

fn stands(state: &State, named: Named, journal: &Path) -> Stands {
    let Some(trial) = named.of_run(state) else { return Stands::Over("it is gone".to_owned()) };
    let rung = trial.last().map_or(0, |last| last.rung);
    match trial.running() {
        None if named.confirms => Stands::Over("its training has ended".to_owned()),
        None if state.end.is_some() => Stands::Over("its search has ended".to_owned()),
        None if trial.is_over() => Stands::Over(format!("it does not go on from rung {rung}")),
        _ if holder(journal).is_none() && cfg!(target_os = "linux") => {
            Stands::Over("nobody runs its search now; `nasctl run` with the same file and folder goes on".to_owned())
        }
        None => Stands::Waits(format!("it waits at rung {rung}, and may be promoted later")),
        Some(_) => Stands::Trains,
    }
}
