//! What a trainer with a token of its pod can write: the report of its own trial, and nothing else. With real tokens.

use http::{Method, Request};
use k8s_openapi::api::{
    core::v1::Pod,
    rbac::v1::{Role, RoleBinding},
};
use kube::{Client, ResourceExt, api::PostParams};
use nas_api::objects::NasTrial;
use nas_search::{NewTrial, View};
use nas_testkit::{Cluster, Namespace, eventually};
use serde_json::{Value, json};

use crate::rig::Rig;

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const AS_TRAINER: &str = "?fieldManager=nas-trainer&force=true";

/// A trainer that holds a token.
pub(crate) struct Trainer {
    client: Client,
    namespace: String,
}

/// HTTP status and message of a refusal.
pub(crate) type Refused = (u16, String);

impl Trainer {
    pub(crate) async fn new(token: &str, namespace: &str) -> Self {
        let client = Client::try_from(Cluster::shared().config_with(token).await).unwrap();
        Self { client, namespace: namespace.to_owned() }
    }

    /// The trainer of a pod in `home`, which writes to trials of `namespace`.
    pub(crate) async fn of(home: &Namespace, pod: &Pod, namespace: &str) -> Self {
        Self::new(&home.token("nas-trainer", Some(pod)).await, namespace).await
    }

    /// A request for a trial: `path` is what follows `.../nastrials`.
    pub(crate) async fn send(&self, method: Method, path: &str, media: &str, body: impl Into<Vec<u8>>) -> Result<(), Refused> {
        let uri = format!("/apis/nas-operator.dev/v1alpha1/namespaces/{}/nastrials{path}", self.namespace);
        let request = Request::builder().method(method).uri(uri).header("content-type", media).body(body.into()).unwrap();
        match self.client.request_text(request).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err((status.code, status.message)),
            Err(error) => panic!("{error}"),
        }
    }

    /// Server-side apply of a status, as a trainer does it.
    pub(crate) async fn apply(&self, trial: &str, status: Value) -> Result<(), Refused> {
        self.apply_text(trial, &document(trial, status).to_string()).await
    }

    pub(crate) async fn apply_text(&self, trial: &str, text: &str) -> Result<(), Refused> {
        self.send(Method::PATCH, &format!("/{trial}/status{AS_TRAINER}"), APPLY, text).await
    }
}

fn document(trial: &str, status: Value) -> Value {
    let mut document = json!({"apiVersion": "nas-operator.dev/v1alpha1", "kind": "NasTrial", "metadata": {"name": trial}});
    document["status"] = status;
    document
}

pub(crate) fn reported(attempt: i64, seq: i64) -> Value {
    json!({"attempt": attempt, "seq": seq, "step": 1, "results": [], "curve": [{"step": 0.5, "value": 0.25}]})
}

/// A trial that is at work on its second attempt.
async fn trial(namespace: &Namespace, experiment: &str, number: u64) -> NasTrial {
    let mut trial = NasTrial::create(experiment, &NewTrial { number, ..NewTrial::default() }, View::default());
    trial.spec.attempt = 1;
    namespace.api().create(&PostParams::default(), &trial).await.unwrap()
}

/// A pod of the trainers' account, as a Job makes it.
async fn pod(namespace: &Namespace, name: &str) -> Pod {
    namespace.pod("nas-trainer", name).await
}

/// A namespace with the trial small-1, whose attempt 1 runs, and the trainer of its pod; the policy holds.
async fn setting(word: &str) -> (Rig, Trainer) {
    let rig = Rig::new(word).await;
    rig.allow_reports();
    trial(&rig.namespace, "small", 1).await;
    let own = pod(&rig.namespace, "small-1-r0-a1-abcde").await;
    let trainer = Trainer::of(&rig.namespace, &own, &rig.namespace.name).await;
    policy_holds(&trainer, "small-1", 1).await;
    (rig, trainer)
}

