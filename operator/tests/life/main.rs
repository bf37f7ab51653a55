//! The chart is installed, upgraded while a search runs, rolled back, uninstalled and installed again; the search goes on throughout. The
//! tests have no nodes: the operator runs in the test's process with the settings of the pod that the chart asks for, and with its account.
//!
//! Alone in its program, since it changes the definitions, which all namespaces share.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[path = "../chart/helm.rs"]
mod helm;
#[path = "../rig/mod.rs"]
mod rig;

use std::{collections::BTreeMap, ffi::OsStr, path::Path, process::Command};

use k8s_openapi::{
    api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::ServiceAccount, policy::v1::PodDisruptionBudget},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, ResourceExt};
use nas_api::objects::NasTrial;
use nas_operator::Config;
use nas_testkit::{Cluster, Kubelet, eventually};
use serde_json::{Value, json};

use helm::{chart, documents, helms, refusal, said};
use rig::{EXPERIMENT, Operator, Rig, surrogate};

/// The chart as it was in an earlier version: of another number, and with definitions that lack a field of today's.
fn earlier(folder: &Path) {
    let copied = Command::new("cp").arg("-r").arg(chart()).arg(folder.join("chart")).status().unwrap();
    assert!(copied.success());
    let edit = |name: &str, from: &str, to: &str| {
        let path = folder.join("chart").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    edit("Chart.yaml", "\nversion: 0.1.0", "\nversion: 0.0.9");
    edit("files/nasexperiments.yaml", "earlierTrials:", "trialsOfOld:");
}

async fn has_field(name: &str, client: kube::Client) -> bool {
    let definition = Api::<CustomResourceDefinition>::all(client).get("nasexperiments.nas-operator.dev").await.unwrap();
    let schema = definition.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
    schema.properties.unwrap()["status"].properties.as_ref().unwrap().contains_key(name)
}

/// The environment of the operator's pod.
async fn environment(rig: &Rig) -> BTreeMap<String, String> {
    let deployment: Deployment = rig.namespace.api().get("nas").await.unwrap();
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.service_account_name.as_deref(), Some("nas"));
    let env = pod.containers[0].env.clone().unwrap();
    env.into_iter().filter_map(|env| Some((env.name, env.value?))).collect()
}

/// The operator as the Deployment would start it.
async fn operator(rig: &Rig, identity: &str) -> Operator {
    let env = environment(rig).await;
    let of = |name: &str| env.get(name).cloned().unwrap_or_else(|| panic!("{name} is missing in {env:?}"));
    rig.operator_with(Config {
        watch_namespace: env.get("NAS_WATCH_NAMESPACE").cloned(),
        trainer_image: of("NAS_TRAINER_IMAGE"),
        trainer_service_account: of("NAS_TRAINER_SERVICE_ACCOUNT"),
        lease_namespace: of("NAS_LEASE_NAMESPACE"),
        lease_name: of("NAS_LEASE_NAME"),
        lease_seconds: of("NAS_LEASE_SECONDS").parse().unwrap(),
        stuck_seconds: of("NAS_STUCK_SECONDS").parse().unwrap(),
        identity: identity.to_owned(),
        ..rig.config()
    })
}

/// The program with `--check`, as the pod of `helm test` runs it: its arguments, its environment, its account.
async fn checks(rig: &Rig, hooks: &str, folder: &Path) -> (bool, String) {
    let pod = documents(hooks).into_iter().find(|object| object["kind"] == "Pod").unwrap();
    let container = &pod["spec"]["containers"][0];
    let token = rig.namespace.token(pod["spec"]["serviceAccountName"].as_str().unwrap(), None).await;
    let mut kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(Cluster::shared().kubeconfig()).unwrap()).unwrap();
    kubeconfig["users"][0]["user"] = json!({"token": token});
    let file = folder.join("kubeconfig");
    std::fs::write(&file, kubeconfig.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nas-operator"));
    command.args(container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap())).env("KUBECONFIG", file);
    for env in container["env"].as_array().unwrap() {
        command.env(env["name"].as_str().unwrap(), env["value"].as_str().unwrap());
    }
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// What an experiment needs.
async fn prepare(rig: &Rig) {
    rig.claim("checkpoints").await;
    let accounts = rig.namespace.api::<ServiceAccount>();
    eventually("the namespace's service account", || async { accounts.get("default").await.map(drop) }).await;
}

