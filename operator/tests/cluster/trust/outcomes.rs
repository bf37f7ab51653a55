//! What becomes of a segment is told where a person looks, with what to do about it.

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    batch::v1::Job,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use nas_testkit::eventually;
use serde_json::json;

use crate::rig::{EXPERIMENT, Rig, report, surrogate};

/// Waits until a condition of a trial has this status and reason; returns its message.
async fn told(rig: &Rig, trial: usize, kind: &str, status: &str, reason: &str) -> String {
    eventually(&format!("{kind}={status} {reason} of trial {trial}"), || async {
        let conditions = rig.trials().await[trial].status.clone().unwrap_or_default().conditions;
        let found = conditions
            .iter()
            .find(|condition| condition.type_ == kind && condition.status == status && condition.reason == reason);
        found.map(|condition| condition.message.clone()).ok_or(conditions)
    })
    .await
}

#[tokio::test]
async fn a_trial_says_what_it_waits_for_and_why_it_failed() {
    let rig = Rig::new("told").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let pod = eventually("the pod", || async { rig.pods().await.pop().ok_or(()) }).await;
    rig.kubelet.fits_nowhere(&pod, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.").await.unwrap();
    assert!(told(&rig, 0, "Waiting", "True", "Unschedulable").await.contains("Insufficient nvidia.com/gpu"));
    let mut started = rig.next_pod().await;
    told(&rig, 0, "Waiting", "False", "Training").await;
    for attempt in 0..5 {
        assert_eq!(started.segment.attempt, attempt);
        rig.end(&started, 0, "Traceback: no such layer").await;
        if attempt < 4 {
            let words = format!("attempt {attempt} ended");
            eventually(&words, || async {
                let message = told(&rig, 0, "Waiting", "True", "Crashed").await;
                if message.contains(&words) { Ok(()) } else { Err(message) }
            })
            .await;
            started = rig.next_pod().await;
        }
    }
    assert!(told(&rig, 0, "Failed", "True", "Failed").await.contains("no such layer"));
    told(&rig, 0, "Waiting", "False", "Ended").await;
    let message = rig.progressing("TrialFailed").await;
    assert!(message.contains("small-0") && message.contains("no such layer") && message.contains("maxFailedTrials"), "{message}");
    // The next one has a value: nothing is left to say.
    let next = rig.next_pod().await;
    rig.end(&next, 71, "CUDA out of memory").await;
    assert!(rig.progressing("TrialOutOfMemory").await.contains("CUDA out of memory"));
    assert!(told(&rig, 1, "Failed", "True", "OutOfMemory").await.contains("CUDA out of memory"));
    let next = rig.next_pod().await;
    rig.report(&next, surrogate).await;
    rig.progressing("Searching").await;
    rig.close(operator).await;
}

#[tokio::test]
async fn a_policy_that_refuses_jobs_is_named_and_the_search_goes_on_without_it() {
    let rig = Rig::new("refused").await;
    let name = format!("no-jobs-{}", rig.namespace.name);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(rig.namespace.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(rig.namespace.client.clone());
    let policy = json!({"metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": rig.namespace.name}},
            "resourceRules": [{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}],
        },
        "validations": [{"expression": "false", "message": "Jobs here need a cost centre"}],
    }});
    let binding = json!({"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
    policies.create(&PostParams::default(), &serde_json::from_value(policy).unwrap()).await.unwrap();
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let probe = || {
        let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}});
        let metadata = ObjectMeta { name: Some("probe".to_owned()), ..ObjectMeta::default() };
        Job { metadata, spec: serde_json::from_value(json!({"template": pod})).unwrap(), status: None }
    };
    let jobs = rig.namespace.api::<Job>();
    eventually("the policy is at work", || async {
        match jobs.create(&dry, &probe()).await {
            Err(refused) if refused.to_string().contains("cost centre") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let message = rig.progressing("JobRefused").await;
    assert!(message.contains("small-0-r0-a0") && message.contains("cost centre"), "{message}");
    assert!(told(&rig, 0, "Waiting", "True", "JobRefused").await.contains("cost centre"));
    bindings.delete(&name, &DeleteParams::default()).await.unwrap();
    policies.delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-0");
    rig.progressing("Searching").await;
    rig.close(operator).await;
}

#[tokio::test]
async fn a_trainer_that_hangs_is_stopped_at_the_time_limit_and_tried_again_five_times() {
    let rig = Rig::new("hang").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("cpu: 1", "cpu: 1\n    timeLimit: 89m59.5s")).await;
    for attempt in 0..5 {
        let started = rig.next_pod().await;
        assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", attempt));
        // Of the pod, which a queue lets begin: a Job's would count the wait for its next pod.
        assert_eq!(started.pod.spec.as_ref().unwrap().active_deadline_seconds, Some(5400));
        assert_eq!(rig.jobs().await[0].spec.as_ref().unwrap().active_deadline_seconds, None);
        // One that listens, one that does not.
        let exit = if attempt % 2 == 0 { 143 } else { 137 };
        rig.kubelet.overrun(&started.pod, "trainer", exit, "stopped after a checkpoint").await.unwrap();
        if attempt < 4 {
            let message = told(&rig, 0, "Waiting", "True", "Crashed").await;
            assert!(
                message.contains("5400 s, at its spec.trial.timeLimit") && message.contains("log of its trainer"),
                "{message}"
            );
        }
    }
    let message = told(&rig, 0, "Failed", "True", "Failed").await;
    assert!(message.contains("5 attempts") && message.contains("spec.trial.timeLimit"), "{message}");
    // A report that comes at the last moment is one.
    let started = rig.next_pod().await;
    let message = report(&started.segment, surrogate).to_message();
    rig.kubelet.overrun(&started.pod, "trainer", 0, &message).await.unwrap();
    eventually("the value", || async {
        let rungs = rig.trials().await[1].status.clone().unwrap_or_default().rungs;
        if rungs.iter().any(|rung| rung.value.is_some()) { Ok(()) } else { Err(rungs) }
    })
    .await;
    rig.close(operator).await;
}

#[tokio::test]
async fn a_job_that_somebody_gave_a_deadline_goes_on_as_the_next_attempt() {
    let rig = Rig::new("deadline").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    let deadline = Patch::Merge(json!({"spec": {"activeDeadlineSeconds": 1}}));
    rig.namespace.api::<Job>().patch("small-0-r0-a0", &PatchParams::default(), &deadline).await.unwrap();
    eventually("the pod is told to stop", || async {
        let pods = rig.pods().await;
        if pods.iter().any(|pod| pod.name_any() == started.pod.name_any() && pod.metadata.deletion_timestamp.is_some()) {
            Ok(())
        } else {
            Err(pods.len())
        }
    })
    .await;
    rig.end(&started, 143, "stopped after a checkpoint").await;
    rig.kubelet.remove(&started.pod).await.ok();
    let again = rig.next_pod().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-0", 1));
    let segments = rig.trials().await[0].status.clone().unwrap().segments;
    assert!(segments[0].message.contains("deadline"), "{segments:?}");
    rig.close(operator).await;
}
