//! The index answers what counting the records anew answers, in whatever order and however often it saw them.

use std::cmp::Ordering;

use proptest::{prelude::*, sample::Index as Pick};

use super::*;

const STEPS: [u64; 4] = [1, 3, 9, 27];
const TOP: usize = STEPS.len() - 1;

fn rungs() -> Rungs {
    Rungs::explicit(STEPS.to_vec(), 3, 27, 27).unwrap()
}

fn assignment(number: i64) -> Assignment {
    Assignment::from([("n".into(), number.into())])
}

const ENDS: [Outcome; 7] = [
    Outcome::Diverged,
    Outcome::Failed,
    Outcome::OutOfMemory,
    Outcome::Infeasible,
    Outcome::Misconfigured,
    Outcome::Misconfigured,
    Outcome::Cancelled,
];

fn outcomes() -> impl Strategy<Value = Outcome> {
    // Few values, so that some are equal.
    prop_oneof![3 => (0_u8..8).prop_map(|value| Outcome::Value(f64::from(value) - 3.0)), 1 => proptest::sample::select(&ENDS)]
}

/// A trial, as `Trial::new(0, ..)` numbers it, in one of three brackets. Other trials may have its configuration and its `decisionSeq`.
fn trial() -> impl Strategy<Value = Trial> {
    let place = (0_usize..3, 0_usize..=TOP, 0_usize..=TOP, any::<[bool; 2]>(), 0_i64..6);
    (place, proptest::collection::vec((outcomes(), 1_u64..4), 0..=STEPS.len()), 0_u64..12).prop_map(|(place, ends, before)| {
        let (bracket, first_rung, last, [stopped, retired], configuration) = place;
        let target_rung = first_rung.max(last);
        let mut trial = Trial {
            bracket,
            first_rung,
            target_rung,
            stopped: stopped && retired,
            retired: retired && !stopped,
            ..Trial::new(0, assignment(configuration))
        };
        let mut seq = before;
        for (outcome, later) in ends {
            if let Some(rung) = trial.running() {
                seq += later;
                trial.recorded.push(Recorded::new(rung, outcome, seq));
            }
        }
        trial
    })
}

/// The records of a search, and in which order what is applied: a trial as it stood after so many outcomes, or forgotten.
#[derive(Clone, Debug)]
struct Records {
    direction: Direction,
    trials: Vec<Trial>,
    changes: Vec<(Pick, usize, bool)>,
    order: Vec<Pick>,
    forgotten: Vec<Pick>,
}

fn records() -> impl Strategy<Value = Records> {
    let changes = proptest::collection::vec((any::<Pick>(), 0_usize..=STEPS.len(), any::<bool>()), 0..30);
    let trials = proptest::collection::vec(trial(), 1..30);
    let forgotten = proptest::collection::vec(any::<Pick>(), 0..4);
    let direction = prop_oneof![Just(Direction::Maximize), Just(Direction::Minimize)];
    (direction, trials, changes, proptest::collection::vec(any::<Pick>(), 30), forgotten).prop_map(
        |(direction, mut trials, changes, order, forgotten)| {
            for (number, trial) in (0..).zip(&mut trials) {
                trial.number = number;
            }
            Records { direction, trials, changes, order, forgotten }
        },
    )
}

impl Records {
    fn index(&self) -> (Index, Vec<Trial>) {
        let mut index = Index::new(self.direction, &rungs());
        for (which, outcomes, other) in &self.changes {
            let mut trial = which.get(&self.trials).clone();
            trial.recorded.truncate(*outcomes);
            trial.target_rung = trial.first_rung.max(trial.recorded.len().min(trial.target_rung));
            (trial.stopped, trial.retired) = (false, false);
            if *other {
                trial.assignment = assignment(7);
            }
            index.apply(trial);
        }
        let mut left = self.trials.clone();
        for at in &self.order {
            if !left.is_empty() {
                index.apply(left.swap_remove(at.index(left.len())));
            }
        }
        let mut trials = self.trials.clone();
        for forgotten in &self.forgotten {
            let forgotten = forgotten.get(&self.trials).number;
            index.forget(forgotten);
            trials.retain(|trial| trial.number != forgotten);
        }
        (index, trials)
    }
}

