//! The best of a search, trained anew on this machine with real trainers: killed at any moment, it ends as if undisturbed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rig;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use rig::{NETWORKS, Run, ended, nasctl, told};

/// Four tiny networks for 4 batches, then the best two with two seeds each for 6.
fn run() -> Run {
    let experiment = NETWORKS
        .replace("rungs: [2, 4, 6]", "rungs: [2, 4]")
        .replace("max: 6}", "max: 4}")
        .replace("maxTrials: 6", "maxTrials: 4\n  confirm: {topK: 2, seeds: 2, resource: 6}");
    Run::trained(&experiment)
}

impl Run {
    /// What was chosen, and each training as it stands now, without attempts and processes.
    fn essence(&self) -> (Vec<Value>, Vec<Value>) {
        let chosen = self.entries().into_iter().map(|mut entry| entry["confirm"].take()).filter(|list| !list.is_null());
        let trainings = self.trials().into_iter().filter(|(name, _)| name.starts_with("tiny-confirm-")).map(|(_, trial)| {
            let spec = &trial["spec"];
            json!([spec["confirms"], spec["assignment"], spec["seed"], spec["grants"], trial["status"]["rungs"]])
        });
        (chosen.collect(), trainings.collect())
    }

    /// Starts the command, and kills it as soon as the journal satisfies this.
    fn kill_when(&self, what: &str, is_due: impl FnMut(&Self) -> bool) {
        let mut runner = self.spawn(&[]);
        self.until(what, is_due);
        runner.end(Signal::SIGKILL);
    }

    /// What another verb, which succeeds, says of it.
    fn shown(&self, verb: &str, more: &[&str]) -> String {
        let (code, said, complaints) = ended(&mut self.verb(verb, more));
        assert_eq!(code, 0, "{said}{complaints}");
        said
    }
}

#[test]
fn a_confirmation_killed_again_and_again_ends_like_an_undisturbed_one() {
    let undisturbed = run();
    let said = undisturbed.finish();
    for words in ["Trained anew for 6 batches", "2 of 2", "best mean: tiny-", "seed 2 of 2): accuracy"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (chosen, trainings) = undisturbed.essence();
    assert_eq!((chosen.len(), chosen[0].as_array().unwrap().len(), trainings.len()), (1, 2, 4));
    assert!(trainings.iter().all(|training| training[4][0]["outcome"] == "Value"));

    let killed = run();
    killed.kill_when("the search's end", |run| run.journal().contains("\"end\""));
    killed.kill_when("the choice", |run| !run.essence().0.is_empty());
    killed.kill_when("the first training", |run| !run.essence().1.is_empty());
    killed.kill_when("the third training", |run| run.essence().1.len() >= 3);
    killed.finish();
    assert_eq!(killed.essence(), undisturbed.essence());
    // What has ended is only told again.
    let journal = killed.journal();
    let again = killed.finish();
    assert_eq!(killed.journal(), journal);
    assert!(again.contains("best mean: tiny-"), "{again}");

    let described = killed.shown("describe", &["--trials"]);
    for words in ["Best: trial", "Trained anew for 6 batches", "training 3: ", "confirms tiny-"] {
        assert!(described.contains(words), "{words}: {described}");
    }
    let document: Value = serde_json::from_str(&killed.shown("describe", &["--output", "json"])).unwrap();
    assert_eq!(document["trials"].as_array().unwrap().len(), 4);
    assert_eq!(document["confirmTrials"].as_array().unwrap().len(), 4);
    assert_eq!((&document["confirm"][0]["done"], &document["confirm"][0]["seeds"]), (&json!(2), &json!(2)));
    assert!(killed.shown("replay", &[]).contains(" 0 differences"));
    let (_, preview) = told(nasctl().arg("preview").arg(killed.path("tiny.yaml")));
    assert!(preview.contains("Then the best 2 anew with 2 seeds each, for 6 batches: 24 batches more."), "{preview}");
}
