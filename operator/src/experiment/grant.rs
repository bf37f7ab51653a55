//! Decides, and records each decision. Grants rest on those before them, and are written one after the other.

use std::time::{Duration, Instant};

use futures::{StreamExt, channel::mpsc::UnboundedSender, future, stream};
use kube::{Resource, ResourceExt};
use nas_api::objects::{EndStatus, NasTrial};
use nas_search::{Decision, End, NewTrial, View, decide};
use tracing::{Span, field::Empty, instrument};

use super::{
    reconcile::{Pass, RECHECK},
    search::Records,
    work::{AT_ONCE, Shared},
};
use crate::{Error, apply::Granted, events::Happened};

/// Grants of one decision at most: what has ended meanwhile is to count for the next ones.
pub(super) const GRANTS: usize = 16;

/// Grants of one pass are at an end after this long: the status is to follow.
const AT_MOST: Duration = Duration::from_secs(1);

/// A name that somebody else's trial has is looked at again after this long.
const NAME_TAKEN: Duration = Duration::from_secs(1);

impl Pass<'_> {
    /// Decides and grants until nothing is left to be granted, or the status is due. Each grant is told, so that its Job need not wait for the
    /// next one. Returns the end of the search, where that is decided.
    #[instrument(level = "debug", skip_all, fields(grants = Empty, leave = Empty))]
    pub(super) async fn grant(&self, shared: &Shared<'_>, granted: UnboundedSender<()>) -> Result<Option<(End, View)>, Error> {
        if self.confirmation.is_none() && self.has_ended() {
            return Ok(None);
        }
        let began = Instant::now();
        let mut counts = (0, 0);
        shared.with(|records| records.uncreated = None);
        loop {
            let (decisions, decided) = {
                let _complete = shared.batch().await;
                shared.with(|records| (self.decisions(records), records.undecided.len()))
            };
            // Who stops or is retired does so whatever else was decided.
            let (leave, mut grants): (Vec<_>, Vec<_>) =
                decisions.into_iter().partition(|decision| matches!(decision, Decision::Stop { .. } | Decision::Retire { .. }));
            let end = match grants.last() {
                Some(Decision::Finish { view, reason }) => Some((*reason, *view)),
                _ => None,
            };
            grants.retain(|decision| !matches!(decision, Decision::Finish { .. }));
            counts = (counts.0 + grants.len(), counts.1 + leave.len());
            Span::current().record("grants", counts.0).record("leave", counts.1);
            // That a confirmation is over is to be seen; nothing waits for a decision.
            let end = end.filter(|_| self.confirmation.is_none());
            if end.is_some() {
                let _complete = shared.batch().await;
                if self.writer.read_trials().await? {
                    // An end is for good, and a watch may lag behind what another leader granted: the next pass decides on all there is.
                    return Err(Error::Conflict { kind: "NasTrial", name: self.key.experiment.clone() });
                }
            }
            let leaving = stream::iter(leave)
                .map(|decision| async move { self.carry(&decision).await.map(drop) })
                .buffer_unordered(AT_ONCE);
            let granting = async {
                for decision in &grants {
                    let trial = match self.carry(decision).await? {
                        Granted::Written(trial) => trial,
                        Granted::NotYet => {
                            self.wake(NAME_TAKEN);
                            return Ok::<_, Error>(false);
                        }
                        Granted::Refused(waiting) => {
                            shared.with(|records| records.uncreated = Some(waiting));
                            self.wake(RECHECK);
                            return Ok(false);
                        }
                    };
                    self.note_granted(&trial);
                    // Nobody sees to Jobs any more where that has failed.
                    let _ = granted.unbounded_send(());
                }
                Ok(true)
            };
            let (left, are_all) = future::join(leaving.collect::<Vec<_>>(), granting).await;
            let are_all = are_all?;
            left.into_iter().collect::<Result<Vec<_>, _>>()?;
            shared.with(|records| self.context.metrics.decided_on(self.key, records.undecided.drain(..decided)));
            if !are_all {
                return Ok(None);
            }
            if end.is_some() || grants.is_empty() {
                return Ok(end);
            }
            if began.elapsed() > AT_MOST {
                self.wake(Duration::ZERO);
                return Ok(None);
            }
        }
    }

    fn decisions(&self, records: &mut Records) -> Vec<Decision> {
        let views = self.views(records);
        let usage = self.usage(records, &views);
        decide(&self.plan, records.index(&self.plan), &usage)
    }

    /// Ends the search.
    pub(super) async fn end(&self, reason: End, view: View) -> Result<(), Error> {
        let mut status = self.experiment().status.clone().unwrap_or_default();
        status.end = Some(EndStatus::new(reason, view));
        self.write_status(&status).await?;
        tracing::info!(%reason, "the search ends");
        self.context.events.tell(&self.experiment().object_ref(&()), Happened::Ended { reason });
        self.context.metrics.decided(self.key, "finish");
        Ok(())
    }

    /// Records one decision about a trial. Where its name is taken, an older experiment's is still being deleted, or another replica was faster.
    async fn carry(&self, decision: &Decision) -> Result<Granted, Error> {
        let seen = |number: u64| {
            let name = NasTrial::name_of(&self.key.experiment, number);
            let gone = Error::Conflict { kind: "NasTrial", name: name.clone() };
            self.context.world.trials.get(self.key, &name).ok_or(gone)
        };
        let (word, written, happened) = match decision {
            Decision::Create { new, view } => {
                // One whose configuration is gone is passed over with the next pass.
                let Some(trial) = self.new_trial(new, *view) else { return Ok(Granted::NotYet) };
                let created = match self.writer.create_trial(&self.experiment(), trial).await? {
                    Granted::Written(created) => created,
                    other => return Ok(other),
                };
                tracing::info!(trial = created.name_any(), rejected = new.sample.rejected, "created");
                ("create", created, None)
            }
            Decision::Promote { trial, rung, view, reason } => {
                let reason = reason.to_string();
                let promoted = self.writer.promote(&*seen(*trial)?, *rung, *view, reason.clone()).await?;
                tracing::info!(trial = promoted.name_any(), rung, reason, "promoted");
                ("promote", promoted, Some(Happened::Promoted { rung: *rung, reason }))
            }
            Decision::Stop { trial, view, reason } => {
                let stopped = self.writer.stop(&*seen(*trial)?, *view).await?;
                ("stop", stopped, Some(Happened::Stopped { reason: reason.to_string() }))
            }
            Decision::Retire { trial, view, reason } => {
                let retired = self.writer.retire(&*seen(*trial)?, *view).await?;
                ("retire", retired, Some(Happened::Retired { reason: reason.to_string() }))
            }
            // Of no trial.
            Decision::Finish { .. } => return Ok(Granted::NotYet),
        };
        if let Some(happened) = happened {
            self.context.events.tell(&written.object_ref(&()), happened);
        }
        self.context.metrics.decided(self.key, word);
        Ok(Granted::Written(written))
    }

    /// The object of a trial that was just decided on.
    fn new_trial(&self, new: &NewTrial, view: View) -> Option<NasTrial> {
        match &self.confirmation {
            Some(confirmation) => confirmation.trial(new, view),
            None => Some(NasTrial::create(&self.key.experiment, new, view)),
        }
    }
}
