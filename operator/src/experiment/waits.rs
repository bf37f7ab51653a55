//! What a trial waits for, told on the trial itself once it lasts.

use std::{sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use nas_api::objects::NasTrial;

use super::{reconcile::Pass, work::Shared};
use crate::{
    Error,
    conditions::{Conditions, Kind, holds, reason},
    trial::{TrialView, Waiting},
};

/// What is over sooner, such as a pod's way to its node, is not written on a trial.
pub(super) const LASTS: Duration = Duration::from_secs(5);

/// A trial and what keeps it from training.
pub(super) struct Wait {
    pub(super) trial: Arc<NasTrial>,
    pub(super) waiting: Option<Waiting>,
    /// A pod of its segment has started.
    trains: bool,
}

impl Wait {
    pub(super) fn new(view: &TrialView, waiting: Option<Waiting>) -> Self {
        Self { trial: Arc::clone(&view.trial), waiting, trains: view.trains() }
    }
}

impl Pass<'_> {
    /// Writes on each trial what it waits for, and that the wait is over.
    pub(super) async fn tell_waits(&self, shared: &Shared<'_>, waits: &[Wait]) -> Result<(), Error> {
        let known = shared.with(|records| std::mem::take(&mut records.waits));
        let holds = |trial: &NasTrial| trial.status.as_ref().is_some_and(|status| holds(&status.conditions, Kind::Waiting));
        for Wait { trial, waiting, trains } in waits.iter().filter(|wait| wait.waiting.is_some() || holds(&wait.trial)) {
            let Some(trial) = self.context.world.trials.get(self.key, &trial.name_any()) else { continue };
            let told = trial.status.as_ref().and_then(|status| reason(&status.conditions, Kind::Waiting));
            let Some(waiting) = waiting else {
                if *trains && told.is_some() {
                    self.tell(&trial, false, "Training", "its pod is at work").await?;
                }
                continue;
            };
            let before = known.get(&trial.number()).filter(|(reason, _)| *reason == waiting.reason);
            let since = before.map_or(self.clock.now, |(_, since)| *since);
            shared.with(|records| records.waits.insert(trial.number(), (waiting.reason, since)));
            if told == Some(waiting.reason.as_str()) {
                continue;
            }
            let left = LASTS.saturating_sub(self.clock.since(since));
            if left.is_zero() {
                self.tell(&trial, true, waiting.reason.as_str(), &waiting.message).await?;
            } else {
                self.wake(left);
            }
        }
        Ok(())
    }

    /// The conditions of a trial, as they will be written.
    pub(super) fn conditions<'a>(&self, list: &'a mut Vec<Condition>, trial: &NasTrial) -> Conditions<'a> {
        Conditions { list, generation: trial.metadata.generation, now: self.clock.now }
    }

    async fn tell(&self, trial: &NasTrial, holds: bool, reason: &str, message: &str) -> Result<(), Error> {
        let mut status = trial.status.clone().unwrap_or_default();
        self.conditions(&mut status.conditions, trial).set(Kind::Waiting, holds, reason, message);
        self.writer.write_trial_status(trial, &status).await.map(drop)
    }
}
