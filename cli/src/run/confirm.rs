//! The confirmation of a search that has ended here: the loop of any search, over trials of its own.

use nas_api::{
    SourceFile,
    objects::{ConfirmStatus, EndStatus, NasTrial},
};

use super::runner::Runner;
use crate::failure::Failure;

impl Runner {
    /// After the end of the search: removes the checkpoints that nobody will ask for, and returns what trains its best anew, if that is asked for
    /// and there is something to confirm.
    pub(crate) fn confirming(mut self, end: &EndStatus) -> Result<Option<Self>, Failure> {
        let confirms = self.source.experiment.confirms_after(end);
        if confirms && self.journal.state.confirm.is_empty() {
            let list = self.source.experiment.to_confirm(&self.index);
            if !list.is_empty() {
                self.journal.confirm(list)?;
            }
        }
        // Not sooner: the confirmed keep theirs, whether or not they are among the best.
        self.clean_up(true);
        if !confirms {
            return Ok(None);
        }
        let SourceFile { experiment, plan } = self.source;
        let Some((confirmation, plan)) = self.journal.state.confirmation(&experiment, &plan) else { return Ok(None) };
        let source = SourceFile { experiment, plan };
        let after = self.index.view().seq;
        Ok(Some(Self::over(source, Some(confirmation), after, self.journal, self.launcher, self.gpus, self.stops)))
    }

    /// Runs a confirmation to its end. On a failure, every trainer is stopped after a checkpoint first.
    pub(crate) fn confirm(&mut self) -> Result<Vec<ConfirmStatus>, Failure> {
        if self.confirmation.as_ref().is_some_and(|confirmation| !confirmation.is_over(&self.index)) {
            let ended = self.run_to_end();
            if ended.is_err() {
                self.stop_children();
            }
            ended?;
        }
        Ok(self.confirmed())
    }

    /// What has been confirmed so far.
    pub(super) fn confirmed(&self) -> Vec<ConfirmStatus> {
        self.confirmation.as_ref().map(|confirmation| confirmation.status(&self.index)).unwrap_or_default()
    }
}

/// What a trial is called where people read it.
pub(super) fn name_of(trial: &NasTrial) -> String {
    match trial.spec.confirms.as_ref().zip(trial.spec.grants.first()) {
        Some((_, grant)) => format!("training {} ({})", trial.spec.number, grant.reason),
        None => format!("trial {}", trial.spec.number),
    }
}
