//! Why Jobs have no pods, as events say: read for all Jobs of a namespace at once, since a server looks through all events of a namespace for
//! any of them. Words for people: nothing waits for them, and where they cannot be read those from before are told.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use tokio::time::timeout;

use crate::request::Requests;

/// They are not read again sooner.
const EVERY: Duration = Duration::from_secs(5);
/// Nor sooner than after so many times as long as reading them took: where there are many events, it keeps the server busy.
const REST: u32 = 20;
/// But after so long, and so where they could not be read.
const AT_LAST: Duration = Duration::from_mins(1);
/// Longest time to read them.
const IN_TIME: Duration = Duration::from_secs(10);

/// What was said last of each Job, by its UID.
type Said = Arc<HashMap<String, String>>;

/// What is known of a namespace.
struct Known {
    said: Said,
    /// When it is to be read again; `None`: somebody does.
    due: Option<Instant>,
}

/// What is known of each namespace.
#[derive(Default)]
pub(crate) struct CreationFailures {
    namespaces: Mutex<HashMap<String, Known>>,
}

impl CreationFailures {
    /// Of a namespace, as of some seconds ago.
    pub(crate) async fn of(&self, requests: &Requests, namespace: &str) -> Said {
        if let Some(said) = self.known(namespace, Instant::now()) {
            return said;
        }
        let _reading = Reading { failures: self, namespace };
        let selector = ListParams::default().fields("involvedObject.kind=Job,reason=FailedCreate");
        let events = requests.api::<Event>(namespace);
        // Without the time in which it waits for other requests.
        let timed = async {
            let began = Instant::now();
            events.list(&selector).await.map(|found| (found, began.elapsed()))
        };
        let read = timeout(IN_TIME, requests.send("list", "Event", "FailedCreate", timed)).await;
        let mut namespaces = self.lock();
        let Some(known) = namespaces.get_mut(namespace) else { return Said::default() };
        if let Ok(Ok((found, took))) = read {
            let said = found.items.into_iter().filter_map(|event| Some((event.involved_object.uid?, event.message?)));
            *known = Known { said: Arc::new(said.collect()), due: Some(Instant::now() + (took * REST).clamp(EVERY, AT_LAST)) };
        } else {
            tracing::warn!(namespace, "cannot read why Jobs have no pods");
        }
        Arc::clone(&known.said)
    }

    /// What is known, unless it is to be read now, by whoever asks.
    fn known(&self, namespace: &str, now: Instant) -> Option<Said> {
        let mut namespaces = self.lock();
        let known = namespaces.entry(namespace.to_owned()).or_insert_with(|| Known { said: Said::default(), due: Some(now) });
        if known.due.is_some_and(|due| due <= now) {
            known.due = None;
            return None;
        }
        Some(Arc::clone(&known.said))
    }

    /// Nothing of ours is in the namespace any more.
    pub(crate) fn forget(&self, namespace: &str) {
        self.lock().remove(namespace);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who reads a namespace. However that ends, somebody reads it again.
struct Reading<'a> {
    failures: &'a CreationFailures,
    namespace: &'a str,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(known) = self.failures.lock().get_mut(self.namespace) {
            known.due.get_or_insert_with(|| Instant::now() + AT_LAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reads_and_the_others_take_what_is_known_until_it_is_due_again() {
        let failures = CreationFailures::default();
        let now = Instant::now();
        assert!(failures.known("team", now).is_none(), "the first reads");
        let reading = Reading { failures: &failures, namespace: "team" };
        assert!(failures.known("team", now + AT_LAST).is_some(), "while it reads, nobody else does");
        assert!(failures.known("other", now).is_none(), "another namespace is another matter");
        drop(reading);
        assert!(failures.known("team", now + AT_LAST / 2).is_some(), "what failed is not tried at once");
        assert!(failures.known("team", now + 2 * AT_LAST).is_none());
        failures.forget("team");
        assert!(failures.known("team", now).is_none());
    }
}
