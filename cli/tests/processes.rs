//! `nasctl run` and what may be done to it while it runs: GPUs, logs, suspend, retry, stop. The trainer is a script.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod rig;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use rig::{NUMBER, Run, Running, SCRIPT, nasctl, told};

/// Before each trainer's own part.
const BEGIN: &str = r#"
hang() { trap 'echo stopped; exit 143' TERM; while :; do sleep 0.05; done; }
echo "$NAS_TRIAL_NAME in attempt $NAS_ATTEMPT"
cd "$(dirname "$0")" || exit 1
"#;

fn scripted(experiment: &str, trainer: &str) -> Run {
    Run::scripted(experiment, &format!("{SCRIPT}{BEGIN}{trainer}"))
}

impl Run {
    fn begun(&self) -> Running {
        self.spawn(&["--gpus", "none"])
    }

    /// Runs another verb on the folder: its exit code and what it said.
    fn nasctl(&self, verb: &str, more: &[&str]) -> (i32, String) {
        told(&mut self.verb(verb, more))
    }

    /// Waits until the first attempt of this trial has begun.
    fn until_begun(&self, trial: &str) {
        let words = format!("{trial} in attempt 1");
        self.until(&words, |run| run.logs().get(trial).is_some_and(|log| log.contains(&words)));
    }

    /// Outcomes of the processes of trial 0.
    fn segments(&self) -> Vec<String> {
        let segments = self.trials()["tiny-0"]["status"]["segments"].as_array().unwrap().clone();
        segments.iter().map(|segment| segment["outcome"].as_str().unwrap().to_owned()).collect()
    }
}

/// Takes the GPU that it was given, which nobody else may have, and once waits until both are taken.
const ON_GPUS: &str = r#"
mkdir "gpu-$CUDA_VISIBLE_DEVICES" || exit 1
until [ -e both ] || { [ -d gpu-0 ] && [ -d gpu-1 ] && touch both; }; do sleep 0.02; done
echo "$NAS_TRIAL_NAME $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER" >>seen
rmdir "gpu-$CUDA_VISIBLE_DEVICES"
report
"#;

#[test]
fn each_trial_has_a_gpu_of_its_own_and_no_more_run_than_there_are() {
    let experiment = NUMBER
        .replace("maxTrials: 1", "maxTrials: 6\n  parallelTrials: 4")
        .replace("{name: mnist}", "{name: mnist}, timeLimit: 60s");
    let run = scripted(&experiment, ON_GPUS);
    let (code, said) = told(&mut run.command(&["--gpus", "0,1"]));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("GPUs: 0, 1; 2 at a time, each with its own (spec.parallelTrials is 4"), "{said}");
    let seen = fs::read_to_string(run.path("seen")).unwrap();
    assert_eq!(seen.lines().count(), 6, "{seen}");
    assert!(seen.contains(" 0 PCI_BUS_ID") && seen.contains(" 1 PCI_BUS_ID"), "{seen}");
    assert!(!said.contains("starts again"), "two trials had one GPU: {said}");
}

#[test]
fn trials_share_a_gpu_where_that_is_asked_for_and_may_be_left_to_themselves() {
    let together = "echo \"${CUDA_VISIBLE_DEVICES-unset}\" >>seen\nmkdir \"$NAS_TRIAL_NAME\"\nuntil [ -d tiny-0 ] && [ -d tiny-1 ]; do sleep 0.02; done\nreport\n";
    let experiment = NUMBER
        .replace("maxTrials: 1", "maxTrials: 2\n  parallelTrials: 2")
        .replace("{name: mnist}", "{name: mnist}, timeLimit: 60s");
    for (arguments, expected) in
        [(["--gpus", "7", "--slots-per-gpu", "2"].as_slice(), "7\n7\n"), (&["--gpus", "none"], "unset\nunset\n")]
    {
        let run = scripted(&experiment, together);
        let (code, said) = told(&mut run.command(arguments));
        assert_eq!(code, 0, "{said}");
        assert_eq!(fs::read_to_string(run.path("seen")).unwrap(), expected);
    }
    let run = scripted(&experiment, together);
    let (code, said) = told(run.command(&[]).env("CUDA_VISIBLE_DEVICES", "3,4"));
    assert_eq!(code, 0, "{said}");
    let mut seen: Vec<String> = fs::read_to_string(run.path("seen")).unwrap().lines().map(str::to_owned).collect();
    seen.sort();
    assert_eq!(seen, ["3", "4"], "this process was given them");
    let two = experiment.replace("timeLimit", "accelerator: {count: 2}, timeLimit");
    let (code, said) = told(&mut scripted(&two, together).command(&["--gpus", "0"]));
    assert!(code == 64 && said.contains("spec.trial.accelerator.count is 2"), "{code}: {said}");
}