/// The API server hears of a policy and of a role a moment after they were made.
pub(crate) async fn policy_holds(trainer: &Trainer, trial: &str, attempt: i64) {
    let path = format!("/{trial}/status{AS_TRAINER}&dryRun=All");
    let segment = json!({"rung": 0, "attempt": 0, "outcome": "Value", "acceleratorSeconds": 1.0});
    let forged = document(trial, json!({"reported": reported(attempt, 0), "segments": [segment]})).to_string();
    eventually("the policy holds", || async {
        let answer = trainer.send(Method::PATCH, &path, APPLY, forged.as_str()).await;
        match answer {
            Err((403, message)) if message.contains("does not write status.segments") => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

/// The answer is a refusal with this status, which says this.
fn assert_refused(what: &str, answer: Result<(), Refused>, status: u16, words: &str) {
    let Err((found, message)) = answer else { panic!("{what}: it was taken") };
    assert!(found == status && message.contains(words), "{what}: {found} {message}");
}

#[tokio::test]
async fn a_trainer_writes_the_report_of_its_own_trial() {
    let (rig, trainer) = setting("own").await;
    let before = rig.trials().await.remove(0);
    trainer.apply("small-1", json!({"reported": reported(1, 1)})).await.unwrap();
    // Once more under the same number, over what the operator and others have written meanwhile; what is of others stays.
    let rung = json!({"rung": 0, "outcome": "Value", "value": 0.5, "decisionSeq": 1});
    let segment = json!({"rung": 0, "attempt": 0, "outcome": "Value", "acceleratorSeconds": 1.5});
    let theirs = json!({"rungs": [rung], "segments": [segment], "reported": {"seq": 2, "step": 7}});
    let patch = kube::api::Patch::Merge(json!({"status": theirs}));
    rig.namespace.api::<NasTrial>().patch_status("small-1", &kube::api::PatchParams::default(), &patch).await.unwrap();
    let mut document = document("small-1", json!({"reported": reported(1, 2)}));
    // The API server takes nothing but the status from such a write.
    document["spec"] = json!({"attempt": 5, "targetRung": 3});
    document["metadata"]["labels"] = json!({"mine": "yes"});
    document["metadata"]["finalizers"] = json!(["example.com/mine"]);
    trainer.apply_text("small-1", &document.to_string()).await.unwrap();

    let after = rig.trials().await.remove(0);
    let status = after.status.as_ref().unwrap();
    assert_eq!(json!(status.reported), reported(1, 2));
    assert_eq!((json!(status.rungs), json!(status.segments)), (json!([rung]), json!([segment])));
    assert_eq!(after.spec, before.spec);
    assert_eq!((after.metadata.labels, after.metadata.finalizers), (before.metadata.labels, before.metadata.finalizers));
    assert_eq!(after.metadata.owner_references, before.metadata.owner_references);
    let managers = after.metadata.managed_fields.unwrap().into_iter().filter_map(|managed| managed.manager);
    assert_eq!(managers.filter(|manager| manager == "nas-trainer").count(), 1);
}

#[tokio::test]
async fn a_trainer_writes_nothing_else() {
    let (rig, trainer) = setting("else").await;
    trial(&rig.namespace, "small", 2).await;
    let rung = json!({"rung": 0, "outcome": "Value", "value": 0.99, "decisionSeq": 1});
    let segment = json!({"rung": 0, "attempt": 1, "outcome": "Value", "acceleratorSeconds": 0.0});
    let condition =
        json!({"type": "Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let metric = |name: String| json!([{"rung": 0, "outcome": "Value", "value": 0.5, "metrics": {name: 1.0}}]);
    let with = |field: &str, value: Value| {
        let mut report = reported(1, 5);
        report[field] = value;
        report
    };
    trainer.apply("small-1", json!({"reported": reported(1, 5)})).await.unwrap();
    for (what, status, code, words) in [
        ("forged rungs", json!({"reported": reported(1, 6), "rungs": [rung]}), 403, "does not write status.rungs"),
        ("segments", json!({"reported": reported(1, 6), "segments": [segment]}), 403, "does not write status.segments"),
        ("conditions", json!({"reported": reported(1, 6), "conditions": [condition]}), 403, "does not write status.conditions"),
        ("nothing left of the status", json!({}), 422, "cannot be removed"),
        ("an older number", json!({"reported": reported(1, 4)}), 422, "must not go back"),
        ("an older attempt", json!({"reported": reported(0, 9)}), 422, "must not go back"),
        ("a future attempt", json!({"reported": reported(2, 9)}), 422, "never started"),
        ("a long name", json!({"reported": with("results", metric("m".repeat(65)))}), 403, "at most 64 characters"),
    ] {
        assert_refused(what, trainer.apply("small-1", status).await, code, words);
    }
    trainer.apply("small-1", json!({"reported": with("results", metric("m".repeat(64)))})).await.unwrap();
    assert_refused("another trial", trainer.apply("small-2", json!({"reported": reported(1, 9)})).await, 403, "bound to a pod");

    let good = document("small-1", json!({"reported": reported(1, 9)})).to_string();
    let own = "?fieldManager=nas-trainer";
    for (what, query, media, body, code, words) in [
        ("another manager", "?fieldManager=another&force=true", APPLY, good.as_str(), 403, "as field manager nas-trainer"),
        ("no manager", "", MERGE, good.as_str(), 403, "as field manager nas-trainer"),
        ("a status that is taken away", own, MERGE, r#"{"status": null}"#, 422, "cannot be removed"),
        ("a report that is taken away", own, MERGE, r#"{"status": {"reported": null}}"#, 403, "status.reported.attempt must be"),
        (
            "rungs in a merge",
            own,
            MERGE,
            r#"{"status": {"rungs": [{"rung": 0, "outcome": "Failed", "decisionSeq": 1}]}}"#,
            403,
            "status.rungs",
        ),
    ] {
        let answer = trainer.send(Method::PATCH, &format!("/small-1/status{query}"), media, body).await;
        assert_refused(what, answer, code, words);
    }
    // Who owns which field is not a trainer's to say either: such a write changes nothing.
    let before = rig.trials().await.remove(0).metadata;
    trainer
        .send(Method::PATCH, &format!("/small-1/status{own}"), MERGE, r#"{"metadata": {"managedFields": [{}]}}"#)
        .await
        .unwrap();
    assert_eq!(rig.trials().await.remove(0).metadata, before);
    for (method, path) in [
        (Method::PATCH, "/small-1"),
        (Method::GET, "/small-1"),
        (Method::GET, ""),
        (Method::DELETE, "/small-1"),
        (Method::POST, ""),
    ] {
        let what = format!("{method} {path}");
        assert_refused(&what, trainer.send(method, path, MERGE, "{}").await, 403, "cannot");
    }
    let trial = rig.trials().await.remove(0);
    let status = trial.status.unwrap();
    assert_eq!((status.rungs.len(), status.segments.len(), status.conditions.len()), (0, 0, 0));
    assert_eq!(status.reported.unwrap().seq, 5);
}

#[tokio::test]
async fn only_a_token_of_a_pod_of_the_trials_own_job_and_attempt_counts() {
    let (rig, trainer) = setting("pods").await;
    let namespace = &rig.namespace;
    // An experiment may be called nearly anything, also like a Job.
    trial(namespace, "small-1-r0-a1", 12345).await;
    trial(namespace, "small-1-r0", 1).await;
    for name in [
        "small-1-r0-a1-12345-r0-a1-abcde",
        "small-1-r0-1-r0-a1-abcde",
        "small-1-x-r0-a1-abcde",
        "small-11-r0-a1-abcde",
        "small-2-r0-a1-abcde",
        "xsmall-1-r0-a1-abcde",
        "small-1-r0-a1",
        "small-1-r0-a1-abcdef",
        "small-1-r0-a1-ab.de",
        "small-1-r00-a1-abcde",
        "small-1-r0-a01-abcde",
        "small-1-r-a1-abcde",
        "small-1-r0-abcde",
        "small-1-abcde",
        "small-1",
    ] {
        let other = Trainer::of(namespace, &pod(namespace, name).await, &namespace.name).await;
        assert_refused(
            name,
            other.apply("small-1", json!({"reported": reported(1, 1)})).await,
            403,
            "bound to a pod of this trial",
        );
    }
    for (name, attempt, code, words) in [
        ("small-1-r0-a0-abcde", 0, 403, "is void"),
        ("small-1-r0-a2-abcde", 2, 422, "never started"),
        ("small-1-r0-a2-fghij", 1, 403, "is void"),
    ] {
        let void = Trainer::of(namespace, &pod(namespace, name).await, &namespace.name).await;
        assert_refused(name, void.apply("small-1", json!({"reported": reported(attempt, 1)})).await, code, words);
    }
    let unbound = Trainer::new(&namespace.token("nas-trainer", None).await, &namespace.name).await;
    let answer = unbound.apply("small-1", json!({"reported": reported(1, 1)})).await;
    assert_refused("a token that is bound to nothing", answer, 403, "bound to a pod of this trial");
    // The look-alikes may write what is theirs, and so may a further pod of the same Job.
    for (name, trial) in [
        ("small-1-r0-a1-12345-r0-a1-fghij", "small-1-r0-a1-12345"),
        ("small-1-r0-1-r15-a1-fghij", "small-1-r0-1"),
        ("small-1-r2-a1-fghij", "small-1"),
    ] {
        let own = Trainer::of(namespace, &pod(namespace, name).await, &namespace.name).await;
        own.apply(trial, json!({"reported": reported(1, 1)})).await.unwrap();
    }
    trainer.apply("small-1", json!({"reported": reported(1, 1)})).await.unwrap();
}

#[tokio::test]
async fn a_policy_that_holds_needs_no_role_beside_it() {
    let (rig, trainer) = setting("wide").await;
    let elsewhere = Rig::new("elsewhere").await;
    elsewhere.allow_reports();
    let twin = pod(&elsewhere.namespace, "small-1-r0-a1-abcde").await;
    let stranger = Trainer::of(&elsewhere.namespace, &twin, &rig.namespace.name).await;
    let report = || json!({"reported": reported(1, 1)});
    assert_refused("another namespace", stranger.apply("small-1", report()).await, 403, "cannot patch resource");

    // Somebody gives the accounts of both namespaces every right to trials.
    let role =
        json!({"metadata": {"name": "wide"}, "rules": [{"apiGroups": ["nas-operator.dev"], "resources": ["*"], "verbs": ["*"]}]});
    let accounts: Vec<Value> = [&rig, &elsewhere]
        .map(|rig| json!({"kind": "ServiceAccount", "name": "nas-trainer", "namespace": rig.namespace.name}))
        .into();
    let binding = json!({
        "metadata": {"name": "wide"}, "subjects": accounts,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "wide"},
    });
    let (role, binding): (Role, RoleBinding) = (serde_json::from_value(role).unwrap(), serde_json::from_value(binding).unwrap());
    rig.namespace.api().create(&PostParams::default(), &role).await.unwrap();
    rig.namespace.api().create(&PostParams::default(), &binding).await.unwrap();
    eventually("the role holds", || trainer.send(Method::GET, "/small-1", MERGE, "")).await;
    eventually("the role holds", || stranger.send(Method::GET, "/small-1", MERGE, "")).await;

    assert_refused("another namespace", stranger.apply("small-1", report()).await, 403, "its own namespace");
    let mut created = document("small-9", json!({}));
    created["spec"] = json!(rig.trials().await[0].spec);
    let created = created.to_string();
    for (method, path, media, body) in [
        (Method::PATCH, "/small-1", MERGE, r#"{"metadata": {"labels": {"mine": "yes"}}}"#),
        (Method::PATCH, "/small-1", MERGE, r#"{"metadata": {"finalizers": ["example.com/mine"]}}"#),
        (Method::PATCH, "/small-1", MERGE, r#"{"metadata": {"ownerReferences": []}, "spec": {"targetRung": 2}}"#),
        (Method::PATCH, "/small-1", MERGE, r#"{"spec": {"attempt": 7}}"#),
        (Method::POST, "", "application/json", created.as_str()),
        (Method::DELETE, "/small-1", "application/json", "{}"),
    ] {
        let what = format!("{method} {path} {body}");
        assert_refused(&what, trainer.send(method, path, media, body).await, 403, "writes the status of a trial alone");
    }
    trainer.apply("small-1", report()).await.unwrap();
    assert_eq!(rig.trials().await.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["small-1"]);
}
