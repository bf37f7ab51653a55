//! /livez, /readyz and /metrics.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Error, Metrics, world::World};

#[derive(Clone)]
struct Shown {
    world: Arc<World>,
    metrics: Metrics,
}

/// Serves until `stop`. Ready means that the caches are filled and follow the cluster, whoever has the lease.
pub(crate) async fn serve(
    address: SocketAddr,
    world: Arc<World>,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), Error> {
    let listen = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    tracing::info!(address = %listener.local_addr().map_err(listen)?, "serving /livez, /readyz and /metrics");
    let routes = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(async |State(shown): State<Shown>| shown.metrics.scrape(&shown.world)))
        .with_state(Shown { world, metrics });
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await.map_err(listen)
}

async fn ready(State(shown): State<Shown>) -> (StatusCode, String) {
    if !shown.world.is_synced() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the caches are not filled yet".to_owned());
    }
    match shown.world.hearing.deaf(Instant::now()) {
        Some((kind, said)) => (StatusCode::SERVICE_UNAVAILABLE, format!("nothing is heard of {kind}s any more: {said}")),
        None => (StatusCode::OK, "ok".to_owned()),
    }
}
