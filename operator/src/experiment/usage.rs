//! What a search, or its confirmation, has used: time, accelerators, and slots that are still held.

use std::{sync::Arc, time::Duration};

use nas_search::Usage;

use super::{grant::GRANTS, reconcile::Pass, search::Records, status::stall_cleared};
use crate::{
    ownership::is_owned,
    trial::{TrialView, is_live},
};

impl Pass<'_> {
    /// What decisions need to know of it.
    pub(super) fn usage(&self, records: &Records, views: &[Arc<TrialView>]) -> Usage {
        let began = self.experiment().metadata.creation_timestamp.as_ref().map_or(self.clock.now, |time| time.0);
        let since = self.clock.since(began);
        if let Some(limit) = self.plan.budget.wall_clock {
            self.wake(limit.saturating_sub(since).max(Duration::from_millis(100)));
        }
        let lingering = |view: &&Arc<TrialView>| view.trial.running().is_none() && view.has_live_pods(&self.clock);
        let each = f64::from(self.experiment().accelerators_of_a_slot());
        Usage {
            wall_clock: since,
            accelerator: Duration::try_from_secs_f64(self.accelerator_seconds(records, views)).unwrap_or(Duration::MAX),
            segments: Duration::try_from_secs_f64(records.roster.ended_seconds() / each).unwrap_or(Duration::MAX),
            stall_cleared: stall_cleared(&self.experiment()),
            suspended: self.experiment().spec.suspend,
            at_most: Some(self.room_in_queue(views).min(GRANTS)),
            held: views.iter().filter(lingering).count() + self.orphans(records),
        }
    }

    /// How many more trials may wait in the queue, where there is one.
    fn room_in_queue(&self, views: &[Arc<TrialView>]) -> usize {
        let Some(queue) = &self.experiment().spec.trial.queue else { return usize::MAX };
        let most = usize::try_from(queue.max_pending_trials).unwrap_or_default();
        most.saturating_sub(views.iter().filter(|view| view.is_queued()).count())
    }

    /// Trials that a person deleted and that have a pod which has not ended.
    fn orphans(&self, records: &Records) -> usize {
        let is_known = |name: &str| {
            records.roster.number_of(name).is_some()
                || self.context.world.trials.get(self.key, name).is_some_and(|trial| is_owned(&*trial, &*self.experiment()))
        };
        let pods = records.views.pods_by_trial();
        pods.filter(|(name, pods)| !is_known(name) && pods.values().any(|pod| is_live(pod, &self.clock))).count()
    }

    /// Seconds for which accelerators were held, by segments that ended and by pods that run.
    pub(super) fn accelerator_seconds(&self, records: &Records, views: &[Arc<TrialView>]) -> f64 {
        let open = |view: &&Arc<TrialView>| view.trial.running().is_some() && !view.is_noted();
        let running: f64 = views.iter().filter(open).map(|view| view.held_seconds(self.clock.now).0).sum();
        self.experiment().charged_seconds(records.roster.ended_seconds(), running)
    }
}
