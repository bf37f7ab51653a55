//! Whole searches with real trainers: killed at any moment, they go on, and every value is the undisturbed one's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

mod rig;

use std::{collections::BTreeMap, fs, path::Path, process::Command, thread, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use rig::{NETWORKS, Run, Running, ended, nasctl, told};

impl Run {
    /// Process ids of the trainers that run for this search.
    fn trainers(&self) -> Vec<Pid> {
        let ours = format!("NAS_CHECKPOINT_DIR={}", fs::canonicalize(self.path("run")).unwrap_or_default().display());
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
    fn kill(&self, runner: &mut Running, victims: Victims, after: Duration) {
        self.until("a trainer, or the runner's end", |search| {
            runner.try_wait().unwrap().is_some() || !search.trainers().is_empty()
        });
        if runner.try_wait().unwrap().is_some() {
            return;
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
            runner.end(Signal::SIGKILL);
        }
    }

    /// Waits until the journal has recorded this many rungs.
    fn until_recorded(&self, rungs: usize) {
        self.until(&format!("{rungs} rungs"), |search| search.recorded().values().map(Vec::len).sum::<usize>() >= rungs);
    }

    /// Recorded rungs by trial.
    fn recorded(&self) -> BTreeMap<String, Vec<Value>> {
        let rungs = |trial: &Value| trial["status"]["rungs"].as_array().unwrap().clone();
        self.trials().into_iter().map(|(name, trial)| (name, rungs(&trial))).collect()
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
    let undisturbed = Run::trained(NETWORKS);
    let told = undisturbed.finish();
    assert!(told.contains("all trials went as far as they could"), "{told}");
    assert!(told.contains("normal cell"), "{told}");
    assert!(undisturbed.path("run/best.svg").exists());

    let killed = Run::trained(NETWORKS);
    for rungs in [1, 3, 4, 6] {
        let mut runner = killed.spawn(&[]);
        killed.until_recorded(rungs);
        runner.end(Signal::SIGKILL);
    }
    // A crash in the middle of a write leaves half a line.
    let mut journal = killed.journal().into_bytes();
    journal.extend(b"{\"trial\":{\"api\xc3");
    fs::write(killed.path("run/journal.jsonl"), journal).unwrap();
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
    let experiment = NETWORKS
        .replace("rungs: [2, 4, 6]", "rungs: [6, 12, 24]")
        .replace("max: 6}", "max: 24}")
        .replace("evaluateEvery: 0", "evaluateEvery: 0, checkpointEvery: 1ms");
    let undisturbed = Run::trained(&experiment);
    undisturbed.finish();

    let killed = Run::trained(&experiment);
    let mut runner = killed.spawn(&[]);
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
        for (name, rungs) in before {
            assert_eq!(killed.recorded()[&name][..rungs.len()], rungs[..], "a recorded rung was lost");
        }
        // A trainer that was killed while it only checked the experiment ends the runner, too.
        if victims != Victims::Trainers || runner.try_wait().unwrap().is_some() {
            runner = killed.spawn(&[]);
        }
    }
    runner.wait().unwrap();
    killed.finish();
    assert_eq!(killed.essence(), undisturbed.essence());

    let mut resumed = 0;
    for log in killed.logs().into_values() {
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
    let one = Run::trained(NETWORKS);
    one.finish();
    let two = Run::trained(&NETWORKS.replace("parallelTrials: 1", "parallelTrials: 2"));
    two.finish();
    let (_, preview, _) = ended(nasctl().arg("preview").arg(one.path("tiny.yaml")).args(["--trials", "6", "--output", "json"]));
    let preview: Value = serde_json::from_str(&preview).unwrap();
    let (trials, others, previewed) = (one.trials(), two.trials(), preview["trials"].as_array().unwrap());
    assert_eq!((trials.len(), previewed.len()), (6, 6));
    for ((name, trial), previewed) in trials.iter().zip(previewed) {
        assert_eq!(trial["spec"]["assignment"], *previewed);
        let other = &others[name];
        assert_eq!(trial["spec"]["assignment"], other["spec"]["assignment"]);
        // Who is promoted may differ with two slots; what a trial gives at a rung may not.
        let pairs = trial["status"]["rungs"].as_array().unwrap().iter().zip(other["status"]["rungs"].as_array().unwrap());
        pairs.for_each(|(a, b)| assert_eq!(a["value"], b["value"]));
    }
    assert!(told(&mut one.verb("describe", &[])).1.contains("Best: trial"));
}

#[test]
fn sigterm_stops_with_checkpoints_and_130_and_the_same_command_goes_on() {
    let search = Run::trained(NETWORKS);
    let mut runner = search.spawn(&[]);
    search.until_recorded(1);
    assert_eq!(runner.end(Signal::SIGTERM), Some(130));
    let before = search.recorded();
    search.finish();
    for (name, rungs) in before {
        assert_eq!(search.recorded()[&name][..rungs.len()], rungs[..]);
    }
    // A finished search only tells its result again.
    let journal = search.journal();
    search.finish();
    assert_eq!(search.journal(), journal);
}

#[test]
fn a_disk_that_is_full_for_the_journal_ends_with_75_and_the_same_command_goes_on() {
    let search = Run::trained(NETWORKS);
    // No file may grow beyond 3 kB: the experiment fits into the journal, the first trials do not.
    let script = "trap '' XFSZ; ulimit -f 3; exec \"$0\" \"$@\"";
    let plain = search.command(&[]);
    let (code, said) = told(Command::new("bash").args(["-c", script]).arg(plain.get_program()).args(plain.get_args()));
    assert!(code == 75 && said.contains("journal.jsonl") && said.contains("free some space"), "{code}: {said}");
    search.finish();
    assert_eq!(search.recorded().len(), 6);
}

#[test]
fn what_is_wrong_before_the_first_trial_starts_nothing() {
    let refused = |experiment: &str, code: i32, words: &[&str]| {
        let search = Run::trained(experiment);
        let (found, said) = told(&mut search.command(&[]));
        assert_eq!(found, code, "{said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in {said}");
        }
        assert!(search.trials().is_empty());
    };
    refused(&NETWORKS.replace("maxTrials", "maxTrails"), 65, &["spec.maxTrails", "did you mean maxTrials"]);
    refused(&NETWORKS.replace("name: fashion-mnist", "name: nowhere"), 65, &["nowhere", "--data-dir"]);
    refused(&NETWORKS.replace("name: layers", "name: layrs"), 78, &["layrs", "layers"]);
}

#[test]
fn a_folder_of_another_experiment_is_refused_and_left_alone() {
    let search = Run::trained(NETWORKS);
    search.finish();
    let journal = search.journal();
    search.write(&NETWORKS.replace("seed: 3", "seed: 4"));
    let (code, said) = told(&mut search.command(&[]));
    assert!(code == 64 && said.contains("another experiment"), "{code}: {said}");
    assert_eq!(search.journal(), journal);
}

#[test]
fn a_search_learns_from_the_one_that_it_names() {
    let first = Run::trained(NETWORKS);
    first.finish();
    let warm = NETWORKS.replace("sampler: {random: {}}", "sampler: {mutation: {}}\n  warmStart: {experiments: [run]}");
    let warm = warm.replace("{name: tiny}", "{name: warm}").replace("maxTrials: 6", "maxTrials: 4");
    first.write(&warm);
    // An earlier run lies beside this one, and is there.
    let (code, said) = told(&mut first.command_to("other/warm", &[]));
    assert!(code != 0 && said.contains("spec.warmStart.experiments[0]") && said.contains("other/run"), "{code}: {said}");
    let (code, said) = told(&mut first.command_to("warm", &[]));
    assert_eq!(code, 0, "{said}");
    let journal = fs::read_to_string(first.path("warm/journal.jsonl")).unwrap();
    let earlier: Value =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).find(|line: &Value| !line["earlier"].is_null()).unwrap();
    assert_eq!(earlier["earlier"].as_array().unwrap().len(), 6);
    // What it learned is its own: the earlier run may go.
    fs::remove_dir_all(first.path("run")).unwrap();
    let (code, said) = told(nasctl().arg("replay").arg(first.path("warm")));
    assert!(code == 0 && said.contains(" 0 differences"), "{code}: {said}");
}
