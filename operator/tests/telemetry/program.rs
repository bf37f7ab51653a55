//! The operator as a process.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use nas_testkit::{Cluster, eventually};
use serde_json::json;
use tempfile::TempDir;

use crate::rig::{Rig, Started};

pub(crate) struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Starts it for the experiments of a rig's namespace; nothing waits for another's lease.
    pub(crate) fn start(rig: &Rig, identity: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let namespace = rig.namespace.name.as_str();
        let mut command = command();
        command.env("KUBECONFIG", Cluster::shared().kubeconfig()).env("NO_COLOR", "1");
        // Often, so that each test sees more than one attempt to send.
        command.env("OTEL_BSP_SCHEDULE_DELAY", "100");
        command.args(["--listen", "127.0.0.1:0", "--watch-namespace", namespace, "--trainer-image", "trainer:test"]);
        command.args(["--lease-namespace", namespace, "--lease-name", identity, "--identity", identity]).args(arguments);
        let log = File::create(folder.path().join("log")).unwrap();
        Self { child: command.stdin(Stdio::null()).stderr(log).spawn().unwrap(), folder }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The names of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let name = |task: PathBuf| std::fs::read_to_string(task.join("comm")).ok();
        tasks.filter_map(|task| name(task.unwrap().path())).collect()
    }

    /// Ends it as a kubelet does; returns what it said.
    pub(crate) fn stop(mut self) -> String {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        let child = &mut self.child;
        let ended = tokio::task::block_in_place(|| child.wait()).unwrap();
        assert!(ended.success(), "{ended}: {}", self.log());
        self.log()
    }

    /// Ends it without a chance to say anything more.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, without what the tests' own environment says of traces.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nas-operator"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_") || name.starts_with("NAS_")) {
        command.env_remove(name);
    }
    command
}

/// The pod's trainer has run since it was scheduled until now; returns these times.
pub(crate) async fn end(rig: &Rig, started: &Started, message: &str) -> (Timestamp, Timestamp) {
    let pods = rig.namespace.api::<Pod>();
    let pod = pods.get(&started.pod.name_any()).await.unwrap();
    let conditions = pod.status.unwrap().conditions.unwrap();
    let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled").unwrap();
    let began = scheduled.last_transition_time.as_ref().unwrap().0;
    let ended = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let state = json!({"terminated": {"exitCode": 0, "message": message, "startedAt": began, "finishedAt": ended}});
    let container =
        json!({"name": "trainer", "ready": false, "restartCount": 0, "image": "image", "imageID": "image", "state": state});
    let status = json!({"status": {"phase": "Succeeded", "containerStatuses": [container]}});
    pods.patch_status(&started.pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
    (began, ended)
}

/// Waits until this many segments of a trial are recorded.
pub(crate) async fn segments_of(rig: &Rig, trial: usize, count: usize) {
    eventually("the end of a segment is recorded", || async {
        let trials = rig.trials().await;
        let segments = trials.get(trial).and_then(|trial| trial.status.clone()).map(|status| status.segments.len());
        if segments == Some(count) { Ok(()) } else { Err(segments) }
    })
    .await;
}
