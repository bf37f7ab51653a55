//! The confirmation of a search that has ended: which trials, decided once; their trainings, by the pass of any search.

use std::sync::{Arc, Mutex};

use futures::{FutureExt, future};
use kube::Resource;
use nas_api::{
    Confirmation,
    objects::{ConfirmStatus, NasTrial},
};

use super::{
    reconcile::Pass,
    search::Records,
    status::{Failure, stall_cleared},
    work::Shared,
};
use crate::{Error, apply::Writer, events::Happened, trial::Waiting};

/// How the confirmation stands.
#[derive(Debug, Default)]
pub(crate) struct Confirming {
    /// The trials that are trained anew, with what came out; empty before it begins, and where nothing is to be confirmed.
    pub(crate) list: Vec<ConfirmStatus>,
    /// What keeps them from training.
    pub(crate) waiting: Vec<Waiting>,
    /// Why the training that was recorded last has no value, where it has none.
    pub(crate) failure: Option<Failure>,
    /// Time that accelerators were held for it.
    pub(crate) accelerator_seconds: f64,
    /// Nothing is left to be confirmed, and nothing of it is at work.
    pub(crate) is_over: bool,
}

impl Confirming {
    pub(crate) fn has_begun(&self) -> bool {
        !self.list.is_empty()
    }
}

impl<'a> Pass<'a> {
    /// Once the search is quiet: chooses what is to be confirmed, and does what can be done now for it.
    pub(super) async fn confirm(&self, shared: &Shared<'_>, confirmed: &mut Records) -> Result<Confirming, Error> {
        let experiment = self.experiment();
        let Some(status) = experiment.status.as_ref() else { return Ok(Confirming::default()) };
        let Some(end) = &status.end else { return Ok(Confirming::default()) };
        if !experiment.confirms_after(end) {
            return Ok(Confirming { is_over: true, ..Confirming::default() });
        }
        if status.confirm.is_empty() {
            if !shared.with(|records| self.is_quiet(&self.views(records))) {
                return Ok(Confirming::default());
            }
            self.choose(shared).await?;
        }
        let Some(pass) = shared.with(|records| self.of_confirmation(records)) else {
            return Ok(Confirming { is_over: true, ..Confirming::default() });
        };
        let trainings = Shared::new(confirmed);
        let working = pass.work(&trainings, future::ready(()).boxed());
        let waiting = pass.recording(&trainings, working.boxed()).await?;
        self.wake(pass.next());
        let views = pass.views(confirmed);
        let accelerator_seconds = pass.accelerator_seconds(confirmed, &views);
        let failure = Failure::last(confirmed, &pass.plan, stall_cleared(&experiment));
        let index = confirmed.index(&pass.plan);
        let Some(confirmation) = &pass.confirmation else { return Ok(Confirming::default()) };
        Ok(Confirming {
            list: confirmation.status(index),
            waiting,
            failure,
            accelerator_seconds,
            is_over: confirmation.is_over(index) && pass.is_quiet(&views),
        })
    }

    /// Records which trials are to be confirmed, before the first training of one: whoever goes on takes the same.
    async fn choose(&self, shared: &Shared<'_>) -> Result<(), Error> {
        if self.writer.read_trials().await? {
            // As an end, it is for good, and a watch may lag behind.
            return Err(Error::Conflict { kind: "NasTrial", name: self.key.experiment.clone() });
        }
        let list = shared.with(|records| self.experiment().to_confirm(records.index(&self.plan)));
        if list.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = list.iter().map(|at| at.trial.as_str()).collect();
        let message = format!("each with {} seeds: {}", list[0].seeds, names.join(", "));
        let mut status = self.experiment().status.clone().unwrap_or_default();
        status.confirm = list;
        self.write_status(&status).await?;
        tracing::info!(said = message, "the best trials are trained anew");
        self.context.events.tell(&self.experiment().object_ref(&()), Happened::Confirming { message });
        Ok(())
    }

    /// The pass over the confirmation, if it has begun.
    pub(super) fn of_confirmation(&self, searched: &mut Records) -> Option<Pass<'a>> {
        let experiment = self.experiment();
        let list = experiment.status.as_ref().map(|status| &status.confirm).filter(|list| !list.is_empty())?;
        let trainings = self.context.world.confirmations_of(self.key, &experiment);
        let configuration = |name: &str| {
            let copy = || trainings.iter().find(|training| training.spec.confirms.as_deref() == Some(name)).cloned();
            let trial: Option<Arc<NasTrial>> = self.context.world.trials.get(self.key, name).or_else(copy);
            trial.map(|trial| trial.assignment().clone())
        };
        let (confirmation, plan) = Confirmation::new(&experiment, &self.plan, list, configuration);
        Some(Pass {
            context: self.context,
            writer: Writer { context: self.context, key: self.key },
            key: self.key,
            experiment: Mutex::new(Arc::clone(&experiment)),
            plan: Arc::new(plan),
            confirmation: Some(confirmation),
            after: searched.index(&self.plan).view().seq,
            clock: self.clock,
            next: Mutex::new(self.next()),
            granted: Mutex::default(),
        })
    }
}
