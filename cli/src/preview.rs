//! `nasctl preview`: what a search would do, before anything is spent.

use std::path::PathBuf;

use clap::Args;
use nas_search::{Decision, Outcome, Plan, simulate};
use serde::Serialize;

use crate::{
    failure::Failure,
    file,
    validate::{shares, unit},
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Experiment file.
    file: PathBuf,
    /// Show the configurations of the first N trials: the same seed gives the same trials in `run`.
    #[arg(long, value_name = "N", default_value_t = 0)]
    trials: usize,
    /// Print JSON.
    #[arg(long, value_parser = ["json"])]
    output: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Preview {
    unit: &'static str,
    rungs: Vec<PreviewRung>,
    steps: u64,
    full_steps: u64,
    trials: Vec<nas_search::Assignment>,
}

#[derive(Serialize)]
struct PreviewRung {
    step: u64,
    trials: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = file::read(&arguments.file)?;
    let plan = &source.plan;
    let counts = plan.rungs.ideal_entries(plan.max_trials);
    let steps = plan.rungs.steps_of(&counts);
    let full_steps = plan.max_trials * plan.rungs.steps()[plan.rungs.top()];
    let rungs = plan.rungs.steps().iter().zip(&counts).map(|(&step, &trials)| PreviewRung { step, trials }).collect();
    let preview = Preview { unit: unit(&source), rungs, steps, full_steps, trials: first_trials(plan, arguments.trials) };
    if arguments.output.is_some() {
        println!("{}", serde_json::to_string_pretty(&preview).unwrap_or_default());
    } else {
        print(plan, &preview);
    }
    Ok(())
}

/// The first configurations, by the same decisions that a run takes.
fn first_trials(plan: &Plan, count: usize) -> Vec<nas_search::Assignment> {
    if count == 0 {
        return Vec::new();
    }
    let simulation = simulate(plan, |_, _| Outcome::Value(0.0));
    let created = simulation.decisions.into_iter().filter_map(|decision| match decision {
        Decision::Create { sample, .. } => Some(sample.assignment),
        _ => None,
    });
    created.take(count).collect()
}

fn print(plan: &Plan, preview: &Preview) {
    println!("{} trials, {} at a time\n", plan.max_trials, plan.parallel_trials);
    println!("  rung  {:>10}  trials that reach it", preview.unit);
    for (rung, PreviewRung { step, trials }) in preview.rungs.iter().enumerate() {
        println!("  {rung:>4}  {step:>10}  {trials:>20}");
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let factor = preview.full_steps as f64 / preview.steps.max(1) as f64;
    println!(
        "\n{} {} of training in all; training every trial in full would take {}: {factor:.1} times as much.",
        preview.steps, preview.unit, preview.full_steps
    );
    for line in shares(plan) {
        println!("{line}");
    }
    for (number, assignment) in preview.trials.iter().enumerate() {
        let values: Vec<String> = assignment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        println!("\ntrial {number}: {}", values.join(" "));
    }
}
