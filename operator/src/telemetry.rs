//! What the operator says of its work: log lines, and traces where a collector is named. Without one there are no spans beside those that
//! log lines stand in, and nothing is sent.

mod collector;
mod destination;
mod segment;

use std::{sync::OnceLock, time::Duration};

use opentelemetry::{KeyValue, TraceId, trace::TraceContextExt, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tracing::{Span, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

use self::{collector::collector, destination::Destination, segment::Ids};
pub(crate) use self::{
    destination::{address, share},
    segment::{segment_ended, traceparent},
};
use crate::{Config, Error};

/// Of the program, in traces.
const NAME: &str = "nas-operator";
/// Spans that are not sent yet have so long at the end.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// How this process traces; unset: not at all.
static TRACES: OnceLock<Traces> = OnceLock::new();

struct Traces {
    tracer: SdkTracer,
    sampler: Sampler,
}

/// The log and the traces of this process, until [`Self::end`].
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Begins them, once in a process, in tokio's runtime.
    ///
    /// # Errors
    ///
    /// If a standard variable of OpenTelemetry cannot be read (the flags are checked before), or there are no roots to trust.
    pub fn start(config: &Config) -> Result<Self, Error> {
        let destination = Destination::of(config, |name| std::env::var(name).ok())?;
        let provider = destination.as_ref().map(|to| provider(to, &config.identity)).transpose()?;
        let filter = EnvFilter::try_from_env("NAS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
        let log = fmt::layer().with_writer(std::io::stderr);
        let log = if config.log_format == "json" { log.json().boxed() } else { log.boxed() };
        // Our own spans alone: those of the client that sends them would be sent, too.
        let spans = provider.as_ref().map(|provider| {
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(NAME));
            let layer = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
            layer.with_context_activation(false).with_filter(Targets::new().with_target("nas_operator", LevelFilter::DEBUG))
        });
        registry().with(log.with_filter(filter)).with(spans).init();
        if let (Some(provider), Some(Destination { endpoint, sample })) = (&provider, destination) {
            tracing::info!(%endpoint, sample, "traces are sent");
            let traces = Traces { tracer: provider.tracer(NAME), sampler: sampler(sample) };
            drop(TRACES.set(traces));
        }
        Ok(Self(provider))
    }

    /// Sends what is left, as far as that takes a few seconds.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        // It blocks; that the collector is away has been told already.
        let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS)).await;
    }
}

fn provider(to: &Destination, identity: &str) -> Result<SdkTracerProvider, Error> {
    let no_exporter = |source| Error::Collector { endpoint: to.endpoint.to_string(), source };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector(&to.endpoint)?)
        .with_endpoint(to.endpoint.to_string())
        .build()
        .map_err(|error| no_exporter(error.into()))?;
    let own =
        [KeyValue::new("service.version", env!("CARGO_PKG_VERSION")), KeyValue::new("service.instance.id", identity.to_owned())];
    let resource = Resource::builder_empty().with_service_name(NAME).with_attributes(own);
    let resource = resource.with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build());
    let by_parent = Sampler::ParentBased(Box::new(sampler(to.sample)));
    Ok(provider.with_sampler(by_parent).with_id_generator(Ids::default()).build())
}

fn sampler(sample: f64) -> Sampler {
    Sampler::TraceIdRatioBased(sample)
}

/// The trace that the present span is of, where it is of one.
pub(crate) fn trace_id() -> Option<TraceId> {
    TRACES.get()?;
    let context = Span::current().context();
    let trace = context.span().span_context().trace_id();
    (trace != TraceId::INVALID).then_some(trace)
}
