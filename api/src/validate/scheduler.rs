//! From `spec.scheduler` to the scheduler of a plan and its rungs.

use nas_search::{Brackets, Halving, Rungs, RungsError, Scheduler};

use crate::{
    Problem,
    objects::{Asha, AshaType, Bracket, Ladder, RungStatus, SchedulerSpec},
};

/// Rungs where an experiment names no number of them.
const DEFAULT_RUNGS: i64 = 4;

/// Who goes on from a rung.
pub(super) fn build(spec: &SchedulerSpec) -> Scheduler {
    match spec {
        SchedulerSpec::FullLength(_) => Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
        SchedulerSpec::Asha(asha) => Scheduler::Asha {
            kind: match asha.kind {
                AshaType::Promotion => Halving::Promotion,
                AshaType::Stopping => Halving::Stopping,
            },
            brackets: match asha.bracket {
                Bracket::Aggressive => Brackets::Aggressive,
                Bracket::Standard => Brackets::Standard,
                Bracket::Conservative => Brackets::Conservative,
            },
        },
        SchedulerSpec::Hyperband(_) => Scheduler::Hyperband,
        SchedulerSpec::Progressive(_) => Scheduler::Progressive,
    }
}

/// The rungs: those of a search that has `begun` stay as they are.
pub(super) fn rungs(scheduler: &SchedulerSpec, max: u64, max_trials: u64, begun: &[RungStatus]) -> Result<Rungs, Problem> {
    let (name, eta, max_rungs, rungs) = match scheduler {
        SchedulerSpec::FullLength(_) => return Ok(Rungs::full_length(max)),
        SchedulerSpec::Asha(Asha { eta, max_rungs, rungs, .. }) => ("asha", eta, max_rungs, rungs),
        SchedulerSpec::Hyperband(Ladder { eta, max_rungs, rungs }) => ("hyperband", eta, max_rungs, rungs),
        SchedulerSpec::Progressive(Ladder { eta, max_rungs, rungs }) => ("progressive", eta, max_rungs, rungs),
    };
    let path = |field: &str| format!("spec.scheduler.{name}{field}");
    let Some(eta) = u64::try_from(*eta).ok().filter(|eta| *eta >= 2) else {
        return Err(Problem::new(path(".eta"), format!("is {eta}, but must be at least 2")));
    };
    if !begun.is_empty() {
        let steps = begun.iter().map(|rung| u64::try_from(rung.step).unwrap_or_default()).collect();
        return Rungs::explicit(steps, eta, max, u64::MAX).map_err(|error| Problem::new("status.rungs", error.to_string()));
    }
    match (rungs, max_rungs) {
        (Some(_), Some(_)) => Err(Problem::new(path(""), "has rungs and maxRungs: give only one of them")),
        (Some(steps), None) => {
            let steps = steps.iter().map(|step| u64::try_from(*step).unwrap_or_default()).collect();
            let rungs = Rungs::explicit(steps, eta, max, max_trials);
            rungs.map_err(|error: RungsError| Problem::new(path(".rungs"), error.to_string()))
        }
        (None, count) => {
            let count = usize::try_from(count.unwrap_or(DEFAULT_RUNGS)).unwrap_or(1);
            Ok(Rungs::geometric(max, eta, count, max_trials))
        }
    }
}
