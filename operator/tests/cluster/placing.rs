//! Where pods may run, and what they are among others: what an experiment adds to them, as the API server and the Job controller take it.

use k8s_openapi::api::{
    core::v1::{LimitRange, Pod},
    node::v1::RuntimeClass,
    scheduling::v1::PriorityClass,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::rig::{EXPERIMENT, Rig, surrogate};

/// With everything that an experiment may add.
fn placed(word: &str) -> String {
    let pod = format!(
        "
    pod:
      labels: {{team: vision}}
      annotations: {{cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'}}
      nodeSelector: {{cloud.google.com/gke-accelerator: nvidia-l4}}
      tolerations: [{{key: spot, operator: Exists, effect: NoSchedule}}]
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms: [{{matchExpressions: [{{key: nvidia.com/gpu.memory, operator: Gt, values: ['20000']}}]}}]
      topologySpreadConstraints:
        - {{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {{matchLabels: {{team: vision}}}}}}
      priorityClassName: {word}
      runtimeClassName: {word}
      schedulerName: another
      imagePullSecrets: [{{name: registry}}]
      resourceClaims: [{{name: gpu, resourceClaimTemplateName: a-seventh-of-a-gpu}}]
"
    );
    EXPERIMENT.replace("    accelerator: {resource: nvidia.com/gpu, count: 1}\n", pod.trim_start_matches('\n'))
}

#[tokio::test]
async fn pods_run_where_their_experiment_says() {
    let rig = Rig::new("placed").await;
    let word = rig.namespace.name.clone();
    let client = rig.namespace.client.clone();
    let (priorities, runtimes) = (Api::<PriorityClass>::all(client.clone()), Api::<RuntimeClass>::all(client));
    let of = |more: serde_json::Value| {
        let mut object = json!({"metadata": {"name": word}});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let priority = serde_json::from_value(of(json!({"value": 7, "preemptionPolicy": "Never"}))).unwrap();
    priorities.create(&PostParams::default(), &priority).await.unwrap();
    let runtime = serde_json::from_value(of(json!({"handler": "nvidia", "overhead": {"podFixed": {"cpu": "10m"}}}))).unwrap();
    runtimes.create(&PostParams::default(), &runtime).await.unwrap();
    let limits =
        json!({"metadata": {"name": "limits"}, "spec": {"limits": [{"type": "Container", "default": {"memory": "3Gi"}}]}});
    let limits: LimitRange = serde_json::from_value(limits).unwrap();
    rig.namespace.api().create(&PostParams::default(), &limits).await.unwrap();

    let operator = rig.operator();
    rig.create(&placed(&word)).await;
    let started = rig.next_pod().await;
    let Pod { metadata, spec, .. } = started.pod.clone();
    let (labels, spec) = (metadata.labels.unwrap(), serde_json::to_value(spec.unwrap()).unwrap());
    assert_eq!((labels["team"].as_str(), labels["nas-operator.dev/trial"].as_str()), ("vision", "small-0"));
    assert_eq!(metadata.annotations.unwrap()["cluster-autoscaler.kubernetes.io/safe-to-evict"], "false");
    assert_eq!(spec["nodeSelector"], json!({"cloud.google.com/gke-accelerator": "nvidia-l4"}));
    let tolerations = spec["tolerations"].as_array().unwrap();
    assert!(tolerations.contains(&json!({"key": "spot", "operator": "Exists", "effect": "NoSchedule"})), "{tolerations:?}");
    let terms = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["values"], json!(["20000"]));
    assert_eq!(spec["topologySpreadConstraints"][0]["topologyKey"], "topology.kubernetes.io/zone");
    // What the server makes of the classes.
    assert_eq!((&spec["priority"], &spec["preemptionPolicy"]), (&json!(7), &json!("Never")));
    assert_eq!((&spec["runtimeClassName"], &spec["overhead"]["cpu"]), (&json!(word), &json!("10m")));
    assert_eq!((&spec["schedulerName"], &spec["imagePullSecrets"][0]["name"]), (&json!("another"), &json!("registry")));
    assert_eq!(spec["resourceClaims"], json!([{"name": "gpu", "resourceClaimTemplateName": "a-seventh-of-a-gpu"}]));
    let trainer = &spec["containers"][0]["resources"];
    assert_eq!((&trainer["claims"], &trainer["limits"]["memory"]), (&json!([{"name": "gpu"}]), &json!("3Gi")));
    // What the contract rests on stayed.
    assert_eq!((&spec["restartPolicy"], &spec["automountServiceAccountToken"]), (&json!("Never"), &json!(false)));
    rig.report(&started, surrogate).await;
    rig.next_pod().await;
    rig.close(operator).await;
    priorities.delete(&word, &DeleteParams::default()).await.unwrap();
    runtimes.delete(&word, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_part_of_a_gpu_or_a_shared_one_is_requested_by_its_name() {
    let rig = Rig::new("shared").await;
    let operator = rig.operator();
    for (name, resource) in [("small", "nvidia.com/mig-1g.5gb"), ("shared", "nvidia.com/gpu.shared")] {
        let text = EXPERIMENT.replace("resource: nvidia.com/gpu,", &format!("resource: {resource},"));
        rig.create(&text.replace("{name: small}", &format!("{{name: {name}}}"))).await;
        let pod = rig.next_pod().await.pod;
        let spec = pod.spec.unwrap();
        let limits = spec.containers[0].resources.clone().unwrap().limits.unwrap();
        assert_eq!(limits[resource].0, "1");
        assert!(spec.tolerations.unwrap().iter().any(|toleration| toleration.key.as_deref() == Some(resource)));
    }
    operator.stop().await;
}

/// Its first segment takes a minute of the 36 seconds that there are.
#[tokio::test]
async fn a_gpu_that_a_claim_brings_is_charged_to_the_budget() {
    let rig = Rig::new("claimed").await;
    let operator = rig.operator();
    let claim = "pod: {resourceClaims: [{name: gpu, resourceClaimTemplateName: a-seventh-of-a-gpu}]}";
    let text = EXPERIMENT.replace("accelerator: {resource: nvidia.com/gpu, count: 1}", claim);
    rig.create(&text.replace("maxTrials: 4", "maxTrials: 4\n  budget: {gpuHours: 0.01}")).await;
    rig.report(&rig.next_pod().await, surrogate).await;
    assert_eq!(rig.condition("Finished", "True").await, "AcceleratorTimeSpent");
    let budget = rig.experiment().await.status.unwrap().budget.unwrap();
    assert_eq!((budget.gpu_hours, budget.gpu_hours_left), (0.02, Some(0.0)));
    rig.close(operator).await;
}
