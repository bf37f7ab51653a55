//! How one request of a pass goes to the API server: few at a time, never waited for without end, seen in a trace. What it says is its sender's.

use std::time::Duration;

use kube::{
    Api,
    api::{PatchParams, PostParams},
};
use tokio::{sync::Semaphore, time::timeout};
use tracing::instrument;

use crate::{Error, labels};

/// Requests of all passes at the same time. The lease and the watches have their own way: a busy operator must not lose the one for the others.
const IN_FLIGHT: usize = 32;
/// Longest time for one request with all the client's retries.
pub(crate) const IN_TIME: Duration = Duration::from_secs(30);

/// Sends the requests of all passes.
pub(crate) struct Requests {
    client: kube::Client,
    in_flight: Semaphore,
}

impl Requests {
    pub(crate) fn new(client: kube::Client) -> Self {
        Self { client, in_flight: Semaphore::new(IN_FLIGHT) }
    }

    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The objects of a kind in a namespace.
    pub(crate) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client(), namespace)
    }

    /// Sends one request, once few enough others of all passes are under way; gives up where no answer comes.
    #[instrument(level = "debug", skip_all, fields(otel.name = %format_args!("{verb} {kind}"), otel.kind = "client", object = name))]
    pub(crate) async fn send<T>(
        &self,
        verb: &'static str,
        kind: &'static str,
        name: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        let name = name.to_owned();
        let _permit = self.in_flight.acquire().await;
        match timeout(IN_TIME, request).await {
            Err(_) => Err(Error::Timeout { verb, kind, name }),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if is_lost_race(verb, &error) => Err(Error::Conflict { kind, name }),
            Ok(Err(source)) => Err(Error::Api { verb, kind, name, source: Box::new(source) }),
        }
    }
}

/// Whether somebody else was faster: another resourceVersion, a name that is taken, a `test` of a JSON patch that does not hold.
fn is_lost_race(verb: &str, error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    // Of a patch alone: a webhook that refuses what is to be created may give no causes either.
    let failed_test =
        verb == "patch" && status.code == 422 && status.details.as_ref().is_none_or(|details| details.causes.is_empty());
    status.is_conflict() || status.is_already_exists() || failed_test
}

/// As whom objects are created.
pub(crate) fn post() -> PostParams {
    PostParams { field_manager: Some(labels::MANAGER.to_owned()), ..PostParams::default() }
}

/// As whom objects are changed.
pub(crate) fn manager() -> PatchParams {
    PatchParams { field_manager: Some(labels::MANAGER.to_owned()), ..PatchParams::default() }
}
