//! The part of a pass that creates and deletes Jobs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use kube::ResourceExt;
use nas_api::objects::NasTrial;

use super::{
    reconcile::{Pass, RECHECK},
    waits::{LASTS, Wait},
    work::{AT_ONCE, Shared},
};
use crate::{
    Error,
    apply::Created,
    trial::{JobStep, TrialView, WaitReason, Waiting, build_job, job_steps},
};

/// A Job without pods is asked about after this long.
const PODLESS: Duration = Duration::from_secs(5);

/// A trial whose Job cannot be created.
struct Blocked {
    trial: Arc<NasTrial>,
    waiting: Waiting,
}

impl Pass<'_> {
    /// Creates and deletes Jobs; returns what trials wait for.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn jobs(&self, shared: &Shared<'_>) -> Result<Vec<Waiting>, Error> {
        let (views, orders) = shared.with(|records| {
            let views = self.views(records);
            let orders = self.orders(records, &views);
            (views, orders)
        });
        let mut waits = Vec::new();
        let mut work = Vec::new();
        for (view, orders) in views.into_iter().zip(orders) {
            if let Some(at) = view.wakes_at(&self.clock) {
                let left = Duration::try_from(at.duration_since(self.clock.now)).unwrap_or_default();
                self.wake(left.max(Duration::from_millis(100)));
            }
            let mut waiting = None;
            let mut steps = job_steps(&view, orders, &self.clock);
            steps.retain(|step| match step {
                JobStep::Wait(reason) => {
                    waiting = Some(reason.clone());
                    false
                }
                _ => true,
            });
            if steps.is_empty() && waiting.is_none() {
                waiting = self.podless(&view).await;
            }
            waits.push(Wait::new(&view, waiting));
            if !steps.is_empty() {
                work.push((waits.len() - 1, view, steps));
            }
        }
        let carried_out = stream::iter(work)
            .map(|(at, view, steps)| async move { self.carry_out(view, steps).await.map(|blocked| (at, blocked)) })
            .buffer_unordered(AT_ONCE);
        // All of them, before the first error ends the pass: one trial's does not cut off the requests for others.
        let carried_out: Vec<Result<_, Error>> = carried_out.collect().await;
        for carried_out in carried_out {
            let (at, Some(Blocked { trial, waiting })) = carried_out? else { continue };
            self.wake(RECHECK);
            waits[at].trial = trial;
            waits[at].waiting = Some(waiting);
        }
        let for_name = |wait: &&Wait| wait.waiting.as_ref().is_some_and(Waiting::is_for_name);
        let names_taken: Vec<_> = waits.iter().filter(for_name).map(|wait| Arc::clone(&wait.trial)).collect();
        shared.with(|records| records.views.names_are_taken(&names_taken, self.clock.now));
        self.tell_waits(shared, &waits).await?;
        let others = self.in_the_way(shared);
        Ok(waits.into_iter().filter_map(|wait| wait.waiting).chain(others).collect())
    }

    /// What keeps the search as a whole: of trials that are created, that count, or that are heard of.
    fn in_the_way(&self, shared: &Shared<'_>) -> Vec<Waiting> {
        let deaf = self.context.world.hearing.deaf(Instant::now()).map(|(kind, said)| Waiting::not_heard(&kind, &said));
        if deaf.is_some() {
            self.wake(RECHECK);
        }
        shared.with(|records| {
            let mut waiting: Vec<_> = records.uncreated.clone().into_iter().chain(deaf).collect();
            if let Some((trial, since)) = records.disowned(self.clock.now) {
                // A namesake's that was deleted a moment ago still go.
                let left = LASTS.saturating_sub(self.clock.since(since));
                if left.is_zero() {
                    waiting.push(Waiting::trial_disowned(trial));
                } else {
                    self.wake(left);
                }
            }
            waiting
        })
    }

    /// Takes the steps for one trial; returns what is in the way of its Job.
    async fn carry_out(&self, view: Arc<TrialView>, steps: Vec<JobStep>) -> Result<Option<Blocked>, Error> {
        let mut trial = Arc::clone(&view.trial);
        let mut fresh = self.is_granted(&trial);
        for step in steps {
            match step {
                JobStep::Delete { name, uid } => self.writer.delete_job(&name, &uid).await?,
                JobStep::NextAttempt => {
                    trial = self.writer.next_attempt(&trial).await?;
                    fresh = true;
                }
                JobStep::DeleteOther { name, uid } => {
                    if !self.stands_as_seen(&trial, &mut fresh).await? {
                        return Ok(None);
                    }
                    self.writer.delete_job(&name, &uid).await?;
                }
                JobStep::Create => {
                    if !self.stands_as_seen(&trial, &mut fresh).await? {
                        return Ok(None);
                    }
                    let job = build_job(&self.experiment(), &trial, &self.plan.rungs, &self.context.settings());
                    let waiting = match self.writer.create_job(&job).await? {
                        Created::Watched => {
                            tracing::info!(job = job.name_any(), "Job created");
                            continue;
                        }
                        Created::Unwatched => Waiting::name_taken(&job.name_any()),
                        Created::Refused(said) => Waiting::job_refused(&job.name_any(), &said),
                    };
                    return Ok(Some(Blocked { trial, waiting }));
                }
                JobStep::Wait(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether the server, and not only the cache, says that this was granted and nothing else. `false`: the trial is gone.
    async fn stands_as_seen(&self, trial: &NasTrial, fresh: &mut bool) -> Result<bool, Error> {
        if *fresh {
            return Ok(true);
        }
        let Some(read) = self.writer.read_trial(&trial.name_any()).await? else { return Ok(false) };
        if read.spec != trial.spec {
            return Err(Error::Conflict { kind: "NasTrial", name: trial.name_any() });
        }
        *fresh = true;
        Ok(true)
    }

    /// Why a Job that is at work has no pod: an event says so.
    async fn podless(&self, view: &TrialView) -> Option<Waiting> {
        let job = view.job().filter(|_| view.segment_pods().next().is_none())?;
        let created = job.metadata.creation_timestamp.as_ref().map_or(self.clock.now, |time| time.0);
        self.wake(PODLESS);
        if self.clock.since(created) < PODLESS {
            return None;
        }
        let said = self.context.creation_failures.of(&self.context.requests, &self.key.namespace).await;
        let message = said.get(job.metadata.uid.as_ref()?)?;
        let reason = if message.contains("exceeded quota") { WaitReason::QuotaExceeded } else { WaitReason::PodsNotCreated };
        Some(Waiting::new(reason, format!("Job {}: {message}", job.name_any())))
    }
}
