//! `nasctl logs`: what the trainer of a trial says, attempt after attempt.

use clap::Args;

use crate::{
    failure::Failure,
    records::Place,
    trial::{Named, TrialTarget},
};

mod cluster;
mod folder;
mod sections;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl logs runs/quickstart 7\n  nasctl logs runs/quickstart 7 --follow           # also the attempts to come\n  \
    nasctl logs runs/quickstart 7 --attempt 2\n  nasctl logs constrained-adaptive-17 --namespace research --follow\n  \
    nasctl logs constrained-adaptive-confirm-0 --namespace research --tail 20\n\n\
    A line that begins with `=== attempt` says where the process of another attempt begins, and to which rung it is to train. --follow ends \
    when the trial can not go on any more, or when its search has ended.\n\
    Exit codes: 0 shown, 64 there is no such trial or its logs are gone, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    trial: TrialTarget,
    #[command(flatten)]
    view: View,
}

/// What of the logs is shown.
#[derive(Args, Clone, Copy)]
struct View {
    /// Go on with what is said from now on, in this and in later attempts.
    #[arg(short, long)]
    follow: bool,
    /// Show this attempt alone.
    #[arg(short, long, value_name = "N")]
    attempt: Option<i64>,
    /// Show the attempt before the present one alone.
    #[arg(short, long, conflicts_with_all = ["attempt", "follow"])]
    previous: bool,
    /// Show no more than the last N lines (of each pod, on a cluster) of what was said before.
    #[arg(long, value_name = "N")]
    tail: Option<u32>,
}

impl View {
    /// The attempt that is meant, where one alone is, among those from the `first` to the trial's `present` one.
    fn wanted(self, first: i64, present: i64, trial: Named) -> Result<Option<i64>, Failure> {
        let wanted = if self.previous { Some(present - 1) } else { self.attempt };
        match wanted {
            Some(wanted) if wanted < first || wanted > present => {
                Err(Failure::Usage(format!("{} has no attempt {wanted}: it is in its attempt {present}", trial.words())))
            }
            wanted => Ok(wanted),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (target, trial) = arguments.trial.resolve()?;
    match target.place() {
        Place::Folder(folder) => folder::show(&folder, trial, arguments.view),
        Place::Cluster(experiment) => cluster::show(&experiment, &target, trial, arguments.view),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_was_never_there_is_refused() {
        let trial = Named { confirms: false, number: 7 };
        let wanted = |first, present, attempt: Option<i64>| {
            View { follow: false, attempt, previous: attempt.is_none(), tail: None }.wanted(first, present, trial).ok().flatten()
        };
        // The first one is 1 of a run, and 0 on a cluster.
        for (first, present, attempt, meant) in [
            (1, 1, Some(1), Some(1)),
            (1, 1, Some(0), None),
            (1, 1, None, None),
            (1, 2, None, Some(1)),
            (1, 2, Some(3), None),
            (0, 0, Some(0), Some(0)),
            (0, 0, None, None),
            (0, 1, None, Some(0)),
        ] {
            assert_eq!(wanted(first, present, attempt), meant, "{attempt:?} of {first} to {present}");
        }
    }
}
