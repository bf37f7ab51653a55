//! The operator as a task of the test: started, stopped, killed, and asked for its metrics.

use std::{
    sync::{Mutex, OnceLock},
    time::Duration,
};

use kube::Client;
use nas_operator::{Config, Error, Metrics, run};
use nas_testkit::eventually;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An operator that runs.
pub struct Operator {
    pub metrics: Metrics,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), Error>>,
}

impl Operator {
    /// An operator that talks through this client.
    pub fn start(config: Config, client: Client, metrics: Metrics) -> Self {
        log();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(run(config, client, metrics.clone(), stop.clone()));
        Self { metrics, stop, ended }
    }

    /// Waits until it has made a pass: it leads, and knows what there is.
    pub async fn has_looked(&self) {
        let passes = "controller_runtime_reconcile_total{controller=\"nasexperiment\",result=\"success\"}";
        eventually("a pass", || async { self.metric(passes).filter(|passes| *passes > 0.0).ok_or_else(|| self.metrics.text()) })
            .await;
    }

    /// Stops it in order, as SIGTERM does.
    pub async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }

    /// Ends it without a chance to write anything more.
    pub async fn kill(self) {
        self.ended.abort();
        let _ = self.ended.await;
    }

    /// Waits until it ends by itself; returns why.
    pub async fn fails(self) -> Error {
        let ended = tokio::time::timeout(Duration::from_secs(90), self.ended).await;
        ended.expect("it ends").unwrap().expect_err("it does not end well")
    }

    /// Requests that somebody else was faster with.
    pub fn lost_races(&self) -> f64 {
        let text = self.metrics.text();
        let lost = text.lines().filter(|line| ["code=\"409\"", "code=\"422\""].iter().any(|code| line.contains(code)));
        lost.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// The value of a metric without labels, or with exactly these.
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.metrics.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }
}

/// `NAS_LOG=debug cargo test -- --nocapture` shows what the operator says.
fn log() {
    static ONCE: OnceLock<Mutex<()>> = OnceLock::new();
    ONCE.get_or_init(|| {
        if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("NAS_LOG") {
            tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().init();
        }
        Mutex::new(())
    });
}
