//! The decisions of a search, as a pure function of what is recorded.
//!
//! Whenever a slot is free, the best trial of the highest rung that may go on does ([`Scheduler`](crate::Scheduler) says who may); where
//! there is none, a new trial is drawn.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Assignment, Index, Plan, Sample, Usage, View,
    horizon::{Horizon, scarcer, steps_left},
    random::trial_seed,
    reason::{Cutoff, End, Retirement},
    sample,
    sampler::first_rung,
    scheduler::{promotions, retirements, stops},
};

/// Something to do, with its reason. Recording it is up to the caller; once recorded, it is never decided again.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Create a trial and grant it its first rung.
    Create {
        /// The trial.
        new: NewTrial,
        /// What was seen.
        view: View,
    },
    /// Grant a trial the next rung.
    Promote {
        /// The trial.
        trial: u64,
        /// The rung that is granted.
        rung: usize,
        /// What was seen.
        view: View,
        /// Why this one.
        reason: Cutoff,
    },
    /// Stop a trial at its rung, for good: its checkpoints may go.
    Stop {
        /// The trial.
        trial: u64,
        /// What was seen.
        view: View,
        /// Why.
        reason: Cutoff,
    },
    /// A trial can never be promoted again: its checkpoints may go.
    Retire {
        /// The trial.
        trial: u64,
        /// What was seen.
        view: View,
        /// Why.
        reason: Retirement,
    },
    /// End the experiment.
    Finish {
        /// What was seen.
        view: View,
        /// Why.
        reason: End,
    },
}

/// A trial that is to be created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewTrial {
    /// Its number.
    pub number: u64,
    /// The seed that it trains with.
    pub seed: u64,
    /// The bracket that it belongs to.
    pub bracket: usize,
    /// The rung that it is granted first.
    pub rung: usize,
    /// Its configuration and how it was found.
    pub sample: Sample,
}

impl Decision {
    /// The trial that goes on or ends; `None` where one is created, or all end.
    pub fn trial(&self) -> Option<u64> {
        match self {
            Self::Promote { trial, .. } | Self::Stop { trial, .. } | Self::Retire { trial, .. } => Some(*trial),
            Self::Create { .. } | Self::Finish { .. } => None,
        }
    }
}

/// Decides what to do now. Level-triggered: everything is in the index, and nothing that is recorded there is decided again.
///
/// The decisions stand in the order in which they have to be recorded. An empty list means: wait for an outcome.
pub fn decide(plan: &Plan, index: &Index, usage: &Usage) -> Vec<Decision> {
    let view = View { left: steps_left(plan, index, usage), max_trials: Some(plan.max_trials), ..index.view() };
    if let Some(reason) = end_by_limit(plan, index, usage) {
        return vec![Decision::Finish { view, reason }];
    }
    let mut decisions = if paused(plan, index, usage) { Vec::new() } else { grants(plan, index, usage, view) };
    let starts = decisions.len();
    decisions.extend(stops(plan, index, view));
    let granted: BTreeSet<u64> = decisions[..starts].iter().filter_map(Decision::trial).collect();
    let is_granted = |decision: &Decision| decision.trial().is_some_and(|trial| granted.contains(&trial));
    decisions.extend(retirements(plan, index, view).into_iter().filter(|decision| !is_granted(decision)));
    let idle = starts == 0 && index.running() == 0 && usage.held == 0;
    if idle && !paused(plan, index, usage) {
        decisions.push(Decision::Finish { view, reason: end_of_idle(plan, index, usage, view) });
    }
    decisions
}

/// Why nothing more is to be done where nothing runs.
fn end_of_idle(plan: &Plan, index: &Index, usage: &Usage, view: View) -> End {
    let ample = View { left: None, ..view };
    if view.left.is_some() && !grants(plan, index, usage, ample).is_empty() {
        return scarcer(plan, usage);
    }
    if plan.counted(index, 0) < plan.max_trials { End::SpaceExhausted } else { End::Completed }
}

/// Whether nothing new may start, though the search has not ended.
fn paused(plan: &Plan, index: &Index, usage: &Usage) -> bool {
    usage.suspended || plan.parallel_trials == 0 || index.is_stalled(usage.stall_cleared)
}

fn end_by_limit(plan: &Plan, index: &Index, usage: &Usage) -> Option<End> {
    let spent = |used, limit: Option<_>| limit.is_some_and(|limit| used >= limit);
    if let Some(trial) = plan.target.and_then(|target| index.reached(target)) {
        return Some(End::TargetReached { trial });
    }
    if plan.max_failed_trials.is_some_and(|max| index.failed() > max) {
        return Some(End::TooManyFailed { failed: index.failed() });
    }
    if index.infeasible() > plan.max_infeasible_trials {
        return Some(End::TooManyInfeasible { infeasible: index.infeasible() });
    }
    if spent(usage.wall_clock, plan.budget.wall_clock) {
        return Some(End::WallClockSpent);
    }
    spent(usage.accelerator, plan.budget.accelerator).then_some(End::AcceleratorTimeSpent)
}

