//! The program `nasctl`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

mod best;
mod cluster;
mod completion;
mod conform;
mod convert;
mod describe;
mod explain;
mod export;
mod failure;
mod file;
mod get;
mod preview;
mod records;
mod replay;
mod report;
mod reproduce;
mod run;
mod simulate;
mod table;
mod top;
mod validate;

/// Searches neural architectures: the same experiment file runs here and, with nas-operator, on a Kubernetes cluster.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  nasctl validate configs/quickstart.yaml\n  nasctl preview configs/constrained-adaptive-experiment.yaml\n  \
    nasctl simulate configs/adaptive-experiment.yaml --curves nb301\n  \
    nasctl run configs/quickstart.yaml\n  nasctl get\n  nasctl describe runs/quickstart\n  nasctl describe constrained-adaptive --namespace research\n  \
    nasctl explain runs/quickstart 7\n  nasctl top runs/quickstart\n  nasctl best runs/quickstart\n  nasctl export runs/quickstart --output best\n  \
    nasctl report runs/quickstart\n  nasctl replay runs/quickstart\n  nasctl convert katib.yaml -o experiment.yaml\n  \
    nasctl conform --param learning_rate=0.01 -- python3 my-trainer.py\n\nExit codes: 0 done, 1 the search ended without \
    success, a replay found a difference, a trainer breaks the contract or a converted experiment is to be mended, 64 usage, 65 the file or the data is wrong, 69 the cluster does not answer, 75 temporary (full disk), 78 configuration, 130 stopped (the same command goes on)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a search on this machine; the same command goes on after a stop or crash.
    Run(run::Arguments),
    /// Check an experiment file: every problem with its field, line and way out.
    Validate(validate::Arguments),
    /// Say how many trials would reach which length, before anything is spent.
    Preview(preview::Arguments),
    /// Run a search on recorded learning curves under a virtual clock: days in seconds, nothing is trained.
    Simulate(simulate::Arguments),
    /// List searches: the runs in a folder, or the experiments of a cluster.
    Get(get::Arguments),
    /// Show where a search stands: of a run's folder, or on a cluster.
    Describe(describe::Arguments),
    /// Tell the story of one trial: what was decided about it, why, and where it stood.
    Explain(explain::Arguments),
    /// Watch a search while it runs: rungs, slots, the best so far, the budget, and how long it will take.
    Top(top::Arguments),
    /// Show the best trial: its cells, its value, and mean and deviation where it was confirmed.
    Best(best::Arguments),
    /// Take a trial away: cells, weights, a network in Python (torch) that loads them, and a file that trains it anew.
    Export(export::Arguments),
    /// Write a search as one page: best cells, learning curves, what wins, every decision; opens without a network.
    Report(report::Arguments),
    /// Recompute every decision of a search from what it had seen, and name what differs.
    Replay(replay::Arguments),
    /// Convert an experiment of Katib, Kubeflow, Determined, Ray Tune or Optuna; what cannot be carried over is listed.
    Convert(convert::Arguments),
    /// Judge whether a program of your own is a trainer by the contract.
    Conform(conform::Arguments),
    /// Write what a shell needs to complete commands and options of nasctl.
    Completion(completion::Arguments),
    /// Start a program that is told to stop when its starter dies (what `run` starts trainers with).
    #[command(hide = true)]
    Supervise(run::supervise::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Preview(arguments) => preview::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Describe(arguments) => describe::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Best(arguments) => best::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Conform(arguments) => conform::run(&arguments),
        Command::Completion(arguments) => completion::run(&arguments, &mut Arguments::command()),
        Command::Supervise(arguments) => Err(run::supervise::run(&arguments)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}
