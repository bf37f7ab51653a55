//! `nasctl validate`.

use std::path::PathBuf;

use clap::Args;
use nas_search::{Plan, rejections};
use serde_json::json;

use crate::{failure::Failure, file, table::counted};

/// Draws that the share of allowed configurations is estimated from.
const DRAWS: u32 = 4000;

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
        println!("{}", serde_json::to_string_pretty(&document).unwrap_or_default());
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

pub(crate) fn unit(source: &nas_api::SourceFile) -> &'static str {
    unit_of(source.experiment.spec.resource.unit)
}

pub(crate) fn unit_of(unit: nas_api::objects::UnitSpec) -> &'static str {
    match unit {
        nas_api::objects::UnitSpec::Epochs => "epochs",
        nas_api::objects::UnitSpec::Batches => "batches",
    }
}

fn size(plan: &Plan) -> String {
    plan.space
        .cardinality()
        .map_or_else(|| ", more configurations than can be counted".to_owned(), |count| format!(", {count} configurations"))
}

/// What share of draws the constraints allow, and what each rule rejects.
pub(crate) fn shares(plan: &Plan) -> Vec<String> {
    if plan.constraints.is_empty() {
        return Vec::new();
    }
    // Validation has tried the rules; one that breaks only in rare cases rejects those.
    let Ok(rejected) = rejections(plan, DRAWS) else { return Vec::new() };
    let percent = |count: u32| 100.0 * f64::from(count) / f64::from(DRAWS);
    let allowed = DRAWS - rejected.iter().sum::<u32>();
    let mut lines = vec![format!("about {:.1} % of draws satisfy the constraints", percent(allowed))];
    lines.extend(
        rejected
            .iter()
            .enumerate()
            .map(|(rule, &count)| format!("{:5.1} % rejected: {}", percent(count), plan.constraints.message(rule))),
    );
    lines
}
