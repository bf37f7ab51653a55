//! Whose checkpoints `nasctl run` leaves behind: those that `spec.retention` keeps, as on a cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Four trials, of which the later is the better.
const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: tiny}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  sampler: {random: {}}
  scheduler: {fullLength: {}}
  resource: {unit: epochs, max: 1}
  maxTrials: 4
  parallelTrials: 1
  retention: {best: 1}
  trial: {data: {name: mnist}}
";

const TRAINER: &str = r#"#!/bin/sh
if [ "$1" = check ]; then echo fine; exit; fi
own="$NAS_CHECKPOINT_DIR/a$NAS_ATTEMPT"
mkdir "$own"; echo x >"$own/step-1"; echo '{}' >"$own/curve.jsonl"
result="{\"rung\": 0, \"outcome\": \"Value\", \"value\": 0.5${NAS_TRIAL_NAME##*-}}"
echo "{\"attempt\": $NAS_ATTEMPT, \"seq\": 1, \"step\": $NAS_TARGET_STEP, \"results\": [$result]}" >"$NAS_TERMINATION_LOG"
"#;

struct Run {
    root: TempDir,
}

impl Run {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("trainer"), TRAINER).unwrap();
        fs::set_permissions(root.path().join("trainer"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    fn finish(&self, experiment: &str) {
        let path = |name: &str| self.root.path().join(name);
        fs::write(path("tiny.yaml"), experiment).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nasctl"));
        command.arg("run").arg(path("tiny.yaml")).arg("--dir").arg(path("run")).arg("--data-dir").arg(self.root.path());
        let output = command.arg("--trainer").arg(path("trainer")).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{said}");
    }

    /// Names of the trials that have this file.
    fn with(&self, file: &str) -> Vec<String> {
        let folders = fs::read_dir(self.root.path().join("run/trials")).unwrap().map(|entry| entry.unwrap().path());
        let name = |folder: &PathBuf| Path::new(folder.file_name().unwrap()).display().to_string();
        let mut names: Vec<String> = folders.filter(|folder| folder.join(file).exists()).map(|folder| name(&folder)).collect();
        names.sort();
        names
    }
}

#[test]
fn when_a_search_has_ended_only_the_best_keep_their_checkpoints() {
    let run = Run::new();
    run.finish(EXPERIMENT);
    assert_eq!(run.with("a1/step-1"), ["tiny-3"]);
    for stays in ["a1/curve.jsonl", "trainer.log"] {
        assert_eq!(run.with(stays), ["tiny-0", "tiny-1", "tiny-2", "tiny-3"], "{stays}");
    }
    // Whoever keeps fewer loses more, also after the end.
    run.finish(&EXPERIMENT.replace("{best: 1}", "{best: 0}"));
    assert_eq!(run.with("a1/step-1"), [] as [&str; 0]);
}

#[test]
fn the_confirmed_keep_their_checkpoints_and_who_keeps_all_loses_none() {
    let run = Run::new();
    run.finish(&EXPERIMENT.replace("{best: 1}", "{best: 0}\n  confirm: {topK: 2, seeds: 1}"));
    assert_eq!(run.with("a1/step-1"), ["tiny-2", "tiny-3", "tiny-confirm-0", "tiny-confirm-1"]);
    let run = Run::new();
    run.finish(&EXPERIMENT.replace("{best: 1}", "{checkpoints: All}"));
    assert_eq!(run.with("a1/step-1").len(), 4);
}
