//! `nasctl best`: the best trial of a search, and how sure that is.

use std::{collections::BTreeMap, fmt::Write};

use clap::{Args, ValueEnum};
use nas_api::{genotype, network, objects::ConfirmStatus};
use nas_darts::Genotype;
use nas_search::Assignment;
use serde::Serialize;

use crate::{
    failure::Failure,
    out,
    records::{Records, Target},
    table::{counted, judged_by, unit},
};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl best runs/quickstart\n  nasctl best constrained-adaptive --namespace research --output json\n  \
    nasctl export runs/quickstart --trial $(nasctl best runs/quickstart --output number) --output best\n\n\
    Exit codes: 0 shown, 64 there is no such search or no result yet, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// How it is written.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// For people, with the cells as graphs.
    Text,
    Json,
    Yaml,
    /// The trial's name alone.
    Name,
    /// The trial's number alone.
    Number,
}

/// The best trial.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Best {
    trial: u64,
    name: String,
    metric: String,
    value: f64,
    step: u64,
    unit: &'static str,
    judged_by: &'static str,
    assignment: Assignment,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flops: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    genotype: Option<Genotype>,
    /// What came out where it was trained anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<ConfirmStatus>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let records = Records::read(&arguments.target)?;
    let best = best(&records)?;
    match arguments.output {
        Form::Text => print!("{}", text(&best, &records)),
        Form::Json => out::json(&best)?,
        Form::Yaml => out::yaml(&best)?,
        Form::Name => println!("{}", best.name),
        Form::Number => println!("{}", best.trial),
    }
    Ok(())
}

fn best(records: &Records) -> Result<Best, Failure> {
    let trial = records.chosen(None)?;
    let (experiment, plan) = (&records.source.experiment, &records.source.plan);
    let incumbent = records.index().incumbent().ok_or_else(|| Failure::Usage("no trial has a result yet".to_owned()))?;
    let assignment = trial.assignment();
    let cost = network(assignment, &experiment.spec.trial.data).and_then(|network| network.cost().ok());
    let name = trial.metadata.name.clone().unwrap_or_default();
    Ok(Best {
        trial: incumbent.trial,
        metric: experiment.spec.objective.metric.clone(),
        value: incumbent.value,
        step: plan.rungs.steps()[incumbent.rung],
        unit: unit(&records.source),
        judged_by: judged_by(&records.source),
        params: cost.map(|cost| cost.params_without_auxiliary),
        flops: cost.map(|cost| cost.flops),
        genotype: genotype(assignment).ok(),
        confirmed: records.confirm.iter().find(|at| at.trial == name).cloned(),
        assignment: assignment.clone(),
        name,
    })
}

fn text(best: &Best, records: &Records) -> String {
    let Best { trial, metric, value, step, unit, judged_by, .. } = best;
    let mut text = format!("trial {trial}: {metric} {value:.4} on {judged_by}, after {step} {unit}\n");
    if let Some(ConfirmStatus { mean: Some(mean), standard_deviation, done, .. }) = &best.confirmed {
        let deviation = standard_deviation.map(|deviation| format!(" ± {deviation:.4}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "confirmed: {mean:.4}{deviation} on the test images, in {} (mean and standard deviation)",
            counted(u64::try_from(*done).unwrap_or_default(), "training")
        );
    }
    let top = records.source.plan.rungs.steps()[records.source.plan.rungs.top()];
    if *step < top {
        let _ = writeln!(text, "no trial was trained in full yet ({top} {unit})");
    }
    if let (Some(params), Some(flops)) = (best.params, best.flops) {
        let _ = writeln!(text, "{params} parameters, {flops} multiply-accumulates for one image");
    }
    let shown: BTreeMap<_, _> = best
        .assignment
        .iter()
        .filter(|(name, _)| best.genotype.is_none() || !nas_darts::choice_names().any(|choice| choice == &***name))
        .collect();
    for (name, value) in shown {
        let _ = writeln!(text, "  {name}: {value}");
    }
    if let Some(genotype) = &best.genotype {
        let _ = write!(text, "\n{}", genotype.to_graph());
    }
    text
}
