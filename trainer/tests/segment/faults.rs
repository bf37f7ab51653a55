//! What can go wrong around a training: the disk, the checkpoints, the memory, the loss.

use std::{fs, io::Read, path::Path, process::Command};

use nas_api::contract::Reported;
use serde_json::json;

use super::trial::{Trial, find, refused};

/// The command of a segment with limits of the shell set before.
fn limited(plain: &Command, limits: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{limits}; exec \"$0\""), env!("CARGO_BIN_EXE_nas-trainer")]);
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

pub(crate) fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

#[test]
fn a_full_disk_ends_with_75_and_loses_nothing() {
    let trial = Trial::new();
    let first = trial.report(0, 0);
    // No file may grow beyond 8 kB: the state does not fit.
    let mut limited = limited(&trial.command(1, 1), "trap '' XFSZ; ulimit -f 8");
    refused(&limited.output().unwrap(), 75, &["step-0000000009", "space", "what was committed before is kept"]);
    let after = trial.report(1, 2);
    assert_eq!(after.results[0], first.results[0]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_what_to_do() {
    let mut trial = Trial::new();
    let file = trial.folder.path().join("file");
    fs::write(&file, "x").unwrap();
    for (place, words) in [
        (file.clone(), "must be a folder"),
        (file.join("below"), "must be a folder"),
        // Not even root makes a folder there.
        ("/proc/nas-checkpoints".into(), "is mounted"),
        ("/sys/nas-checkpoints".into(), "writable"),
    ] {
        trial.env.insert("NAS_CHECKPOINT_DIR", place.display().to_string());
        refused(&trial.run(0, 0), 75, &[&place.display().to_string(), words]);
        assert!(trial.message().contains(words));
        refused(&trial.command(0, 0).arg("check").output().unwrap(), 75, &[words]);
    }
}

#[test]
fn a_folder_that_is_removed_while_it_trains_is_made_again() {
    let mut trial = Trial::of(40);
    trial.env.insert("NAS_CHECKPOINT_EVERY", "0.000001".to_owned());
    let mut child = trial.until(0, 0, "checkpoint after batch 3");
    signal("-STOP", child.id());
    let checkpoints = trial.folder.path().join("checkpoints");
    fs::remove_dir_all(&checkpoints).unwrap();
    signal("-CONT", child.id());
    let mut rest = String::new();
    child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("is gone; it is made again"), "{rest}");
    assert_eq!(trial.states(40).len(), 1);
    assert!(find(&checkpoints, "input.json").exists());
}

#[test]
fn damaged_checkpoints_are_passed_over() {
    let trial = Trial::new();
    let first = trial.report(1, 0);
    let checkpoints = trial.folder.path().join("checkpoints");
    let record = find(&checkpoints, "step-0000000009.json");
    let name = fs::read_dir(record.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("step-0000000009-"))
        .unwrap();
    let (state, json) = (fs::read(&name).unwrap(), fs::read(&record).unwrap());
    let damages: [(&str, &dyn Fn()); 3] = [
        ("No such file", &|| fs::remove_file(&name).unwrap()),
        ("its record says", &|| fs::write(&name, &state[..state.len() / 2]).unwrap()),
        ("no record: ", &|| fs::write(&record, &json[..json.len() / 2]).unwrap()),
    ];
    for (attempt, (words, damage)) in (1..).zip(damages) {
        fs::write(&name, &state).unwrap();
        damage();
        let output = trial.run(1, attempt);
        refused(&output, 0, &[words, "resumed after batch 4"]);
        let report = nas_api::contract::Report::from_message(&trial.message(), attempt, 1).unwrap();
        assert_eq!(report.results, first.results);
        // What this attempt wrote is in the way of the next.
        fs::remove_dir_all(own_folder(&checkpoints, attempt)).unwrap();
    }
}

fn own_folder(checkpoints: &Path, attempt: u32) -> std::path::PathBuf {
    let prefix = format!("a{attempt}-");
    let mut folders = fs::read_dir(checkpoints).unwrap().map(|entry| entry.unwrap().path());
    folders.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix)).unwrap()
}

#[test]
fn the_checkpoint_of_another_trial_is_refused() {
    let mut trial = Trial::new();
    trial.report(0, 0);
    trial.env.insert("NAS_TRIAL_UID", "uid-1".to_owned());
    refused(&trial.run(1, 1), 65, &["trial uid-0", "trial uid-1", "a checkpoint folder of its own"]);
}

#[test]
fn of_two_attempts_at_once_the_older_ends_with_70_and_the_newer_goes_on() {
    let mut trial = Trial::of(100_000);
    trial.env.insert("NAS_CHECKPOINT_EVERY", "0.000001".to_owned());
    let mut old = trial.until(0, 0, "checkpoint after batch 2");
    let mut new = trial.until(0, 1, "checkpoint after batch");
    let mut rest = String::new();
    old.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(old.wait().unwrap().code(), Some(70), "{rest}");
    assert!(rest.contains("a newer attempt has begun"), "{rest}");
    new.kill().unwrap();
    new.wait().unwrap();
}

#[test]
fn a_report_that_cannot_be_written_is_kept_for_the_next_start() {
    let mut trial = Trial::new();
    let log = trial.env["NAS_TERMINATION_LOG"].clone();
    trial.env.insert("NAS_TERMINATION_LOG", format!("{log}/below/nothing"));
    refused(&trial.run(0, 0), 75, &["NAS_TERMINATION_LOG", "start again"]);
    trial.env.insert("NAS_TERMINATION_LOG", log);
    trial.report(0, 1);
    assert_eq!(trial.states(4).len(), 1, "it was trained twice");
}

#[test]
fn a_loss_that_is_not_finite_is_reported_with_its_batch_however_often_it_is_run() {
    let mut trial = Trial::new();
    trial.parameters.insert("learning_rate".into(), json!(1e6));
    trial.parameters.insert("clip_gradients_l2_norm".into(), json!(1e12));
    let first = trial.report(2, 0);
    let last = first.results.last().unwrap();
    assert_eq!((last.outcome, last.value), (Reported::Diverged, None));
    assert!(last.message.as_ref().unwrap().contains(&format!("loss of batch {} is", first.step)), "{last:?}");
    // Once with a checkpoint after each batch, then from the last of them.
    trial.env.insert("NAS_CHECKPOINT_EVERY", "0.000001".to_owned());
    for attempt in [1, 2] {
        let again = trial.report(2, attempt);
        assert_eq!((again.step, again.seq, &again.results), (first.step, first.seq, &first.results));
    }
    assert!(trial.states(first.step).is_empty(), "what has diverged was committed");
}

#[test]
fn without_enough_memory_it_ends_with_71_and_says_what_to_make_smaller() {
    let mut trial = Trial::new();
    trial.parameters.insert("global_batch_size".into(), json!(4096));
    trial.parameters.insert("init_channels".into(), json!(64));
    // Of what can be written, not of what is mapped, which is as large as libtorch.
    let output = limited(&trial.command(0, 0), "ulimit -d 1500000").output().unwrap();
    refused(&output, 71, &["out of memory", "smaller global_batch_size", "more memory"]);
    let message = trial.message();
    assert!(message.len() < 400 && message.starts_with("out of memory"), "{message}");
}
