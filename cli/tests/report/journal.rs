//! Searches that were never trained: decided as any search, with results out of a formula, and written as `nasctl run` writes.

use std::{fmt::Write, fs, path::Path};

use nas_api::{
    RungEnd, genotype,
    objects::{EndStatus, NasTrial, NasTrialStatus, RunSegment},
    read_experiment,
};
use nas_darts::Op;
use nas_search::{Decision, Outcome, Trial, simulate};
use serde_json::json;

/// What a trainer or a person could write to break a page.
pub(crate) const HOSTILE: &str =
    "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">&amp;'`${1}";

/// An experiment with so many trials; the words of people in it are hostile, where YAML and Kubernetes take them.
pub(crate) fn experiment(trials: usize) -> String {
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    format!(
        "apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {{name: made}}
spec:
  objective: {{metric: {metric}}}
  space:
    darts: {{}}
    parameters:
      - {{name: init_channels, constant: 16}}
      - {{name: layers, constant: 8}}
      - {{name: note, constant: {hostile}}}
      - {{name: learning_rate, double: {{min: 0.001, max: 1.0, scale: Log}}}}
      - {{name: augmentation, categorical: {{values: [{hostile}, plain]}}}}
  constraints: [{{rule: arch.params > 0, message: {hostile}}}]
  sampler: {{random: {{}}}}
  scheduler: {{asha: {{eta: 4, maxRungs: 5}}}}
  resource: {{unit: epochs, max: 256}}
  maxTrials: {trials}
  parallelTrials: 16
  seed: 7
  trial: {{data: {{name: cifar10}}, accelerator: {{}}}}
",
        metric = serde_json::to_string("acc<b>uracy").unwrap()
    )
}

/// A formula: separable convolutions pay, skips cost, the learning rate has a best value, longer training brings more.
fn outcome(trial: &Trial, rung: usize) -> Outcome {
    let noise = |salt: u64| {
        let word = (trial.number * 8 + rung as u64 + salt * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (word >> 40) as f64 / f64::from(1 << 24)
    };
    if noise(1) < 0.01 {
        return Outcome::Failed;
    }
    let rate = trial.assignment["learning_rate"].as_f64().unwrap();
    if rate > 0.8 && noise(2) < 0.5 {
        return Outcome::Diverged;
    }
    let cells = genotype(&trial.assignment).unwrap();
    let uses = |op| (cells.normal.count(op) + cells.reduce.count(op)) as f64;
    let worth = 0.012 * uses(Op::SepConv3x3) + 0.006 * uses(Op::SepConv5x5)
        - 0.008 * uses(Op::SkipConnect)
        - 0.05 * (rate / 0.06).ln().powi(2) / 4.0;
    Outcome::Value(0.97 - 0.45 / (1.0 + rung as f64).powf(1.3) + worth / 3.0 + 0.03 * (noise(3) - 0.5) - 0.05)
}

/// Writes the run's folder; returns its trials.
pub(crate) fn write(folder: &Path, trials: usize) -> Vec<NasTrial> {
    let source = read_experiment(&experiment(trials)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let simulation = simulate(&source.plan, outcome);
    let mut objects: Vec<NasTrial> = Vec::new();
    let mut end = None;
    for decision in &simulation.decisions {
        match decision {
            Decision::Create { new, view } => objects.push(NasTrial::create("made", new, *view)),
            Decision::Finish { reason, view } => end = Some(EndStatus::new(*reason, *view)),
            other => objects[other.trial().unwrap() as usize].take(other),
        }
    }
    let steps = source.plan.rungs.steps();
    let mut lines = String::new();
    let mut line = |value: serde_json::Value| writeln!(lines, "{value}").unwrap();
    let mut experiment = source.experiment.clone();
    experiment.status = None;
    line(json!({"experiment": experiment}));
    line(json!({"began": 1_700_000_000}));
    for (object, trial) in objects.iter_mut().zip(simulation.index.trials()) {
        let status = object.status.insert(NasTrialStatus::default());
        for recorded in &trial.recorded {
            status.record(&[RungEnd::new(recorded.rung, recorded.outcome)], recorded.seq - 1);
            let fails = !matches!(recorded.outcome, Outcome::Value(_));
            status.note(RunSegment {
                rung: recorded.rung as i64,
                attempt: recorded.rung as i64 + 1,
                outcome: recorded.outcome.into(),
                message: if fails { HOSTILE.to_owned() } else { String::new() },
                accelerator_seconds: 30.0 * steps[recorded.rung] as f64,
                ..RunSegment::default()
            });
        }
    }
    let last = |trial: &&NasTrial| trial.status.as_ref().and_then(|status| status.rungs.last()).map_or(0, |at| at.decision_seq);
    let mut by_time: Vec<&NasTrial> = objects.iter().collect();
    by_time.sort_by_key(last);
    for trial in by_time {
        line(json!({"trial": trial, "at": last(&trial) as f64 * 7.5}));
    }
    line(json!({"end": end.unwrap()}));
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("journal.jsonl"), lines).unwrap();
    objects
}
