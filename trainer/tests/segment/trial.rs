//! A trial on real images, and processes that train its segments.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use nas_api::contract::Report;
use nas_darts::Slot;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Batches at the rungs.
pub(crate) const RUNGS: [u64; 3] = [4, 9, 14];

pub(crate) struct Trial {
    pub(crate) folder: TempDir,
    pub(crate) env: BTreeMap<&'static str, String>,
    pub(crate) parameters: serde_json::Map<String, Value>,
}

impl Trial {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut parameters = serde_json::Map::new();
        for slot in Slot::all() {
            parameters.insert(slot.input_name().into(), json!(slot.edge() - 1));
            parameters.insert(slot.op_name().into(), json!(if slot.node() % 2 == 0 { "sep_conv_3x3" } else { "skip_connect" }));
        }
        for (name, value) in [
            ("init_channels", json!(4)),
            ("layers", json!(3)),
            ("auxiliary", json!(false)),
            ("global_batch_size", json!(32)),
            ("drop_path_prob", json!(0.3)),
        ] {
            parameters.insert(name.into(), value);
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let env = BTreeMap::from([
            ("NAS_CONTRACT", "1".to_owned()),
            ("NAS_EXPERIMENT", "e".to_owned()),
            ("NAS_TRIAL_NAME", "e-0".to_owned()),
            ("NAS_TRIAL_UID", "uid-0".to_owned()),
            ("NAS_ATTEMPT", "0".to_owned()),
            ("NAS_MAX_STEP", "14".to_owned()),
            ("NAS_STEP_UNIT", "batches".to_owned()),
            ("NAS_RUNG_STEPS", "4,9,14".to_owned()),
            ("NAS_METRIC", "accuracy".to_owned()),
            ("NAS_SEED", "7".to_owned()),
            ("NAS_CHECKPOINT_DIR", path("checkpoints")),
            ("NAS_TERMINATION_LOG", path("log")),
            ("NAS_DATA_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../data").to_owned()),
            ("NAS_DATA_NAME", "fashion-mnist".to_owned()),
            ("NAS_THREADS", "1".to_owned()),
            ("NAS_METRICS_LISTEN", String::new()),
            ("GOMP_SPINCOUNT", "0".to_owned()),
        ]);
        Self { folder, env, parameters }
    }

    /// One with a single rung of so many batches.
    pub(crate) fn of(batches: u32) -> Self {
        let mut trial = Self::new();
        for name in ["NAS_MAX_STEP", "NAS_RUNG_STEPS", "NAS_TARGET_STEP"] {
            trial.env.insert(name, batches.to_string());
        }
        trial
    }

    pub(crate) fn command(&self, rung: usize, attempt: u32) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nas-trainer"));
        command.envs(&self.env).env("NAS_PARAMETERS", Value::Object(self.parameters.clone()).to_string());
        command.env("NAS_TARGET_RUNG", rung.to_string()).env("NAS_ATTEMPT", attempt.to_string());
        if !self.env.contains_key("NAS_TARGET_STEP") {
            command.env("NAS_TARGET_STEP", RUNGS[rung].to_string());
        }
        command
    }

    pub(crate) fn run(&self, rung: usize, attempt: u32) -> Output {
        self.command(rung, attempt).output().unwrap()
    }

    pub(crate) fn message(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn report(&self, rung: usize, attempt: u32) -> Report {
        let output = self.run(rung, attempt);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Report::from_message(&self.message(), attempt, rung).unwrap()
    }

    /// Starts a segment and returns once it has said something that contains `words`.
    pub(crate) fn until(&self, rung: usize, attempt: u32, words: &str) -> Child {
        let mut child = self.command(rung, attempt).stderr(Stdio::piped()).spawn().unwrap();
        let mut heard = String::new();
        let mut byte = [0];
        while !heard.contains(words) {
            assert_eq!(child.stderr.as_mut().unwrap().read(&mut byte).unwrap(), 1, "ended early: {heard}");
            heard.push(char::from(byte[0]));
        }
        child
    }

    pub(crate) fn states(&self, batches: u64) -> Vec<Vec<u8>> {
        let folders = fs::read_dir(self.folder.path().join("checkpoints")).unwrap();
        let name = format!("step-{batches:010}-");
        let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
        let states = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name));
        states.map(|path| fs::read(path).unwrap()).collect()
    }
}

pub(crate) fn refused(output: &Output, code: i32, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word} is not in {stderr}");
    }
}

/// A file of this name in one of the folders in `folder`.
pub(crate) fn find(folder: &Path, name: &str) -> PathBuf {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join(name)).filter(|path| path.exists());
    found.next().unwrap()
}