/// Where a trial stands and with what: `None` is worse than every value.
fn standings(trial: &Trial) -> Vec<(usize, Option<f64>)> {
    let stands = |recorded: &Recorded| match recorded.outcome {
        Outcome::Value(value) => (recorded.rung >= trial.first_rung).then_some((recorded.rung, Some(value))),
        Outcome::Diverged | Outcome::Failed | Outcome::OutOfMemory => Some((recorded.rung.max(trial.first_rung), None)),
        Outcome::Infeasible | Outcome::Misconfigured | Outcome::Cancelled => None,
    };
    let is_infeasible = ended_as(trial, Outcome::Infeasible);
    trial.recorded.iter().filter(|_| !is_infeasible).filter_map(stands).collect()
}

fn ended_as(trial: &Trial, outcome: Outcome) -> bool {
    trial.recorded.last().is_some_and(|last| last.outcome == outcome)
}

/// The trials at a rung, best first, of one bracket or of all.
fn ranked(records: &Records, trials: &[Trial], bracket: Option<usize>, rung: usize) -> Vec<(u64, Option<f64>)> {
    let of_bracket = trials.iter().filter(|trial| bracket.is_none_or(|bracket| bracket == trial.bracket));
    let at_rung =
        |trial: &Trial| standings(trial).into_iter().find(|(at, _)| *at == rung).map(|(_, value)| (trial.number, value));
    let mut found: Vec<_> = of_bracket.filter_map(at_rung).collect();
    found.sort_by(|one, other| better_first(records.direction, *one, *other));
    found
}

fn better_first(direction: Direction, one: (u64, Option<f64>), other: (u64, Option<f64>)) -> Ordering {
    let by_value = match (one.1, other.1) {
        (Some(one), Some(other)) if direction == Direction::Minimize => one.total_cmp(&other),
        (Some(one), Some(other)) => other.total_cmp(&one),
        (one, other) => other.is_some().cmp(&one.is_some()),
    };
    by_value.then(one.0.cmp(&other.0))
}

/// All outcomes in their order.
fn outcomes_of(trials: &[Trial]) -> Vec<(u64, u64, usize, Outcome)> {
    let of_trial = |trial: &Trial| {
        let number = trial.number;
        trial.recorded.clone().into_iter().map(move |recorded| (recorded.seq, number, recorded.rung, recorded.outcome))
    };
    let mut all: Vec<_> = trials.iter().flat_map(of_trial).collect();
    all.sort_by_key(|(seq, number, rung, _)| (*seq, *number, *rung));
    all
}

/// The rung in which an outcome of a trial counts, if it counts.
fn came_to(trial: &Trial, rung: usize, outcome: Outcome) -> usize {
    if matches!(outcome, Outcome::Value(_)) { rung } else { rung.max(trial.first_rung) }
}

fn count(trials: &[Trial], holds: impl Fn(&&Trial) -> bool) -> usize {
    trials.iter().filter(holds).count()
}

/// The best of some that are ranked, where it has a value.
fn best(ranked: &[(u64, Option<f64>)]) -> Option<(f64, u64)> {
    ranked.first().and_then(|(number, value)| Some(((*value)?, *number)))
}

