//! Replay: recomputes what a recorded search decided, from what each decision had seen.
//!
//! *What* was decided is recomputed: configurations, who was promotable, in which order, who could never be promoted again. *When* it
//! was decided is taken as recorded: slots, budgets, the clock, edits by people. A decision whose view holds other outcomes than those
//! recorded up to its `decisionSeq` (a second leader's, or one that had seen a trial that was deleted since) cannot be recomputed: it is
//! named, and held only to what holds for every decision.

use std::{collections::BTreeMap, fmt};

use crate::{
    Decision, Index, Outcome, Plan, Recorded, Trial, View,
    decide::{counted, promotions, retirements},
    random::trial_seed,
    sample,
};

/// All that was recorded about one trial.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialHistory {
    /// The trial as it stands.
    pub trial: Trial,
    /// The seed that it trains with.
    pub seed: u64,
    /// The rungs that it was granted, and what was seen then.
    pub grants: Vec<(usize, View)>,
    /// What was seen when it was retired.
    pub retired: Option<View>,
}

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
    /// A trial's configuration or seed is not the one that the search's seed gives.
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
    let mut past = Past::new(plan, &trials);
    for ((seq, ..), group) in groups(&trials) {
        past.advance(seq);
        replay.group(plan, &mut past, &group);
    }
    if let Some((name, view)) = end {
        past.advance(view.seq);
        replay.end(plan, &past, name, view);
    }
    past.advance(u64::MAX);
    past.index.raise_created(created);
    let counted = counted(plan, &past.index, 0);
    if counted > plan.max_trials {
        replay.differences.push(Difference::TooMany { trials: counted });
    }
    replay
}

/// The decisions that were taken on one view.
struct Group {
    view: View,
    created: Vec<u64>,
    promoted: Vec<(u64, usize)>,
    retired: Vec<u64>,
}

/// Decisions by what they had seen, in the order of what they had seen.
fn groups(trials: &BTreeMap<u64, &TrialHistory>) -> BTreeMap<(u64, u64, u64), Group> {
    let mut groups = BTreeMap::new();
    for (number, history) in trials {
        for (rung, view) in &history.grants {
            let group = group_of(&mut groups, *view);
            if *rung == 0 {
                group.created.push(*number);
            } else {
                group.promoted.push((*number, *rung));
            }
        }
        if let Some(view) = history.retired {
            group_of(&mut groups, view).retired.push(*number);
        }
    }
    groups
}

fn group_of(groups: &mut BTreeMap<(u64, u64, u64), Group>, view: View) -> &mut Group {
    let new = || Group { view, created: Vec::new(), promoted: Vec::new(), retired: Vec::new() };
    groups.entry((view.seq, view.count, view.digest)).or_insert_with(new)
}

/// The records as they stood at some time.
struct Past {
    index: Index,
    /// What is still to come, the latest first.
    outcomes: Vec<(u64, u64, usize, Outcome)>,
}

impl Past {
    /// Before anything came out.
    fn new(plan: &Plan, trials: &BTreeMap<u64, &TrialHistory>) -> Self {
        let mut index = Index::new(plan.direction, &plan.rungs);
        let mut outcomes = Vec::new();
        for history in trials.values() {
            let trial = &history.trial;
            index.apply(Trial::new(trial.number, trial.assignment.clone()));
            outcomes.extend(trial.recorded.iter().map(|recorded| (recorded.seq, trial.number, recorded.rung, recorded.outcome)));
        }
        outcomes.sort_by_key(|(seq, number, rung, _)| std::cmp::Reverse((*seq, *number, *rung)));
        Self { index, outcomes }
    }

    /// Takes in what came out up to a `decisionSeq`.
    fn advance(&mut self, to: u64) {
        while let Some((seq, number, rung, outcome)) = self.outcomes.pop_if(|(seq, ..)| *seq <= to) {
            self.change(number, |trial| trial.recorded.push(Recorded { rung, outcome, seq }));
        }
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Trial)) {
        if let Some(trial) = self.index.trial(number) {
            let mut trial = trial.clone();
            change(&mut trial);
            self.index.apply(trial);
        }
    }

    fn take(&mut self, group: &Group) {
        for (number, rung) in &group.promoted {
            self.change(*number, |trial| trial.target_rung = trial.target_rung.max(*rung));
        }
        for number in &group.retired {
            self.change(*number, |trial| trial.retired = true);
        }
    }
}

