//! The end of a search that nobody runs at the moment, as a person wants it.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nas_api::{
    SourceFile,
    objects::{EndStatus, NasExperiment},
};
use nas_search::{Decision, Usage, decide};

use super::{
    default_trainer,
    gpus::Gpus,
    journal::{FILE, Journal, State},
    process::Launcher,
    runner::Runner,
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
    // It starts nothing.
    let launcher = Launcher::new(default_trainer(), folder.to_owned(), 1, std::collections::BTreeMap::new())?;
    Runner::new(source, journal, launcher, Gpus::default(), Arc::new(AtomicUsize::new(0))).end_now()
}

impl Runner {
    fn end_now(mut self) -> Result<EndStatus, Failure> {
        let usage = Usage { wall_clock: Duration::MAX, ..Usage::default() };
        let ends = decide(&self.source.plan, &self.index, &usage).into_iter().find_map(|decision| match decision {
            Decision::Finish { reason, view } => Some(EndStatus::new(reason, view)),
            _ => None,
        });
        let end = ends.ok_or_else(|| Failure::Folder("the search has no budget to end by".to_owned()))?;
        self.journal.end(end)?;
        self.search()
    }
}
