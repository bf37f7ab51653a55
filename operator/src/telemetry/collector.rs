//! Sends spans to a collector, with the HTTP of the Kubernetes client. Where it cannot, it says so, and seldom again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::Connect},
    rt::TokioExecutor,
};
use kube::client::ConfigExt;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::{runtime::Handle, time::timeout};

use crate::error::{Error, chain};

/// Longest time for one request.
const IN_TIME: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER: usize = 64 * 1024;
/// That spans are lost is told again after this long.
const TOLD_AGAIN: Duration = Duration::from_mins(10);

#[derive(Debug)]
struct Collector<C> {
    client: Client<C, Full<Bytes>>,
    /// What sends. The thread that asks is one of the SDK's own.
    runtime: Handle,
    /// When it was told last that spans are lost; `None`: they are not.
    told: Mutex<Option<Instant>>,
}

/// What sends to an address, over TLS where that begins with https.
pub(super) fn collector(endpoint: &Uri) -> Result<impl HttpClient + use<>, Error> {
    // kube's connector trusts the system's roots.
    let connector = kube::Config::new(endpoint.clone()).rustls_https_connector();
    let connector = connector.map_err(|error| Error::Collector { endpoint: endpoint.to_string(), source: error.into() })?;
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Ok(Collector { client, runtime: Handle::current(), told: Mutex::default() })
}

impl<C> Collector<C> {
    fn tell(&self, lost: Option<&str>, endpoint: &Uri) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(error) = lost else {
            if told.take().is_some() {
                tracing::info!(%endpoint, "the collector takes traces again");
            }
            return;
        };
        if told.is_none_or(|at| at.elapsed() >= TOLD_AGAIN) {
            *told = Some(Instant::now());
            tracing::warn!(%endpoint, error, "the collector takes no traces: they are lost, and nothing waits for them");
        }
    }
}

#[async_trait]
impl<C> HttpClient for Collector<C>
where
    C: Connect + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let endpoint = request.uri().clone();
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move { timeout(IN_TIME, send(client, request)).await });
        let answer = async { sending.await?? }.await;
        match &answer {
            Ok(answer) if answer.status().is_success() => self.tell(None, &endpoint),
            Ok(answer) => self.tell(Some(&format!("it answers {}", answer.status())), &endpoint),
            Err(error) => self.tell(Some(&chain(&**error)), &endpoint),
        }
        answer
    }
}

async fn send<C>(client: Client<C, Full<Bytes>>, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}
