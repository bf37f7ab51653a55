//! `nasctl describe`: a run's folder, in words.

use std::path::PathBuf;

use clap::Args;
use nas_api::SourceFile;
use nas_search::{Index, Outcome};
use serde_json::json;

use crate::{
    failure::Failure,
    run::{JOURNAL_FILE, State, judged_by},
    table,
    validate::unit,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of a run.
    dir: PathBuf,
    /// List every trial: how far it was trained, and why it went on.
    #[arg(long)]
    trials: bool,
    /// Print JSON: the experiment, its trials, the best and the end.
    #[arg(long, value_parser = ["json"])]
    output: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = arguments.dir.join(JOURNAL_FILE);
    let (state, _) = State::read(&path)?;
    let Some(experiment) = state.experiment.clone() else {
        return Err(Failure::Folder(format!(
            "{} holds no search: name a folder that `nasctl run` made",
            arguments.dir.display()
        )));
    };
    let plan = experiment.validate().map_err(|problems| Failure::Invalid { path, problems })?;
    let source = SourceFile { experiment, plan };
    let mut index = Index::new(source.plan.direction, &source.plan.rungs);
    for trial in state.trials.values() {
        index.apply(trial.to_record());
    }
    if arguments.output.is_some() {
        let best = index.incumbent().map(|best| json!({"trial": best.trial, "rung": best.rung, "value": best.value}));
        let trials: Vec<_> = state.trials.values().collect();
        let document = json!({"experiment": source.experiment, "trials": trials, "best": best, "end": state.end});
        println!("{}", serde_json::to_string_pretty(&document).unwrap_or_default());
        return Ok(());
    }
    let metric = &source.experiment.spec.objective.metric;
    print!("{}", table::result(&index, &source.plan, unit(&source), metric, judged_by(&source), state.end));
    if arguments.trials {
        println!();
        for trial in index.trials() {
            let results: Vec<String> = trial
                .recorded
                .iter()
                .map(|recorded| match recorded.outcome {
                    Outcome::Value(value) => format!("{value:.4}"),
                    other => other.name().to_owned(),
                })
                .collect();
            println!(
                "trial {}: {}{}",
                trial.number,
                results.join(" -> "),
                if trial.running().is_some() { " (running)" } else { "" }
            );
            let object = i64::try_from(trial.number).ok().and_then(|number| state.trials.get(&number));
            for grant in object.iter().flat_map(|object| &object.spec.grants) {
                println!("    rung {}: {}", grant.rung, grant.reason);
            }
        }
    }
    Ok(())
}
