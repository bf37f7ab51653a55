//! The trace of a segment: from its Job to what was recorded, told at the record with the times that the cluster noted.
//!
//! Nothing is remembered for it: the segment's digest, which labels its pods, is the trace's id, and the first half of it that of the root,
//! so that the pod can be told before there is a span, and whichever operator records the end tells the same trace.

use std::{cell::Cell, time::SystemTime};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::ResourceExt;
use nas_api::objects::{NasTrial, RunSegment};
use opentelemetry::{
    Context, KeyValue, SpanId, TraceId,
    trace::{Link, Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SamplingDecision, ShouldSample};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{TRACES, Traces};
use crate::trial::{Moments, TrialView};

thread_local! {
    /// The trace whose root this thread is about to begin.
    static ROOT_OF: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Random ids, but those of a segment's root.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        ROOT_OF.get().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        ROOT_OF.get().map_or_else(|| self.0.new_span_id(), root_of)
    }
}

fn root_of(trace: TraceId) -> SpanId {
    let [half @ .., _, _, _, _, _, _, _, _] = trace.to_bytes();
    SpanId::from_bytes(half)
}

/// What a segment's pod is told of its trace, as W3C writes it; `None`: nothing is traced.
pub(crate) fn traceparent(digest: &str) -> Option<String> {
    let Traces { sampler, .. } = TRACES.get()?;
    let trace = TraceId::from_hex(digest).ok()?;
    let decision = sampler.should_sample(None, trace, "segment", &SpanKind::Internal, &[], &[]).decision;
    let flags = u8::from(decision == SamplingDecision::RecordAndSample);
    Some(format!("00-{trace}-{}-{flags:02x}", root_of(trace)))
}

/// The segment that `view` shows has ended, and `written` has what became of it. The pass that wrote it is the present span.
pub(crate) fn segment_ended(view: &TrialView, written: &NasTrial) {
    let Some(traces) = TRACES.get() else { return };
    let Some(segment) = written.status.as_ref().and_then(|status| status.segments.last()) else { return };
    let Ok(trace) = TraceId::from_hex(&view.digest) else { return };
    let recorded = SystemTime::now();
    let made = view.job().and_then(|job| job.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    let mut pods: Vec<&Pod> = view.segment_pods().collect();
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));

    let began = made.map_or(recorded, SystemTime::from);
    let pass = Span::current().context().span().span_context().clone();
    let root = SpanBuilder::from_name("segment")
        .with_start_time(began)
        .with_attributes(attributes(view, segment))
        .with_links(pass.is_valid().then(|| Link::with_context(pass)).into_iter().collect());
    ROOT_OF.set(Some(trace));
    let mut root = traces.tracer.build_with_context(root, &Context::new());
    ROOT_OF.set(None);
    if !root.is_recording() {
        return;
    }
    if segment.outcome.is_fault() {
        root.set_status(Status::error(segment.message.clone()));
    }
    let within = Context::new().with_remote_span_context(root.span_context().clone());
    let mut waited_since = made;
    let mut ended = None;
    for pod in pods {
        let moments = Moments::of(pod);
        let of_pod = || {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            let node = node.map(|node| KeyValue::new("k8s.node.name", node));
            [KeyValue::new("k8s.pod.name", pod.name_any())].into_iter().chain(node)
        };
        let part = |name: &'static str, from: Option<Timestamp>, to: Option<Timestamp>| {
            // Clocks of nodes differ.
            let (Some(from), Some(to)) = (from, to.filter(|to| Some(*to) >= from)) else { return };
            let part = SpanBuilder::from_name(name).with_start_time(from).with_attributes(of_pod());
            traces.tracer.build_with_context(part, &within).end_with_timestamp(to.into());
        };
        part("queue", waited_since, moments.scheduled);
        part("startup", moments.scheduled, moments.started);
        part("train", moments.started, moments.ended);
        // What comes after it waits for it.
        waited_since = moments.ended;
        ended = moments.ended.or(ended);
    }
    if let Some(ended) = ended.map(SystemTime::from).filter(|ended| *ended <= recorded) {
        let record = SpanBuilder::from_name("record").with_start_time(ended);
        traces.tracer.build_with_context(record, &within).end_with_timestamp(recorded);
    }
    root.end_with_timestamp(recorded.max(began));
}

fn attributes(view: &TrialView, segment: &RunSegment) -> Vec<KeyValue> {
    let trial = &view.trial;
    let mut attributes = vec![
        KeyValue::new("k8s.namespace.name", trial.namespace().unwrap_or_default()),
        KeyValue::new("nas.experiment", trial.spec.experiment.clone()),
        KeyValue::new("nas.trial", trial.name_any()),
        KeyValue::new("nas.rung", segment.rung),
        KeyValue::new("nas.attempt", segment.attempt),
        KeyValue::new("nas.outcome", segment.outcome.name()),
        KeyValue::new("nas.accelerator_seconds", segment.accelerator_seconds),
    ];
    attributes.extend(view.job().map(|job| KeyValue::new("k8s.job.name", job.name_any())));
    attributes
}
