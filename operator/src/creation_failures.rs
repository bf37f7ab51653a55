//! Why Jobs have no pods, as events say: read for all Jobs of a namespace at once, since a server looks through all events of a namespace for
//! any of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;

use crate::{Error, request::Requests};

/// They are not read again sooner.
const EVERY: Duration = Duration::from_secs(5);
/// Nor sooner than after so many times as long as reading them took: where there are many events, it keeps the server busy.
const REST: u32 = 20;

/// What was said last of each Job, by its UID.
type Said = Arc<HashMap<String, String>>;

/// What is known of a namespace, and when it is to be read again.
type Known = Option<(Said, Instant)>;

/// What is known of each namespace.
#[derive(Default)]
pub(crate) struct CreationFailures {
    namespaces: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

impl CreationFailures {
    /// Of a namespace, as of a few seconds ago.
    pub(crate) async fn of(&self, requests: &Requests, namespace: &str) -> Result<Said, Error> {
        let known = {
            let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(namespaces.entry(namespace.to_owned()).or_default())
        };
        // Whoever comes while they are read gets what was read.
        let mut known = known.lock().await;
        if let Some((said, until)) = &*known
            && Instant::now() < *until
        {
            return Ok(Arc::clone(said));
        }
        let began = Instant::now();
        let selector = ListParams::default().fields("involvedObject.kind=Job,reason=FailedCreate");
        let found = requests.send("list", "Event", "FailedCreate", requests.api::<Event>(namespace).list(&selector)).await?;
        let said = found.items.into_iter().filter_map(|event| Some((event.involved_object.uid?, event.message?)));
        let said: Said = Arc::new(said.collect());
        *known = Some((Arc::clone(&said), Instant::now() + EVERY.max(began.elapsed() * REST)));
        Ok(said)
    }
}
