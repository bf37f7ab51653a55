//! What a pass does at the same time: one hand records what ends, one grants what is decided, one sees to Jobs.
//!
//! A request takes long where the API server is busy, and a pass makes many: none of the three waits for the others' requests. What they
//! know, they share; each looks at it for a moment, and none across a request.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use futures::{FutureExt, StreamExt, channel::mpsc, future, future::BoxFuture};
use nas_api::objects::NasTrial;
use tokio_util::sync::CancellationToken;

use super::{reconcile::Pass, search::Records};
use crate::{Error, trial::Waiting};

/// Requests of one hand at the same time.
pub(super) const AT_ONCE: usize = 16;

/// The records of a search, while several hands are at work on it.
pub(super) struct Shared<'r> {
    records: Mutex<&'r mut Records>,
    batch: tokio::sync::Mutex<()>,
}

impl<'r> Shared<'r> {
    pub(super) fn new(records: &'r mut Records) -> Self {
        Self { records: Mutex::new(records), batch: tokio::sync::Mutex::default() }
    }

    /// Looks at the records.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Records) -> T) -> T {
        look(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until outcomes are recorded as far as they have a place in the order, and holds back others: a decision says up to which outcome
    /// it knew all of them.
    pub(super) async fn batch(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.batch.lock().await
    }
}

impl Pass<'_> {
    /// Records what has ended, and what ends until `working` is done.
    pub(super) async fn recording<T>(&self, shared: &Shared<'_>, working: BoxFuture<'_, Result<T, Error>>) -> Result<T, Error> {
        let since = self.context.world.pods.until();
        self.record(shared).await?;
        let done = CancellationToken::new();
        let working = async {
            let worked = working.await;
            done.cancel();
            worked
        };
        let (worked, recorded) = future::join(working, self.record_meanwhile(shared, since, &done).boxed()).await;
        match (worked, recorded) {
            // A race that was lost hides no error.
            (Err(error), Ok(()) | Err(Error::Conflict { .. })) | (_, Err(error)) => Err(error),
            (worked, Ok(())) => worked,
        }
    }

    /// Decides and sees to Jobs, as long as there is something to be done, and to something else beside it; returns what trials wait for.
    pub(super) async fn work(&self, shared: &Shared<'_>, beside: BoxFuture<'_, ()>) -> Result<Vec<Waiting>, Error> {
        let (grants, mut granted) = mpsc::unbounded();
        // Boxes, as one future of all of it would be large.
        let starting = async {
            while granted.next().await.is_some() {
                // One look at all that was granted meanwhile.
                while granted.try_recv().is_ok() {}
                self.jobs(shared).await?;
            }
            Ok::<_, Error>(())
        }
        .boxed();
        let deciding = async {
            let (end, started) = future::join(self.grant(shared, grants).boxed(), starting).await;
            started?;
            if let Some((reason, view)) = end? {
                self.end(reason, view).await?;
            }
            self.jobs(shared).await
        }
        .boxed();
        let (worked, ()) = future::join(deciding, beside).await;
        worked
    }

    /// Records what ends after the moment `since`, until all is `done`.
    async fn record_meanwhile(&self, shared: &Shared<'_>, mut since: u64, done: &CancellationToken) -> Result<(), Error> {
        // A request that was sent is waited for.
        while let Some(until) = done.run_until_cancelled(self.context.world.segment_ended(self.key, since)).await {
            since = until;
            self.record(shared).await?;
        }
        Ok(())
    }

    /// What a trial was granted in this pass is known from the server.
    pub(super) fn note_granted(&self, trial: &NasTrial) {
        let version = trial.metadata.resource_version.clone();
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).extend(version);
    }

    pub(super) fn is_granted(&self, trial: &NasTrial) -> bool {
        let granted: &HashSet<String> = &self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        trial.metadata.resource_version.as_ref().is_some_and(|version| granted.contains(version))
    }
}
