//! Answers the page.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use nas_api::objects::NasTrial;
use serde::Serialize;
use tokio::task::block_in_place;

use super::{
    board::{Board, Snapshot},
    detail::{self, Detail},
    guard::Guard,
    logs, page,
    source::Source,
};
use crate::report::{Curve, curve};

/// Curves in one answer.
const CURVES: usize = 24;

/// What every answer says.
const SAID: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, page::POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

type Shown = State<Arc<Board>>;

/// All that can be asked for.
pub(super) fn routes(board: Arc<Board>, guard: Guard) -> Router {
    Router::new()
        .route("/state", get(async |State(board): Shown| json(&board.look().await)))
        .route("/data", get(async |State(board): Shown| data(&board.snapshot())))
        .route("/trials/{number}", get(trial))
        .route("/trials/{number}/log", get(log))
        .route("/curves/{numbers}", get(curves))
        .fallback(async |request: Request| file(request.uri().path()))
        .layer(middleware::from_fn_with_state(Arc::new(guard), judge))
        .with_state(board)
}

/// Lets through what is ours.
async fn judge(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let open = page::file(request.uri().path()).is_some();
    let mut response = match guard.judge(request.method(), request.uri(), request.headers(), open) {
        Ok(()) => next.run(request).await,
        Err(refusal) => (refusal.status(), refusal.words()).into_response(),
    };
    response.headers_mut().extend(SAID.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn file(path: &str) -> Response {
    match page::file(path) {
        Some((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        None => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
    }
}

fn data(snapshot: &Snapshot) -> Response {
    let version = HeaderValue::from(snapshot.version);
    let kind = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, kind), (HeaderName::from_static("nas-version"), version)];
    (headers, Body::from(snapshot.data.clone())).into_response()
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("this cannot be written as JSON: {error}\n")).into_response(),
    }
}

fn find(snapshot: &Snapshot, number: u64) -> Option<&NasTrial> {
    snapshot.records.trials.iter().find(|trial| trial.number() == number)
}

fn missing(number: u64) -> Response {
    (StatusCode::NOT_FOUND, format!("there is no trial {number}\n")).into_response()
}

fn unanswered(error: &impl std::fmt::Display) -> Response {
    (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response()
}

async fn trial(State(board): Shown, Path(number): Path<u64>) -> Response {
    let snapshot = board.snapshot();
    let Some(trial) = find(&snapshot, number) else { return missing(number) };
    let mut detail = block_in_place(|| Detail::new(&snapshot.records, trial));
    if let (Source::Cluster(mirror), Some(name)) = (&board.source, &trial.metadata.name) {
        match detail::events(mirror, name).await {
            Ok(events) => detail.events = events,
            Err(error) => return unanswered(&error),
        }
    }
    json(&detail)
}

async fn log(State(board): Shown, Path(number): Path<u64>) -> Response {
    let snapshot = board.snapshot();
    let Some(name) = find(&snapshot, number).and_then(|trial| trial.metadata.name.as_deref()) else { return missing(number) };
    match &board.source {
        Source::Folder(folder) => match block_in_place(|| logs::of_folder(folder, name)) {
            Ok(log) => json(&log),
            Err(error) => unanswered(&error),
        },
        Source::Cluster(mirror) => match logs::of_cluster(mirror, name).await {
            Ok(log) => json(&log),
            Err(error) => unanswered(&error),
        },
    }
}

/// The curves of several trials, by numbers and commas.
async fn curves(State(board): Shown, Path(numbers): Path<String>) -> Response {
    let snapshot = board.snapshot();
    let numbers: Result<Vec<u64>, _> = numbers.split(',').map(str::parse).collect();
    let Some(numbers) = numbers.ok().filter(|numbers| numbers.len() <= CURVES) else {
        return (StatusCode::BAD_REQUEST, format!("name at most {CURVES} trials: /curves/3,7,12\n")).into_response();
    };
    let trials = numbers.iter().filter_map(|number| find(&snapshot, *number));
    json(&block_in_place(|| trials.map(|trial| curve(&snapshot.records, trial)).collect::<Vec<Curve>>()))
}
