//! `nasctl conform` on the minimal example, as it is and broken in each way that it should see.

#![allow(clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod rig;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use rig::{Run, ended, nasctl, told};

const EXAMPLE: &str = include_str!("../../examples/minimal/trainer.py");
const MINIMAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/minimal/trainer.py");
const SEARCH: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: own}
spec:
  space: {parameters: [{name: learning_rate, categorical: {values: [0.01, 0.02, 0.1, 0.2, 2]}}]}
  sampler: {grid: {}}
  scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}
  resource: {unit: batches, max: 4}
  maxTrials: 5
  parallelTrials: 1
  trial: {data: {name: none}}
";
/// Broken trainers that are judged at the same time: they mostly wait.
const AT_ONCE: usize = 4;

/// Judges a trainer: the exit code, stdout and stderr.
fn conform(options: &[&str], command: &[&str]) -> (i32, String, String) {
    let mut nasctl = nasctl();
    nasctl.args(["conform", "--unit", "batches", "--rungs", "1,2,150"]).args(options).arg("--").args(command);
    // What is kept of a failed judgement goes to the test's own folder.
    let folder = tempfile::tempdir().unwrap();
    ended(nasctl.env("TMPDIR", folder.path()))
}

/// The checks that a Python program fails, each with its reason.
fn failures(program: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trainer.py");
    fs::write(&path, program).unwrap();
    let options = ["--param", "learning_rate=0.05", "--infeasible", "learning_rate=2", "--output", "json"];
    let (code, stdout, stderr) = conform(&options, &["python3", path.to_str().unwrap()]);
    let judged: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    let checks = judged["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "failed");
    let failed: Vec<_> = checks.map(|check| (text(check, "name"), text(check, "why"))).collect();
    assert_eq!(code, i32::from(!failed.is_empty()), "{stderr}");
    assert_eq!(judged["conforms"], failed.is_empty());
    failed
}

/// A pipe with a name. Whoever opens it to read it waits for a writer, and reads until all writers are gone.
fn pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    path
}

/// A trainer of two processes that never end, and that hold the pipe open.
fn endless(pipe: &Path) -> String {
    format!("exec >{}; echo begun; sleep 1000 & sleep 1000", pipe.display())
}

/// The example with something else in place of a part of it.
fn changed(part: &str, other: &str) -> String {
    assert!(EXAMPLE.contains(part), "the example has no {part:?}");
    EXAMPLE.replace(part, other)
}

#[test]
fn the_minimal_example_conforms_and_each_line_says_why() {
    let options = ["--param", "learning_rate=0.05", "--infeasible", "learning_rate=2"];
    let (code, stdout, stderr) = conform(&options, &[MINIMAL]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let verdicts: Vec<_> = stdout.lines().map(|line| line.split_once("  ").unwrap().0).collect();
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == "pass").count(), 9, "{stdout}");
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == "told").count(), 2, "{stdout}");
    assert!(stdout.contains("a trial that was stopped has the same values"), "{stdout}");
    assert!(stdout.contains("is answered without training"), "{stdout}");
    assert!(stderr.contains("and SIGTERM "), "{stderr}");
}

#[test]
fn a_trainer_that_does_not_fence_and_harms_nobody_conforms() {
    assert_eq!(failures(&changed("> attempt:", "> 1000:")), []);
}

#[test]
fn each_breach_fails_the_checks_that_look_for_it() {
    let report = "leave(0, json.dumps(";
    let all_of_a_report = ["start", "re-run", "resume", "stop", "go on", "fencing"].as_slice();
    let one_file = changed("a{attempt}-{env.get('NAS_POD_UID') or time.time_ns()}", "a0-all");
    let handler = "signal.signal(signal.SIGTERM, lambda *_: stops.append(True))";
    let broken: Vec<(&str, String, &[&str], &str)> = vec![
        (
            "reports nothing",
            changed(report, "sys.exit(0); (("),
            &["start", "re-run", "resume", "stop", "go on", "fencing", "infeasible"],
            "no report",
        ),
        ("reports no number", changed("'value': state['number']}", "'value': math.nan}"), all_of_a_report, "not a report"),
        (
            "reports too much",
            changed("'value': state['number']}", "'value': state['number'], 'message': 'x' * 4096}"),
            all_of_a_report,
            "bytes",
        ),
        (
            "crashes",
            changed("time.sleep(0.005)", "raise MemoryError"),
            &["start", "checkpoint", "re-run", "resume", "stop", "go on", "fencing"],
            "MemoryError",
        ),
        (
            "keeps no checkpoint",
            changed("def save(state):", "def save(state):\n    return\n"),
            &["checkpoint"],
            "NAS_CHECKPOINT_DIR",
        ),
        (
            "reports as its first attempt",
            changed("'attempt': attempt,", "'attempt': 1,"),
            &["re-run", "resume", "go on", "fencing"],
            "not of 2",
        ),
        ("counts reports from 1 in each", changed("'seq': len(results)", "'seq': 1"), &["resume"], "seq does not grow"),
        (
            "reports its last value for each rung",
            changed(
                "'results': results}",
                "'results': [{**r, 'value': state['number']} if r['outcome'] == 'Value' else r for r in results]}",
            ),
            &["resume", "fencing"],
            "lower rungs had",
        ),
        ("has no handler", changed(handler, ""), &["stop"], "no handler"),
        ("is deaf", changed(handler, "signal.signal(signal.SIGTERM, signal.SIG_IGN)"), &["stop"], "trained on"),
        ("stops with another code", changed("leave(143", "leave(1"), &["stop"], "not exit code 143"),
        (
            "leaves half a checkpoint",
            changed("        save(state)\n        leave(143", "        (own / 'state.json').write_text('{')\n        leave(143"),
            &["go on"],
            "JSONDecodeError",
        ),
        ("has one file for all attempts", one_file, &["fencing"], "a0-all/state.json"),
        ("takes any parameter", changed("isinstance(rate, bool) or not", "False and not"), &["wrong type"], "exit code 1"),
        (
            "refuses without a word",
            changed("f'learning_rate is {rate!r}: it must be a number'", "'bad'"),
            &["wrong type"],
            "no word names",
        ),
        (
            "calls nothing infeasible",
            changed("rate > 1", "rate > 9").replace("rate <= 1", "rate <= 9"),
            &["infeasible"],
            "not Infeasible",
        ),
    ];
    for some in broken.chunks(AT_ONCE) {
        thread::scope(|scope| {
            for (what, program, names, why) in some {
                scope.spawn(move || {
                    let failed = failures(program);
                    assert_eq!(failed.iter().map(|(name, _)| name).collect::<Vec<_>>(), *names, "{what}: {failed:?}");
                    assert!(failed[0].1.contains(why), "{what}: {failed:?}");
                });
            }
        });
    }
}

