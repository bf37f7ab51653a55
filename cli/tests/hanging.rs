//! `nasctl run` with a trainer that hangs: it is stopped at `spec.trial.timeLimit`, and the next attempt takes its place.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: tiny}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  scheduler: {fullLength: {}}
  resource: {unit: epochs, max: 1}
  maxTrials: 1
  trial: {data: {name: mnist}, timeLimit: 10s}
";

/// Hangs in its first attempt, though not deaf to SIGTERM; reports in its second.
const TRAINER: &str = r#"#!/bin/sh
if [ "$1" = check ]; then echo fine; exit; fi
if [ "$NAS_ATTEMPT" = 1 ]; then echo 'waiting for the data' >"$NAS_TERMINATION_LOG"; exec sleep 600; fi
echo '{"attempt": 2, "seq": 1, "step": 1, "results": [{"rung": 0, "outcome": "Value", "value": 0.5}]}' >"$NAS_TERMINATION_LOG"
"#;

#[test]
fn a_trainer_that_hangs_is_stopped_at_the_time_limit_and_the_next_attempt_takes_its_place() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    fs::write(path("tiny.yaml"), EXPERIMENT).unwrap();
    fs::write(path("trainer"), TRAINER).unwrap();
    fs::set_permissions(path("trainer"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nasctl"));
    command.arg("run").arg(path("tiny.yaml")).arg("--dir").arg(path("run")).arg("--data-dir").arg(root.path());
    let output = command.arg("--trainer").arg(path("trainer")).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("trial 0 starts again: stopped after 10 s, at its spec.trial.timeLimit"), "{said}");
    let journal = fs::read_to_string(path("run/journal.jsonl")).unwrap();
    let mut entries = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let trial = entries.rfind(|entry| !entry["trial"].is_null()).unwrap()["trial"].clone();
    assert_eq!(trial["status"]["rungs"][0]["value"], 0.5);
    let outcomes: Vec<&Value> =
        trial["status"]["segments"].as_array().unwrap().iter().map(|segment| &segment["outcome"]).collect();
    assert_eq!(outcomes, ["Crashed", "Value"], "it counts against the trial");
}
