//! A client that waits for some of its answers: what a slow API server, a full network or a bad proxy does to a leader.

use futures::FutureExt;
use http::Request;
use kube::client::Body;
use nas_testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::between::{Answer, Between, is_watch};

/// Holds back some answers until it is released.
#[derive(Clone)]
pub(crate) struct Lag {
    holds: fn(&Request<Body>) -> bool,
    begun: CancellationToken,
    asked: CancellationToken,
    released: CancellationToken,
}

impl Lag {
    /// Answers of requests of this kind, from [`Self::begin`] on.
    pub(crate) fn of(holds: fn(&Request<Body>) -> bool) -> Self {
        Self { holds, begun: CancellationToken::new(), asked: CancellationToken::new(), released: CancellationToken::new() }
    }

    /// Every watch of trials, from now on; lists are answered.
    pub(crate) fn of_trials() -> Self {
        let lag = Self::of(|request| request.uri().path().ends_with("/nastrials") && is_watch(request));
        lag.begin();
        lag
    }

    pub(crate) fn begin(&self) {
        self.begun.cancel();
    }

    /// Waits for the first answer that is held back.
    pub(crate) async fn holds(&self) {
        eventually("an answer is held back", || async { if self.asked.is_cancelled() { Ok(()) } else { Err(()) } }).await;
    }

    pub(crate) fn release(&self) {
        self.released.cancel();
    }
}

impl Between for Lag {
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer {
        let holds = self.begun.is_cancelled() && (self.holds)(&request);
        let lag = self.clone();
        let answer = send(request);
        async move {
            if holds {
                lag.asked.cancel();
                lag.released.cancelled().await;
            }
            answer.await
        }
        .boxed()
    }
}
