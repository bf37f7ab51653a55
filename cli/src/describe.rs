//! `nasctl describe`: where a search stands, in words.

use std::{collections::BTreeMap, fmt::Write};

use clap::Args;
use nas_api::objects::{NasExperiment, NasTrial};
use nas_search::{FrontTrial, Outcome, best_estimate, front};
use serde_json::json;

use crate::{
    failure::Failure,
    out,
    records::{Records, Target},
    table::{self, judged_by, unit},
};

/// Points of a learning curve that are shown.
const POINTS: usize = 5;

#[derive(Args)]
#[command(after_help = "Examples:\n  nasctl describe runs/quickstart\n  nasctl describe runs/quickstart --trials\n  \
    nasctl describe constrained-adaptive --namespace research\n  nasctl describe nasexp/constrained-adaptive --output json\n\n\
    Exit codes: 0 shown, 64 there is no such search, 65 a journal is damaged, 69 the cluster does not answer.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// List every trial: how far it was trained, and why it went on.
    #[arg(long)]
    trials: bool,
    /// Print JSON: the experiment, its trials, the best and the end.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let records = Records::read(&arguments.target)?;
    let Records { source, trials, end, confirm, trainings, .. } = &records;
    let index = records.index();
    if arguments.output.is_some() {
        let best = index.incumbent().map(|best| json!({"trial": best.trial, "rung": best.rung, "value": best.value}));
        let estimate =
            best_estimate(&source.plan, &index).map(|best| json!({"trial": best.trial, "rung": best.rung, "value": best.value}));
        let of_front = |at: FrontTrial| {
            let names = source.plan.additional.iter().map(|objective| objective.metric.as_str());
            let additional: BTreeMap<&str, f64> = names.zip(at.additional.0).collect();
            json!({"trial": at.trial, "rung": at.rung, "value": at.value, "additional": additional})
        };
        let front: Vec<_> = front(&source.plan, &index, usize::MAX).into_iter().map(of_front).collect();
        let document = json!({
            "experiment": source.experiment, "trials": trials, "best": best, "bestEstimate": estimate, "front": front, "end": end,
            "confirm": confirm, "confirmTrials": trainings,
        });
        out::json(&document)?;
        return Ok(());
    }
    let metric = &source.experiment.spec.objective.metric;
    print!("{}", conditions(&source.experiment));
    print!("{}", table::result(&index, &source.plan, unit(source), metric, judged_by(source), end.as_ref()));
    if !confirm.is_empty() {
        print!("\n{}", table::confirmation(&source.experiment, confirm));
    }
    print!("{}", budget(&source.experiment));
    if arguments.trials {
        println!();
        for trial in trials.iter().chain(trainings) {
            print!("{}", of_trial(trial));
        }
    }
    Ok(())
}

/// What the operator says about an experiment that has not ended; nothing for a run on this machine.
fn conditions(experiment: &NasExperiment) -> String {
    let mut text = String::new();
    if experiment.metadata.uid.is_none() {
        return text;
    }
    let status = experiment.status.clone().unwrap_or_default();
    let has_finished = status.conditions.iter().any(|condition| condition.type_ == "Finished" && condition.status == "True");
    if status.end.is_some() && (has_finished || status.confirm.is_empty()) {
        return text;
    }
    for condition in status.conditions.iter().filter(|condition| !["Finished", "Succeeded"].contains(&condition.type_.as_str())) {
        let is = if condition.status == "True" { "" } else { "not " };
        let _ = writeln!(text, "{is}{}: {}: {}", condition.type_, condition.reason, condition.message);
    }
    if status.conditions.is_empty() {
        text.push_str("No operator has looked at this experiment yet: does one run? (kubectl get pods -A -l app.kubernetes.io/name=nas-operator)\n");
    }
    text
}

fn budget(experiment: &NasExperiment) -> String {
    let budget = experiment.status.as_ref().and_then(|status| status.budget.as_ref());
    budget.filter(|budget| budget.gpu_hours > 0.0).map_or_else(String::new, |budget| {
        let more = budget.confirm_gpu_hours.map(|hours| format!(" The confirmation took {hours} more.")).unwrap_or_default();
        format!("{} accelerator hours were spent, about {} saved.{more}\n", budget.gpu_hours, budget.gpu_hours_saved)
    })
}

/// The end of the learning curve that a running trial has reported, where it does so while it trains.
fn so_far(trial: &NasTrial) -> String {
    let reported = trial.status.as_ref().and_then(|status| status.reported.as_ref());
    let Some(reported) = reported.filter(|reported| reported.attempt == trial.spec.attempt) else { return String::new() };
    let points = &reported.curve[reported.curve.len().saturating_sub(POINTS)..];
    let points: Vec<String> = points.iter().map(|point| format!("{:.4} at {}", point.value, point.step)).collect();
    if points.is_empty() { String::new() } else { format!("    so far: {}\n", points.join(", ")) }
}

fn of_trial(trial: &NasTrial) -> String {
    let record = trial.to_record();
    let result = |outcome: Outcome| match outcome {
        Outcome::Value(value) => format!("{value:.4}"),
        other => other.name().to_owned(),
    };
    let results: Vec<String> = record.recorded.iter().map(|recorded| result(recorded.outcome)).collect();
    let running = if record.running().is_some() { " (running)" } else { "" };
    let kind = if trial.is_confirmation() { "training" } else { "trial" };
    let mut text = format!("{kind} {}: {}{running}\n", record.number, results.join(" -> "));
    for grant in &trial.spec.grants {
        let _ = writeln!(text, "    rung {}: {}", grant.rung, grant.reason);
    }
    for (ends, word) in [(&trial.spec.stopped, "stopped"), (&trial.spec.retired, "never promoted any more")] {
        if !ends.is_empty() {
            let _ = writeln!(text, "    {word}");
        }
    }
    if record.running().is_some() {
        text.push_str(&so_far(trial));
    }
    for segment in trial.segments().iter().filter(|segment| !segment.message.is_empty()) {
        let _ = writeln!(text, "    attempt {}: {}: {}", segment.attempt, segment.outcome.name(), segment.message);
    }
    text
}

#[cfg(test)]
mod tests {
    use nas_search::{NewTrial, View};

    use super::*;

    #[test]
    fn the_curve_of_a_running_attempt_is_shown_to_its_end() {
        let mut trial = NasTrial::create("small", &NewTrial::default(), View::default());
        assert!(!of_trial(&trial).contains("so far"));
        let curve: Vec<_> = (1..=7).map(|step| json!({"step": step, "value": f64::from(step) / 10.0})).collect();
        let reported = json!({"attempt": 0, "seq": 0, "step": 7, "results": [], "curve": curve});
        trial.status = serde_json::from_value(json!({"reported": reported})).unwrap();
        let shown = "    so far: 0.3000 at 3, 0.4000 at 4, 0.5000 at 5, 0.6000 at 6, 0.7000 at 7\n";
        assert!(of_trial(&trial).contains(shown), "{}", of_trial(&trial));
        trial.spec.attempt = 1;
        assert!(!of_trial(&trial).contains("so far"), "what an attempt reported that is void");
    }
}
