//! Records on each trial what has become of its segment: the order of outcomes is fixed, then they are written at the same time.

use std::{sync::Arc, time::Instant};

use futures::{StreamExt, stream};
use kube::{Resource, ResourceExt};
use nas_api::{
    RungEnd,
    objects::{NasTrial, ReportedStatus, RunSegment},
};
use nas_search::Outcome;
use tracing::{Span, field::Empty, instrument};

use super::{
    reconcile::Pass,
    status::stall_cleared,
    work::{AT_ONCE, Shared},
};
use crate::{
    Error,
    conditions::{Kind, is_told},
    events::Happened,
    metrics::SegmentEnd,
    telemetry,
    trial::{Account, Clock, Orders, TrialView, account},
};

/// A trial, and what is to be written on it.
type Accounted = (Arc<TrialView>, Account);
impl Pass<'_> {
    /// Records what has ended. Nothing is decided until all of it is there.
    #[instrument(level = "debug", skip_all, fields(ended = Empty))]
    pub(super) async fn record(&self, shared: &Shared<'_>) -> Result<(), Error> {
        let _batch = shared.batch().await;
        let (views, orders) = shared.with(|records| {
            let views = self.views(records);
            let orders = self.orders(records, &views);
            (views, orders)
        });
        // A pass lasts, and what ended in it did not end before it.
        let clock = Clock { now: self.context.metrics.now(), ..self.clock };
        let is_stalled = || shared.with(|records| records.index(&self.plan).is_stalled(stall_cleared(&self.experiment())));
        let mut knows_all = self.experiment().spec.suspend;
        let mut batch = Vec::new();
        let mut ended = 0_usize;
        for (mut view, mut orders) in views.into_iter().zip(orders) {
            // A stall may have begun in this very pass.
            if orders == Orders::Run && is_stalled() {
                orders = Orders::Hold;
            }
            let count = self.experiment().accelerators_of_a_slot().into();
            let mut wanted = account(&self.plan, &view, orders, count, &clock);
            if wanted == Some(Account::Look) {
                view = Arc::new(view.with_live_pods(self.writer.read_pods(&view.trial.name_any()).await?));
                wanted = account(&self.plan, &view, orders, count, &clock);
            }
            let Some(wanted) = wanted else { continue };
            if orders == Orders::Pause && !knows_all {
                if self.writer.read_trials().await? {
                    // A watch that lags behind counts slots that are free by now: only one that knows all trials takes one away.
                    return Err(Error::Conflict { kind: "NasTrial", name: self.key.experiment.clone() });
                }
                knows_all = true;
            }
            let may_stall = wanted.refuses();
            batch.push((view, wanted));
            ended += 1;
            if may_stall {
                self.write_accounts(shared, std::mem::take(&mut batch)).await?;
            }
        }
        Span::current().record("ended", ended);
        self.write_accounts(shared, batch).await
    }

    /// Outcomes count in the order of the batch, whichever is written first.
    async fn write_accounts(&self, shared: &Shared<'_>, batch: Vec<Accounted>) -> Result<(), Error> {
        let mut last = shared.with(|records| records.index(&self.plan).view().seq.max(self.after));
        let batch = batch.into_iter().map(|(view, account)| {
            let after = last;
            last += account.outcomes();
            (view, account, after)
        });
        let written: Vec<Result<Option<Instant>, Error>> = stream::iter(batch)
            .map(|(view, account, after)| async move {
                let ended = SegmentEnd::of(&view, &account);
                let known = (account.outcomes() > 0).then(|| self.context.metrics.known_since(&view)).flatten();
                let written = self.write_account(&view.trial, account, after).await?;
                if let Some(ended) = ended {
                    telemetry::segment_ended(&view, &written);
                    self.context.metrics.segment_ended(self.key, ended);
                }
                Ok(known)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        shared.with(|records| {
            // Out of the cache, which has the answers: another hand may know some trial in a newer version by now.
            self.fold(records);
            records.undecided.extend(written.iter().flatten().flatten());
        });
        written.into_iter().try_for_each(|written| written.map(drop))
    }

    /// Writes one account; its outcomes count after the `decisionSeq` `after`.
    async fn write_account(&self, trial: &Arc<NasTrial>, account: Account, after: u64) -> Result<Arc<NasTrial>, Error> {
        let mut status = trial.status.clone().unwrap_or_default();
        let about = trial.object_ref(&());
        match account {
            Account::Look => Ok(Arc::clone(trial)),
            Account::Note(segment) => {
                tracing::info!(
                    trial = trial.name_any(),
                    outcome = segment.outcome.name(),
                    said = segment.message,
                    "segment ended"
                );
                let ended = Happened::AttemptEnded { outcome: segment.outcome, message: segment.message.clone() };
                let again =
                    format!("attempt {} ended, and the next goes on from its checkpoint: {}", segment.attempt, segment.message);
                self.conditions(&mut status.conditions, trial).set(Kind::Waiting, true, segment.outcome.name(), &again);
                status.note(segment);
                let written = self.writer.write_trial_status(trial, &status).await?;
                self.context.events.tell(&about, ended);
                Ok(written)
            }
            Account::Record { ends, segment, report } => {
                let RunSegment { message, .. } = &segment;
                let message = message.clone();
                status.record(&ends, after);
                let mut told = self.conditions(&mut status.conditions, trial);
                // What ended with its search has not failed.
                if let Some(failed) = ends.last().filter(|end| !matches!(end.outcome, Outcome::Value(_) | Outcome::Cancelled)) {
                    told.set(Kind::Failed, true, failed.outcome.name(), &message);
                }
                if is_told(told.list, Kind::Waiting) {
                    told.set(Kind::Waiting, false, "Ended", "its segment has ended");
                }
                status.note(segment);
                let report = report.map(ReportedStatus::from).filter(|report| report.follows(status.reported.as_ref()));
                status.reported = report.or(status.reported);
                let written = self.writer.write_trial_status(trial, &status).await?;
                for RungEnd { rung, outcome, .. } in ends {
                    tracing::info!(trial = written.name_any(), rung, ?outcome, said = message, "recorded");
                    self.context.metrics.recorded(self.key, outcome.name());
                    if !matches!(outcome, Outcome::Value(_)) {
                        let happened = Happened::OutcomeRecorded { outcome: outcome.name(), message: message.clone() };
                        self.context.events.tell(&about, happened);
                    }
                }
                Ok(written)
            }
        }
    }
}
