//! All about one trial.

use k8s_openapi::{
    api::core::v1::{Event, Pod},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{ResourceExt, api::ListParams};
use nas_api::{
    labels,
    objects::{NasTrial, RunSegment},
};
use nas_search::explain;
use serde::Serialize;

use super::mirror::Mirror;
use crate::{
    records::Records,
    report::{Configuration, Curve, curve},
};

/// Events that are asked for at the most.
const EVENTS: u32 = 200;

/// What the page shows beside the report's data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail {
    name: String,
    seed: i64,
    #[serde(flatten)]
    configuration: Configuration,
    curve: Curve,
    /// What was decided about it and why, in order.
    story: Vec<Told>,
    /// The processes that trained it.
    segments: Vec<Segment>,
    /// What a cluster tells about it and its pods, the newest first; empty for a run on this machine.
    pub(super) events: Vec<Occurrence>,
}

/// Something that was decided, or came out.
#[derive(Serialize)]
struct Told {
    /// Results that had been seen.
    seen: u64,
    what: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    rung: i64,
    attempt: i64,
    outcome: &'static str,
    message: String,
    seconds: f64,
    estimated: bool,
    /// RFC 3339; absent where nobody wrote it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
}

/// An event of Kubernetes.
#[derive(Serialize)]
pub(super) struct Occurrence {
    /// RFC 3339.
    when: Option<String>,
    /// Kind and name.
    object: String,
    warning: bool,
    reason: String,
    message: String,
}

impl Detail {
    /// All that the records say; where they stand, each reason is computed anew.
    pub(super) fn new(records: &Records, trial: &NasTrial) -> Self {
        let histories: Vec<_> = records.trials.iter().map(NasTrial::to_history).collect();
        let story = explain(&records.source.plan, &histories, trial.number());
        let segments = trial.segments().iter();
        Self {
            name: trial.name_any(),
            seed: trial.spec.seed,
            configuration: Configuration::new(trial.assignment(), &records.source),
            curve: curve(records, trial),
            story: story.iter().map(|event| Told { seen: event.view.count, what: event.what.to_string() }).collect(),
            segments: segments.map(Segment::new).collect(),
            events: Vec::new(),
        }
    }
}

impl Segment {
    fn new(segment: &RunSegment) -> Self {
        Self {
            rung: segment.rung,
            attempt: segment.attempt,
            outcome: segment.outcome.name(),
            message: segment.message.clone(),
            seconds: segment.accelerator_seconds,
            estimated: segment.estimated,
            ended: segment.ended_at.as_ref().map(|time| time.0.to_string()),
        }
    }
}

/// The pods of a trial, the oldest first.
pub(super) async fn pods(mirror: &Mirror, trial: &str) -> Result<Vec<Pod>, kube::Error> {
    let wanted = ListParams::default().labels(&format!("{}={trial}", labels::TRIAL));
    let mut pods = mirror.connection.api::<Pod>().list(&wanted).await?.items;
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    Ok(pods)
}

/// What the cluster tells about a trial and its pods.
pub(super) async fn events(mirror: &Mirror, trial: &str) -> Result<Vec<Occurrence>, kube::Error> {
    let api = mirror.connection.api::<Event>();
    let mut names = vec![trial.to_owned()];
    names.extend(pods(mirror, trial).await?.iter().map(ResourceExt::name_any));
    let mut all = Vec::new();
    for name in names {
        all.extend(api.list(&ListParams::default().fields(&format!("involvedObject.name={name}")).limit(EVENTS)).await?.items);
    }
    let time = |event: &Event| {
        let micro = |time: &MicroTime| time.0;
        let last = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(micro);
        last.or(event.last_timestamp.as_ref().map(|time| time.0)).or(event.event_time.as_ref().map(micro))
    };
    all.sort_by_key(|event| std::cmp::Reverse(time(event)));
    let told = all.into_iter().map(|event| Occurrence {
        when: time(&event).map(|time| time.to_string()),
        object: [event.involved_object.kind, event.involved_object.name].into_iter().flatten().collect::<Vec<_>>().join(" "),
        warning: event.type_.as_deref() == Some("Warning"),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
    });
    Ok(told.collect())
}
