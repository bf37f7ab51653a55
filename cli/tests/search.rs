//! Whole searches with real trainers: killed at any moment, they go on, and every value is the undisturbed one's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// A search of seconds: 6 trials of tiny networks, rungs of 2, 4 and 6 batches.
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
  scheduler: {asha: {eta: 2, rungs: [2, 4, 6]}}
  resource: {unit: batches, max: 6}
  maxTrials: 6
  parallelTrials: 1
  seed: 3
  trial: {data: {name: fashion-mnist}, evaluateEvery: 0}
";

struct Search {
    root: TempDir,
}

impl Search {
    fn new(experiment: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("tiny.yaml"), experiment).unwrap();
        Self { root }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("run")
    }

    fn command(&self) -> Command {
        self.command_to(&self.folder())
    }

    fn command_to(&self, folder: &Path) -> Command {
        let trainer = Path::new(env!("CARGO_BIN_EXE_nasctl")).with_file_name("nas-trainer");
        assert!(trainer.exists(), "{} is missing: run the tests of the whole workspace (make test)", trainer.display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_nasctl"));
        command.arg("run").arg(self.root.path().join("tiny.yaml")).arg("--dir").arg(folder);
        command.args(["--data-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/../data"), "--threads", "1", "--trainer"]).arg(trainer);
        command
    }

    fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    fn finish(&self) -> String {
        let output = self.run();
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn spawn(&self) -> Child {
        self.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.folder().join("journal.jsonl")).unwrap_or_default()
    }

    /// Process ids of the trainers that run for this search.
    fn trainers(&self) -> Vec<Pid> {
        let ours = format!("NAS_CHECKPOINT_DIR={}", fs::canonicalize(self.folder()).unwrap_or_default().display());
        let is_trainer = |process: &Path| {
            fs::read_link(process.join("exe")).is_ok_and(|program| program.ends_with("nas-trainer"))
                && fs::read(process.join("environ")).is_ok_and(|env| String::from_utf8_lossy(&env).contains(&ours))
        };
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let ids = processes.filter_map(|process| {
            let id = process.file_name()?.to_str()?.parse().ok()?;
            is_trainer(&process).then(|| Pid::from_raw(id))
        });
        ids.collect()
    }

    /// Waits until a trainer runs, then kills the trainers, the runner, or both, `after` this long.
    fn kill(&self, runner: &mut Child, victims: Victims, after: Duration) {
        while self.trainers().is_empty() {
            if runner.try_wait().unwrap().is_some() {
                return;
            }
            thread::yield_now();
        }
        // The moment of the kill: whatever is at work then, the result must be the same.
        thread::sleep(after);
        if victims != Victims::Runner {
            for trainer in self.trainers() {
                // One that has just ended needs no kill.
                let _ = kill(trainer, Signal::SIGKILL);
            }
        }
        if victims != Victims::Trainers {
            runner.kill().unwrap();
            runner.wait().unwrap();
        }
    }

    /// What the trainer of each trial said, attempts one after the other.
    fn logs(&self) -> Vec<String> {
        let trials = fs::read_dir(self.folder().join("trials")).unwrap();
        trials.map(|trial| fs::read_to_string(trial.unwrap().path().join("trainer.log")).unwrap()).collect()
    }

    /// Waits until the journal has recorded this many rungs.
    fn until_recorded(&self, rungs: usize) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while self.recorded().values().map(Vec::len).sum::<usize>() < rungs {
            assert!(Instant::now() < deadline, "{}", self.journal());
            thread::yield_now();
        }
    }

    fn trials(&self) -> BTreeMap<i64, Value> {
        let lines = self.journal();
        let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
        let entries = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter_map(|entry| Some((entry["trial"]["spec"]["number"].as_i64()?, entry["trial"].clone()))).collect()
    }

    /// Recorded rungs by trial.
    fn recorded(&self) -> BTreeMap<i64, Vec<Value>> {
        self.trials().into_iter().map(|(number, trial)| (number, trial["status"]["rungs"].as_array().unwrap().clone())).collect()
    }

    /// What was decided and what came out, without attempts and processes.
    fn essence(&self) -> Vec<Value> {
        let essence = |trial: Value| {
            let spec = &trial["spec"];
            serde_json::json!([
                spec["number"],
                spec["assignment"],
                spec["seed"],
                spec["grants"],
                spec["retired"],
                trial["status"]["rungs"]
            ])
        };
        self.trials().into_values().map(essence).collect()
    }
}

