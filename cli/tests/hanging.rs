//! `nasctl run` with a trainer that hangs: it is stopped at `spec.trial.timeLimit`, and the next attempt takes its place.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rig;

use serde_json::Value;

use rig::{NUMBER, Run, SCRIPT};

/// Hangs in its first attempt, though not deaf to SIGTERM; reports in its second.
const TRAINER: &str = r#"
if [ "$NAS_ATTEMPT" = 1 ]; then echo 'waiting for the data' >"$NAS_TERMINATION_LOG"; exec sleep 600; fi
report
"#;

#[test]
fn a_trainer_that_hangs_is_stopped_at_the_time_limit_and_the_next_attempt_takes_its_place() {
    let experiment = NUMBER.replace("{name: mnist}", "{name: mnist}, timeLimit: 10s");
    let run = Run::scripted(&experiment, &format!("{SCRIPT}{TRAINER}"));
    let said = run.finish();
    assert!(said.contains("trial 0 starts again: stopped after 10 s, at its spec.trial.timeLimit"), "{said}");
    let status = &run.trials()["tiny-0"]["status"];
    assert_eq!(status["rungs"][0]["value"], 0.5);
    let outcomes: Vec<&Value> = status["segments"].as_array().unwrap().iter().map(|segment| &segment["outcome"]).collect();
    assert_eq!(outcomes, ["Crashed", "Value"], "it counts against the trial");
}
