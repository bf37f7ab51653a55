//! The client, with a layer that counts and times its requests.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use tower::{BoxError, Layer, Service};

use crate::{Error, Metrics};

/// A client for the cluster of the kubeconfig, or of the pod that this process runs in.
pub async fn client(metrics: &Metrics) -> Result<Client, Error> {
    let config = Config::infer().await.map_err(|error| Error::Client(error.into()))?;
    instrumented(config, metrics)
}

/// A client that counts and times its requests in `metrics`.
pub fn instrumented(config: Config, metrics: &Metrics) -> Result<Client, Error> {
    let builder = ClientBuilder::try_from(config).map_err(|error| Error::Client(error.into()))?;
    Ok(builder.with_layer(&Instrument(metrics.clone())).build())
}

/// Counts and times requests, and hears what time it is for the API server.
#[derive(Clone)]
pub struct Instrument(pub Metrics);

impl<S> Layer<S> for Instrument {
    type Service = Instrumented<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Instrumented { inner, metrics: self.0.clone() }
    }
}

/// A service with [`Instrument`] around it.
#[derive(Clone)]
pub struct Instrumented<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<Body>> for Instrumented<S>
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
        let method = request.method().to_string();
        let metrics = self.metrics.clone();
        let began = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or_else(|_| "<error>".to_owned(), |answer| answer.status().as_str().to_owned());
            metrics.requested(&method, &code, began.elapsed());
            if let Ok(answer) = &answer {
                metrics.answered(answer.headers());
            }
            answer
        })
    }
}
