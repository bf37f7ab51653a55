//! Trials that report while they train: what counts is what it was, and who babbles or attacks on this way changes its own report alone.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::FutureExt;
use http::{Method, Request};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, client::Body};
use nas_testkit::eventually;
use serde_json::{Value, json};

use super::policy::{Refused, Trainer, policy_holds, reported};
use crate::{
    between::{Answer, Between},
    rig::{EXPERIMENT, Operator, Rig, Started, surrogate},
};

fn live(slots: u32) -> String {
    let slots = format!("parallelTrials: {slots}");
    let text = EXPERIMENT.replace("    cpu: 1\n", "    cpu: 1\n    reporting: CRStatus\n").replace("parallelTrials: 1", &slots);
    assert!(text.contains("CRStatus") && text.contains(&slots));
    text
}

async fn trainer_of(rig: &Rig, started: &Started) -> Trainer {
    let trainer = Trainer::of(&rig.namespace, &started.pod, &rig.namespace.name).await;
    policy_holds(&trainer, &started.segment.trial_name, i64::from(started.segment.attempt)).await;
    trainer
}

#[tokio::test]
async fn a_trial_that_reports_while_it_trains_ends_as_every_other() {
    let rig = Rig::new("live").await;
    let operator = rig.operator();
    rig.create(&live(1)).await;
    assert_eq!(rig.condition("Accepted", "False").await, "ServiceAccountMissing");
    let said = rig.message("Accepted").await;
    assert!(said.contains("ServiceAccount nas-trainer") && said.contains("trainer.reporting.namespaces"), "{said}");
    rig.allow_reports();
    let started = rig.next_pod().await;
    assert_eq!(started.segment.reporting.as_str(), "CRStatus");
    assert_pod(&started.pod);

    let trainer = trainer_of(&rig, &started).await;
    trainer.apply("small-0", json!({"reported": reported(0, 0)})).await.unwrap();
    let status = rig.trials().await.remove(0).status.unwrap();
    assert_eq!((json!(status.reported), status.rungs.len()), (reported(0, 0), 0), "it is shown, and records nothing");
    // Not even a result that is told on this way counts before the end.
    let value = json!([{"rung": 0, "outcome": "Value", "value": 0.75}]);
    let told = json!({"attempt": 0, "seq": 1, "step": 1, "results": value});
    trainer.apply("small-0", json!({"reported": told})).await.unwrap();
    rig.report(&started, surrogate).await;
    let next = rig.next_pod().await;
    let trial = rig.trials().await.remove(0);
    assert_eq!(trial.to_record().value_at(0), Some(surrogate(0, 0)));
    assert_eq!(trial.status.unwrap().reported.unwrap().results[0].value, Some(surrogate(0, 0)));
    // Its pod is terminal, and whoever has its token says no more than before.
    let late = json!({"reported": {"attempt": 0, "seq": 9, "step": 1, "results": value}});
    let _ = trainer.apply("small-0", late).await;
    rig.report(&next, surrogate).await;
    rig.next_pod().await;
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    rig.close(operator).await;
}

