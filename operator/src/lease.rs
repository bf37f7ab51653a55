//! Leadership by a Lease: taken, renewed and given back by compare-and-swap (PUT with a resourceVersion).
//!
//! It saves work: only one replica acts. It is not what makes the operator correct: a leader that has not noticed its end is stopped by
//! the resource versions of what it writes.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// A lease by name, and who wants it.
pub(crate) struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    holds: Duration,
}

/// What a candidate sees of the lease: others' clocks are not trusted, only how long a record stays as it is.
struct Seen {
    version: Option<String>,
    since: Instant,
}

impl Candidate {
    pub(crate) fn new(client: Client, namespace: &str, name: &str, identity: &str, holds: Duration) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), identity: identity.to_owned(), holds }
    }

    /// Waits for the lease; returns without it only when `stop` comes first.
    pub(crate) async fn acquire(&self, stop: &CancellationToken) -> Option<Lease> {
        let mut seen = Seen { version: None, since: Instant::now() };
        while !stop.is_cancelled() {
            match self.in_time(self.try_acquire(&mut seen)).await {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => {}
                Err(error) => tracing::warn!(error = error.chain(), "cannot read or take the lease"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(self.holds / 6) => {}
            }
        }
        None
    }

    async fn try_acquire(&self, seen: &mut Seen) -> Result<Option<Lease>, Error> {
        let found = self.api.get_opt(&self.name).await.map_err(|error| self.error("get", error))?;
        let Some(mut lease) = found else {
            let mut lease = Lease::default();
            lease.metadata.name = Some(self.name.clone());
            lease.spec = Some(self.held(0, None));
            return won(self.api.create(&PostParams::default(), &lease).await).map_err(|error| self.error("create", error));
        };
        if seen.version != lease.resource_version() {
            *seen = Seen { version: lease.resource_version(), since: Instant::now() };
        }
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let lasts =
            spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(self.holds, Duration::from_secs);
        if !holder.is_empty() && holder != self.identity && seen.since.elapsed() < lasts {
            return Ok(None);
        }
        lease.spec = Some(self.held(spec.lease_transitions.unwrap_or_default() + 1, None));
        won(self.api.replace(&self.name, &PostParams::default(), &lease).await).map_err(|error| self.error("replace", error))
    }

    /// Renews the lease until `stop`, then gives it back. Returns when it is lost, or when it could not be renewed for most of the time
    /// that it holds.
    pub(crate) async fn keep(&self, mut lease: Lease, stop: &CancellationToken) -> Result<(), Error> {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    self.release(lease).await;
                    return Ok(());
                }
                () = sleep(self.holds / 5) => {}
            }
            let spec = lease.spec.clone().unwrap_or_default();
            lease.spec = Some(self.held(spec.lease_transitions.unwrap_or_default(), spec.acquire_time));
            match self.in_time(self.replace(&lease)).await {
                Ok(newer) => {
                    lease = newer;
                    renewed = Instant::now();
                }
                Err(Error::Conflict { .. }) => return Err(Error::LeaseLost),
                Err(error) if renewed.elapsed() < self.holds * 2 / 3 => {
                    tracing::warn!(error = error.chain(), "cannot renew the lease, trying again");
                }
                Err(error) => return Err(Error::LeaseExpired(Box::new(error))),
            }
        }
    }

    async fn release(&self, mut lease: Lease) {
        if let Some(spec) = &mut lease.spec {
            // An empty holder is free at once.
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        match self.in_time(self.replace(&lease)).await {
            Ok(_) => tracing::info!("the lease is given back"),
            Err(error) => tracing::warn!(error = error.chain(), "cannot give the lease back; it ends by itself"),
        }
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, Error> {
        self.api.replace(&self.name, &PostParams::default(), lease).await.map_err(|error| self.error("replace", error))
    }

    fn held(&self, transitions: i32, acquired: Option<MicroTime>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.holds.as_secs()).ok(),
            lease_transitions: Some(transitions),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    /// The client retries for minutes; a lease must know earlier.
    async fn in_time<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = |_| Error::Timeout { verb: "renew", kind: "Lease", name: self.name.clone() };
        timeout(self.holds / 4, request).await.map_err(late)?
    }

    fn error(&self, verb: &'static str, source: kube::Error) -> Error {
        let conflict = matches!(&source, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists());
        if conflict {
            return Error::Conflict { kind: "Lease", name: self.name.clone() };
        }
        Error::Api { verb, kind: "Lease", name: self.name.clone(), source: Box::new(source) }
    }
}

/// Whether a write won: another candidate's is no error.
fn won(answer: Result<Lease, kube::Error>) -> Result<Option<Lease>, kube::Error> {
    match answer {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
        Err(error) => Err(error),
    }
}