/// One grant for each free slot: promotions from the top rung downwards, then new trials.
fn grants(plan: &Plan, index: &Index, usage: &Usage, view: View) -> Vec<Decision> {
    let free = plan.parallel_trials.saturating_sub(index.running() + usage.held).min(usage.at_most.unwrap_or(usize::MAX));
    let mut grants = promotions(plan, index, view, free);
    let mut drawn: Vec<Assignment> = Vec::new();
    let mut joined: BTreeMap<usize, u64> = BTreeMap::new();
    let horizon = Horizon::of(plan, index, view);
    while grants.len() < free && plan.counted(index, drawn.len() as u64) < plan.max_trials {
        let number = index.created() + drawn.len() as u64;
        let counted = |bracket| plan.counted_in(index, bracket) + joined.get(&bracket).copied().unwrap_or_default();
        let bracket = plan.next_bracket(counted);
        let rung = first_rung(plan, index, number, bracket);
        if !horizon.admits(plan, None, rung) {
            break;
        }
        let Ok(sample) = sample(plan, index, &drawn, number) else { break };
        *joined.entry(bracket).or_default() += 1;
        drawn.push(sample.assignment.clone());
        grants.push(Decision::Create {
            new: NewTrial { number, seed: trial_seed(plan.seed, number), bracket, rung, sample },
            view,
        });
    }
    grants
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Budget, Outcome, Recorded, Trial,
        testing::{index, plan, trial},
    };

    /// Whom to create, and how the search ends.
    fn decided(plan: &Plan, trials: Vec<Trial>, usage: Usage) -> (Vec<u64>, Option<End>) {
        let decisions = decide(plan, &index(plan, trials), &usage);
        let end = decisions.iter().find_map(|it| if let Decision::Finish { reason, .. } = it { Some(*reason) } else { None });
        let created =
            decisions.iter().filter_map(|it| if let Decision::Create { new, .. } = it { Some(new.number) } else { None });
        (created.collect(), end)
    }

    #[test]
    fn a_slot_that_is_still_held_is_not_free() {
        let created = |running, held| {
            let trials = (0..running).map(|number| trial(number, &[])).collect();
            decided(&Plan { parallel_trials: 4, ..plan(20) }, trials, Usage { held, ..Usage::default() }).0
        };
        assert_eq!(created(0, 0), [0, 1, 2, 3]);
        assert_eq!(created(0, 3), [0]);
        assert_eq!(created(1, 1), [1, 2]);
        assert_eq!(created(2, 2), [0; 0]);
        assert_eq!(created(2, 7), [0; 0]);
        let few = Usage { at_most: Some(3), ..Usage::default() };
        assert_eq!(decided(&Plan { parallel_trials: 4, ..plan(20) }, vec![], few).0, [0, 1, 2]);
    }

    #[test]
    fn a_search_has_not_ended_while_a_slot_is_held_or_it_is_paused() {
        let end = |usage| decided(&plan(1), vec![trial(0, &[0.5])], usage).1;
        assert_eq!(end(Usage::default()), Some(End::Completed));
        assert_eq!(end(Usage { held: 1, ..Usage::default() }), None);
        assert_eq!(end(Usage { suspended: true, ..Usage::default() }), None);
        assert_eq!(decided(&plan(1), vec![trial(0, &[])], Usage::default()).1, None);
    }

    #[test]
    fn at_its_limit_a_search_goes_on_and_beyond_it_ends() {
        let ended = |outcome| {
            let number = |number| Trial { recorded: vec![Recorded::new(0, outcome, number + 1)], ..trial(number, &[]) };
            (0..3).map(number).collect::<Vec<_>>()
        };
        let failed = |max| decided(&Plan { max_failed_trials: Some(max), ..plan(9) }, ended(Outcome::Failed), Usage::default()).1;
        assert_eq!([1, 2, 3].map(failed), [Some(End::TooManyFailed { failed: 3 }), Some(End::TooManyFailed { failed: 3 }), None]);
        let infeasible = |max_infeasible_trials| {
            decided(&Plan { max_infeasible_trials, ..plan(9) }, ended(Outcome::Infeasible), Usage::default()).1
        };
        let too_many = Some(End::TooManyInfeasible { infeasible: 3 });
        assert_eq!([1, 2, 3].map(infeasible), [too_many, too_many, None]);
    }

    #[test]
    fn a_search_that_is_idle_says_whether_it_was_the_budget_the_space_or_its_trials_that_ended_it() {
        // A step took a second; so many are left, where a full training takes 27.
        let end = |max_trials, left: Option<u64>, values: &[f64]| {
            let trained = 100;
            let budget = Budget { wall_clock: left.map(|left| Duration::from_secs(trained + left)), ..Budget::default() };
            let plan = Plan { budget, ..plan(max_trials) };
            let trial = trial(0, values);
            let segments = Duration::from_secs(index(&plan, [trial.clone()]).steps_trained(&plan.rungs));
            decided(&plan, vec![trial], Usage { wall_clock: Duration::from_secs(trained), segments, ..Usage::default() }).1
        };
        // One more could be created, but what is left is too short for a full training as the leader had it.
        assert_eq!(end(2, Some(20), &[0.5; 4]), Some(End::WallClockSpent));
        assert_eq!(end(2, Some(26), &[0.5; 4]), None);
        assert_eq!(end(2, None, &[0.5; 4]), None);
        assert_eq!(end(1, Some(20), &[0.5; 4]), Some(End::Completed));
        // A list whose points are used up.
        let listed = Plan { sampler: crate::Sampler::Listed(Vec::new()), ..plan(2) };
        assert_eq!(decided(&listed, vec![trial(0, &[0.5; 4])], Usage::default()).1, Some(End::SpaceExhausted));
    }
}
