//! A client that waits for some of its answers: what a slow API server, a full network or a bad proxy does to a leader.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use kube::client::{Body, ClientBuilder};
use nas_operator::{Config, Metrics};
use nas_testkit::eventually;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Layer, Service};

use crate::rig::{Operator, Rig};

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
        let lag = Self::of(|request| {
            let uri = request.uri();
            uri.path().ends_with("/nastrials") && uri.query().is_some_and(|query| query.contains("watch=true"))
        });
        lag.begin();
        lag
    }

    /// An operator that talks through this.
    pub(crate) fn operator(&self, rig: &Rig, config: Config) -> Operator {
        let client = ClientBuilder::try_from(rig.operator_config.clone()).unwrap().with_layer(self).build();
        Operator::start(config, client, Metrics::new().unwrap())
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

impl<S> Layer<S> for Lag {
    type Service = Lagging<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Lagging { inner, lag: self.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Lagging<S> {
    inner: S,
    lag: Lag,
}

impl<S, B> Service<Request<Body>> for Lagging<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let holds = self.lag.begun.is_cancelled() && (self.lag.holds)(&request);
        let lag = self.lag.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            if holds {
                lag.asked.cancel();
                lag.released.cancelled().await;
            }
            answer.await
        })
    }
}
