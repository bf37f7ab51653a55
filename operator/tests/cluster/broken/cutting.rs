//! Open watches that end when that is asked for, as they do every few minutes, or where an API server is restarted.

use std::sync::{Arc, Mutex, PoisonError};

use futures::{FutureExt, StreamExt};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kube::client::Body;
use tokio_util::sync::CancellationToken;

use crate::between::{Answer, Between, is_watch};

#[derive(Clone, Default)]
pub(crate) struct Scissors(Arc<Mutex<CancellationToken>>);

impl Scissors {
    /// Ends every watch that is open now.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).cancel();
    }
}

impl Between for Scissors {
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer {
        if !is_watch(&request) {
            return send(request);
        }
        let cut = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = send(request);
        async move {
            Ok(answer.await?.map(|body| {
                let lines = body.into_data_stream().map(|chunk| chunk.map(Frame::data));
                StreamBody::new(Box::pin(lines).take_until(cut.cancelled_owned())).boxed_unsync()
            }))
        }
        .boxed()
    }
}
