//! Rights that somebody takes away while a search runs.

use k8s_openapi::api::rbac::v1::{PolicyRule, Role};
use kube::{
    Client,
    api::{Patch, PatchParams},
};
use nas_testkit::eventually;
use serde_json::json;

use super::cutting::Scissors;
use crate::{
    between::Between,
    rig::{EXPERIMENT, Rig, surrogate},
};

/// Takes a verb on some resources away from the operator; returns its rules as they were.
async fn take_away(rig: &Rig, resources: &[&str], verb: &str) -> Vec<PolicyRule> {
    let rules = rig.namespace.api::<Role>().get("nas-operator").await.unwrap().rules.unwrap();
    let mut left = rules.clone();
    for rule in &mut left {
        if rule.resources.iter().flatten().any(|resource| resources.contains(&resource.as_str())) {
            rule.verbs.retain(|known| known != verb);
        }
    }
    left.retain(|rule| !rule.verbs.is_empty());
    assert_ne!(left, rules);
    grant(rig, &left).await;
    // The server's authorizer hears of it a moment later.
    let client = Client::try_from(rig.operator_config.clone()).unwrap();
    eventually("the right is gone", || async {
        let checked = nas_operator::check(&rig.config(), &client).await.unwrap();
        if checked.iter().any(|checked| checked.problem.is_some()) { Ok(()) } else { Err(checked) }
    })
    .await;
    rules
}

async fn grant(rig: &Rig, rules: &[PolicyRule]) {
    let patch = Patch::Merge(json!({"rules": rules}));
    rig.namespace.api::<Role>().patch("nas-operator", &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_named_on_the_experiment_and_nothing_is_lost() {
    let rig = Rig::new("deprived").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    let rules = take_away(&rig, &["nastrials/status"], "patch").await;
    rig.report(&started, surrogate).await;
    let message = rig.progressing("PassesFail").await;
    assert!(message.contains("small-0") && message.contains("forbidden") && message.contains("nastrials"), "{message}");
    assert_eq!(rig.trials().await[0].to_record().value_at(0), None);
    grant(&rig, &rules).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    rig.progressing("Searching").await;
    rig.close(operator).await;
}

#[tokio::test]
async fn an_operator_that_no_longer_hears_of_pods_says_so_and_loses_nothing() {
    let rig = Rig::new("deaf").await;
    let scissors = Scissors::default();
    let operator = scissors.operator(&rig, rig.config());
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    let rules = take_away(&rig, &["jobs", "pods"], "watch").await;
    // One that is open goes on without the right to open one.
    scissors.cut();
    rig.report(&started, surrogate).await;
    let message = rig.progressing("NotHeard").await;
    assert!(message.contains("forbidden"), "{message}");
    grant(&rig, &rules).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    rig.progressing("Searching").await;
    rig.close(operator).await;
}
