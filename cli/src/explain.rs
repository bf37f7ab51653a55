//! `nasctl explain`: the story of one trial.

use clap::Args;
use nas_api::objects::NasTrial;
use nas_search::{Event, explain};
use serde_json::{Value, json};

use crate::{failure::Failure, out, records::Records, trial::TrialTarget};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl explain runs/quickstart 7\n  nasctl explain constrained-adaptive-17 --namespace research\n  \
    nasctl explain runs/quickstart 7 --output json\n\n\
    Every reason is computed anew from the outcomes that the decision had seen. There is none for trainings of the confirmation.\n\n\
    Exit codes: 0 shown, 64 there is no such search or trial, 65 a journal is damaged, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: TrialTarget,
    /// Print JSON.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (target, named) = arguments.target.resolve()?;
    if named.confirms {
        let said =
            "nothing was decided about a training of a confirmation: it trains anew what the NasTrial's spec.confirms names";
        return Err(Failure::Usage(format!("{said}; explain that trial")));
    }
    let records = Records::read(&target)?;
    let Some(trial) = records.trials.iter().find(|trial| trial.spec.number == named.number) else {
        let count = records.trials.len();
        return Err(Failure::Usage(format!(
            "there is no {}: the search has {count} (nasctl describe --trials lists them)",
            named.words()
        )));
    };
    let number = trial.number();
    let histories: Vec<_> = records.trials.iter().map(NasTrial::to_history).collect();
    let events = explain(&records.source.plan, &histories, number);
    if arguments.output.is_some() {
        let events: Vec<Value> = events
            .iter()
            .map(|Event { view, what }| json!({"outcomesSeen": view.count, "decisionSeq": view.seq, "what": what.to_string()}))
            .collect();
        let document = json!({"trial": number, "assignment": trial.spec.assignment, "seed": trial.spec.seed, "events": events});
        out::json(&document)?;
        return Ok(());
    }
    let values: Vec<String> = trial.spec.assignment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    println!("trial {number}: {}\n", values.join(" "));
    println!("  after outcomes");
    for Event { view, what } in events {
        println!("  {:>14}  {what}", view.count);
    }
    Ok(())
}