#[test]
fn logs_go_on_across_attempts_and_a_retry_counts_for_nothing() {
    let run = scripted(NUMBER, "if [ \"$NAS_ATTEMPT\" = 1 ]; then hang; fi\nreport\n");
    let mut runner = run.begun();
    run.until_begun("tiny-0");
    let mut follower = Running::start(run.verb("logs", &["0", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first: Vec<String> = lines.by_ref().take(2).collect();
    assert!(first[0].starts_with("=== attempt 1: to rung 0 (1 epoch)") && first[1] == "tiny-0 in attempt 1", "{first:?}");
    let (code, said) = run.nasctl("retry", &["0"]);
    assert!(code == 0 && said.contains("attempt 1 of trial 0 has stopped, and attempt 2 follows"), "{code}: {said}");
    let rest: Vec<String> = lines.collect();
    assert!(rest[0] == "stopped" && rest[1].starts_with("=== attempt 2: ") && rest[2..] == ["tiny-0 in attempt 2"], "{rest:?}");
    assert!(follower.wait().unwrap().success(), "it ends with its trial");
    assert!(runner.wait().unwrap().success());
    assert_eq!(run.segments(), ["Stopped", "Value"]);

    let shown = |more: &[&str]| run.nasctl("logs", &[&["0"], more].concat());
    let (code, all) = shown(&[]);
    assert!(code == 0 && all.matches("=== attempt").count() == 2, "{all}");
    for previous in [["--attempt", "1"].as_slice(), &["--previous"]] {
        let (_, told) = shown(previous);
        assert!(told.contains("in attempt 1\nstopped\n") && !told.contains("attempt 2"), "{told}");
    }
    assert_eq!(shown(&["--tail", "1"]), (0, "tiny-0 in attempt 2\n".to_owned()));
    let (code, said) = shown(&["--attempt", "3"]);
    assert!(code == 64 && said.contains("has no attempt 3: it is in its attempt 2"), "{said}");
    let (code, said) = run.nasctl("logs", &["9"]);
    assert!(code == 64 && said.contains("there is no trial 9"), "{said}");
    let (code, said) = run.nasctl("retry", &["0"]);
    assert!(code == 64 && said.contains("rung 0 came to 0.5000, which is never taken back"), "{said}");
    fs::remove_file(run.path("run/trials/tiny-0/trainer.log")).unwrap();
    let (code, said) = shown(&[]);
    assert!(code == 64 && said.contains("trainer.log") && said.contains("nothing else keeps it"), "{said}");
}

#[test]
fn a_run_is_suspended_goes_on_and_is_ended_for_good() {
    let experiment = NUMBER.replace("maxTrials: 1", "maxTrials: 3");
    let run =
        scripted(&experiment, "if [ ! -e goes-on ]; then hang; fi\nif [ \"$NAS_TRIAL_NAME\" = tiny-1 ]; then hang; fi\nreport\n");
    let mut runner = run.begun();
    run.until_begun("tiny-0");
    let (code, said) = run.nasctl("suspend", &[]);
    assert!(code == 0 && said.contains("is suspended, after checkpoints"), "{said}");
    assert_eq!(runner.wait().unwrap().code(), Some(130));
    assert_eq!(run.segments(), ["Stopped"]);
    let (code, said) = run.nasctl("suspend", &[]);
    assert!(code == 0 && said.contains("nobody runs"), "{said}");
    for (verb, more, words) in [
        ("resume", [].as_slice(), "goes on"),
        ("scale", &["4"], "spec.parallelTrials"),
        ("stop", &["--drain"], "spec.maxTrials"),
        ("retry", &["0"], "has ended already, and the next follows"),
    ] {
        let (code, said) = run.nasctl(verb, more);
        assert!(code == 64 && said.contains(words), "{verb} {code}: {said}");
    }

    fs::write(run.path("goes-on"), "").unwrap();
    let mut runner = run.begun();
    run.until_begun("tiny-1");
    let (code, said) = run.nasctl("stop", &[]);
    assert!(code == 0 && said.contains("has ended: budget.wallClock is spent"), "{said}");
    assert_eq!(runner.wait().unwrap().code(), Some(130));
    let (_, said) = run.nasctl("describe", &["--trials"]);
    assert!(
        said.contains("The search ended: budget.wallClock")
            && said.contains("Best: trial 0")
            && said.contains("trial 1: Cancelled"),
        "{said}"
    );
    let (code, said) = run.nasctl("replay", &[]);
    assert!(code == 0 && said.contains(": 0 differences"), "{said}");
    let (code, said) = run.nasctl("stop", &[]);
    assert!(code == 64 && said.contains("has ended"), "{said}");
    // The same command starts nothing more.
    assert_eq!(told(&mut run.command(&["--gpus", "none"])).0, 0);
    assert!(!run.path("run/trials/tiny-2").exists());
}

#[test]
fn a_reader_that_goes_away_ends_the_command_without_a_word() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/adaptive-experiment.yaml");
    let mut command = nasctl();
    // Far more than a pipe holds.
    command.args(["preview", file, "--trials", "1000", "--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(141), String::new()));
}
