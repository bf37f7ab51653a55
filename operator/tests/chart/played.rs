//! A search that is played so that everything happens which the operator counts, and what a scrape of it brings.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

use k8s_openapi::{
    api::core::v1::Pod,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use nas_operator::Config;
use serde_json::{Value, json};

use crate::rig::{EXPERIMENT, Operator, Rig, Started, report, surrogate};

/// An operator that serves its metrics, and a search that goes on.
pub(crate) struct Played {
    pub(crate) rig: Rig,
    pub(crate) operator: Operator,
    pub(crate) address: SocketAddr,
}

/// A port of 127.0.0.1 that nobody listens on.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Played {
    pub(crate) async fn begin(word: &str) -> Self {
        let rig = Rig::new(word).await;
        let address = free();
        let operator = rig.operator_with(Config { listen: address, ..rig.config() });
        // The kubelet of the tests says that pods run since the beginning of 2026.
        rig.create(&EXPERIMENT.replace("maxTrials: 4", "maxTrials: 400\n  budget: {gpuHours: 1000000}")).await;
        rig.create(&EXPERIMENT.replace("{name: small}", "{name: lacking}").replace("claim: checkpoints", "claim: missing")).await;
        Self { rig, operator, address }
    }

    /// The next pod runs, and ends in a minute's time as clocks of nodes have it.
    pub(crate) async fn report(&self) {
        let started = self.rig.next_pod().await;
        let message = report(&started.segment, surrogate).to_message();
        self.end(&started, 0, &message).await;
    }

    /// The next pod runs and ends without a report: another attempt follows.
    pub(crate) async fn crash(&self) {
        let started = self.rig.next_pod().await;
        self.end(&started, 0, "no report").await;
    }

    async fn end(&self, started: &Started, code: i32, message: &str) {
        let began = Timestamp::now().checked_add(SignedDuration::from_secs(1)).unwrap();
        let ended = began.checked_add(SignedDuration::from_mins(1)).unwrap();
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let state = json!({"terminated": {"exitCode": code, "reason": phase, "message": message, "startedAt": began, "finishedAt": ended}});
        let container =
            json!({"name": "trainer", "ready": false, "restartCount": 0, "image": "image", "imageID": "image", "state": state});
        let status = json!({"status": {"phase": phase, "containerStatuses": [container]}});
        let pods = self.rig.namespace.api::<Pod>();
        pods.patch_status(&started.pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
    }

    pub(crate) fn scrape(&self) -> String {
        scrape(self.address)
    }
}

/// What an address serves at /metrics.
pub(crate) fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    body.to_owned()
}

/// The rows of a table of metrics: name, type, labels and meaning, as `docs/metrics.md` has them.
pub(crate) fn rows(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        let of = format!("# TYPE {name} ");
        let kind = text.lines().find_map(|line| line.strip_prefix(&of)).unwrap();
        let mut labels: Vec<&str> = Vec::new();
        for line in text.lines().filter(|line| line.starts_with(name)) {
            let series = line.rsplit_once(' ').unwrap().0;
            let Some((metric, pairs)) = series.trim_end_matches('}').split_once('{') else { continue };
            if ["", "_bucket", "_sum", "_count"].iter().any(|end| metric.strip_suffix(end) == Some(name)) {
                labels.extend(pairs.split("\",").filter_map(|pair| Some(pair.split_once("=\"")?.0)));
            }
        }
        labels.retain(|label| *label != "le");
        labels.sort_unstable();
        labels.dedup();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        rows.push(format!("| `{name}` | {kind} | {} | {help} |", labels.join(", ")));
    }
    rows.sort();
    rows
}

/// The rows of `docs/metrics.md` whose names begin with one of these.
pub(crate) fn documented(is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let page = std::fs::read_to_string(crate::helm::root().join("docs/metrics.md")).unwrap();
    let mut rows: Vec<String> = page.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    rows.retain(|row| is_wanted(row.trim_start_matches("| `")));
    rows.sort();
    rows
}

/// The value of a series in a scrape.
pub(crate) fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// A JSON document.
pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
