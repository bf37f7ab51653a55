//! Replay: recomputes what a recorded search decided, from what each decision had seen.
//!
//! *What* was decided is recomputed: configurations, who was promotable, in which order, who could never be promoted again. *When* it
//! was decided is taken as recorded: slots, budgets, the clock, edits by people (`maxTrials` was what its view says). A decision whose view holds other outcomes than those
//! recorded up to its `decisionSeq` (a second leader's, or one that had seen a trial that was deleted since) cannot be recomputed: it is
//! named, and held only to what holds for every decision.

use std::{collections::BTreeMap, fmt};

use crate::{
    Decision, Index, Outcome, Plan, Sample, TrialHistory, View,
    history::{Group, Past, PastPlan, born, groups},
    random::trial_seed,
    sample,
    sampler::first_rung,
    scheduler::{promotions, retirements, stops},
};

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Decisions that were recomputed.
    pub recomputed: usize,
    /// Decisions on views that cannot be rebuilt.
    pub unmatched: Vec<View>,
    /// Numbers of trials that somebody deleted.
    pub deleted: Vec<u64>,
    /// Where the records differ from what is decided on them.
    pub differences: Vec<Difference>,
}

/// Something that was recorded and would not have been decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// A trial's configuration or seed is not the one that the search's seed and its records give.
    Sample {
        /// The trial.
        trial: u64,
    },
    /// On one view, other trials were promoted than the first of those that could be.
    Promotions {
        /// The view.
        view: View,
        /// Who was promoted on it.
        recorded: Vec<u64>,
        /// Who could be, first to last.
        promotable: Vec<u64>,
    },
    /// A trial was created though another waited for its promotion.
    Created {
        /// The trial that was created.
        trial: u64,
        /// The first that could be promoted instead.
        instead_of: u64,
    },
    /// A trial was put into another bracket, or was granted another rung first, than those whose turn it was.
    Bracket {
        /// The trial.
        trial: u64,
    },
    /// A trial was stopped that was among the best when it arrived.
    Stopped {
        /// The trial.
        trial: u64,
    },
    /// A trial was retired that could still be promoted.
    Retired {
        /// The trial.
        trial: u64,
    },
    /// A trial's records contradict each other.
    Records {
        /// The trial.
        trial: u64,
        /// How.
        what: &'static str,
    },
    /// The search did not end for the reason that is recorded.
    Ended {
        /// Name of the recorded reason.
        recorded: String,
    },
    /// More trials count than `maxTrials` allows.
    TooMany {
        /// How many.
        trials: u64,
    },
}

/// Recomputes the decisions of a search. `created` is how many trials were ever created; `end` the recorded end: its reason's name, and
/// what was seen.
pub fn replay(plan: &Plan, created: u64, trials: &[TrialHistory], end: Option<(&str, View)>) -> Replay {
    let trials: BTreeMap<u64, &TrialHistory> = trials.iter().map(|history| (history.trial.number, history)).collect();
    let created = trials.last_key_value().map_or(created, |(last, _)| created.max(last + 1));
    let mut replay =
        Replay { deleted: (0..created).filter(|number| !trials.contains_key(number)).collect(), ..Replay::default() };
    replay.samples(plan, &trials);
    for history in trials.values() {
        replay.differences.extend(contradictions(history));
    }
    let (mut past, mut then) = (Past::new(plan, &trials), PastPlan::new(plan));
    for group in groups(&trials) {
        past.advance(group.view.seq);
        replay.group(then.at(group.view), &mut past, &group);
    }
    if let Some((name, view)) = end {
        past.advance(view.seq);
        replay.end(then.at(view), &past, name, view);
    }
    past.advance(u64::MAX);
    past.index.raise_created(created);
    let counted = plan.counted(&past.index, 0);
    if counted > plan.max_trials {
        replay.differences.push(Difference::TooMany { trials: counted });
    }
    replay
}

