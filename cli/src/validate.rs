//! `nasctl validate`.

use std::path::PathBuf;

use clap::Args;
use nas_search::Plan;
use serde_json::json;

use crate::{
    failure::Failure,
    file, out,
    table::{counted, shares, unit},
};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl validate configs/quickstart.yaml\n  nasctl validate configs/quickstart.yaml --output json\n\n\
    Exit codes: 0 valid, 65 it is not: every problem is told with its field and line."
)]
pub(crate) struct Arguments {
    /// Experiment file.
    file: PathBuf,
    /// Print JSON: the experiment's name, its rungs, trials and number of parameters.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = file::read(&arguments.file)?;
    let plan = &source.plan;
    if arguments.output.is_some() {
        let document = json!({
            "name": source.experiment.metadata.name, "unit": unit(&source), "rungs": plan.rungs.steps(), "maxTrials": plan.max_trials,
            "parallelTrials": plan.parallel_trials, "parameters": plan.space.parameters().len(),
        });
        out::json(&document)?;
        return Ok(());
    }
    println!("{}: a valid experiment", arguments.file.display());
    println!(
        "  {}, {} at a time, rungs at {:?} {}",
        counted(plan.max_trials, "trial"),
        plan.parallel_trials,
        plan.rungs.steps(),
        unit(&source)
    );
    if let Some(confirm) = &source.experiment.spec.confirm {
        let (length, unit) = (source.experiment.confirm_length(), unit(&source));
        println!("  then the best {} anew with {} seeds each, for {length} {unit}", confirm.top_k, confirm.seeds);
    }
    println!("  {} parameters{}", plan.space.parameters().len(), size(plan));
    for line in shares(plan) {
        println!("  {line}");
    }
    if let Some(problem) = source.experiment.lacks_on_cluster() {
        println!("  for this machine alone: {problem}");
    }
    Ok(())
}

fn size(plan: &Plan) -> String {
    plan.space
        .cardinality()
        .map_or_else(|| ", more configurations than can be counted".to_owned(), |count| format!(", {count} configurations"))
}
