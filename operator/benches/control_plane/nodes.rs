//! Simulated nodes: each pod runs at once, for as long as its segment has epochs, and ends with what a trainer would report.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use nas_api::contract::{Report, Reported, RungResult, Segment};
use nas_testkit::Namespace;
use serde_json::{Value, json};

use crate::ledger::Ledger;

/// All nodes of a namespace.
pub(crate) struct Nodes {
    pub(crate) namespace: Namespace,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) epoch_seconds: f64,
}

impl Nodes {
    /// Runs the pods of the namespace for ever.
    pub(crate) async fn run(self) {
        let this = Arc::new(self);
        let (mut taken, mut removed) = (HashSet::new(), HashSet::new());
        let pods: Api<Pod> = this.namespace.api();
        let mut events = watcher(pods, watcher::Config::default()).default_backoff().applied_objects().boxed();
        while let Some(event) = events.next().await {
            let Ok(pod) = event else { continue };
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            if pod.metadata.deletion_timestamp.is_some() {
                if removed.insert(pod.uid()) {
                    let this = Arc::clone(&this);
                    tokio::spawn(async move { this.remove(&pod).await });
                }
            } else if phase == Some("Pending") && taken.insert(pod.uid()) {
                let this = Arc::clone(&this);
                tokio::spawn(async move { this.live(&pod).await });
            }
        }
    }

    async fn live(&self, pod: &Pod) {
        let started = Timestamp::now();
        let Some(segment) = segment(pod) else {
            // A clean-up: there is nothing to remove.
            let state =
                json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": started}});
            self.status(pod, "Succeeded", &state).await;
            return;
        };
        self.status(pod, "Running", &json!({"running": {"startedAt": started}})).await;
        self.ledger.started();
        let reached = segment.target_rung.checked_sub(1).map_or(0, |below| segment.rung_steps[below]);
        let epochs = segment.target_step.saturating_sub(reached) as f64;
        tokio::time::sleep(Duration::from_secs_f64(epochs * self.epoch_seconds * pace(segment.seed))).await;
        let state = json!({"terminated": {
            "exitCode": 0, "reason": "Completed", "message": report(&segment).to_message(),
            "startedAt": started, "finishedAt": Timestamp::now(),
        }});
        let ended = self.status(pod, "Succeeded", &state).await;
        self.ledger.ended(ended.then_some((segment.trial_name, segment.target_rung)));
    }

    /// Deleted before its end: its node lets go of it at once.
    async fn remove(&self, pod: &Pod) {
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        let _ = self.namespace.api::<Pod>().delete(&pod.name_any(), &at_once).await;
    }

    async fn status(&self, pod: &Pod, phase: &str, state: &Value) -> bool {
        let container = json!([{
            "name": "trainer", "image": "trainer", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }]);
        let patch = Patch::Merge(json!({"status": {"phase": phase, "containerStatuses": container}}));
        self.namespace.api::<Pod>().patch_status(&pod.name_any(), &PatchParams::default(), &patch).await.is_ok()
    }
}

/// What a trainer's pod trains.
fn segment(pod: &Pod) -> Option<Segment> {
    let container = &pod.spec.as_ref()?.containers[0];
    let env: BTreeMap<_, _> =
        container.env.iter().flatten().filter_map(|env| Some((env.name.clone(), env.value.clone()?))).collect();
    Segment::from_env(|name| env.get(name).cloned()).ok()
}

fn report(segment: &Segment) -> Report {
    let results = (0..=segment.target_rung).map(|rung| RungResult {
        rung,
        outcome: Reported::Value,
        value: Some(surrogate(segment.seed, segment.rung_steps[rung])),
        metrics: BTreeMap::from([("loss".to_owned(), 0.5), ("top5_accuracy".to_owned(), 0.9)]),
        message: None,
    });
    Report {
        attempt: segment.attempt,
        seq: 1 + segment.target_rung as u64,
        step: segment.target_step,
        results: results.collect(),
        curve: Vec::new(),
    }
}

/// A number in 0..1 for each trial, and each thing about it.
fn unit(seed: u64, salt: u64) -> f64 {
    let mut z = seed.wrapping_add(salt.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How long an epoch of this trial takes, in those of the mean: networks differ.
fn pace(seed: u64) -> f64 {
    0.5 + unit(seed, 0)
}

/// A trial's accuracy after so many epochs: what it is worth, less what is still to be learned, and noise that shrinks.
fn surrogate(seed: u64, epochs: u64) -> f64 {
    let unit = |salt: u64| unit(seed, salt);
    let left = (epochs as f64).powf(-0.5);
    0.90 + 0.07 * unit(1) - 0.3 * left + 0.05 * left * (unit(1 + epochs) - 0.5)
}
