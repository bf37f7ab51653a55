//! An experiment on a real API server, read with a kubeconfig.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    CustomResourceExt, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use nas_api::{
    objects::{NasExperiment, NasTrial},
    read_experiment,
};
use nas_testkit::{Cluster, Namespace};
use serde_json::json;

use crate::{
    journal, opened,
    rig::{nasctl, told},
    server::Server,
};

/// Writes a search as an operator would; of the last trial's end nothing is known yet.
async fn write(namespace: &Namespace, trials: usize) -> Vec<NasTrial> {
    let folder = tempfile::tempdir().unwrap();
    let objects = journal::write(folder.path(), trials);
    let source = read_experiment(&journal::experiment(trials)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let experiment: NasExperiment = namespace.api().create(&PostParams::default(), &source.experiment).await.unwrap();
    let api = namespace.api::<NasTrial>();
    for trial in &objects {
        let mut trial = trial.clone();
        trial.metadata.owner_references = experiment.controller_owner_ref(&()).map(|owner| vec![owner]);
        let status = trial.status.take();
        api.create(&PostParams::default(), &trial).await.unwrap();
        if trial.spec.number as usize + 1 < trials {
            let patch = Patch::Merge(json!({"status": status}));
            api.patch_status(&trial.name_any(), &PatchParams::default(), &patch).await.unwrap();
        }
    }
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_is_followed_with_the_readers_own_rights() {
    let cluster = Cluster::shared();
    let kubeconfig = cluster.kubeconfig().to_str().unwrap();
    let namespace = cluster.namespace("ui").await;
    namespace.define(&[NasExperiment::crd(), NasTrial::crd()]).await;
    let trials = write(&namespace, 24).await;
    let server = Server::start(&["made", "--namespace", &namespace.name], kubeconfig);
    let mut browser = tokio::task::block_in_place(|| opened(&server));
    let last = |number: usize| trials[number].status.as_ref().unwrap().rungs.last().unwrap().clone();
    let shown = browser.table("#trials-list");
    assert_eq!(shown.len(), 24);
    for row in &shown {
        let number: usize = row[1].parse().unwrap();
        if number == 23 {
            assert_eq!([row[2].as_str(), row[4].as_str()], ["training", "–"], "{row:?}");
            continue;
        }
        let value = trials[number].status.as_ref().unwrap().rungs.iter().filter_map(|at| at.value).next_back();
        assert_eq!(row[4], value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}")), "{row:?}");
    }

    // What is told about a trial and its pod, by whoever writes events.
    let pod = json!({
        "metadata": {"name": "made-3-r0-a0-xyz", "labels": {"nas-operator.dev/trial": "made-3"}},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "trainer", "image": "image", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
        },
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    namespace.api::<Pod>().create(&PostParams::default(), &pod).await.unwrap();
    for (kind, name, reason, message) in [
        ("NasTrial", "made-3", "TrialRetired", "too many are better"),
        ("Pod", "made-3-r0-a0-xyz", "FailedMount", journal::HOSTILE),
    ] {
        let event = json!({
            "metadata": {"generateName": "told-"}, "type": "Warning", "reason": reason, "message": message,
            "involvedObject": {"kind": kind, "name": name, "namespace": namespace.name}, "lastTimestamp": "2026-01-02T03:04:05Z",
        });
        let event: Event = serde_json::from_value(event).unwrap();
        namespace.api::<Event>().create(&PostParams::default(), &event).await.unwrap();
    }
    browser.value("Ui.open(3)");
    browser.until("document.querySelector('#detail').dataset.trial === '3'");
    let mut told: Vec<Vec<String>> = browser.table("#trial-events").into_iter().map(|row| row[1..].to_vec()).collect();
    told.sort();
    let of = |object: &str, reason: &str, message: &str| [object, reason, message].map(str::to_owned).to_vec();
    let expected = [
        of("NasTrial made-3", "TrialRetired (warning)", "too many are better"),
        of("Pod made-3-r0-a0-xyz", "FailedMount (warning)", journal::HOSTILE),
    ];
    assert_eq!(told, expected);
    // No kubelet has that pod: what the API server says to it is shown.
    browser.click("#read-log");
    browser.until("/pod|kubelet|host/i.test(document.querySelector('#trial-log .note').textContent) && !document.querySelector('#trial-log .note').textContent.startsWith('Reading')");
    browser.key("Escape");

    // The last trial ends: the page is told by a watch.
    let status = Patch::Merge(json!({"status": trials[23].status}));
    namespace.api::<NasTrial>().patch_status("made-23", &PatchParams::default(), &status).await.unwrap();
    let value = last(23).value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    browser.until(&format!("[...document.querySelectorAll('[data-trial=\"23\"] td')].some((cell) => cell.textContent === '{value}') && !document.querySelector('[data-trial=\"23\"]').textContent.includes('training')"));
    // A trial that is gone leaves the list, and the page stays.
    namespace.api::<NasTrial>().delete("made-22", &DeleteParams::default()).await.unwrap();
    browser.until("document.querySelectorAll('#trials-list tbody tr').length === 23");
    // So does an experiment: what was known of it is still shown, with what is wrong.
    namespace.api::<NasExperiment>().delete("made", &DeleteParams::default()).await.unwrap();
    browser.until("document.querySelector('#live').textContent.includes('there is no NasExperiment made')");
    assert_eq!(browser.table("#trials-list").len(), 23);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn an_experiment_that_is_not_there_is_named() {
    let cluster = Cluster::shared();
    let (code, said) = told(nasctl().args(["ui", "nowhere", "--namespace", "default"]).env("KUBECONFIG", cluster.kubeconfig()));
    assert!([64, 69].contains(&code) && said.contains("NasExperiment"), "{code}: {said}");
}
