//! A client whose process can die at any write: before it is sent, or when the server has carried it out and nobody hears the answer.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::FutureExt;
use http::{Method, Request};
use kube::client::Body;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::between::{Answer, Between};

/// One write to the API server: the `nth` (from 0) of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Write {
    pub(crate) verb: &'static str,
    /// Plural, with the subresource.
    pub(crate) kind: String,
    /// Of the object; of an event, what it speaks of and its reason.
    pub(crate) name: String,
    pub(crate) nth: usize,
}

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The server never hears of the write.
    Before,
    /// The server has carried it out, and the answer is lost.
    After,
}

/// What an operator writes, over all of its lives.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    counts: HashMap<(&'static str, String, String), usize>,
    writes: Vec<Write>,
    death: Option<(Write, When)>,
    died: CancellationToken,
    deaths: usize,
}

impl Wire {
    /// One whose process dies at this write.
    pub(crate) fn that_breaks(at: Write, when: When) -> Self {
        let wire = Self::default();
        wire.state().death = Some((at, when));
        wire
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process has died: nothing that it still asks for is sent.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().died.is_cancelled()
    }

    /// Whether a process has ever died.
    pub(crate) fn has_died(&self) -> bool {
        self.state().deaths > 0
    }

    /// The process is started again.
    pub(crate) fn revive(&self) {
        let mut state = self.state();
        state.death = None;
        state.deaths += 1;
        state.died = CancellationToken::new();
    }

    /// All writes so far, in their order.
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.state().writes.clone()
    }

    /// Counts a write; returns whether the process dies at it.
    fn count(&self, verb: &'static str, kind: &str, name: &str) -> Option<When> {
        let mut state = self.state();
        let nth = state.counts.entry((verb, kind.to_owned(), name.to_owned())).or_default();
        let write = Write { verb, kind: kind.to_owned(), name: name.to_owned(), nth: *nth };
        *nth += 1;
        state.writes.push(write.clone());
        state.death.as_ref().filter(|(at, _)| *at == write).map(|(_, when)| *when)
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} #{}", self.verb, self.kind, self.name, self.nth)
    }
}

/// The answer that a dead process waits for.
async fn never<T>() -> T {
    loop {
        std::future::pending::<()>().await;
    }
}

/// Verb, kind and name of a request that writes.
fn write_of(request: &Request<Body>) -> Option<(&'static str, String, String)> {
    let verb = match *request.method() {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return None,
    };
    let mut rest = request.uri().path().split('/').skip_while(|part| *part != "namespaces").skip(2);
    let (kind, name, subresource) = (rest.next()?, rest.next(), rest.next());
    let kind = subresource.map_or_else(|| kind.to_owned(), |subresource| format!("{kind}/{subresource}"));
    // An event's name ends with the time of its first writing.
    let of_object =
        |name: &str| if kind == "events" { name.split('.').next().unwrap_or_default().to_owned() } else { name.to_owned() };
    let name = name.map(of_object).or_else(|| {
        let body = request.body().try_clone()?.collect_bytes().now_or_never()?.ok()?;
        let object: Value = serde_json::from_slice(&body).ok()?;
        let text = |pointer: &str| Some(object.pointer(pointer)?.as_str()?.to_owned());
        match kind.as_str() {
            "events" => Some(format!("{}/{}", text("/regarding/name")?, text("/reason")?)),
            _ => text("/metadata/name"),
        }
    });
    Some((verb, kind, name.unwrap_or_default()))
}

impl Between for Wire {
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer {
        let died = self.state().died.clone();
        if died.is_cancelled() {
            return never().boxed();
        }
        let write = write_of(&request);
        let when = write.as_ref().and_then(|(verb, kind, name)| self.count(verb, kind, name));
        if when == Some(When::Before) {
            died.cancel();
            return never().boxed();
        }
        let answer = send(request);
        async move {
            let answer = answer.await;
            if when == Some(When::After) {
                died.cancel();
            }
            if died.is_cancelled() { never().await } else { answer }
        }
        .boxed()
    }
}