proptest! {
    #[test]
    fn it_is_the_same_in_whatever_order_records_come(records in records()) {
        let (index, trials) = records.index();
        let mut anew = Index::new(records.direction, &rungs());
        for trial in &trials {
            anew.apply(trial.clone());
        }
        anew.raise_created(records.trials.len() as u64);
        prop_assert_eq!(&index, &anew);
        prop_assert_eq!(index.created(), records.trials.len() as u64);
        anew.raise_created(1);
        prop_assert_eq!(index.created(), anew.created());
        prop_assert!(index.trials().eq(&trials));
        prop_assert_eq!(index.trial(0), trials.iter().find(|trial| trial.number == 0));
    }

    #[test]
    fn what_it_counts_is_there(records in records()) {
        let (index, trials) = records.index();
        prop_assert_eq!(index.direction(), records.direction);
        prop_assert_eq!(index.running(), count(&trials, |trial| trial.running().is_some()));
        prop_assert_eq!(index.infeasible(), count(&trials, |trial| ended_as(trial, Outcome::Infeasible)) as u64);
        prop_assert_eq!(index.failed(), count(&trials, |trial| ended_as(trial, Outcome::Failed)) as u64);
        let used: Vec<bool> = (0..8).map(|n| trials.iter().any(|trial| trial.assignment == assignment(n))).collect();
        prop_assert_eq!((0..8).map(|n| index.has_assignment(&assignment(n))).collect::<Vec<_>>(), used.clone());
        prop_assert_eq!(index.distinct_assignments(), used.iter().filter(|used| **used).count());
        let brackets: Vec<usize> = (0..3).filter(|bracket| trials.iter().any(|trial| trial.bracket == *bracket)).collect();
        prop_assert!(index.brackets().eq(brackets));
        for bracket in 0..3 {
            let members: Vec<Trial> = trials.iter().filter(|trial| trial.bracket == bracket).cloned().collect();
            let infeasible = count(&members, |trial| ended_as(trial, Outcome::Infeasible));
            prop_assert_eq!(index.members(bracket), (members.len() as u64, infeasible as u64));
        }
    }

    #[test]
    fn outcomes_have_an_order_and_a_digest(records in records(), first in any::<Pick>(), cleared in 0_u64..24) {
        let (index, trials) = records.index();
        let all = outcomes_of(&trials);
        let last = all.last().map_or(0, |(seq, ..)| *seq);
        let count = all.len() as u64;
        prop_assert_eq!(index.view(), View { seq: last, count, digest: index.digest_of_first(all.len()), ..View::default() });
        prop_assert_eq!(index.outcomes(), all.len());
        let first = first.index(all.len() + 1);
        let next = all.get(first).map(|(seq, number, rung, _)| (*seq, *number, *rung));
        prop_assert_eq!(index.outcome_after(first), next);
        let mut before = Index::new(records.direction, &rungs());
        for trial in &trials {
            let mut trial = trial.clone();
            let number = trial.number;
            trial.recorded.retain(|recorded| next.is_none_or(|next| (recorded.seq, number, recorded.rung) < next));
            before.apply(trial);
        }
        prop_assert_eq!(index.digest_of_first(first), before.view().digest);
        prop_assert_eq!(before.view().digest == index.view().digest, first == all.len());
        let after = all.iter().filter(|(seq, ..)| *seq > cleared);
        let wrong = after.rev().take_while(|(.., outcome)| *outcome == Outcome::Misconfigured).count();
        prop_assert_eq!(index.is_stalled(cleared), wrong >= 3);
    }

    #[test]
    fn who_stands_where_is_counted_anew(records in records()) {
        let (index, trials) = records.index();
        let (mut rows, mut came_no_further, mut incumbent) = (Vec::new(), Vec::new(), None);
        for (rung, &step) in STEPS.iter().enumerate() {
            let standing = ranked(&records, &trials, None, rung);
            let best = best(&standing);
            incumbent = best.map(|(value, trial)| Incumbent { trial, rung, value }).or(incumbent);
            let went_on = |trial: &&Trial| {
                !ended_as(trial, Outcome::Infeasible) && (trial.first_rung..trial.target_rung).contains(&rung)
            };
            let runs = |trial: &&Trial| trial.running().is_some() && trial.target_rung == rung;
            let (running, promoted) = (count(&trials, runs), count(&trials, went_on));
            rows.push(RungSummary { step, running, entries: standing.len(), promoted, best });
            let values: Vec<(f64, u64)> = standing.iter().filter_map(|(number, value)| Some(((*value)?, *number))).collect();
            prop_assert!(index.ranking(rung).map(|(value, trial)| (value, trial.number)).eq(values.iter().copied()));
            let goes_on = |number: u64| (rung + 1..=TOP).any(|at| index.trial(number).unwrap().value_at(at).is_some());
            let rest = values.iter().filter(|(_, number)| !goes_on(*number));
            came_no_further.push(rest.map(|(value, number)| (rung, *value, *number)).collect::<Vec<_>>());
            let sign = if records.direction == Direction::Maximize { 1.0 } else { -1.0 };
            let curve = |number: u64| (0..=rung).map(|at| sign * index.trial(number).unwrap().value_at(at).unwrap()).collect();
            let curves: Vec<Vec<f64>> = values.iter().take(5).map(|(_, number)| curve(*number)).collect();
            prop_assert_eq!(index.curves(rung, 5), curves);
            for bracket in 0..3 {
                let members: Vec<Trial> = trials.iter().filter(|trial| trial.bracket == bracket).cloned().collect();
                prop_assert_eq!(index.promoted(bracket, rung), count(&members, went_on));
                prop_assert_eq!(index.running_towards(bracket, rung), count(&members, runs));
            }
        }
        prop_assert_eq!(index.summaries(&rungs()).collect::<Vec<_>>(), rows.clone());
        prop_assert_eq!(index.incumbent(), incumbent);
        let best = index.best().map(|(rung, value, trial)| (rung, value, trial.number));
        prop_assert!(best.eq(came_no_further.into_iter().rev().flatten()));
        prop_assert_eq!(index.steps_in_full(&rungs()), 27 * records.trials.len() as u64);
        let highest = rows.iter().rposition(|row| row.running + row.entries > 0).unwrap_or_default();
        prop_assert_eq!(index.highest_target(), highest);
        let values = trials.iter().flat_map(|trial| &trial.recorded).filter(|recorded| matches!(recorded.outcome, Outcome::Value(_)));
        prop_assert_eq!(index.steps_trained(&rungs()), values.map(|recorded| [1, 2, 6, 18][recorded.rung]).sum::<u64>());
        for target in [-3.0, 0.0, 4.0] {
            let reached = |value: f64| if records.direction == Direction::Maximize { value >= target } else { value <= target };
            prop_assert_eq!(index.reached(target), rows[TOP].best.filter(|best| reached(best.0)).map(|best| best.1));
        }
    }

    #[test]
    fn ranks_within_a_bracket_are_counted_anew(records in records()) {
        let (index, trials) = records.index();
        let outcomes = outcomes_of(&trials);
        for (bracket, rung) in (0..3).flat_map(|bracket| (0..=TOP).map(move |rung| (bracket, rung))) {
            let standing = ranked(&records, &trials, Some(bracket), rung);
            prop_assert_eq!(index.entries(bracket, rung), standing.len());
            prop_assert!(index.standing_in(bracket, rung).eq(standing.iter().map(|(number, _)| *number)));
            let mut waiting = Vec::new();
            for (rank, (number, value)) in standing.iter().enumerate() {
                let trial = index.trial(*number).unwrap();
                prop_assert_eq!(index.rank_of(*number, rung), Some((bracket, rank)));
                prop_assert_eq!(index.value_of_rank(bracket, rung, rank), *value);
                let arrived = outcomes.iter().find(|(_, other, at, outcome)| other == number && came_to(trial, *at, *outcome) == rung);
                prop_assert_eq!(index.arrival(*number, rung), arrived.map(|(seq, ..)| (*seq, *number)));
                let may_go_on = rung < TOP && trial.target_rung == rung && !trial.stopped && !trial.retired;
                if may_go_on && value.is_some() && trial.recorded.len() == rung + 1 {
                    waiting.push((rank, *number));
                }
                let own = trial.last().filter(|own| own.rung == rung);
                let Some(own) = own else { continue };
                let later = outcomes.iter().filter(|(seq, other, rung, _)| (*seq, *other, *rung) > (own.seq, *number, own.rung));
                let came = |other: u64, at: usize, outcome: &Outcome| {
                    let place = came_to(index.trial(other)?, at, *outcome);
                    standing.iter().position(|(number, _)| *number == other).filter(|_| place == rung)
                };
                let later: Vec<usize> = later.filter_map(|(_, other, at, outcome)| came(*other, *at, outcome)).collect();
                let better = later.iter().filter(|other| **other < rank).count();
                prop_assert_eq!(index.arrived_after(bracket, rung, *number), (better, later.len()));
            }
            prop_assert_eq!(index.waiting(bracket, rung).collect::<Vec<_>>(), waiting);
        }
        let absent = trials.iter().find(|trial| standings(trial).is_empty());
        prop_assert!(absent.is_none_or(|trial| (0..=TOP).all(|rung| index.rank_of(trial.number, rung).is_none())));
    }
}

#[test]
fn only_what_came_after_the_clearing_stalls() {
    let mut index = Index::new(Direction::Maximize, &rungs());
    for number in 0..3 {
        let recorded = vec![Recorded::new(0, Outcome::Misconfigured, 5 + number)];
        index.apply(Trial { recorded, ..Trial::new(number, assignment(0)) });
    }
    assert_eq!([0, 4, 5, 7].map(|cleared| index.is_stalled(cleared)), [true, true, false, false]);
}
