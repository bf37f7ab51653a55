//! What stands between an operator and its API server where a test makes the way between them bad.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use kube::client::{Body, ClientBuilder};
use nas_operator::{Config, Instrument, Metrics};
use serde_json::json;
use tower::{BoxError, Layer, Service};

use crate::rig::{Operator, Rig};

/// What a server answers.
pub(crate) type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;
/// An answer that is on its way.
pub(crate) type Answer = BoxFuture<'static, Result<Reply, BoxError>>;

/// Stands between an operator and its API server.
pub(crate) trait Between: Clone + Send + 'static {
    /// Answers a request. `send` gives the server's own answer; nothing is sent before somebody waits for that.
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer;

    /// An operator that talks through this.
    fn operator(&self, rig: &Rig, config: Config) -> Operator {
        let metrics = Metrics::new().unwrap();
        let builder = ClientBuilder::try_from(rig.operator_config.clone()).unwrap();
        let client = builder.with_layer(&Way(self.clone())).with_layer(&Instrument(metrics.clone())).build();
        Operator::start(config, client, metrics)
    }
}

struct Way<T>(T);

impl<S, T: Clone> Layer<S> for Way<T> {
    type Service = Through<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        Through { inner, between: self.0.clone() }
    }
}

struct Through<S, T> {
    inner: S,
    between: T,
}

impl<S, T, B> Service<Request<Body>> for Through<S, T>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    T: Between,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let Self { inner, between } = self;
        between.between(request, |request| {
            let answer = inner.call(request);
            async move { Ok(answer.await.map_err(Into::into)?.map(|body| body.map_err(Into::into).boxed_unsync())) }.boxed()
        })
    }
}

/// An answer that carries nothing out, as the API server tells an error of its own or of a webhook: without causes.
pub(crate) fn refusal(code: u16, reason: Option<&str>, message: &str) -> Reply {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
        "message": message});
    let body = Full::new(Bytes::from(status.to_string())).map_err(Into::into).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}

/// Whether a request opens a watch.
pub(crate) fn is_watch(request: &Request<Body>) -> bool {
    request.uri().query().is_some_and(|query| query.contains("watch=true"))
}
