//! A client with a bad network and an overloaded API server behind it: one request in ten fails, some are slow, watches break, stutter and
//! repeat themselves.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use serde_json::json;
use tower::{BoxError, Layer, Service};

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
    fn spoil<B>(self, body: B) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let chunks = Box::pin(body.into_data_stream());
        let lines = stream::unfold((chunks, Vec::new()), async |(mut chunks, mut rest): (Pin<Box<_>>, Vec<u8>)| {
            loop {
                if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    return Some((Ok::<_, BoxError>(Bytes::from(line)), (chunks, rest)));
                }
                match StreamExt::next(&mut chunks).await? {
                    Ok(chunk) => rest.extend_from_slice(&chunk),
                    Err(error) => return Some((Err(Into::into(error)), (chunks, rest))),
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

/// The server's answer to a request that it does not carry out, or fails at.
fn refusal(code: u16, reason: &str) -> Response<UnsyncBoxBody<Bytes, BoxError>> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
        "message": "because of the weather"});
    let body = Full::new(Bytes::from(status.to_string())).map_err(Into::into).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    if code == 429 {
        answer.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    answer
}

impl<S> Layer<S> for Weather {
    type Service = Weathered<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Weathered { inner, weather: self.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Weathered<S> {
    inner: S,
    weather: Weather,
}

impl<S, B> Service<Request<Body>> for Weathered<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let weather = self.weather.clone();
        let uri = request.uri();
        // A leader that loses its lease ends; that is another test's.
        let of_lease = uri.path().contains("/leases");
        let watches = uri.query().is_some_and(|query| query.contains("watch=true"));
        let (fate, delay) = if of_lease { (Fate::Answered, Duration::ZERO) } else { (weather.fate(), weather.delay()) };
        let unsent = match fate {
            Fate::Refused(of) => Some(Ok(REFUSALS[of])),
            Fate::Unsent => Some(Err("connection refused by the weather")),
            _ => None,
        };
        if let Some(unsent) = unsent {
            return Box::pin(async move {
                tokio::time::sleep(delay).await;
                weather.note(unsent.map_or_else(str::to_owned, |(code, _)| code.to_string()));
                unsent.map(|(code, reason)| refusal(code, reason)).map_err(Into::into)
            });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            if delay == SLOW {
                weather.note("slow");
            }
            let answer = answer.await.map_err(Into::into)?;
            match fate {
                Fate::Swallowed => {
                    weather.note("carried out and 500");
                    return Ok(refusal(500, "InternalError"));
                }
                Fate::Unheard => {
                    weather.note("answer lost");
                    return Err("connection reset by the weather".into());
                }
                _ => {}
            }
            let (head, body) = answer.into_parts();
            let body = if watches {
                StreamBody::new(weather.spoil(body)).boxed_unsync()
            } else {
                body.map_err(Into::into).boxed_unsync()
            };
            Ok(Response::from_parts(head, body))
        })
    }
}
