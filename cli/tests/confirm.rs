//! The best of a search, trained anew on this machine with real trainers: killed at any moment, it ends as if undisturbed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Four tiny networks for 4 batches, then the best two with two seeds each for 6.
const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: tiny}
spec:
  space:
    darts: {operations: [skip_connect, max_pool_3x3, sep_conv_3x3]}
    parameters:
      - {name: init_channels, constant: 4}
      - {name: layers, constant: 2}
      - {name: auxiliary, constant: false}
      - {name: global_batch_size, constant: 32}
  sampler: {random: {}}
  scheduler: {asha: {eta: 2, rungs: [2, 4]}}
  resource: {unit: batches, max: 4}
  maxTrials: 4
  parallelTrials: 1
  confirm: {topK: 2, seeds: 2, resource: 6}
  seed: 3
  trial: {data: {name: fashion-mnist}, evaluateEvery: 0}
";

struct Run {
    root: TempDir,
}

impl Run {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("tiny.yaml"), EXPERIMENT).unwrap();
        Self { root }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("run")
    }

    fn command(&self) -> Command {
        let trainer = Path::new(env!("CARGO_BIN_EXE_nasctl")).with_file_name("nas-trainer");
        assert!(trainer.exists(), "{} is missing: run the tests of the whole workspace (make test)", trainer.display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_nasctl"));
        command.arg("run").arg(self.root.path().join("tiny.yaml")).arg("--dir").arg(self.folder());
        command.args(["--data-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/../data"), "--threads", "1", "--trainer"]).arg(trainer);
        command
    }

    fn finish(&self) -> String {
        told(self.command().output().unwrap())
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.folder().join("journal.jsonl")).unwrap_or_default()
    }

    fn entries(&self) -> Vec<Value> {
        let lines = self.journal();
        let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What was chosen, and each training as it stands now, without attempts and processes.
    fn essence(&self) -> (Vec<Value>, Vec<Value>) {
        let entries = self.entries();
        let chosen = entries.iter().filter(|entry| !entry["confirm"].is_null()).map(|entry| entry["confirm"].clone()).collect();
        let trainings = (0..4).filter_map(|number| {
            let name = format!("tiny-confirm-{number}");
            let trial = &entries.iter().rfind(|entry| entry["trial"]["metadata"]["name"] == json!(name))?["trial"];
            let spec = &trial["spec"];
            Some(json!([spec["confirms"], spec["assignment"], spec["seed"], spec["grants"], trial["status"]["rungs"]]))
        });
        (chosen, trainings.collect())
    }

    /// Starts the command, and kills it as soon as the journal satisfies this.
    fn kill_when(&self, is_due: impl Fn(&Self) -> bool) {
        let mut runner = self.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_mins(2);
        while !is_due(self) {
            assert!(Instant::now() < deadline, "{}", self.journal());
            thread::yield_now();
        }
        runner.kill().unwrap();
        runner.wait().unwrap();
    }
}

/// What a command that succeeded said.
fn told(output: Output) -> String {
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn nasctl(arguments: &[&str], of: &Path) -> String {
    told(Command::new(env!("CARGO_BIN_EXE_nasctl")).args(arguments).arg(of).output().unwrap())
}

#[test]
fn a_confirmation_killed_again_and_again_ends_like_an_undisturbed_one() {
    let undisturbed = Run::new();
    let said = undisturbed.finish();
    for words in ["Trained anew for 6 batches", "2 of 2", "best mean: tiny-", "seed 2 of 2): accuracy"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (chosen, trainings) = undisturbed.essence();
    assert_eq!((chosen.len(), chosen[0].as_array().unwrap().len(), trainings.len()), (1, 2, 4));
    assert!(trainings.iter().all(|training| training[4][0]["outcome"] == "Value"));

    let killed = Run::new();
    killed.kill_when(|run| run.journal().contains("\"end\""));
    killed.kill_when(|run| !run.essence().0.is_empty());
    killed.kill_when(|run| !run.essence().1.is_empty());
    killed.kill_when(|run| run.essence().1.len() == 3);
    killed.finish();
    assert_eq!(killed.essence(), undisturbed.essence());
    // What has ended is only told again.
    let journal = killed.journal();
    let again = killed.finish();
    assert_eq!(killed.journal(), journal);
    assert!(again.contains("best mean: tiny-"), "{again}");

    let described = nasctl(&["describe", "--trials"], &killed.folder());
    for words in ["Best: trial", "Trained anew for 6 batches", "training 3: ", "confirms tiny-"] {
        assert!(described.contains(words), "{words}: {described}");
    }
    let document: Value = serde_json::from_str(&nasctl(&["describe", "--output", "json"], &killed.folder())).unwrap();
    assert_eq!(document["trials"].as_array().unwrap().len(), 4);
    assert_eq!(document["confirmTrials"].as_array().unwrap().len(), 4);
    assert_eq!((&document["confirm"][0]["done"], &document["confirm"][0]["seeds"]), (&json!(2), &json!(2)));
    assert!(nasctl(&["replay"], &killed.folder()).contains(" 0 differences"));
    let preview = nasctl(&["preview"], &killed.root.path().join("tiny.yaml"));
    assert!(preview.contains("Then the best 2 anew with 2 seeds each, for 6 batches: 24 batches more."), "{preview}");
}
