//! The confirmation of a search that has ended here: the loop of any search, over trials of its own.

use nas_api::objects::{ConfirmStatus, EndStatus, NasTrial};

use super::runner::Runner;
use crate::failure::Failure;

impl Runner {
    /// After the end of the search: removes the checkpoints that nobody will ask for, and returns what trains its best anew, if that is asked for
    /// and there is something to confirm.
    pub(super) fn confirming(mut self, end: &EndStatus) -> Result<Option<Self>, Failure> {
        let experiment = &self.ledger.source.experiment;
        let confirms = experiment.confirms_after(end);
        if confirms && self.ledger.journal.state.confirm.is_empty() {
            let list = experiment.to_confirm(&self.ledger.index);
            if !list.is_empty() {
                self.ledger.journal.confirm(list)?;
            }
        }
        // Not sooner: the confirmed keep theirs, whether or not they are among the best.
        self.clean_up(true);
        let ledger = if confirms { self.ledger.into_confirmation() } else { None };
        Ok(ledger.map(|ledger| Self::new(ledger, self.launcher, self.gpus, self.stops)))
    }

    /// Runs a confirmation to its end. On a failure, every trainer is stopped after a checkpoint first.
    pub(super) fn confirm(&mut self) -> Result<Vec<ConfirmStatus>, Failure> {
        if self.ledger.confirmation.as_ref().is_some_and(|confirmation| !confirmation.is_over(&self.ledger.index)) {
            self.run()?;
        }
        Ok(self.ledger.confirmed())
    }
}

/// What a trial is called where people read it.
pub(super) fn name_of(trial: &NasTrial) -> String {
    match trial.spec.confirms.as_ref().zip(trial.spec.grants.first()) {
        Some((_, grant)) => format!("training {} ({})", trial.spec.number, grant.reason),
        None => format!("trial {}", trial.spec.number),
    }
}
