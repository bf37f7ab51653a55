//! What others let the API server admit: webhooks that do not answer, policies that know trials, containers that they add.

use http::Method;
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration},
    batch::v1::Job,
    core::v1::Pod,
    scheduling::v1::PriorityClass,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use nas_api::objects::NasTrial;
use nas_testkit::{ENDED, eventually};
use serde_json::{Value, json};

use super::refusing::Refusing;
use crate::{
    between::Between,
    rig::{EXPERIMENT, Rig, surrogate},
};

fn two_slots() -> String {
    EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2")
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_is_named_and_holds_up_only_what_it_is_asked_about() {
    let rig = Rig::new("unanswered").await;
    let operator = rig.operator();
    rig.create(&two_slots()).await;
    let [first, second] = rig.two_pods().await;

    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(rig.namespace.client.clone());
    let name = format!("unanswered-{}", rig.namespace.name);
    let hook = json!({"metadata": {"name": name}, "webhooks": [{
        "name": "jobs.somebody.else", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 2,
        // Nobody listens there.
        "clientConfig": {"url": "https://127.0.0.1:1/jobs"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": rig.namespace.name}},
        "rules": [{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}],
    }]});
    hooks.create(&PostParams::default(), &serde_json::from_value(hook).unwrap()).await.unwrap();
    let probe = || {
        let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}});
        let metadata = ObjectMeta { name: Some("probe".to_owned()), ..ObjectMeta::default() };
        Job { metadata, spec: serde_json::from_value(json!({"template": pod})).unwrap(), status: None }
    };
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let jobs = rig.namespace.api::<Job>();
    eventually("the webhook is asked", || async {
        match jobs.create(&dry, &probe()).await {
            Err(refused) if refused.to_string().contains("failed calling webhook") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    rig.report(&first, surrogate).await;
    let message = rig.progressing("JobRefused").await;
    assert!(message.contains("small-2-r0-a0") && message.contains("jobs.somebody.else"), "{message}");
    // What ends meanwhile is recorded, and its Job goes.
    rig.report(&second, surrogate).await;
    eventually("both are recorded, and their Jobs are gone", || async {
        let trials = rig.trials().await;
        let values = [0, 1].map(|at: usize| trials[at].to_record().value_at(0));
        let left = rig.jobs().await.len();
        if left == 0 && values == [Some(surrogate(0, 0)), Some(surrogate(1, 0))] { Ok(()) } else { Err((values, left)) }
    })
    .await;
    hooks.delete(&name, &DeleteParams::default()).await.unwrap();
    rig.two_pods().await;
    rig.progressing("Searching").await;
    rig.close(operator).await;
}

/// A refusal of a creation is none, whatever its code: nobody else was faster.
#[tokio::test]
async fn a_webhook_that_gives_no_causes_is_named_like_any_other() {
    let rig = Rig::new("causeless").await;
    let creates_a_job =
        |request: &http::Request<kube::client::Body>| request.method() == Method::POST && request.uri().path().ends_with("/jobs");
    let refusing =
        Refusing::of(creates_a_job, 422, "admission webhook \"jobs.somebody.else\" denied the request: no cost centre");
    refusing.begin();
    let operator = refusing.operator(&rig, rig.config());
    rig.create(EXPERIMENT).await;
    let message = rig.progressing("JobRefused").await;
    assert!(message.contains("no cost centre"), "{message}");
    refusing.end();
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-0");
    rig.close(operator).await;
}

#[tokio::test]
async fn a_policy_that_refuses_a_trial_is_named_and_the_other_trials_go_on() {
    let rig = Rig::new("no-trials").await;
    let operator = rig.operator();
    rig.create(&two_slots()).await;
    let [first, second] = rig.two_pods().await;

    let name = format!("two-trials-{}", rig.namespace.name);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(rig.namespace.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(rig.namespace.client.clone());
    let policy = json!({"metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": rig.namespace.name}},
            "resourceRules": [{"apiGroups": ["nas-operator.dev"], "apiVersions": ["v1alpha1"], "operations": ["CREATE"], "resources": ["nastrials"]}],
        },
        "validations": [{"expression": "object.spec.number < 2", "message": "two trials are enough for this team"}],
    }});
    let binding = json!({"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
    policies.create(&PostParams::default(), &serde_json::from_value(policy).unwrap()).await.unwrap();
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    let mut probe = rig.trials().await.remove(0);
    probe.metadata = ObjectMeta { name: Some("small-9".to_owned()), ..ObjectMeta::default() };
    (probe.spec.number, probe.status) = (9, None);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let trials = rig.namespace.api::<NasTrial>();
    eventually("the policy is at work", || async {
        match trials.create(&dry, &probe).await {
            Err(refused) if refused.to_string().contains("enough for this team") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // A slot is free, for which a trial is refused.
    rig.report(&second, surrogate).await;
    let message = rig.progressing("TrialNotCreated").await;
    assert!(message.contains("small-2") && message.contains("enough for this team"), "{message}");
    // The other one is not to blame: it crashes, and goes on.
    rig.end(&first, 0, "no report").await;
    let again = rig.next_pod().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-0", 1));
    bindings.delete(&name, &DeleteParams::default()).await.unwrap();
    policies.delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-2");
    rig.report(&again, surrogate).await;
    rig.close(operator).await;
}

#[tokio::test]
async fn a_container_that_somebody_added_does_not_keep_a_crashed_trial_for_ever() {
    let rig = Rig::new("sidecar").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    let of = |name: &str, state: Value| json!({"name": name, "ready": false, "restartCount": 0, "image": "image", "imageID": "image", "state": state});
    let ended = json!({"terminated": {"exitCode": 1, "reason": "Error", "message": "Traceback: no such layer", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": ENDED}});
    let runs = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    // The API server asks nobody whether a pod has such a container.
    let status = json!({"status": {"phase": "Running", "containerStatuses": [of("trainer", ended), of("proxy", runs)]}});
    let pods = rig.namespace.api::<Pod>();
    pods.patch_status(&started.pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
    eventually("the pod is told to stop", || async {
        let pod = pods.get(&started.pod.name_any()).await.unwrap();
        pod.metadata.deletion_timestamp.as_ref().map(|_| ()).ok_or(pod.status)
    })
    .await;
    rig.kubelet.remove(&started.pod).await.unwrap();
    let again = rig.next_pod().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-0", 1));
    let segments = rig.trials().await[0].status.clone().unwrap().segments;
    assert!(segments[0].message.contains("proxy") && segments[0].message.contains("no such layer"), "{segments:?}");
    rig.close(operator).await;
}

#[tokio::test]
async fn a_priority_class_that_is_deleted_is_named_and_waited_for() {
    let rig = Rig::new("class").await;
    let word = rig.namespace.name.clone();
    let classes = Api::<PriorityClass>::all(rig.namespace.client.clone());
    let class: PriorityClass = serde_json::from_value(json!({"metadata": {"name": word}, "value": 7})).unwrap();
    classes.create(&PostParams::default(), &class).await.unwrap();
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("    cpu: 1\n", &format!("    cpu: 1\n    pod: {{priorityClassName: {word}}}\n"))).await;
    let first = rig.next_pod().await;
    classes.delete(&word, &DeleteParams::default()).await.unwrap();
    // The admission of pods hears of it a moment later.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    rig.report(&first, surrogate).await;
    let message = rig.progressing("PodsNotCreated").await;
    assert!(message.contains(&word), "{message}");
    classes.create(&PostParams::default(), &class).await.unwrap();
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    rig.close(operator).await;
}