impl Replay {
    /// Seeds, and configurations that depend on those of the trials before them and on nothing else.
    fn samples(&mut self, plan: &Plan, trials: &BTreeMap<u64, &TrialHistory>) {
        let mut before = Index::new(plan.direction, &plan.rungs);
        for (number, history) in trials {
            let is_drawn = |drawn: Sample| drawn.assignment == history.trial.assignment;
            let same = plan.sampler.learns() || sample(plan, &before, &[], *number).is_ok_and(is_drawn);
            // A trial that was deleted may have had the configuration that is drawn here.
            let same = same || self.deleted.first().is_some_and(|deleted| deleted < number);
            if !same || history.seed != trial_seed(plan.seed, *number) {
                self.differences.push(Difference::Sample { trial: *number });
            }
            before.apply(born(&history.trial));
        }
    }

    /// What a sampler that learns proposed on one view.
    fn proposals(&mut self, plan: &Plan, past: &Past<'_>, group: &Group) {
        let mut drawn = Vec::new();
        for number in group.created.iter().filter(|_| plan.sampler.learns()) {
            let Some(history) = past.trials.get(number) else { continue };
            let proposed = sample(plan, &past.index, &drawn, *number);
            if proposed.is_ok_and(|proposed| proposed.assignment != history.trial.assignment)
                && self.deleted.first().is_none_or(|deleted| deleted > number)
            {
                self.differences.push(Difference::Sample { trial: *number });
            }
            drawn.push(history.trial.assignment.clone());
        }
    }

    /// The decisions on one view. Afterwards, they are part of the past.
    fn group(&mut self, plan: &Plan, past: &mut Past<'_>, group: &Group) {
        let decisions = group.created.len() + group.promoted.len() + group.stopped.len() + group.retired.len();
        if past.index.view().shows_the_same(&group.view) {
            self.recomputed += decisions;
            self.grants(plan, &past.index, group);
            self.brackets(plan, past, group);
            self.proposals(plan, past, group);
            self.ends(plan, &past.index, group);
        } else {
            self.unmatched.extend(std::iter::repeat_n(group.view, decisions));
        }
        past.take(group);
    }

    /// The first of all possible promotions were made, and trials were created only where there were no more of them.
    fn grants(&mut self, plan: &Plan, index: &Index, group: &Group) {
        let promotable: Vec<_> = promotions(plan, index, group.view, usize::MAX)
            .into_iter()
            .filter_map(|decision| match decision {
                Decision::Promote { trial, rung, .. } => Some((trial, rung)),
                _ => None,
            })
            .collect();
        let first = promotable.get(..group.promoted.len());
        if first.is_none_or(|first| !first.iter().all(|promotion| group.promoted.contains(promotion))) {
            let numbers = |promotions: &[(u64, usize)]| promotions.iter().map(|(trial, _)| *trial).collect();
            self.differences.push(Difference::Promotions {
                view: group.view,
                recorded: numbers(&group.promoted),
                promotable: numbers(&promotable),
            });
        } else if let (Some(trial), Some((instead_of, _))) = (group.created.first(), promotable.get(group.promoted.len())) {
            self.differences.push(Difference::Created { trial: *trial, instead_of: *instead_of });
        }
    }

    /// New trials are in the bracket whose turn it was. After a trial that was deleted, nobody knows whose it was.
    fn brackets(&mut self, plan: &Plan, past: &Past<'_>, group: &Group) {
        for &number in group.created.iter().filter(|number| self.deleted.first().is_none_or(|deleted| deleted > number)) {
            let Some(trial) = past.trials.get(&number).map(|history| &history.trial) else { continue };
            let before =
                |bracket| past.members.get(&bracket).map_or(0, |numbers| numbers.partition_point(|other| *other < number));
            let infeasible = |bracket| if plan.replaces_infeasible() { past.index.members(bracket).1 } else { 0 };
            let bracket = plan.next_bracket(|bracket| (before(bracket) as u64).saturating_sub(infeasible(bracket)));
            let rung = first_rung(plan, &past.index, number, bracket);
            if (trial.bracket, trial.first_rung) != (bracket, rung) {
                self.differences.push(Difference::Bracket { trial: number });
            }
        }
    }

