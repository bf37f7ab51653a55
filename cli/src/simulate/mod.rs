//! `nasctl simulate`: a whole search on recorded learning curves under a virtual clock.

use std::{io::IsTerminal, path::PathBuf};

use clap::Args;
use nas_search::Sampler;
use nas_simulation::{Conditions, simulate};

use crate::{failure::Failure, file, out, seconds::seconds};

mod curves;
mod fitted;
mod records;
mod report;
mod text;

pub(crate) use curves::CurvesError;
use curves::Source;
use fitted::Fitted;

const EXAMPLES: &str = "Examples:
  nasctl simulate configs/adaptive-experiment.yaml --curves nb301
  nasctl simulate configs/adaptive-experiment.yaml --curves nb301 --repeat 20 --workers 32
  nasctl simulate configs/adaptive-experiment.yaml --curves nb301 --startup 45s --failures 0.02
  nasctl simulate configs/adaptive-experiment.yaml --curves nb301 --report adaptive.html
  nasctl simulate my-experiment.yaml --curves my-curves.jsonl --output json

Exit codes: 0 done, 65 the file or the curves are wrong.";

/// In lines that a terminal of 80 columns does not break.
const CURVES: &str = "Curves:
  nb301      the surrogate of NAS-Bench-301: each architecture of space.darts,
             98 epochs on CIFAR-10. It knows only nodes with two different
             inputs: where both edges of a node read the same input, the
             second counts as reading the next one (0 after the last).
  nb101      30,001 architectures of NAS-Bench-101: for an experiment with the
             parameter {name: architecture, int: {min: 0, max: 30000}}
  X.nbt.zst  a table in the form of those in simulation/data
  else       a file with one trial a line (here broken for width), whose values
             are what the experiment's objective would show:
             {\"assignment\": {\"learning_rate\": 0.1}, \"seconds_per_step\": 2.5,
              \"curve\": [{\"step\": 10, \"value\": 0.4}, {\"step\": 90, \"value\": 0.7}]}

All but nb301 know only their rows: trials are the rows that fit the experiment,
in an order that the seed gives, instead of what its sampler would draw.

resource.max is taken as the full length of the curves, and a rung as the same
share of it. Between two lengths of nb301 or a table the lower one counts (below
the first, the first); between two points of a file, the straight line.

Accuracies are in percent in nb301, nb101 and tables, and are converted to
fractions of 1, which is what experiments show.";

#[derive(Args)]
#[command(
after_help = EXAMPLES, after_long_help = format!("{CURVES}\n\n{EXAMPLES}"))]
pub(crate) struct Arguments {
    /// Experiment file.
    file: PathBuf,
    /// Learning curves: nb301, nb101, a table (.nbt.zst), or a file with one trial a line (--help shows it).
    #[arg(long, value_name = "CURVES")]
    curves: String,
    /// Trials that train at the same time. Default: parallelTrials.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    workers: Option<u32>,
    /// Hours that a mean full training (of resource.max epochs or batches) takes on your accelerators: all times are scaled to it. Default: as
    /// on the curves.
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    full_hours: Option<f64>,
    /// Time from a grant until training starts, such as 45s or 2m: for each attempt of each rung.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = seconds)]
    startup: f64,
    /// Probability that an attempt fails on its way; after five the trial has failed.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    failures: f64,
    /// Seed of the search, its failures and its noise. Default: that of the experiment.
    #[arg(long)]
    seed: Option<u64>,
    /// Simulate N searches with consecutive seeds; shows means and standard errors.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Write the search (the first of several) as a page, too: that of `nasctl report`, with the note that nothing was trained.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print JSON.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut source = file::read(&arguments.file)?;
    let curves = Source::open(&arguments.curves)?;
    let mut fitted = Fitted::new(curves, &source).map_err(|error| error.of(&arguments.curves))?;
    if let Some(hours) = arguments.full_hours {
        fitted.take(hours);
    }
    let accelerators = source.experiment.accelerators_of_a_slot();
    let plan = &mut source.plan;
    if let Some(workers) = arguments.workers {
        plan.parallel_trials = workers as usize;
    }
    // The clock counts one accelerator for each slot.
    plan.budget.accelerators = 1;
    plan.budget.accelerator = plan.budget.accelerator.map(|limit| limit / accelerators);
    if let Some(rows) = fitted.rows() {
        plan.max_trials = plan.max_trials.min(rows);
    }
    let first = arguments.seed.unwrap_or(plan.seed);
    let mut reports = Vec::new();
    let mut sample = None;
    for seed in (0..u64::from(arguments.repeat)).map(|more| first.wrapping_add(more)) {
        let plan = &mut source.plan;
        plan.seed = seed;
        fitted.reseed(seed);
        if let Some(listed) = fitted.listed(seed) {
            plan.sampler = Sampler::Listed(listed);
        }
        let conditions = Conditions {
            startup_seconds: arguments.startup,
            failure_probability: arguments.failures,
            seed,
            ..Conditions::default()
        };
        if arguments.repeat > 1 && std::io::stderr().is_terminal() {
            eprint!("\rsearch {} of {} ...\x1b[K", reports.len() + 1, arguments.repeat);
        }
        let run = simulate(plan, &fitted, &conditions).map_err(CurvesError::from)?;
        reports.push(report::of_run(seed, &run, plan, &fitted, accelerators).map_err(CurvesError::from)?);
        sample.get_or_insert(run);
    }
    if arguments.repeat > 1 && std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    let report = report::Report::new(&source, &fitted, arguments, reports);
    if arguments.output.is_some() {
        out::json(&report)?;
    } else {
        print!("{}", text::heading(&report));
        match sample.as_ref().filter(|_| arguments.repeat == 1) {
            Some(run) => print!("{}", text::one(&report, run, &source)),
            None => print!("{}", text::many(&report)),
        }
    }
    if let (Some(path), Some(run)) = (&arguments.report, &sample) {
        source.plan.seed = first;
        source.experiment.spec.seed = i64::try_from(first).unwrap_or(i64::MAX);
        let words = text::simulated(&report);
        // Beside the output, which may be data.
        eprintln!("{}", crate::report::write(&records::records(source, run, accelerators, words), path)?);
    }
    Ok(())
}

fn hours(text: &str) -> Result<f64, String> {
    let hours: Option<f64> = text.parse().ok().filter(|hours: &f64| hours.is_finite() && *hours > 0.0);
    hours.ok_or_else(|| "must be a number of hours above 0".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "must be a share of 1: at least 0 and below 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_less_than_all() {
        assert!(share("0.02") == Ok(0.02) && share("1").is_err() && share("2 %").is_err() && share("-0.1").is_err());
    }
}
