//! An API server that refuses some requests as long as that is asked for: what an etcd without space, or a webhook of somebody else, does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::FutureExt;
use http::Request;
use kube::client::Body;

use crate::between::{Answer, Between, refusal};

/// Refuses requests of one kind, with the same words.
#[derive(Clone)]
pub(crate) struct Refusing {
    refuses: fn(&Request<Body>) -> bool,
    code: u16,
    message: &'static str,
    has_begun: Arc<AtomicBool>,
}

impl Refusing {
    /// From [`Self::begin`] on.
    pub(crate) fn of(refuses: fn(&Request<Body>) -> bool, code: u16, message: &'static str) -> Self {
        Self { refuses, code, message, has_begun: Arc::default() }
    }

    pub(crate) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.has_begun.store(false, Ordering::Relaxed);
    }
}

impl Between for Refusing {
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer {
        if self.has_begun.load(Ordering::Relaxed) && (self.refuses)(&request) {
            let answer = refusal(self.code, None, self.message);
            return async move { Ok(answer) }.boxed();
        }
        send(request)
    }
}
