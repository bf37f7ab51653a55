//! Objects of a newer version, whose definitions know words that this one does not. Alone in its program, since all namespaces share the
//! definitions.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod rig;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, CustomResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_testkit::eventually;
use rig::{EXPERIMENT, Rig, stays, surrogate};
use serde_json::json;

/// The definition of trials in a version with one more outcome and one more field.
fn newer() -> CustomResourceDefinition {
    let mut definition = serde_json::to_value(NasTrial::crd()).unwrap();
    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let rungs = &mut schema["properties"]["status"]["properties"]["rungs"]["items"]["properties"];
    rungs["outcome"]["enum"].as_array_mut().unwrap().push(json!("Brilliant"));
    schema["properties"]["spec"]["properties"]["mood"] = json!({"type": "string"});
    serde_json::from_value(definition).unwrap()
}

async fn accepted(rig: &Rig, experiment: &str) -> Option<(String, String)> {
    let found = rig.namespace.api::<NasExperiment>().get(experiment).await.unwrap();
    let conditions = found.status.unwrap_or_default().conditions;
    let accepted = conditions.into_iter().find(|condition| condition.type_ == "Accepted")?;
    Some((accepted.reason, accepted.message))
}

#[tokio::test]
async fn a_word_that_only_a_newer_version_knows_holds_up_its_search_and_no_other() {
    let rig = Rig::new("newer").await;
    rig.namespace.define(&[newer()]).await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let first = rig.next_pod().await;
    rig.report(&first, surrogate).await;
    let second = rig.next_pod().await;
    assert_eq!(second.segment.trial_name, "small-1");
    // Once the experiment counts it, its number is taken for good; before that it would be created anew where it is deleted.
    eventually("it is counted", || async {
        let trials = rig.experiment().await.status.and_then(|status| status.trials);
        if trials.as_ref().is_some_and(|trials| trials.created == 2) { Ok(()) } else { Err(trials) }
    })
    .await;

    // What the newer version writes: a field that is unknown here, and a word.
    let trials: Api<DynamicObject> =
        Api::namespaced_with(rig.namespace.client.clone(), &rig.namespace.name, &ApiResource::erase::<NasTrial>(&()));
    trials.patch("small-1", &PatchParams::default(), &Patch::Merge(json!({"spec": {"mood": "good"}}))).await.unwrap();
    let rungs = json!([{"rung": 0, "outcome": "Brilliant", "decisionSeq": 2}]);
    trials.patch_status("small-1", &PatchParams::default(), &Patch::Merge(json!({"status": {"rungs": rungs}}))).await.unwrap();
    let (_, message) = eventually("the search is held up", || async {
        let accepted = accepted(&rig, "small").await;
        accepted.clone().filter(|(reason, _)| reason == "TrialUnreadable").ok_or(accepted)
    })
    .await;
    assert!(message.contains("small-1") && message.contains("Brilliant") && message.contains("upgrade"), "{message}");
    // Nothing is decided as if the trial were not there, also by an operator that starts now.
    operator.stop().await;
    let operator = rig.operator();
    operator.has_looked().await;
    let seen = || async { (rig.trials_unread().await, rig.jobs().await.len()) };
    assert_eq!(stays(seen).await, (2, 1));

    // Another search of the same namespace has no part in it.
    rig.create(&EXPERIMENT.replace("{name: small}", "{name: other}")).await;
    let other = rig.next_pod().await;
    assert_eq!(other.segment.trial_name, "other-0");
    rig.report(&other, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "other-1");

    // Without the trial, which a person may do, it goes on.
    rig.namespace.api::<NasTrial>().delete("small-1", &DeleteParams::background()).await.unwrap();
    rig.kubelet.remove(&second.pod).await.ok();
    let third = rig.next_pod().await;
    assert_eq!(third.segment.trial_name, "small-2");
    assert_eq!(accepted(&rig, "small").await.unwrap().0, "Valid");
    operator.stop().await;
}
