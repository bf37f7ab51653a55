//! `nasctl suspend`, `resume`, `scale` and `stop`: what a person may still change about a search that runs.

use clap::Args;

use crate::{
    failure::Failure,
    records::{Place, Target},
};

mod cluster;
mod folder;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl suspend constrained-adaptive --namespace research\n  nasctl suspend runs/quickstart\n\n\
    Trials that train write a checkpoint first and go on from it later, and that counts against none of them. On a cluster this sets spec.suspend; on \
    this machine the `nasctl run` that has the folder is told to stop, and the command waits until it has.\n\
    Exit codes: 0 suspended, 64 there is no such search or it has ended, 69 the cluster does not answer."
)]
pub(crate) struct Suspend {
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  nasctl resume constrained-adaptive --namespace research\n\n\
    This unsets spec.suspend. A search that is Stalled (three trials in a row were refused by their trainer) goes on as well, once what it names was mended. \
    A run on this machine goes on with the `nasctl run` that began it.\n\
    Exit codes: 0 it goes on, 64 there is no such search or it has ended, 69 the cluster or its operator does not answer.")]
pub(crate) struct Resume {
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl scale constrained-adaptive 32 --namespace research\n  nasctl scale constrained-adaptive 0     # pauses, as suspend does\n\n\
    This sets spec.parallelTrials. Where it is lowered, the newest trials stop after a checkpoint and go on once there is room; that counts against none of them.\n\
    Exit codes: 0 set, 64 there is no such search or it has ended, 69 the cluster does not answer."
)]
pub(crate) struct Scale {
    #[command(flatten)]
    target: Target,
    /// Trials that train at the same time from now on.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    parallel_trials: u32,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl stop constrained-adaptive --namespace research\n  nasctl stop constrained-adaptive --drain   # no new trials; those that began go as far as they can\n  \
    nasctl stop runs/quickstart\n\n\
    The end is final: nothing goes on from there, the best is fixed, and spec.confirm follows. `nasctl suspend` is what can be taken back.\n\
    A search ends by its budget: this sets spec.budget.wallClock to the time since it began. With --drain it sets spec.maxTrials to the trials that were created.\n\
    Exit codes: 0 it ends, 64 there is no such search or it has ended before, 69 the cluster does not answer."
)]
pub(crate) struct Stop {
    #[command(flatten)]
    target: Target,
    /// On a cluster: create no more trials, and let those that were created go as far as they can.
    #[arg(long)]
    drain: bool,
}

/// What is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Suspend,
    Resume,
    Scale(u32),
    Stop { drain: bool },
}

pub(crate) fn suspend(arguments: &Suspend) -> Result<(), Failure> {
    change(&arguments.target, Change::Suspend)
}

pub(crate) fn resume(arguments: &Resume) -> Result<(), Failure> {
    change(&arguments.target, Change::Resume)
}

pub(crate) fn scale(arguments: &Scale) -> Result<(), Failure> {
    change(&arguments.target, Change::Scale(arguments.parallel_trials))
}

pub(crate) fn stop(arguments: &Stop) -> Result<(), Failure> {
    change(&arguments.target, Change::Stop { drain: arguments.drain })
}

fn change(target: &Target, change: Change) -> Result<(), Failure> {
    let told = match target.place() {
        Place::Folder(folder) => folder::change(&folder, change)?,
        Place::Cluster(name) => cluster::change(&name, target, change)?,
    };
    println!("{told}");
    Ok(())
}
