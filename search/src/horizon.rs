//! The end of a budget: what is left of it goes to trials that can still win.
//!
//! A segment that the end cuts off is lost, so none begins that could not end before. And a trial can only win where it reaches the rung at
//! which the leaders stand. Once even the last step to that rung is nearly out of reach, nothing else is granted: no new trials, no
//! promotions from low rungs. What time is left then goes to the best of the trials that can still get there, whatever their rung's quota.

use std::time::Duration;

use crate::{End, Index, Plan, Usage, View};

/// Nothing but steps to the goal is granted once so many times the last of them is left, so that most slots become free in time for it.
const RESERVE: (u64, u64) = (5, 4);

/// What can still be finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon {
    /// Steps that each slot can still train; `None`: a full training at least.
    left: Option<u64>,
    /// The highest rung that any trial was granted: who does not reach it cannot win.
    goal: usize,
    is_ending: bool,
}

impl Horizon {
    /// As a view saw it.
    pub(crate) fn of(plan: &Plan, index: &Index, view: View) -> Self {
        let goal = index.highest_target();
        let reserve = plan.rungs.increment(goal) * RESERVE.0 / RESERVE.1;
        Self { left: view.left, goal, is_ending: view.left.is_some_and(|left| left < reserve) }
    }

    /// Whether a trial that stands at a rung (`None`: a new one) may be granted `next`.
    pub(crate) fn admits(self, plan: &Plan, from: Option<usize>, next: usize) -> bool {
        let steps = plan.rungs.steps();
        let to = if self.is_ending { next.max(self.goal) } else { next };
        self.left.is_none_or(|left| steps[to] - from.map_or(0, |rung| steps[rung]) <= left)
    }

    /// Whether any trial of a rung may go on, the best first.
    pub(crate) fn opens(self, rung: usize) -> bool {
        self.is_ending && rung < self.goal
    }
}

/// Steps that each slot can still train before a budget is spent, at the mean speed of the segments that have ended; `None`: more than a
/// full training, or there is no budget, or nothing has ended yet.
pub(crate) fn steps_left(plan: &Plan, index: &Index, usage: &Usage) -> Option<u64> {
    let trained = index.steps_trained(&plan.rungs);
    let full = plan.rungs.steps()[plan.rungs.top()];
    if trained == 0 || usage.segments.is_zero() {
        return None;
    }
    let seconds = seconds_left(plan, usage)?;
    let step = usage.segments.as_secs_f64() / real(trained);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; what is beyond is more than a full training"
    )]
    let steps = (seconds / step) as u64;
    (steps < full).then_some(steps)
}

/// Seconds until a budget is spent, where all slots are busy.
fn seconds_left(plan: &Plan, usage: &Usage) -> Option<f64> {
    let (wall_clock, accelerator) = both_left(plan, usage);
    wall_clock.into_iter().chain(accelerator).reduce(f64::min)
}

/// The budget that ends the search first.
pub(crate) fn scarcer(plan: &Plan, usage: &Usage) -> End {
    match both_left(plan, usage) {
        (Some(wall_clock), Some(accelerator)) if wall_clock < accelerator => End::WallClockSpent,
        (Some(_), None) => End::WallClockSpent,
        _ => End::AcceleratorTimeSpent,
    }
}

/// Seconds until the wall clock's and the accelerators' budgets are spent.
fn both_left(plan: &Plan, usage: &Usage) -> (Option<f64>, Option<f64>) {
    let left = |limit: Duration, used| limit.saturating_sub(used).as_secs_f64();
    let slots = real(plan.parallel_trials as u64) * f64::from(plan.budget.accelerators.max(1));
    let wall_clock = plan.budget.wall_clock.map(|limit| left(limit, usage.wall_clock));
    (wall_clock, plan.budget.accelerator.map(|limit| left(limit, usage.accelerator) / slots))
}

/// As a float; what is lost beyond 2^53 moves nobody's search.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn real(number: u64) -> f64 {
    number as f64
}
