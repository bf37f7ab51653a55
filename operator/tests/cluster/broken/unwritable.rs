//! An API server that can be read and not written, and a token that is void.

use http::Method;
use nas_operator::Config;
use nas_testkit::{Cluster, eventually};

use super::refusing::Refusing;
use crate::{
    between::Between,
    rig::{EXPERIMENT, Rig, stays, surrogate},
};

const LEADS: &str = "leader_election_master_status{name=\"nas-operator\"}";

#[tokio::test]
async fn where_nothing_can_be_written_the_operator_ends_with_the_reason_and_goes_on_when_it_can() {
    let rig = Rig::new("no-space").await;
    let full = Refusing::of(|request| request.method() != Method::GET, 500, "etcdserver: mvcc: database space exceeded");
    let config = || Config { lease_seconds: 3, ..rig.config() };
    let operator = full.operator(&rig, config());
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    full.begin();
    rig.report(&started, surrogate).await;
    let why = operator.fails().await.chain();
    assert!(why.contains("database space exceeded") && !why.contains("another replica goes on"), "{why}");
    // Its pod starts again, and waits: what it reads does not make it act.
    let operator = full.operator(&rig, config());
    eventually("it is up", || async { operator.metric(LEADS).ok_or(()) }).await;
    assert_eq!(stays(|| async { operator.metric(LEADS) }).await, Some(0.0));
    assert_eq!(rig.trials().await[0].to_record().value_at(0), None);
    full.end();
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    rig.close(operator).await;
}

/// A token is void when its pod is gone, or its service account was made anew.
#[tokio::test]
async fn an_operator_whose_token_is_void_says_so_and_its_successor_goes_on() {
    let rig = Rig::new("void").await;
    let own = rig.namespace.pod("nas-operator", "operator").await;
    // No trainer's pod that waits.
    rig.kubelet.start(&own, "main").await.unwrap();
    let token = rig.namespace.token("nas-operator", Some(&own)).await;
    let rig = Rig { operator_config: Cluster::shared().config_with(&token).await, ..rig };
    let operator = rig.operator_with(Config { lease_seconds: 3, ..rig.config() });
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    // The API server believes a token that it has seen for some seconds more.
    rig.kubelet.remove(&own).await.unwrap();
    let why = operator.fails().await.chain();
    assert!(why.contains("Unauthorized"), "{why}");
    rig.report(&started, surrogate).await;
    let new = rig.namespace.pod("nas-operator", "operator-again").await;
    rig.kubelet.start(&new, "main").await.unwrap();
    let token = rig.namespace.token("nas-operator", Some(&new)).await;
    let rig = Rig { operator_config: Cluster::shared().config_with(&token).await, ..rig };
    let operator = rig.operator();
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    rig.close(operator).await;
}