    /// Trials that were stopped or retired had nothing to hope for.
    fn ends(&mut self, plan: &Plan, index: &Index, group: &Group) {
        let stopped: Vec<_> = stops(plan, index, group.view).iter().filter_map(Decision::trial).collect();
        let wrong = group.stopped.iter().filter(|trial| !stopped.contains(trial));
        self.differences.extend(wrong.map(|trial| Difference::Stopped { trial: *trial }));
        let retired: Vec<_> = retirements(plan, index, group.view).iter().filter_map(Decision::trial).collect();
        let is_granted = |trial: &u64| group.promoted.iter().any(|(promoted, _)| promoted == trial);
        let wrong = group.retired.iter().filter(|trial| !retired.contains(trial) || is_granted(trial));
        self.differences.extend(wrong.map(|trial| Difference::Retired { trial: *trial }));
    }

    fn end(&mut self, plan: &Plan, past: &Past<'_>, name: &str, view: View) {
        let index = &past.index;
        if !index.view().shows_the_same(&view) {
            self.unmatched.push(view);
            return;
        }
        self.recomputed += 1;
        let idle = index.running() == 0 && promotions(plan, index, view, 1).is_empty();
        let all_created = plan.counted(index, 0) >= plan.max_trials;
        let holds = match name {
            "Completed" => idle && all_created,
            "SpaceExhausted" => idle && !all_created,
            "TargetReached" => plan.target.is_some_and(|target| index.reached(target).is_some()),
            "TooManyFailed" => plan.max_failed_trials.is_some_and(|max| index.failed() > max),
            "TooManyInfeasible" => index.infeasible() > plan.max_infeasible_trials,
            // Clocks are taken as recorded.
            _ => true,
        };
        if !holds {
            self.differences.push(Difference::Ended { recorded: name.to_owned() });
        }
    }
}

/// What holds for the records of every trial, whatever was seen.
fn contradictions(history: &TrialHistory) -> Vec<Difference> {
    let TrialHistory { trial, grants, stopped, retired, .. } = history;
    let came_before = |rung: usize, view: &View| {
        let mut before = trial.recorded.iter().filter(|recorded| recorded.rung < rung);
        before.clone().count() == rung
            && before.all(|recorded| matches!(recorded.outcome, Outcome::Value(_)) && recorded.seq <= view.seq)
    };
    let rules = [
        (
            grants.iter().map(|(rung, _)| *rung).eq(trial.first_rung..=trial.target_rung),
            "each rung from its first to its target must have been granted once, in order",
        ),
        (
            trial.recorded.iter().map(|recorded| recorded.rung).eq(0..trial.recorded.len()),
            "outcomes must be there for each rung from 0, in order",
        ),
        (trial.recorded.is_sorted_by(|a, b| a.seq < b.seq), "the decisionSeq of its outcomes must grow"),
        (trial.recorded.len() <= trial.target_rung + 1, "it has an outcome of a rung that was not granted"),
        (
            grants.iter().skip(1).all(|(rung, view)| came_before(*rung, view)),
            "it was granted a rung before the one below had a value",
        ),
        (
            stopped.iter().chain(retired).all(|end| grants.iter().all(|(_, view)| view.seq <= end.seq)),
            "it was promoted after it was stopped or retired",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, what)| Difference::Records { trial: trial.number, what }).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample { trial } => {
                write!(f, "trial {trial}: its configuration or seed is not the one that the search gives")
            }
            Self::Promotions { view, recorded, promotable } => write!(
                f,
                "after {} outcomes: promoted were {recorded:?}, but in order could be promoted {promotable:?}",
                view.count
            ),
            Self::Created { trial, instead_of } => {
                write!(f, "trial {trial}: it was created, though trial {instead_of} could be promoted")
            }
            Self::Bracket { trial } => write!(f, "trial {trial}: another bracket's turn it was"),
            Self::Stopped { trial } => write!(f, "trial {trial}: it was stopped, though it was among the best when it arrived"),
            Self::Retired { trial } => write!(f, "trial {trial}: it was retired, though it could still be promoted"),
            Self::Records { trial, what } => write!(f, "trial {trial}: {what}"),
            Self::Ended { recorded } => write!(f, "the search ended as {recorded}, which its records do not show"),
            Self::TooMany { trials } => write!(f, "{trials} trials count, more than maxTrials allows"),
        }
    }
}
