//! nasctl as a user starts it, and its searches on this machine.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    ops::{Deref, DerefMut},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// A search of seconds with the trainer that comes along: 6 trials of tiny networks, rungs of 2, 4 and 6 batches.
pub const NETWORKS: &str = "
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
  scheduler: {asha: {eta: 2, rungs: [2, 4, 6]}}
  resource: {unit: batches, max: 6}
  maxTrials: 6
  parallelTrials: 1
  seed: 3
  trial: {data: {name: fashion-mnist}, evaluateEvery: 0}
";

/// One trial of one number, for a trainer that is a script.
pub const NUMBER: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: tiny}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  sampler: {random: {}}
  scheduler: {fullLength: {}}
  resource: {unit: epochs, max: 1}
  maxTrials: 1
  trial: {data: {name: mnist}}
";

/// What a trainer that is a script begins with: it takes every experiment, and has `report [VALUE]` for the result of `NUMBER`.
pub const SCRIPT: &str = r#"#!/bin/sh
if [ "$1" = check ]; then echo fine; exit; fi
report() { echo '{"attempt": '"$NAS_ATTEMPT"', "seq": 1, "step": 1, "results": [{"rung": 0, "outcome": "Value", "value": '"${1:-0.5}"'}]}' >"$NAS_TERMINATION_LOG"; }
"#;

pub fn nasctl() -> Command {
    Command::new(env!("CARGO_BIN_EXE_nasctl"))
}

/// Runs it to its end: its exit code, stdout and stderr.
pub fn ended(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs it to its end: its exit code and all that it said.
pub fn told(command: &mut Command) -> (i32, String) {
    let (code, stdout, stderr) = ended(command);
    (code, stdout + &stderr)
}

/// A process that ends with its test at the latest.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Ends it by this signal, unless it has ended; returns its exit code, where it has one.
    pub fn end(&mut self, by: Signal) -> Option<i32> {
        if self.try_wait().unwrap().is_none() {
            kill(Pid::from_raw(self.id().try_into().unwrap()), by).unwrap();
        }
        self.wait().unwrap().code()
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A search in a folder of its own, which `nasctl run` is to take up: the experiment in `tiny.yaml`, what comes of it in `run`.
pub struct Run {
    root: TempDir,
    trainer: PathBuf,
    /// The folder that holds data sets.
    pub data: PathBuf,
    own: &'static [&'static str],
}

impl Run {
    /// With the trainer that comes along, in one thread, on the data of this checkout.
    pub fn trained(experiment: &str) -> Self {
        let trainer = Path::new(env!("CARGO_BIN_EXE_nasctl")).with_file_name("nas-trainer");
        assert!(trainer.exists(), "{} is missing: run the tests of the whole workspace (make test)", trainer.display());
        let root = tempfile::tempdir().unwrap();
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../data").into();
        let run = Self { root, trainer, data, own: &["--threads", "1"] };
        run.write(experiment);
        run
    }

    /// With a trainer that is this script.
    pub fn scripted(experiment: &str, script: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (trainer, data) = (root.path().join("trainer"), root.path().to_owned());
        fs::write(&trainer, script).unwrap();
        fs::set_permissions(&trainer, Permissions::from_mode(0o755)).unwrap();
        let run = Self { root, trainer, data, own: &[] };
        run.write(experiment);
        run
    }

    /// Puts this experiment in the place of the one before.
    pub fn write(&self, experiment: &str) {
        fs::write(self.path("tiny.yaml"), experiment).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn command(&self, more: &[&str]) -> Command {
        self.command_to("run", more)
    }

    /// The same search in another folder.
    pub fn command_to(&self, folder: &str, more: &[&str]) -> Command {
        let mut command = nasctl();
        command.arg("run").arg(self.path("tiny.yaml")).arg("--dir").arg(self.path(folder)).arg("--data-dir").arg(&self.data);
        command.arg("--trainer").arg(&self.trainer).args(self.own).args(more).env_remove("CUDA_VISIBLE_DEVICES");
        command
    }

    /// Runs it to its end, which must be a success; returns what it said.
    pub fn finish(&self) -> String {
        let (code, said) = told(&mut self.command(&[]));
        assert_eq!(code, 0, "{said}");
        said
    }

    /// Starts it; what it says goes to a file, for [`Run::until`].
    pub fn spawn(&self, more: &[&str]) -> Running {
        let said = File::create(self.path("said")).unwrap();
        Running::start(self.command(more).stdout(said.try_clone().unwrap()).stderr(said))
    }

    /// Another verb on the folder.
    pub fn verb(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = nasctl();
        command.arg(verb).arg(self.path("run")).args(more).env("KUBECONFIG", "/nonexistent/kubeconfig");
        command
    }

    pub fn journal(&self) -> String {
        fs::read_to_string(self.path("run/journal.jsonl")).unwrap_or_default()
    }

    /// The whole lines of the journal.
    pub fn entries(&self) -> Vec<Value> {
        let lines = self.journal();
        let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Each trial, and each training that confirms one, as it stands now, by name.
    pub fn trials(&self) -> BTreeMap<String, Value> {
        let trials = self.entries().into_iter().map(|mut entry| entry["trial"].take());
        trials.filter_map(|trial| Some((trial["metadata"]["name"].as_str()?.to_owned(), trial))).collect()
    }

    /// What the trainer of each trial said, attempts one after the other, by name.
    pub fn logs(&self) -> BTreeMap<String, String> {
        let folders = fs::read_dir(self.path("run/trials")).into_iter().flatten().flatten();
        let logs = folders.filter_map(|folder| {
            let log = fs::read_to_string(folder.path().join("trainer.log")).ok()?;
            Some((folder.file_name().into_string().ok()?, log))
        });
        logs.collect()
    }

    /// Waits until this is so; after two minutes it fails, with all that is known.
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while !is_so(self) {
            let said = || fs::read_to_string(self.path("said")).unwrap_or_default();
            assert!(Instant::now() < deadline, "not seen: {what}\n{}\n{}\n{:#?}", said(), self.journal(), self.logs());
            thread::sleep(Duration::from_millis(10));
        }
    }
}
