//! The end of a budget: what is left of it goes to trials that can still win.
//!
//! A segment that the end cuts off is lost, so none begins that could not end before. And a trial can only win where it reaches the rung at
//! which the leaders stand. Once even the last step to that rung is nearly out of reach, nothing else is granted: no new trials, no
//! promotions from low rungs. What time is left then goes to the best of the trials that can still get there, whatever their rung's quota.

use std::time::Duration;

use crate::{End, Index, Plan, Usage, View, rungs::real};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Budget,
        testing::{index, plan, trial},
    };

    /// Two slots and three trained steps, which took two seconds each; so much is spent of each budget.
    fn left(budget: Budget, spent: u64) -> Option<u64> {
        let plan = Plan { budget, ..plan(9) };
        let spent = Duration::from_secs(spent);
        let usage = Usage { wall_clock: spent, accelerator: spent, segments: Duration::from_secs(6), ..Usage::default() };
        steps_left(&plan, &index(&plan, [trial(0, &[0.5, 0.5])]), &usage)
    }

    fn budget(wall_clock: Option<u64>, accelerator: Option<u64>, accelerators: u32) -> Budget {
        let seconds = |limit: Option<u64>| limit.map(Duration::from_secs);
        Budget { wall_clock: seconds(wall_clock), accelerator: seconds(accelerator), accelerators }
    }

    #[test]
    fn what_is_left_is_counted_in_steps_of_each_slot() {
        assert_eq!(left(budget(Some(100), None, 0), 60), Some(20));
        assert_eq!(left(budget(Some(100), None, 4), 61), Some(19));
        assert_eq!(left(budget(Some(100), None, 0), 120), Some(0));
        // The slots share the time of the accelerators.
        assert_eq!([0, 1, 4].map(|accelerators| left(budget(None, Some(100), accelerators), 60)), [Some(10), Some(10), Some(2)]);
        // The scarcer of two.
        assert_eq!(left(budget(Some(80), Some(100), 0), 60), Some(10));
        assert_eq!(left(budget(Some(70), Some(100), 0), 60), Some(5));
    }

    #[test]
    fn enough_for_a_full_training_is_no_end() {
        assert_eq!(left(budget(Some(113), None, 0), 60), Some(26));
        assert_eq!(left(budget(Some(114), None, 0), 60), None);
        assert_eq!(left(budget(None, None, 0), 60), None);
    }

    #[test]
    fn before_anything_was_trained_nobody_knows_how_long_a_step_takes() {
        let plan = Plan { budget: budget(Some(100), None, 0), ..plan(9) };
        let usage = Usage { segments: Duration::from_secs(6), ..Usage::default() };
        assert_eq!(steps_left(&plan, &index(&plan, []), &usage), None);
        assert_eq!(steps_left(&plan, &index(&plan, [trial(0, &[0.5])]), &Usage::default()), None);
    }

    #[test]
    fn the_scarcer_budget_ends_the_search() {
        let scarcer =
            |wall_clock, accelerator| scarcer(&Plan { budget: budget(wall_clock, accelerator, 0), ..plan(9) }, &Usage::default());
        assert_eq!(scarcer(Some(10), None), End::WallClockSpent);
        assert_eq!(scarcer(None, Some(10)), End::AcceleratorTimeSpent);
        // Two slots share the accelerators' time.
        let of_both = [9, 10, 11].map(|wall_clock| scarcer(Some(wall_clock), Some(20)));
        assert_eq!(of_both, [End::WallClockSpent, End::AcceleratorTimeSpent, End::AcceleratorTimeSpent]);
    }

    /// What a view with so many steps left may still grant, where the leader stands at the top or trains towards it.
    fn horizon(left: Option<u64>) -> Horizon {
        let plan = plan(9);
        Horizon::of(&plan, &index(&plan, [trial(0, &[0.5; 4])]), View { left, ..View::default() })
    }

    #[test]
    fn the_end_begins_where_the_last_step_to_the_leaders_is_nearly_out_of_reach() {
        // From 9 steps to 27, and a quarter of it.
        assert_eq!([None, Some(22), Some(21)].map(|left| horizon(left).opens(2)), [false, false, true]);
        assert_eq!([0, 2, 3].map(|rung| horizon(Some(21)).opens(rung)), [true, true, false]);
    }

    #[test]
    fn only_what_can_still_end_is_granted_and_at_the_end_only_what_reaches_the_leaders() {
        let admits = |left, from, next| horizon(left).admits(&plan(9), from, next);
        let grants = [(None, 0), (None, 2), (None, 3), (Some(0), 1), (Some(1), 2), (Some(2), 3)];
        assert_eq!(grants.map(|(from, next)| admits(None, from, next)), [true; 6]);
        assert_eq!(grants.map(|(from, next)| admits(Some(22), from, next)), [true, true, false, true, true, true]);
        assert_eq!(grants.map(|(from, next)| admits(Some(18), from, next)), [false, false, false, false, false, true]);
        assert_eq!(grants.map(|(from, next)| admits(Some(17), from, next)), [false; 6]);
    }
}
