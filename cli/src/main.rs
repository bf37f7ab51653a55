//! The program `nasctl`.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[macro_use]
mod out;

mod best;
mod cluster;
mod completion;
mod conform;
mod convert;
mod describe;
mod doctor;
mod explain;
mod export;
mod failure;
mod file;
mod get;
mod logs;
mod plugin;
mod preview;
mod records;
mod replay;
mod report;
mod reproduce;
mod retry;
mod run;
mod screen;
mod seconds;
mod simulate;
mod steer;
mod table;
mod top;
mod trial;
mod ui;
mod validate;

/// Searches neural architectures: the same experiment file runs here and, with nas-operator, on a Kubernetes cluster.
#[derive(Parser)]
#[command(
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("NAS_COMMIT"), ")"),
    after_help = "Examples:\n  nasctl validate configs/quickstart.yaml\n  nasctl preview configs/constrained-adaptive-experiment.yaml\n  \
    nasctl simulate configs/adaptive-experiment.yaml --curves nb301\n  \
    nasctl doctor\n  nasctl run configs/quickstart.yaml\n  nasctl get\n  nasctl describe runs/quickstart\n  nasctl describe constrained-adaptive --namespace research\n  \
    nasctl explain runs/quickstart 7\n  nasctl top runs/quickstart\n  nasctl logs runs/quickstart 7 --follow\n  nasctl best runs/quickstart\n  nasctl export runs/quickstart --output best\n  \
    nasctl report runs/quickstart\n  nasctl ui runs/quickstart\n  nasctl replay runs/quickstart\n  nasctl convert katib.yaml -o experiment.yaml\n  \
    nasctl scale constrained-adaptive 32 --namespace research\n  nasctl conform --param learning_rate=0.01 -- python3 my-trainer.py\n\nExit codes: 0 done, 1 the search ended without \
    success, a replay found a difference, a doctor a problem, a trainer breaks the contract, or a converted experiment is to be mended, 64 usage, 65 the file or the data is wrong, 69 the cluster does not answer, 75 temporary (full disk), 78 configuration, 130 stopped (the same command goes on)."
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
    /// Say whether a search can run here, or on a cluster, and what to do where it can not.
    Doctor(doctor::Arguments),
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
    /// Show what the trainer of a trial says, attempt after attempt; also while it trains.
    Logs(logs::Arguments),
    /// Stop what trains after a checkpoint, and start nothing, until it is resumed.
    Suspend(steer::Suspend),
    /// Let a search go on that was suspended or has stalled.
    Resume(steer::Resume),
    /// Change how many trials train at the same time.
    Scale(steer::Scale),
    /// End a search early, for good, with the best that it has.
    Stop(steer::Stop),
    /// Give up a trial's process that does not come to its end; the next attempt goes on from its checkpoint.
    Retry(retry::Arguments),
    /// Show a search in the browser while it runs: the report, live, with filters, comparisons, and all about each trial.
    Ui(ui::Arguments),
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
    let mut command = plugin::named(Arguments::command());
    if let Some(code) = plugin::completed(&command) {
        return code;
    }
    let read = command.try_get_matches_from_mut(std::env::args_os()).and_then(|found| Arguments::from_arg_matches(&found));
    let arguments = match read {
        Ok(arguments) => arguments,
        Err(said) => {
            // Help and version are such an answer, too.
            let _ = said.print();
            return if said.use_stderr() { ExitCode::from(failure::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Preview(arguments) => preview::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Describe(arguments) => describe::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Best(arguments) => best::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Suspend(arguments) => steer::suspend(&arguments),
        Command::Resume(arguments) => steer::resume(&arguments),
        Command::Scale(arguments) => steer::scale(&arguments),
        Command::Stop(arguments) => steer::stop(&arguments),
        Command::Retry(arguments) => retry::run(&arguments),
        Command::Ui(arguments) => ui::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Conform(arguments) => conform::run(&arguments),
        Command::Completion(arguments) => completion::run(&arguments, &mut command),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn every_verb_has_examples_and_exit_codes() {
        let program = Arguments::command();
        for verb in program.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            for part in ["Examples:\n", "Exit codes: "] {
                assert!(help.contains(part), "nasctl {} --help has no {part:?}", verb.get_name());
            }
        }
    }
}
