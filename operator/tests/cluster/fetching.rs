//! A data set that is fetched before a trial trains, on a real API server with its Job controller.

use crate::rig::{EXPERIMENT, Rig, surrogate};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use nas_testkit::eventually;

const FETCH: &str = "fetch-data";
const TRAINER: &str = "trainer";

/// An experiment whose data set is fetched, and the claim for it.
async fn rig(word: &str, trial: &str) -> Rig {
    let rig = Rig::new(word).await;
    rig.claim("datasets").await;
    rig.create(&EXPERIMENT.replace("    data: {name: cifar10}\n", trial)).await;
    rig
}

/// A pod that no kubelet has taken, beside those of these names.
async fn new_pod(rig: &Rig, known: &[String]) -> Pod {
    eventually("a new pod", || async {
        let pods = rig.pods().await;
        let found = pods.iter().find(|pod| pod.metadata.deletion_timestamp.is_none() && !known.contains(&pod.name_any()));
        found.cloned().ok_or(pods.len())
    })
    .await
}

fn mount(container: &Container, path: &str) -> Option<(String, bool)> {
    let mount = container.volume_mounts.iter().flatten().find(|mount| mount.mount_path == path)?;
    Some((mount.name.clone(), mount.read_only == Some(true)))
}

#[tokio::test]
async fn a_pod_fetches_in_the_installations_image_and_then_trains_on_what_it_cannot_write() {
    let data = "    image: ours:1\n    data: {name: cifar10, claim: datasets, fetch: {url: 'https://mirror/cifar'}}\n    memory: 2Gi\n    \
         env: {HTTPS_PROXY: 'http://proxy:3128', MARK: $$(HTTPS_PROXY)}\n";
    let rig = rig("fetch", data).await;
    let operator = rig.operator();
    let pod = new_pod(&rig, &[]).await;
    let spec = pod.spec.as_ref().unwrap();
    let [fetch] = spec.init_containers.as_deref().unwrap() else { panic!("{:?}", spec.init_containers) };
    let [trainer] = &spec.containers[..] else { panic!("{:?}", spec.containers) };
    assert_eq!((fetch.name.as_str(), fetch.image.as_deref()), (FETCH, Some("trainer:test")));
    assert_eq!(trainer.image.as_deref(), Some("ours:1"));
    let command = ["nas-trainer", "data", "fetch", "cifar10", "--dir", "/data", "--url", "https://mirror/cifar"];
    assert_eq!(fetch.command.as_deref().unwrap(), command);
    assert_eq!(fetch.args, None);
    let env = |container: &Container| -> Vec<(String, String)> {
        let set = container.env.iter().flatten().filter(|variable| !variable.name.starts_with("NAS_"));
        set.map(|variable| (variable.name.clone(), variable.value.clone().unwrap())).collect()
    };
    // Each $ doubled: the kubelet turns it into one, and reads no $(NAME) out of it.
    let expected = [("HTTPS_PROXY", "http://proxy:3128"), ("MARK", "$$$$(HTTPS_PROXY)")];
    assert_eq!(env(fetch), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(env(trainer), env(fetch));
    assert_eq!(fetch.env.as_ref().unwrap().len(), 2, "nothing of the contract");
    assert_eq!(fetch.termination_message_policy.as_deref(), Some("FallbackToLogsOnError"));
    assert_eq!(fetch.security_context, trainer.security_context);
    assert_eq!(fetch.security_context.as_ref().unwrap().read_only_root_filesystem, Some(true));
    assert_eq!(mount(fetch, "/data"), Some(("data".to_owned(), false)));
    assert_eq!(mount(trainer, "/data"), Some(("data".to_owned(), true)));
    assert_eq!(mount(fetch, "/tmp"), mount(trainer, "/tmp"));
    assert_eq!((mount(fetch, "/checkpoints"), mount(fetch, "/dev/shm")), (None, None));
    let volume = spec.volumes.iter().flatten().find(|volume| volume.name == "data").unwrap();
    let claim = volume.persistent_volume_claim.as_ref().unwrap();
    assert_eq!((claim.claim_name.as_str(), claim.read_only.unwrap_or_default()), ("datasets", false));
    // It makes the pod no larger, and takes no accelerator.
    let [fetch, trainer] = [fetch, trainer].map(|container| container.resources.as_ref().unwrap());
    let limits = fetch.limits.as_ref().unwrap();
    assert_eq!((limits.len(), &limits["memory"]), (1, &trainer.limits.as_ref().unwrap()["memory"]));
    assert_eq!(fetch.requests.as_ref().unwrap()["cpu"].0, "100m");

    rig.kubelet.waits_init(&pod, FETCH, TRAINER, "ImagePullBackOff", "Back-off pulling image \"trainer:test\"").await.unwrap();
    assert!(rig.progressing("ImageNotPulled").await.contains("trainer:test"));
    rig.kubelet.start_init(&pod, FETCH, TRAINER).await.unwrap();
    assert!(rig.progressing("FetchingData").await.contains(&pod.name_any()));
    rig.kubelet.end_init(&pod, FETCH, TRAINER, 0, "").await.unwrap();
    let started = rig.next_pod().await;
    assert_eq!(started.pod.name_any(), pod.name_any());
    rig.progressing("Searching").await;
    rig.report(&started, surrogate).await;
    new_pod(&rig, &[pod.name_any()]).await;
    let segments = rig.trials().await.swap_remove(0).status.unwrap().segments;
    // The ten minutes of the fetch do not count.
    assert_eq!(segments.iter().map(|segment| segment.accelerator_seconds).collect::<Vec<_>>(), [60.0]);
    rig.close(operator).await;
}

#[tokio::test]
async fn a_fetch_that_a_person_must_mend_refuses_the_trial_and_three_stall_the_search() {
    let rig = rig("fetch-refused", "    data: {name: mnist, claim: datasets, fetch: {}}\n").await;
    let operator = rig.operator();
    let log = "fetching https://mirror/train.gz\ntrain.gz: 1.0 of 9.9 MB\nnas-trainer: https://mirror/train.gz answers 404: \
               give the address of a folder that holds the file with --url\n";
    let mut known = Vec::new();
    for code in [65, 64, 78] {
        let pod = new_pod(&rig, &known).await;
        known.push(pod.name_any());
        rig.kubelet.start_init(&pod, FETCH, TRAINER).await.unwrap();
        rig.kubelet.end_init(&pod, FETCH, TRAINER, code, log).await.unwrap();
        if code == 65 {
            let said = rig.progressing("TrialRefused").await;
            let words = "small-0: spec.trial.data.fetch: https://mirror/train.gz answers 404: give the address";
            assert!(said.contains(words) && !said.contains("9.9 MB"), "{said}");
        }
    }
    assert_eq!(rig.condition("Stalled", "True").await, "TrialsRefused");
    assert!(rig.message("Stalled").await.contains("spec.trial.data.fetch: https://mirror/train.gz answers 404"));
    for trial in rig.trials().await {
        let status = trial.status.unwrap();
        let [segment] = &status.segments[..] else { panic!("{:?}", status.segments) };
        assert_eq!((segment.outcome.name(), segment.accelerator_seconds), ("Misconfigured", 0.0));
    }
    rig.close(operator).await;
}

#[tokio::test]
async fn a_fetch_that_may_succeed_later_is_told_and_tried_again_by_the_job() {
    let rig = rig("fetch-again", "    data: {name: mnist, claim: datasets, fetch: {}}\n").await;
    let operator = rig.operator();
    let pod = new_pod(&rig, &[]).await;
    rig.kubelet.start_init(&pod, FETCH, TRAINER).await.unwrap();
    let log = "fetching http://mirror/train.gz\nnas-trainer: cannot fetch http://mirror/train.gz beyond byte 9 of 99: refused";
    rig.kubelet.end_init(&pod, FETCH, TRAINER, 75, log).await.unwrap();
    let said = rig.progressing("DataNotFetched").await;
    assert!(said.contains("spec.trial.data.fetch: cannot fetch http://mirror/train.gz beyond byte 9 of 99"), "{said}");
    assert_eq!(rig.trials().await[0].status.clone().unwrap_or_default().segments, [], "the Job is still at it");
    // It waits ten seconds before the next.
    let next = new_pod(&rig, &[pod.name_any()]).await;
    rig.kubelet.start_init(&next, FETCH, TRAINER).await.unwrap();
    rig.progressing("FetchingData").await;
    rig.kubelet.end_init(&next, FETCH, TRAINER, 0, "").await.unwrap();
    let started = rig.next_pod().await;
    assert_eq!((started.pod.name_any(), started.segment.attempt), (next.name_any(), 0));
    rig.progressing("Searching").await;
    rig.close(operator).await;
}
