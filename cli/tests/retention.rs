//! Whose checkpoints `nasctl run` leaves behind: those that `spec.retention` keeps, as on a cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rig;

use std::fs;

use rig::{NUMBER, Run, SCRIPT};

/// The later a trial, the better it is.
const TRAINER: &str = r#"
own="$NAS_CHECKPOINT_DIR/a$NAS_ATTEMPT"
mkdir "$own"; echo x >"$own/step-1"; echo '{}' >"$own/curve.jsonl"
report "0.5${NAS_TRIAL_NAME##*-}"
"#;

/// Four trials that keep this.
fn experiment(retention: &str) -> String {
    NUMBER.replace("maxTrials: 1", &format!("maxTrials: 4\n  parallelTrials: 1\n  retention: {retention}"))
}

fn finished(experiment: &str) -> Run {
    let run = Run::scripted(experiment, &format!("{SCRIPT}{TRAINER}"));
    run.finish();
    run
}

impl Run {
    /// Names of the trials that have this file.
    fn with(&self, file: &str) -> Vec<String> {
        let folders = fs::read_dir(self.path("run/trials")).unwrap().map(Result::unwrap);
        let with = folders.filter(|folder| folder.path().join(file).exists());
        let mut names: Vec<String> = with.map(|folder| folder.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn when_a_search_has_ended_only_the_best_keep_their_checkpoints() {
    let run = finished(&experiment("{best: 1}"));
    assert_eq!(run.with("a1/step-1"), ["tiny-3"]);
    for stays in ["a1/curve.jsonl", "trainer.log"] {
        assert_eq!(run.with(stays), ["tiny-0", "tiny-1", "tiny-2", "tiny-3"], "{stays}");
    }
    // Whoever keeps fewer loses more, also after the end.
    run.write(&experiment("{best: 0}"));
    run.finish();
    assert_eq!(run.with("a1/step-1"), [] as [&str; 0]);
}

#[test]
fn the_confirmed_keep_their_checkpoints_and_who_keeps_all_loses_none() {
    let run = finished(&experiment("{best: 0}\n  confirm: {topK: 2, seeds: 1}"));
    assert_eq!(run.with("a1/step-1"), ["tiny-2", "tiny-3", "tiny-confirm-0", "tiny-confirm-1"]);
    assert_eq!(finished(&experiment("{checkpoints: All}")).with("a1/step-1").len(), 4);
}