/// The token is in the trainer's container alone, for a while, and of an account that can do nothing else.
fn assert_pod(pod: &Pod) {
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!((spec.service_account_name.as_deref(), spec.automount_service_account_token), (Some("nas-trainer"), Some(false)));
    let volume = spec.volumes.iter().flatten().find(|volume| volume.projected.is_some()).unwrap();
    let sources = json!(volume.projected.as_ref().unwrap().sources);
    assert_eq!(sources[0]["serviceAccountToken"], json!({"expirationSeconds": 600, "path": "token"}));
    assert_eq!(sources[1]["configMap"], json!({"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}));
    assert_eq!(sources[2]["downwardAPI"]["items"][0]["path"], "namespace");
    let mount = spec.containers[0].volume_mounts.iter().flatten().find(|mount| mount.name == volume.name).unwrap();
    let place = (mount.mount_path.as_str(), mount.read_only);
    assert_eq!(place, ("/var/run/secrets/kubernetes.io/serviceaccount", Some(true)));
}

/// What a hostile trainer sends as the status of its trial: what it is, the text, and the answer (200: it is taken).
fn attacks() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let text = |status: Value| {
        let kind = json!({"apiVersion": "nas-operator.dev/v1alpha1", "kind": "NasTrial", "metadata": {"name": "small-0"}});
        let mut document = kind;
        document["status"] = status;
        document.to_string()
    };
    let with = |field: &str, value: Value| {
        let mut report = reported(0, 0);
        report[field] = value;
        text(json!({"reported": report})).into_bytes()
    };
    let literal = |field: &str, number: &str| {
        let marked = String::from_utf8(with(field, json!(987_654_321))).unwrap();
        marked.replace("987654321", number).into_bytes()
    };
    let result = |fields: Value| with("results", json!([fields]));
    let metrics = |count: usize| (0..count).map(|number| (format!("m{number}"), json!(1e308))).collect::<serde_json::Map<_, _>>();
    let valued =
        |value: Value, metrics: Value| result(json!({"rung": 0, "outcome": "Value", "value": value, "metrics": metrics}));
    let curve: Vec<Value> = (0..33).map(|at| json!({"step": at, "value": -1e308})).collect();
    let nested = "[".repeat(20_000) + &"]".repeat(20_000);
    let value = |number: &str| {
        let marked = String::from_utf8(valued(json!(987_654_321), json!({}))).unwrap();
        marked.replace("987654321", number).into_bytes()
    };
    vec![
        ("a binary", b"\x7fELF\0\x01\x02\xff\xfe".repeat(1000), &[400]),
        ("4 MB", with("step", json!("x".repeat(4 << 20))), &[413]),
        ("depth", text(json!({"reported": {}})).replace("{}", &nested).into_bytes(), &[400, 422, 500]),
        ("beyond a double", value("1e309"), &[400, 422, 500]),
        ("not a number", value("NaN"), &[400, 422, 500]),
        ("YAML's own not a number", value(".nan"), &[400, 422, 500]),
        ("the largest double", value("1.7976931348623157e308"), &[200]),
        ("thirty digits", value("123456789012345678901234567890"), &[200]),
        ("a whole number beyond 64 bits", literal("seq", "100000000000000000000"), &[422]),
        ("a whole number that no program here reads", literal("step", "1e19"), &[422]),
        ("the largest whole number of 64 bits", literal("seq", "9223372036854775807"), &[422]),
        ("half a step", literal("step", "0.5"), &[422, 500]),
        ("a negative number", with("step", json!(-1)), &[422]),
        ("a text for a number", with("step", json!("1")), &[422, 500]),
        ("an outcome of the operator's", result(json!({"rung": 0, "outcome": "Won"})), &[422]),
        ("a rung that there is not", result(json!({"rung": 16, "outcome": "Diverged"})), &[422]),
        ("too many metrics", valued(json!(1), json!(metrics(33))), &[422]),
        ("as many metrics as there may be", valued(json!(1), json!(metrics(32))), &[200]),
        ("names that are none", valued(json!(1), json!({"": 1, "a\u{0}\n\u{1b}[2J": 2, "__proto__": 3, "..": 4})), &[200]),
        ("too many results", with("results", json!(vec![json!({"rung": 0, "outcome": "Diverged"}); 17])), &[422]),
        ("a curve that is too long", with("curve", json!(curve)), &[422]),
        ("nothing where a curve is", with("curve", Value::Null), &[200, 422, 500]),
        ("fields that nobody knows", with("more", json!({"deep": {"er": 1}})), &[200, 400, 422, 500]),
        ("a list", text(json!([1, 2])).into_bytes(), &[400, 422, 500]),
        ("another kind", text(json!({})).replace("NasTrial", "NasExperiment").into_bytes(), &[400, 422]),
        ("a number that leaves no room", with("seq", json!(1_u64 << 53)), &[200]),
    ]
}

#[tokio::test]
async fn a_hostile_trainer_changes_its_own_report_alone_and_hides_no_trial() {
    let rig = Rig::new("hostile-live").await;
    rig.allow_reports();
    let operator = rig.operator();
    rig.create(&live(2)).await;
    let [hostile, innocent] = rig.two_pods().await;
    let trainer = trainer_of(&rig, &hostile).await;
    let before = rig.trials().await;
    for (what, body, answers) in attacks() {
        let path = "/small-0/status?fieldManager=nas-trainer&force=true";
        let answer = trainer.send(Method::PATCH, path, "application/apply-patch+yaml", body).await;
        let code = answer.as_ref().err().map_or(200, |(code, _): &Refused| *code);
        assert!(answers.contains(&code), "{what}: {answer:?}");
        // A reader without mercy for a single field would fail here.
        let trials = rig.trials().await;
        assert!(trials[0].differs_in_report_alone(&before[0]) && trials[1] == before[1], "{what}");
        assert!(code != 200 || trials[0].status.as_ref().unwrap().reported.is_some(), "{what}");
    }
    rig.report(&innocent, surrogate).await;
    let next = rig.next_pod().await;
    assert_eq!(rig.trials().await[1].to_record().value_at(0), Some(surrogate(1, 0)));
    rig.report(&next, surrogate).await;
    rig.report(&hostile, surrogate).await;
    rig.next_pod().await;
    // Who begins anew reads everything anew.
    rig.close(operator).await;
    let operator = rig.operator();
    rig.next_pod().await;
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    rig.close(operator).await;
}

/// Writes a report of trial small-0 before each write of the operator to its status, so many times in all.
#[derive(Clone)]
struct Babble {
    trainer: Arc<Trainer>,
    left: Arc<AtomicU64>,
}

impl Between for Babble {
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer {
        let writes = request.method() == Method::PATCH && request.uri().path().ends_with("/nastrials/small-0/status");
        let Self { trainer, left } = self.clone();
        let answer = send(request);
        async move {
            let again = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if writes && let Ok(left) = again() {
                let mut report = reported(0, 1);
                report["step"] = json!(left);
                // It is refused once the attempt is void.
                let _ = trainer.apply("small-0", json!({"reported": report})).await;
            }
            answer.await
        }
        .boxed()
    }
}

/// A trial whose trainer writes so often between the operator's looks and its writes, and ends with a report.
async fn babbled(rig: &Rig, times: u64) -> Operator {
    rig.allow_reports();
    let first = rig.operator();
    rig.create(&live(1)).await;
    let started = rig.next_pod().await;
    first.stop().await;
    let babble = Babble { trainer: Arc::new(trainer_of(rig, &started).await), left: Arc::new(AtomicU64::new(times)) };
    rig.report(&started, surrogate).await;
    babble.operator(rig, rig.config())
}

#[tokio::test]
async fn reports_between_a_look_and_a_write_hold_up_nothing() {
    let rig = Rig::new("between").await;
    let operator = babbled(&rig, 9).await;
    rig.next_pod().await;
    let trial = rig.trials().await.remove(0);
    assert_eq!((trial.to_record().value_at(0), trial.spec.attempt), (Some(surrogate(0, 0)), 0));
    rig.close(operator).await;
}

#[tokio::test]
async fn a_trainer_that_writes_without_pause_is_fenced() {
    let rig = Rig::new("pauseless").await;
    let operator = babbled(&rig, 1000).await;
    eventually("its attempt is void", || async {
        let trial = rig.trials().await.remove(0);
        if trial.spec.attempt == 1 { Ok(()) } else { Err(trial) }
    })
    .await;
    let again = rig.next_pod().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-0", 1));
    rig.report(&again, surrogate).await;
    let next = rig.next_pod().await;
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    assert_ne!(next.pod.name_any(), again.pod.name_any());
    rig.close(operator).await;
}
