//! Plays the kubelet: pods of a control plane without nodes go on as a test says.

use k8s_openapi::{
    api::core::v1::{Binding, ObjectReference, Pod},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// When containers that [`Kubelet::end`] ends have ended: a minute after they began.
pub const ENDED: &str = "2026-01-01T00:01:00Z";

/// The kubelet of every pod of a namespace.
#[derive(Clone)]
pub struct Kubelet {
    pods: Api<Pod>,
}

impl Kubelet {
    /// A kubelet for the pods of a namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { pods: Api::namespaced(client, namespace) }
    }

    /// The pod is on a node, and its container `name` runs. Deleted from then on, it stays until [`Self::remove`] or an end.
    pub async fn start(&self, pod: &Pod, container: &str) -> Result<(), kube::Error> {
        self.bind(pod).await?;
        let state = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        self.status(pod, "Running", container, &state).await
    }

    /// The pod is on a node, and its init container runs; `container` waits for it.
    pub async fn start_init(&self, pod: &Pod, init: &str, container: &str) -> Result<(), kube::Error> {
        self.bind(pod).await?;
        let state = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        self.init_status(pod, "Pending", init, &state, container).await
    }

    /// The init container has ended: the pod goes on, or has failed.
    pub async fn end_init(
        &self,
        pod: &Pod,
        init: &str,
        container: &str,
        exit_code: i32,
        message: &str,
    ) -> Result<(), kube::Error> {
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        let state = json!({"terminated": {
            "exitCode": exit_code, "reason": reason, "message": message,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:10:00Z",
        }});
        let phase = if exit_code == 0 { "Pending" } else { "Failed" };
        self.init_status(pod, phase, init, &state, container).await
    }

    /// The pod's init container cannot start yet.
    pub async fn waits_init(
        &self,
        pod: &Pod,
        init: &str,
        container: &str,
        reason: &str,
        message: &str,
    ) -> Result<(), kube::Error> {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        self.init_status(pod, "Pending", init, &state, container).await
    }

    async fn bind(&self, pod: &Pod) -> Result<(), kube::Error> {
        if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
            return Ok(());
        }
        let binding = Binding {
            metadata: ObjectMeta { name: Some(pod.name_any()), ..ObjectMeta::default() },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some("node".to_owned()),
                ..ObjectReference::default()
            },
        };
        let _: Value = self.pods.create_subresource("binding", &pod.name_any(), &PostParams::default(), &binding).await?;
        Ok(())
    }

    /// The container has ended with this exit code and termination message.
    pub async fn end(&self, pod: &Pod, container: &str, exit_code: i32, reason: &str, message: &str) -> Result<(), kube::Error> {
        let state = json!({"terminated": {
            "exitCode": exit_code, "reason": reason, "message": message,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": ENDED,
        }});
        let phase = if exit_code == 0 { "Succeeded" } else { "Failed" };
        self.status(pod, phase, container, &state).await
    }

    /// The pod has had its `activeDeadlineSeconds`, and its container, told to stop, has ended.
    pub async fn overrun(&self, pod: &Pod, container: &str, exit_code: i32, message: &str) -> Result<(), kube::Error> {
        let state = json!({"terminated": {
            "exitCode": exit_code, "reason": "Error", "message": message,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": ENDED,
        }});
        let status = json!({"status": {
            "phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline",
            "containerStatuses": [of_container(container, &state)],
        }});
        self.pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await.map(drop)
    }

    /// The scheduler finds no node for the pod.
    pub async fn fits_nowhere(&self, pod: &Pod, message: &str) -> Result<(), kube::Error> {
        let condition = json!({"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        self.pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(condition)).await.map(drop)
    }

    /// The pod's container cannot start yet.
    pub async fn waits(&self, pod: &Pod, container: &str, reason: &str, message: &str) -> Result<(), kube::Error> {
        self.status(pod, "Pending", container, &json!({"waiting": {"reason": reason, "message": message}})).await
    }

    /// The node is about to take the pod away: what a drain, a spot reclaim or a preemption leaves on it.
    pub async fn disrupt(&self, pod: &Pod) -> Result<(), kube::Error> {
        let condition = json!({"status": {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        self.pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(condition)).await.map(drop)
    }

    /// The last of the pod is gone from its node.
    pub async fn remove(&self, pod: &Pod) -> Result<(), kube::Error> {
        self.pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await.map(drop)
    }

    async fn status(&self, pod: &Pod, phase: &str, container: &str, state: &Value) -> Result<(), kube::Error> {
        let status = json!({"status": {"phase": phase, "containerStatuses": [of_container(container, state)]}});
        self.pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await.map(drop)
    }

    async fn init_status(&self, pod: &Pod, phase: &str, init: &str, state: &Value, container: &str) -> Result<(), kube::Error> {
        let waiting = json!({"waiting": {"reason": "PodInitializing"}});
        let status = json!({"status": {"phase": phase, "initContainerStatuses": [of_container(init, state)],
            "containerStatuses": [of_container(container, &waiting)]}});
        self.pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await.map(drop)
    }
}

fn of_container(name: &str, state: &Value) -> Value {
    json!({"name": name, "ready": false, "restartCount": 0, "image": "image", "imageID": "image", "state": state})
}
