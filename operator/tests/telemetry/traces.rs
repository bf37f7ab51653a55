//! What a collector is told of a search.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::batch::v1::Job, jiff::Timestamp};
use kube::ResourceExt;
use serde_json::Value;

use crate::{
    program::{Program, end, segments_of},
    receiver::{Receiver, Told, hex, texts},
    rig::{EXPERIMENT, Rig, Started, report, surrogate},
};

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap()
}

/// The digest of a pod's segment.
fn digest(started: &Started) -> String {
    started.pod.labels()["nas-operator.dev/segment"].clone()
}

/// The trace of a segment: its root, and what is below it by name.
fn segment(told: &[Told], started: &Started) -> (Told, BTreeMap<String, Told>) {
    let digest = digest(started);
    let mut spans: Vec<Told> = told.iter().filter(|told| hex(&told.span.trace_id) == digest).cloned().collect();
    let root = spans.iter().position(|told| told.span.parent_span_id.is_empty()).unwrap_or_else(|| panic!("no root: {spans:?}"));
    let root = spans.swap_remove(root);
    assert_eq!((root.span.name.as_str(), hex(&root.span.span_id)), ("segment", digest[..16].to_owned()));
    assert!(spans.iter().all(|part| part.span.parent_span_id == root.span.span_id), "{spans:?}");
    (root, spans.into_iter().map(|told| (told.span.name.clone(), told)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segments_life_is_one_trace_whoever_records_it_and_every_pass_another() {
    let rig = Rig::new("traces").await;
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let start = |identity| Program::start(&rig, identity, &["--otlp-endpoint", &url, "--log-format", "json"]);
    let first = start("first");
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    let made: Job = rig.namespace.api().get("small-0-r0-a0").await.unwrap();
    // Nothing of it has to be remembered.
    first.kill();
    let second = start("second");
    let (began, ended) = end(&rig, &started, &report(&started.segment, surrogate).to_message()).await;
    segments_of(&rig, 0, 1).await;
    let crashed = rig.next_pod().await;
    end(&rig, &crashed, "no report").await;
    segments_of(&rig, 1, 1).await;
    let log = second.stop();

    // All of it has been sent by the time that the program ends.
    let told: Vec<Told> = receiver.told().into_iter().filter(|told| told.resource["service.instance.id"] == "second").collect();
    let resource = &told[0].resource;
    assert_eq!(resource["service.name"], "nas-operator");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["telemetry.sdk.language"], "rust");

    let (root, parts) = segment(&told, &started);
    let digest = digest(&started);
    assert_eq!(started.segment.traceparent, Some(format!("00-{digest}-{}-01", &digest[..16])), "its trainer may join");
    let of_root = texts(&root.span.attributes);
    for (name, value) in [
        ("k8s.namespace.name", rig.namespace.name.as_str()),
        ("nas.experiment", "small"),
        ("nas.trial", "small-0"),
        ("nas.rung", "0"),
        ("nas.attempt", "0"),
        ("nas.outcome", "Value"),
        ("k8s.job.name", "small-0-r0-a0"),
    ] {
        assert_eq!(of_root[name], value, "{of_root:?}");
    }
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["queue", "record", "startup", "train"]);
    let times = |part: &str| (parts[part].span.start_time_unix_nano, parts[part].span.end_time_unix_nano);
    let made = nanos(made.metadata.creation_timestamp.unwrap().0);
    assert_eq!(times("queue"), (made, nanos(began)));
    assert_eq!(times("startup"), (nanos(began), nanos(began)), "it ran at once");
    assert_eq!(times("train"), (nanos(began), nanos(ended)));
    assert_eq!(times("record").0, nanos(ended));
    assert_eq!((root.span.start_time_unix_nano, root.span.end_time_unix_nano), (made, times("record").1));
    let of_train = texts(&parts["train"].span.attributes);
    assert_eq!((of_train["k8s.pod.name"].clone(), of_train["k8s.node.name"].as_str()), (started.pod.name_any(), "node"));
    assert_eq!(root.span.status.unwrap_or_default().message, "");

    // What failed says why.
    let (failed, _) = segment(&told, &crashed);
    assert_eq!(texts(&failed.span.attributes)["nas.outcome"], "Crashed");
    let status = failed.span.status.unwrap();
    assert!(status.code == 2 && !status.message.is_empty(), "{status:?}");

    let passes = passes(&rig, &told);
    let recorded_by = &root.span.links[0];
    assert!(passes.contains(&hex(&recorded_by.trace_id)), "it tells in which pass it was recorded");
    in_its_pass(&rig, &log, &passes);
}

/// The ids of the traces of passes, of which nothing is missing.
fn passes(rig: &Rig, told: &[Told]) -> BTreeSet<String> {
    let by_id: BTreeMap<&[u8], &Told> = told.iter().map(|told| (&told.span.span_id[..], told)).collect();
    let roots = told.iter().filter(|told| told.span.name == "reconcile");
    let mut ids = BTreeSet::new();
    for Told { span, .. } in roots {
        let attributes = texts(&span.attributes);
        assert_eq!(attributes["namespace"], rig.namespace.name);
        assert_eq!(attributes["experiment"], "small");
        assert!(span.parent_span_id.is_empty() && attributes.contains_key("result"), "{span:?}");
        ids.insert(hex(&span.trace_id));
    }
    let parents: BTreeSet<(&str, &str)> = told
        .iter()
        .filter(|told| ids.contains(&hex(&told.span.trace_id)) && told.span.name != "reconcile")
        .map(|told| {
            let parent = by_id.get(&told.span.parent_span_id[..]).unwrap_or_else(|| panic!("no parent: {:?}", told.span));
            assert_eq!(parent.span.trace_id, told.span.trace_id);
            (parent.span.name.as_str(), told.span.name.as_str())
        })
        .collect();
    for wanted in [
        ("reconcile", "record"),
        ("record", "patch NasTrial"),
        ("reconcile", "grant"),
        ("grant", "create NasTrial"),
        ("reconcile", "jobs"),
        ("jobs", "create Job"),
        ("reconcile", "status"),
        ("status", "patch NasExperiment"),
    ] {
        assert!(parents.contains(&wanted), "{wanted:?} is missing in {parents:?}");
    }
    // What was said stands where it happened.
    let said = told.iter().filter(|told| told.span.name == "record").flat_map(|told| &told.span.events);
    assert!(said.map(|event| event.name.as_str()).any(|name| name == "recorded"));
    ids
}

/// What the log says of a search says of which, and in which trace.
fn in_its_pass(rig: &Rig, log: &str, passes: &BTreeSet<String>) {
    let mut seen = BTreeSet::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let message = line["fields"]["message"].as_str().unwrap_or_default();
        if ["recorded", "created", "Job created", "segment ended"].contains(&message) {
            let span = &line["span"];
            assert_eq!((span["name"].as_str(), span["experiment"].as_str()), (Some("reconcile"), Some("small")), "{line}");
            assert_eq!(span["namespace"], rig.namespace.name.as_str());
            assert!(passes.contains(span["trace_id"].as_str().unwrap()), "{line}");
            seen.insert(message.to_owned());
        }
    }
    assert_eq!(seen.len(), 4, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_not_sent_and_its_trainer_knows() {
    let rig = Rig::new("unsampled").await;
    let receiver = Receiver::start().await;
    let program = Program::start(&rig, "one", &["--otlp-endpoint", &receiver.url(), "--trace-sample", "0"]);
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    let traceparent = started.segment.traceparent.clone().unwrap();
    assert!(traceparent.contains(&digest(&started)) && traceparent.ends_with("-00"), "{traceparent}");
    end(&rig, &started, &report(&started.segment, surrogate).to_message()).await;
    segments_of(&rig, 0, 1).await;
    program.stop();
    assert_eq!(receiver.told().len(), 0);
}
