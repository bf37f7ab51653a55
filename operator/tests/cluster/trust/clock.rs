//! Another replica's clock decides nothing: only how long its lease stays as it is.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams, PostParams};
use nas_operator::Config;
use nas_testkit::eventually;
use serde_json::json;

use crate::rig::Rig;

/// A lease holds for this long.
const HOLDS: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_holder_whose_clock_is_wrong_keeps_its_lease_while_it_renews_it_and_no_longer() {
    tokio::join!(holds("behind", 2001), holds("ahead", 2999));
}

/// The holder's clock shows this year.
async fn holds(word: &str, year: u32) {
    let rig = Rig::new(word).await;
    let leases = rig.namespace.api::<Lease>();
    let at = |second: u32| format!("{year}-01-01T00:00:{second:02}.000000Z");
    let lease = json!({"metadata": {"name": "nas-operator"}, "spec": {"holderIdentity": "other",
        "leaseDurationSeconds": HOLDS.as_secs(), "acquireTime": at(0), "renewTime": at(0), "leaseTransitions": 0}});
    leases.create(&PostParams::default(), &serde_json::from_value(lease).unwrap()).await.unwrap();
    let operator = rig.operator_with(Config { lease_seconds: 5, ..rig.config() });
    let leads = || operator.metric("leader_election_master_status{name=\"nas-operator\"}");
    let began = Instant::now();
    let mut renewals = 0;
    while began.elapsed() < HOLDS * 3 / 2 {
        renewals += 1;
        let renewed = Patch::Merge(json!({"spec": {"renewTime": at(renewals)}}));
        leases.patch("nas-operator", &PatchParams::default(), &renewed).await.unwrap();
        assert_ne!(leads(), Some(1.0), "after {renewals} renewals");
        tokio::time::sleep(HOLDS / 16).await;
    }
    eventually("it leads", || async { if leads() == Some(1.0) { Ok(()) } else { Err(leads()) } }).await;
    operator.stop().await;
}
