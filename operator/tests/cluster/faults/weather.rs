//! A client with a bad network and an overloaded API server behind it: one request in ten fails, some are slow, watches break, stutter and
//! repeat themselves.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use serde_json::json;
use tower::BoxError;

use crate::between::{Answer, Between, Reply, is_watch, refusal};

/// What the server says instead of carrying a request out, and after having done so.
const REFUSALS: [(u16, &str); 4] =
    [(409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")];
/// The slowest of a hundred answers.
const SLOW: Duration = Duration::from_secs(5);

/// Bad weather, which follows from a seed.
#[derive(Clone)]
pub(crate) struct Weather(Arc<Sky>);

struct Sky {
    seed: u64,
    drawn: AtomicU64,
    seen: Mutex<BTreeMap<String, usize>>,
}

/// What becomes of one request.
enum Fate {
    Answered,
    Refused(usize),
    /// Carried out, and answered with an error.
    Swallowed,
    /// The connection breaks before the server hears of it.
    Unsent,
    /// The connection breaks once it is carried out.
    Unheard,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Sky { seed, drawn: AtomicU64::new(0), seen: Mutex::default() }))
    }

    /// How often each fault came.
    pub(crate) fn seen(&self) -> BTreeMap<String, usize> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, what: impl Into<String>) {
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(what.into()).or_default() += 1;
    }

    /// A number below `bound` (`SplitMix64` of seed and counter).
    fn draw(&self, bound: u64) -> u64 {
        let count = self.0.drawn.fetch_add(1, Ordering::Relaxed);
        let mut mixed = self.0.seed.wrapping_add(count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn fate(&self) -> Fate {
        match self.draw(100) {
            of @ 0..=3 => Fate::Refused(usize::try_from(of).unwrap_or_default()),
            4..=5 => Fate::Swallowed,
            6..=7 => Fate::Unsent,
            8..=9 => Fate::Unheard,
            _ => Fate::Answered,
        }
    }

    fn delay(&self) -> Duration {
        match self.draw(100) {
            0 => SLOW,
            1..=20 => Duration::from_millis(self.draw(50)),
            _ => Duration::ZERO,
        }
    }

    /// The lines of a watch: some twice, some late; now and then its version is too old, or the connection breaks.
    fn spoil(self, body: UnsyncBoxBody<Bytes, BoxError>) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> {
        let chunks = Box::pin(body.into_data_stream());
        let lines = stream::unfold((chunks, Vec::new()), async |(mut chunks, mut rest): (Pin<Box<_>>, Vec<u8>)| {
            loop {
                if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    return Some((Ok::<_, BoxError>(Bytes::from(line)), (chunks, rest)));
                }
                match StreamExt::next(&mut chunks).await? {
                    Ok(chunk) => rest.extend_from_slice(&chunk),
                    Err(error) => return Some((Err(error), (chunks, rest))),
                }
            }
        });
        lines.flat_map(move |line| {
            let weather = self.clone();
            let spoilt = async move {
                let mut frames = Vec::new();
                match (line, weather.draw(100)) {
                    (Ok(line), 0..=9) => {
                        weather.note("event twice");
                        frames.extend([Ok(line.clone()), Ok(line)]);
                    }
                    (Ok(line), 10..=19) => {
                        weather.note("event late");
                        tokio::time::sleep(Duration::from_millis(weather.draw(300))).await;
                        frames.push(Ok(line));
                    }
                    (Ok(_), 20) => {
                        weather.note("event 410");
                        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410,
                            "reason": "Expired", "message": "too old resource version"});
                        frames.push(Ok(Bytes::from(json!({"type": "ERROR", "object": status}).to_string() + "\n")));
                    }
                    (Ok(_), 21) => {
                        weather.note("watch broken");
                        frames.push(Err("connection reset by the weather".into()));
                    }
                    (other, _) => frames.push(other),
                }
                stream::iter(frames)
            };
            stream::once(spoilt).flatten()
        })
        .map(|line| line.map(Frame::data))
    }
}

/// What the server says to a request that it does not carry out, or fails at.
fn refused(code: u16, reason: &str) -> Reply {
    let mut answer = refusal(code, Some(reason), "because of the weather");
    if code == 429 {
        answer.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    answer
}

impl Between for Weather {
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer {
        let weather = self.clone();
        // A leader that loses its lease ends; that is another test's.
        let of_lease = request.uri().path().contains("/leases");
        let watches = is_watch(&request);
        let (fate, delay) = if of_lease { (Fate::Answered, Duration::ZERO) } else { (weather.fate(), weather.delay()) };
        let unsent = match fate {
            Fate::Refused(of) => Some(Ok(REFUSALS[of])),
            Fate::Unsent => Some(Err("connection refused by the weather")),
            _ => None,
        };
        if let Some(unsent) = unsent {
            return async move {
                tokio::time::sleep(delay).await;
                weather.note(unsent.map_or_else(str::to_owned, |(code, _)| code.to_string()));
                unsent.map(|(code, reason)| refused(code, reason)).map_err(Into::into)
            }
            .boxed();
        }
        let answer = send(request);
        async move {
            tokio::time::sleep(delay).await;
            if delay == SLOW {
                weather.note("slow");
            }
            let answer = answer.await?;
            match fate {
                Fate::Swallowed => {
                    weather.note("carried out and 500");
                    return Ok(refused(500, "InternalError"));
                }
                Fate::Unheard => {
                    weather.note("answer lost");
                    return Err("connection reset by the weather".into());
                }
                _ => {}
            }
            Ok(if watches { answer.map(|body| StreamBody::new(weather.spoil(body)).boxed_unsync()) } else { answer })
        }
        .boxed()
    }
}