async fn held_by(rig: &Rig, wanted: &str) {
    let leases = rig.namespace.api::<Lease>();
    eventually(&format!("{wanted} holds the lease"), || async {
        let holder = leases.get("nas").await.unwrap().spec.unwrap().holder_identity;
        if holder.as_deref() == Some(wanted) { Ok(()) } else { Err(holder) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_goes_on_through_the_life_of_its_chart() {
    // The definitions and what they keep are the whole cluster's: one Helm after the other, and each finds what the one before it kept.
    for (round, helm) in helms().iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        earlier(folder.path());
        let namespace = Cluster::shared().namespace("life").await;
        let account = format!("system:serviceaccount:{}:nas", namespace.name);
        let operator_config = Cluster::shared().config_of(&account).await;
        let rig = Rig { kubelet: Kubelet::new(namespace.client.clone(), &namespace.name), operator_config, namespace };
        let name = rig.namespace.name.as_str();
        let watch = format!("watchNamespace={name}");
        let old = folder.path().join("chart");
        let now = chart();
        let words = |verb: &[&'static str], chart: Option<&Path>, more: &[&str]| -> Vec<std::ffi::OsString> {
            let mut words: Vec<_> = verb.iter().map(|word| OsStr::new(word).to_owned()).collect();
            words.extend(chart.map(|chart| chart.as_os_str().to_owned()));
            words.extend(["--namespace", name].iter().chain(more).map(|word| OsStr::new(word).to_owned()));
            words
        };
        let client = rig.namespace.client.clone();

        if round > 0 {
            // Another release has the definitions: that is told, and left alone.
            let refused = refusal(helm, &words(&["install", "nas"], Some(&old), &["--set", &watch]));
            assert!(
                refused.contains("cannot be imported into the current release") || refused.contains("invalid ownership"),
                "{refused}"
            );
        }
        // From the second on, the definitions are somebody else's.
        let crds = if round == 0 { "crds.enabled=true" } else { "crds.enabled=false" };
        let told =
            said(helm, &words(&["install", "nas"], Some(&old), &["--set", &watch, "--set", crds, "--set", "leaseSeconds=4"]));
        assert!(
            told.contains("helm test nas") && told.contains(&format!("kubectl get nasexperiments,nastrials -n {name}")),
            "{told}"
        );
        if round == 0 {
            assert!(!has_field("earlierTrials", client.clone()).await, "the earlier definitions");
        }
        prepare(&rig).await;
        let hooks = said(helm, &words(&["get", "hooks", "nas"], None, &[]));
        let (may, answer) = checks(&rig, &hooks, folder.path()).await;
        assert!(may && answer.contains("the operator may do everything that it does"), "{answer}");

        let first = operator(&rig, "first").await;
        rig.create(EXPERIMENT).await;
        let started = rig.next_pod().await;
        assert_eq!(started.segment.trial_name, "small-0");

        // The new pod comes before the old one goes, as in a rolling update; the trial that trains is adopted.
        let told = said(
            helm,
            &words(
                &["upgrade", "nas"],
                Some(&now),
                &["--set", &watch, "--set", crds, "--set", "replicas=2", "--set", "leaseSeconds=4"],
            ),
        );
        assert!(told.contains("REVISION: 2"), "{told}");
        assert!(has_field("earlierTrials", client.clone()).await, "today's definitions");
        let second = operator(&rig, "second").await;
        first.stop().await;
        held_by(&rig, "second").await;
        rig.report(&started, surrogate).await;
        let started = rig.next_pod().await;
        let budget: PodDisruptionBudget = rig.namespace.api().get("nas").await.unwrap();
        assert_eq!(json!(budget.spec.unwrap().min_available), json!(1));
        let seen = rig.trials().await;
        assert!(seen.iter().all(|trial| trial.spec.attempt == 0), "no segment was trained twice");

        said(helm, &words(&["rollback", "nas", "1"], None, &[]));
        assert!(rig.namespace.api::<PodDisruptionBudget>().get_opt("nas").await.unwrap().is_none());
        let third = operator(&rig, "third").await;
        second.stop().await;
        held_by(&rig, "third").await;
        rig.report(&started, surrogate).await;
        let started = rig.next_pod().await;

        // What it made stays, and nobody decides.
        third.stop().await;
        let told = said(helm, &words(&["uninstall", "nas"], None, &[]));
        if round == 0 {
            assert!(told.contains("kept due to the resource policy") && told.contains("nastrials.nas-operator.dev"), "{told}");
        }
        assert!(rig.namespace.api::<Deployment>().get_opt("nas").await.unwrap().is_none());
        let kept: Vec<String> = rig.trials().await.iter().map(NasTrial::name_any).collect();
        assert!(kept.contains(&started.segment.trial_name), "{kept:?}");
        assert!(rig.pods().await.iter().any(|pod| pod.name_any() == started.pod.name_any()), "what trains goes on");
        assert!(rig.namespace.api::<ServiceAccount>().get_opt("nas").await.unwrap().is_none(), "its rights are gone");
        rig.report(&started, surrogate).await;

        said(helm, &words(&["install", "nas"], Some(&now), &["--set", &watch, "--set", crds, "--set", "leaseSeconds=4"]));
        let fourth = operator(&rig, "fourth").await;
        held_by(&rig, "fourth").await;
        Box::pin(rig.finish()).await;
        assert!(rig.trials().await.iter().all(|trial| trial.spec.attempt == 0), "no segment was trained twice");
        rig.close(fourth).await;
        said(helm, &words(&["uninstall", "nas"], None, &[]));
    }
}