impl Replay {
    /// Configurations and seeds. Each depends on the configurations of the trials before it, and on nothing else.
    fn samples(&mut self, plan: &Plan, trials: &BTreeMap<u64, &TrialHistory>) {
        let mut before = Index::new(plan.direction, &plan.rungs);
        for (number, history) in trials {
            let assignment = &history.trial.assignment;
            let drawn = sample(plan, *number, before.distinct_assignments(), |assignment| before.has_assignment(assignment));
            let same = drawn.is_ok_and(|drawn| drawn.assignment == *assignment) && history.seed == trial_seed(plan.seed, *number);
            // A trial that was deleted may have had the configuration that is drawn here.
            if !same && self.deleted.first().is_none_or(|deleted| deleted > number) {
                self.differences.push(Difference::Sample { trial: *number });
            }
            before.apply(Trial::new(*number, assignment.clone()));
        }
    }

    /// The decisions on one view. Afterwards, they are part of the past.
    fn group(&mut self, plan: &Plan, past: &mut Past, group: &Group) {
        let decisions = group.created.len() + group.promoted.len() + group.retired.len();
        if past.index.view() == group.view {
            self.recomputed += decisions;
            self.grants(plan, &past.index, group);
            self.retirements(plan, &past.index, group);
        } else {
            self.unmatched.extend(std::iter::repeat_n(group.view, decisions));
        }
        past.take(group);
    }

    /// The first of all possible promotions were made, and trials were created only where there were no more of them.
    fn grants(&mut self, plan: &Plan, index: &Index, group: &Group) {
        let promotable: Vec<_> = promotions(plan, index, group.view)
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

    fn retirements(&mut self, plan: &Plan, index: &Index, group: &Group) {
        let granted = group.promoted.iter().map(|(trial, _)| *trial).collect();
        let possible: Vec<_> = retirements(plan, index, &granted, group.view)
            .into_iter()
            .filter_map(|decision| if let Decision::Retire { trial, .. } = decision { Some(trial) } else { None })
            .collect();
        let wrong = group.retired.iter().filter(|trial| !possible.contains(trial));
        self.differences.extend(wrong.map(|trial| Difference::Retired { trial: *trial }));
    }

    fn end(&mut self, plan: &Plan, past: &Past, name: &str, view: View) {
        let index = &past.index;
        if index.view() != view {
            self.unmatched.push(view);
            return;
        }
        self.recomputed += 1;
        let idle = index.running() == 0 && promotions(plan, index, view).next().is_none();
        let all_created = counted(plan, index, 0) >= plan.max_trials;
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
    let TrialHistory { trial, grants, retired, .. } = history;
    let came_before = |rung: usize, view: &View| {
        let mut before = trial.recorded.iter().filter(|recorded| recorded.rung < rung);
        before.clone().count() == rung
            && before.all(|recorded| matches!(recorded.outcome, Outcome::Value(_)) && recorded.seq <= view.seq)
    };
    let rules = [
        (
            grants.iter().map(|(rung, _)| *rung).eq(0..=trial.target_rung),
            "each rung up to its target must have been granted once, in order",
        ),
        (
            trial.recorded.iter().map(|recorded| recorded.rung).eq(0..trial.recorded.len()),
            "outcomes must be there for each rung from 0, in order",
        ),
        (trial.recorded.is_sorted_by(|a, b| a.seq < b.seq), "the decisionSeq of its outcomes must grow"),
        (trial.recorded.len() <= trial.target_rung + 1, "it has an outcome of a rung that was not granted"),
        (grants.iter().all(|(rung, view)| came_before(*rung, view)), "it was granted a rung before the one below had a value"),
        (
            retired.is_none_or(|retired| grants.iter().all(|(_, view)| view.seq <= retired.seq)),
            "it was promoted after it was retired",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, what)| Difference::Records { trial: trial.number, what }).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample { trial } => {
                write!(f, "trial {trial}: its configuration or seed is not the one that the search's seed gives")
            }
            Self::Promotions { view, recorded, promotable } => write!(
                f,
                "after {} outcomes: promoted were {recorded:?}, but in order could be promoted {promotable:?}",
                view.count
            ),
            Self::Created { trial, instead_of } => {
                write!(f, "trial {trial}: it was created, though trial {instead_of} could be promoted")
            }
            Self::Retired { trial } => write!(f, "trial {trial}: it was retired, though it could still be promoted"),
            Self::Records { trial, what } => write!(f, "trial {trial}: {what}"),
            Self::Ended { recorded } => write!(f, "the search ended as {recorded}, which its records do not show"),
            Self::TooMany { trials } => write!(f, "{trials} trials count, more than maxTrials allows"),
        }
    }
}