#[test]
fn a_command_that_hangs_or_is_not_there_fails_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    // With a writer of our own, nobody waits for the other side to open it.
    let mut both = File::options().read(true).write(true).open(&pipe).unwrap();
    let mut reader = File::open(&pipe).unwrap();
    let (code, stdout, stderr) = conform(&["--timeout", "0.2s"], &["sh", "-c", &endless(&pipe)]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("FAIL  start        it took too long and was killed"), "{stdout}");
    both.write_all(b"last").unwrap();
    drop(both);
    // Comes to an end once no process holds it any more.
    let mut written = String::new();
    reader.read_to_string(&mut written).unwrap();
    assert!(written.ends_with("last"), "{written}");

    let (code, stdout, _) = conform(&[], &["/there/is/no/such/trainer"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("/there/is/no/such/trainer: No such file"), "{stdout}");
}

#[test]
fn ctrl_c_ends_all_that_runs_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    let files = folder.path().join("temporary");
    fs::create_dir(&files).unwrap();
    let mut nasctl = nasctl();
    nasctl.args(["conform", "--", "sh", "-c", &endless(&pipe)]).env("TMPDIR", &files).stderr(Stdio::piped());
    let nasctl = nasctl.spawn().unwrap();
    let mut reader = BufReader::new(File::open(&pipe).unwrap());
    let mut written = String::new();
    reader.read_line(&mut written).unwrap();
    assert_eq!(written, "begun\n");
    let pid = Pid::from_raw(i32::try_from(nasctl.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let output = nasctl.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped, nothing is judged"));
    assert_eq!(reader.read_line(&mut written).unwrap(), 0);
    assert_eq!(fs::read_dir(&files).unwrap().count(), 0);
}

#[test]
fn what_conforms_is_a_trainer_of_a_search() {
    let run = Run::scripted(SEARCH, EXAMPLE);
    run.finish();
    let (_, described, _) = ended(&mut run.verb("describe", &["--output", "json"]));
    let described: Value = serde_json::from_str(&described).unwrap();
    let trials = described["trials"].as_array().unwrap();
    let rungs = trials.iter().flat_map(|trial| trial["status"]["rungs"].as_array().unwrap());
    let ends: Vec<_> = rungs.map(|end| (end["outcome"].as_str().unwrap(), end["rung"].as_i64().unwrap())).collect();
    // The trial of the one rate that the trainer refuses is infeasible, and the best of the others has gone all the way.
    assert_eq!(ends.iter().filter(|end| **end == ("Infeasible", 0)).count(), 1, "{ends:?}");
    assert!(ends.contains(&("Value", 2)), "{ends:?}");
    assert!(ends.iter().all(|(outcome, _)| ["Value", "Infeasible"].contains(outcome)), "{ends:?}");
}

#[test]
fn what_was_written_is_kept_where_a_check_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, said) = ended(nasctl().args(["conform", "--", "sh", "-c", "echo a word"]).env("TMPDIR", folder.path()));
    let kept = said.split("lies in ").nth(1).unwrap().trim();
    assert!(Path::new(kept).starts_with(folder.path()));
    assert_eq!(fs::read_to_string(Path::new(kept).join("first/log-1")).unwrap(), "a word\n");
}

#[test]
fn rungs_that_cannot_be_tried_are_refused() {
    let many = (1..=30).map(|step| step.to_string()).collect::<Vec<_>>().join(",");
    for rungs in ["3", "0,1", "2,2", "4,2", &many] {
        let (code, said) = told(nasctl().args(["conform", "--rungs", rungs, "--", "true"]));
        assert!(code == 64 && said.contains("--rungs must be"), "{rungs}: {said}");
    }
}
