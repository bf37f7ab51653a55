//! The definitions are deleted while a search runs, and come back. Alone in its program, since all namespaces share them.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod rig;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, CustomResourceExt, ResourceExt, api::DeleteParams};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_testkit::eventually;
use rig::{EXPERIMENT, Rig, surrogate};

#[tokio::test]
async fn the_definitions_go_in_either_order_and_the_operator_works_on_when_they_are_back() {
    let rig = Rig::new("uninstall").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(rig.namespace.client.clone());
    let operator = rig.operator();
    for order in [[NasExperiment::crd(), NasTrial::crd()], [NasTrial::crd(), NasExperiment::crd()]] {
        rig.create(EXPERIMENT).await;
        let started = rig.next_pod().await;
        assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", 0));
        rig.report(&started, surrogate).await;
        rig.next_pod().await;
        for definition in &order {
            definitions.delete(&definition.name_any(), &DeleteParams::default()).await.unwrap();
        }
        eventually("definitions, Jobs and pods are gone", || async {
            for pod in rig.pods().await.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
                rig.kubelet.remove(pod).await.ok();
            }
            let mut left = (0, rig.jobs().await.len(), rig.pods().await.len());
            for definition in &order {
                left.0 += usize::from(definitions.get_opt(&definition.name_any()).await.unwrap().is_some());
            }
            if left == (0, 0, 0) { Ok(()) } else { Err(left) }
        })
        .await;
        rig.namespace.define(&order).await;
    }
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    assert_eq!(started.segment.trial_name, "small-0");
    rig.close(operator).await;
}