#[test]
fn a_search_killed_again_and_again_ends_like_an_undisturbed_one() {
    let undisturbed = Search::new(EXPERIMENT);
    let told = undisturbed.finish();
    assert!(told.contains("all trials went as far as they could"), "{told}");
    assert!(told.contains("normal cell"), "{told}");
    assert!(undisturbed.folder().join("best.svg").exists());

    let killed = Search::new(EXPERIMENT);
    for rungs in [1, 3, 4, 6] {
        let mut runner = killed.spawn();
        killed.until_recorded(rungs);
        runner.kill().unwrap();
        runner.wait().unwrap();
    }
    // A crash in the middle of a write leaves half a line.
    let mut journal = killed.journal().into_bytes();
    journal.extend(b"{\"trial\":{\"api\xc3");
    fs::write(killed.folder().join("journal.jsonl"), journal).unwrap();
    killed.finish();
    assert_eq!(killed.essence(), undisturbed.essence());
}

#[derive(Clone, Copy, PartialEq)]
enum Victims {
    Trainers,
    Runner,
    Both,
}

/// The number behind `words` at the start of a line.
fn batch_after(line: &str, words: &str) -> Option<u64> {
    line.strip_prefix(words)?.trim().parse().ok()
}

#[test]
fn trainers_and_runner_killed_at_any_moment_lose_no_rung_and_repeat_only_what_was_not_committed() {
    // Long enough to be hit in the middle, and a checkpoint after every batch.
    let experiment = EXPERIMENT
        .replace("rungs: [2, 4, 6]", "rungs: [6, 12, 24]")
        .replace("max: 6}", "max: 24}")
        .replace("evaluateEvery: 0", "evaluateEvery: 0, checkpointEvery: 1ms");
    let undisturbed = Search::new(&experiment);
    undisturbed.finish();

    let killed = Search::new(&experiment);
    let mut runner = killed.spawn();
    // Trainers are killed at most 4 times: the fifth end of this kind would make a trial Failed.
    let kills = [
        (Victims::Trainers, 650),
        (Victims::Both, 0),
        (Victims::Runner, 900),
        (Victims::Trainers, 1100),
        (Victims::Both, 780),
        (Victims::Runner, 30),
        (Victims::Trainers, 370),
        (Victims::Both, 1300),
        (Victims::Trainers, 820),
    ];
    for (victims, after) in kills {
        let before = killed.recorded();
        killed.kill(&mut runner, victims, Duration::from_millis(after));
        for (number, rungs) in before {
            assert_eq!(killed.recorded()[&number][..rungs.len()], rungs[..], "a recorded rung was lost");
        }
        // A trainer that was killed while it only checked the experiment ends the runner, too.
        if victims != Victims::Trainers || runner.try_wait().unwrap().is_some() {
            runner = killed.spawn();
        }
    }
    runner.wait().unwrap();
    killed.finish();
    assert_eq!(killed.essence(), undisturbed.essence());

    let mut resumed = 0;
    for log in killed.logs() {
        let mut committed = 0;
        for line in log.lines() {
            if let Some(batches) = batch_after(line, "resumed after batch ") {
                // The commit may have come just before the kill, its line not.
                assert!(batches >= committed, "went back behind batch {committed}:\n{log}");
                resumed += 1;
            }
            committed = batch_after(line, "checkpoint after batch ").unwrap_or(committed);
        }
    }
    assert!(resumed > 0, "no kill came in the middle of a training");
}

