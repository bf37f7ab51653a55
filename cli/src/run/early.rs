//! The end of a search that nobody runs at the moment, as a person wants it.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nas_api::{
    SourceFile,
    objects::{EndStatus, NasExperiment},
};
use nas_search::{Decision, Usage, decide};

use super::{
    journal::{FILE, Journal, State},
    ledger::Ledger,
};
use crate::failure::Failure;

/// Ends the search of a folder: its budget of time is what has passed. What was granted and has no outcome is Cancelled.
///
/// # Errors
///
/// If a process runs it, or there is none.
pub(crate) fn end_early(folder: &Path) -> Result<EndStatus, Failure> {
    let path = folder.join(FILE);
    let (state, _) = State::read(&path)?;
    let none = || Failure::Folder(format!("{} holds no search", folder.display()));
    let mut experiment: NasExperiment = state.experiment.ok_or_else(none)?;
    let began = UNIX_EPOCH + Duration::from_secs(state.began.unwrap_or_default());
    let passed = SystemTime::now().duration_since(began).unwrap_or_default().as_secs();
    experiment.spec.budget.get_or_insert_default().wall_clock = Some(Duration::from_secs(passed).into());
    let plan = experiment.validate().map_err(|problems| Failure::Invalid { path, problems })?;
    let (journal, source) = Journal::open(folder, SourceFile { experiment, plan })?;
    let mut ledger = Ledger::new(source, journal);
    let usage = Usage { wall_clock: Duration::MAX, ..Usage::default() };
    let ends = decide(&ledger.source.plan, &ledger.index, &usage).into_iter().find_map(|decision| match decision {
        Decision::Finish { reason, view } => Some(EndStatus::new(reason, view)),
        _ => None,
    });
    let end = ends.ok_or_else(|| Failure::Folder("the search has no budget to end by".to_owned()))?;
    ledger.end(&end)?;
    ledger.cancel()?;
    Ok(end)
}
