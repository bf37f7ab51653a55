//! A client whose watch of trials stays silent: what a slow API server, a full network or a bad proxy does to a leader.

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

/// Holds back every watch of trials until it is released; lists are answered.
#[derive(Clone, Default)]
pub(crate) struct Lag {
    asked: CancellationToken,
    released: CancellationToken,
}

impl Lag {
    /// An operator that has listed the trials as they are now, and hears of no other until [`Self::release`].
    pub(crate) async fn operator(&self, rig: &Rig, config: Config) -> Operator {
        let metrics = Metrics::new().unwrap();
        let client = ClientBuilder::try_from(rig.operator_config.clone()).unwrap().with_layer(self).build();
        let operator = Operator::start(config, client, metrics);
        eventually("it has listed the trials", || async { if self.asked.is_cancelled() { Ok(()) } else { Err(()) } }).await;
        operator
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
        let uri = request.uri();
        let watches = uri.path().ends_with("/nastrials") && uri.query().is_some_and(|query| query.contains("watch=true"));
        let lag = self.lag.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            if watches {
                lag.asked.cancel();
                lag.released.cancelled().await;
            }
            answer.await
        })
    }
}