#[test]
fn the_trials_are_those_of_preview_and_of_two_slots() {
    let one = Search::new(EXPERIMENT);
    one.finish();
    let two = Search::new(&EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2"));
    two.finish();
    let file = one.root.path().join("tiny.yaml");
    let preview =
        Command::new(env!("CARGO_BIN_EXE_nasctl")).arg("preview").arg(file).args(["--trials", "6", "--output", "json"]).output();
    let preview: Value = serde_json::from_slice(&preview.unwrap().stdout).unwrap();
    assert_eq!(preview["trials"].as_array().unwrap().len(), 6);
    for (number, trial) in one.trials() {
        assert_eq!(trial["spec"]["assignment"], preview["trials"][usize::try_from(number).unwrap()]);
        let other = &two.trials()[&number];
        assert_eq!(trial["spec"]["assignment"], other["spec"]["assignment"]);
        // Who is promoted may differ with two slots; what a trial gives at a rung may not.
        let pairs = trial["status"]["rungs"].as_array().unwrap().iter().zip(other["status"]["rungs"].as_array().unwrap());
        pairs.for_each(|(a, b)| assert_eq!(a["value"], b["value"]));
    }
    let described = Command::new(env!("CARGO_BIN_EXE_nasctl")).arg("describe").arg(one.folder()).output().unwrap();
    assert!(String::from_utf8_lossy(&described.stdout).contains("Best: trial"));
}

#[test]
fn sigterm_stops_with_checkpoints_and_130_and_the_same_command_goes_on() {
    let search = Search::new(EXPERIMENT);
    let mut runner = search.spawn();
    search.until_recorded(1);
    assert!(Command::new("kill").args(["-TERM", &runner.id().to_string()]).status().unwrap().success());
    assert_eq!(runner.wait().unwrap().code(), Some(130));
    let before = search.recorded();
    search.finish();
    for (number, rungs) in before {
        assert_eq!(search.recorded()[&number][..rungs.len()], rungs[..]);
    }
    // A finished search only tells its result again.
    let journal = search.journal();
    search.finish();
    assert_eq!(search.journal(), journal);
}

#[test]
fn a_disk_that_is_full_for_the_journal_ends_with_75_and_the_same_command_goes_on() {
    let search = Search::new(EXPERIMENT);
    // No file may grow beyond 3 kB: the experiment fits into the journal, the first trials do not.
    let script = "trap '' XFSZ; ulimit -f 3; exec \"$0\" \"$@\"";
    let plain = search.command();
    let output = Command::new("bash").args(["-c", script]).arg(plain.get_program()).args(plain.get_args()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("journal.jsonl") && stderr.contains("free some space"), "{stderr}");
    search.finish();
    assert_eq!(search.recorded().len(), 6);
}

#[test]
fn what_is_wrong_before_the_first_trial_starts_nothing() {
    let refused = |experiment: &str, code: i32, words: &[&str]| {
        let search = Search::new(experiment);
        let output = search.run();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word} is not in {stderr}");
        }
        assert!(search.trials().is_empty());
    };
    refused(&EXPERIMENT.replace("maxTrials", "maxTrails"), 65, &["spec.maxTrails", "did you mean maxTrials"]);
    refused(&EXPERIMENT.replace("name: fashion-mnist", "name: nowhere"), 65, &["nowhere", "--data-dir"]);
    refused(&EXPERIMENT.replace("name: layers", "name: layrs"), 78, &["layrs", "layers"]);
}

#[test]
fn a_folder_of_another_experiment_is_refused_and_left_alone() {
    let search = Search::new(EXPERIMENT);
    search.finish();
    let journal = search.journal();
    fs::write(search.root.path().join("tiny.yaml"), EXPERIMENT.replace("seed: 3", "seed: 4")).unwrap();
    let output = search.run();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another experiment"));
    assert_eq!(search.journal(), journal);
}

#[test]
fn a_search_learns_from_the_one_that_it_names() {
    let first = Search::new(EXPERIMENT);
    first.finish();
    let warm = EXPERIMENT.replace("sampler: {random: {}}", "sampler: {mutation: {}}\n  warmStart: {experiments: [run]}");
    let warm = warm.replace("{name: tiny}", "{name: warm}").replace("maxTrials: 6", "maxTrials: 4");
    fs::write(first.root.path().join("tiny.yaml"), &warm).unwrap();
    let run = |folder: &str| first.command_to(&first.root.path().join(folder)).output().unwrap();
    // An earlier run lies beside this one, and is there.
    let elsewhere = run("other/warm");
    let said = String::from_utf8_lossy(&elsewhere.stderr).into_owned();
    assert!(
        !elsewhere.status.success() && said.contains("spec.warmStart.experiments[0]") && said.contains("other/run"),
        "{said}"
    );
    let warm = run("warm");
    assert!(warm.status.success(), "{}", String::from_utf8_lossy(&warm.stderr));
    let journal = fs::read_to_string(first.root.path().join("warm/journal.jsonl")).unwrap();
    let earlier: Value =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).find(|line: &Value| !line["earlier"].is_null()).unwrap();
    assert_eq!(earlier["earlier"].as_array().unwrap().len(), 6);
    // What it learned is its own: the earlier run may go.
    fs::remove_dir_all(first.folder()).unwrap();
    let mut replay = Command::new(env!("CARGO_BIN_EXE_nasctl"));
    let replayed = replay.arg("replay").arg(first.root.path().join("warm")).output().unwrap();
    let told = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success() && told.contains(" 0 differences"), "{told}");
}
