//! What an installation sets: read once, passed down.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use http::Uri;

use crate::telemetry;

/// Searches neural architectures on Kubernetes: reconciles its experiments and runs their trials as Jobs.
#[derive(Parser, Clone, Debug)]
#[command(version, about)]
pub struct Config {
    /// Watch this namespace only [default: all namespaces].
    #[arg(long, env = "NAS_WATCH_NAMESPACE")]
    pub watch_namespace: Option<String>,
    /// Image of trials whose experiment names none.
    #[arg(long, env = "NAS_TRAINER_IMAGE", default_value = "ghcr.io/nas-operator/nas-trainer:0.1.0")]
    pub trainer_image: String,
    /// Service account of trial pods; its token is not mounted. Trials with `reporting: CRStatus` run as nas-trainer instead.
    #[arg(long, env = "NAS_TRAINER_SERVICE_ACCOUNT", default_value = "default")]
    pub trainer_service_account: String,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "NAS_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Namespace of the lease by which one of several replicas works.
    #[arg(long, env = "NAS_LEASE_NAMESPACE", default_value = "default")]
    pub lease_namespace: String,
    /// Name of the lease.
    #[arg(long, env = "NAS_LEASE_NAME", default_value = "nas-operator")]
    pub lease_name: String,
    /// Who holds the lease: a name that no other replica has.
    #[arg(long, env = "NAS_IDENTITY", default_value_t = format!("nas-operator-{}", std::process::id()))]
    pub identity: String,
    /// Seconds that a lease holds without being renewed.
    #[arg(long, env = "NAS_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub lease_seconds: u16,
    /// Seconds after which a pod that should be gone is given up: its trial starts again, and what it still writes is void.
    #[arg(long, env = "NAS_STUCK_SECONDS", default_value_t = 300)]
    pub stuck_seconds: u32,
    /// Seconds after which a trial whose Job's name somebody else's Job has takes another name: that of its next attempt.
    #[arg(long, env = "NAS_NAME_TAKEN_SECONDS", default_value_t = 600)]
    pub name_taken_seconds: u32,
    /// Log lines: text or json.
    #[arg(long, env = "NAS_LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,
    /// Send traces to the collector at this address, such as `http://collector:4318`, by OTLP over HTTP: `/v1/traces` is added
    /// [default: what `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` says; else there are none].
    #[arg(long, env = "NAS_OTLP_ENDPOINT", value_parser = telemetry::address)]
    pub otlp_endpoint: Option<Uri>,
    /// Which share of passes and of segments is traced, from 0 to 1 [default: `OTEL_TRACES_SAMPLER_ARG`, or 1].
    #[arg(long, env = "NAS_TRACE_SAMPLE", value_parser = telemetry::share)]
    pub trace_sample: Option<f64>,
}

impl Config {
    pub(crate) fn stuck_after(&self) -> Duration {
        Duration::from_secs(self.stuck_seconds.into())
    }

    pub(crate) fn name_taken_after(&self) -> Duration {
        Duration::from_secs(self.name_taken_seconds.into())
    }

    pub(crate) fn lease_duration(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.into())
    }
}
