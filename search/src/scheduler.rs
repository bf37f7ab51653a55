//! How training time is divided among trials: brackets, and who of a rung goes on.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use crate::{
    Decision, Index, Plan, Sampler, Settings, View,
    horizon::Horizon,
    pareto::{Point, dominates, order, point},
    reason::{Cutoff, Ranked, Retirement},
    sampler::{deep_trials, estimates},
};

/// PASHA compares the ranking of so many trials: the order of the others does not matter, and a decision has to be quick.
const RANKED: usize = 100;

/// Which trials go on from a rung, and when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Asynchronous successive halving (Li et al. 2020): the best `1 / eta` of each rung go on, as soon as a slot is free.
    Asha {
        /// When a trial's fate at a rung is sealed.
        kind: Halving,
        /// How many trials begin at which rung.
        brackets: Brackets,
    },
    /// Hyperband (Li et al. 2018): brackets of fixed sizes, one after the other; a rung's best `1 / eta` go on once all of its trials
    /// have ended.
    Hyperband,
    /// PASHA (Bohdal et al. 2023): ASHA whose top rung grows only while the ranking of the two top rungs is unstable.
    Progressive,
}

/// When a trial's fate at a rung is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halving {
    /// Never: a trial pauses, and goes on whenever it is among the best of those that have arrived by then.
    Promotion,
    /// On arrival: a trial goes on if it is among the best of those that arrived before it, and is stopped for good if not.
    Stopping,
}

/// How early trials are stopped. Brackets are compared each for itself; they share the slots and `maxTrials`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brackets {
    /// One bracket: all trials begin at the lowest rung.
    Aggressive,
    /// Brackets that begin at each rung of the lower half.
    Standard,
    /// Brackets that begin at each rung: one trains all of its trials in full.
    Conservative,
}

/// What brackets that begin at the same rung would do in an ideal search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The rung at which their trials are compared first.
    pub first_rung: usize,
    /// How many such brackets there are.
    pub brackets: u64,
    /// Trials that train to each rung, from rung 0.
    pub entries: Vec<u64>,
}

impl Plan {
    /// The rung at which trials of a bracket are compared first.
    pub fn first_rung(&self, bracket: usize) -> usize {
        match self.scheduler {
            Scheduler::Asha { .. } => bracket.min(self.rungs.top()),
            Scheduler::Hyperband => bracket % (self.rungs.top() + 1),
            Scheduler::Progressive => 0,
        }
    }

    /// How many of `maxTrials` each bracket gets.
    pub fn bracket_sizes(&self) -> Vec<u64> {
        if self.scheduler == Scheduler::Hyperband {
            let mut left = self.max_trials;
            let take = |bracket| {
                let size = self.hyperband_size(bracket).min(left);
                left -= size;
                (size > 0).then_some(size)
            };
            return (0..usize::MAX).map_while(take).collect();
        }
        let mut sizes = Vec::new();
        for _ in 0..self.max_trials {
            let bracket = self.next_bracket(|bracket| sizes.get(bracket).copied().unwrap_or_default());
            if bracket >= sizes.len() {
                sizes.resize(bracket + 1, 0);
            }
            sizes[bracket] += 1;
        }
        sizes
    }

    /// The bracket of the next trial, where `counted(bracket)` is how many of its trials count: of ASHA the one that is furthest behind
    /// its share, of Hyperband the first that is not full. `maxTrials` plays no part, since it may change.
    pub(crate) fn next_bracket(&self, counted: impl Fn(usize) -> u64) -> usize {
        match self.scheduler {
            Scheduler::Asha { .. } => {
                let filled = |bracket: usize, other: usize| {
                    // counted / share, multiplied by both shares' numerators and denominators.
                    let (rungs, other) = (self.rungs_of(bracket), self.rungs_of(other));
                    u128::from(counted(bracket)) * rungs as u128 * u128::from(self.rungs.needed(other))
                };
                let fewer = |best: usize, bracket| if filled(bracket, best) < filled(best, bracket) { bracket } else { best };
                (0..self.brackets()).reduce(fewer).unwrap_or_default()
            }
            Scheduler::Hyperband => {
                (0..usize::MAX).find(|bracket| counted(*bracket) < self.hyperband_size(*bracket)).unwrap_or_default()
            }
            Scheduler::Progressive => 0,
        }
    }

    /// What the brackets would do if exactly `1 / eta` of each rung went on; what asynchrony adds is a few percent. Brackets that begin at
    /// the same rung are taken together.
    pub fn ideal(&self) -> Vec<Course> {
        let mut courses: Vec<Course> = Vec::new();
        for (bracket, size) in self.bracket_sizes().into_iter().enumerate() {
            let first_rung = self.first_rung(bracket);
            let reach = |left: &mut u64, rung| {
                let on = if rung < first_rung { *left } else { self.quota(usize::try_from(*left).unwrap_or(usize::MAX)) as u64 };
                Some(std::mem::replace(left, on))
            };
            let entries: Vec<u64> = (0..=self.rungs.top()).scan(size, reach).collect();
            match courses.iter_mut().find(|course| course.first_rung == first_rung) {
                Some(course) => {
                    course.brackets += 1;
                    course.entries.iter_mut().zip(entries).for_each(|(sum, more)| *sum += more);
                }
                None => courses.push(Course { first_rung, brackets: 1, entries }),
            }
        }
        courses
    }

    /// How many of `entries` trials of a rung go on, all in all.
    fn quota(&self, entries: usize) -> usize {
        match self.scheduler {
            Scheduler::Asha { kind: Halving::Promotion, .. } | Scheduler::Progressive => self.rungs.quota(entries),
            // Somebody always does.
            Scheduler::Asha { kind: Halving::Stopping, .. } | Scheduler::Hyperband => {
                self.rungs.quota(entries).max(entries.min(1))
            }
        }
    }

    /// Number of rungs in which a bracket's trials are compared.
    fn rungs_of(&self, bracket: usize) -> usize {
        self.rungs.top() + 1 - self.first_rung(bracket)
    }

    /// Number of brackets between which trials are divided. Their shares are those of Determined's adaptive ASHA, in proportion to
    /// `eta^(rungs - 1) / rungs`; each gets a trial before any gets a second.
    fn brackets(&self) -> usize {
        let rungs = self.rungs.top() + 1;
        match self.scheduler {
            Scheduler::Asha { brackets: Brackets::Standard, .. } => rungs - (rungs - 1) / 2,
            Scheduler::Asha { brackets: Brackets::Conservative, .. } => rungs,
            _ => 1,
        }
    }

    /// Trials of a bracket of Hyperband: `ceil(all rungs / its rungs * eta^(its rungs - 1))`.
    fn hyperband_size(&self, bracket: usize) -> u64 {
        let rungs = self.rungs_of(bracket);
        let all = self.rungs.top() as u64 + 1;
        all.saturating_mul(self.rungs.needed(rungs)).div_ceil(rungs as u64)
    }

    /// A bracket of ASHA never has more trials than this.
    ///
    /// It got its last one, number c, when it was furthest behind: each other one then had at least (c - 1) times the ratio of their
    /// shares, all together c + (c - 1) * (sum of shares / its share - 1), which is at most `maxTrials`.
    fn most_trials(&self, bracket: usize) -> u64 {
        let share = |bracket| real(self.rungs.needed(self.rungs_of(bracket))) / real(self.rungs_of(bracket) as u64);
        let sum: f64 = (0..self.brackets()).map(share).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most maxTrials, and not negative")]
        let others = (real(self.max_trials.saturating_sub(1)) * (share(bracket) / sum)).ceil() as u64;
        self.max_trials.min(1 + others)
    }
}

/// The first `limit` promotions that may be made now: from the top rung downwards, in each bracket after bracket, the best first.
pub(crate) fn promotions(plan: &Plan, index: &Index, view: View, limit: usize) -> Vec<Decision> {
    let mut promotions = Vec::new();
    let estimates = Estimates::default();
    let horizon = Horizon::of(plan, index, view);
    for rung in (0..plan.rungs.top()).rev().filter(|rung| horizon.admits(plan, Some(*rung), rung + 1)) {
        for bracket in index.brackets() {
            let left = limit - promotions.len();
            let going_on = going_on(plan, index, (bracket, rung), horizon, &estimates).take(left);
            promotions.extend(going_on.map(|(trial, reason)| Decision::Promote { trial, rung: rung + 1, view, reason }));
        }
    }
    promotions
}

/// The trials of a rung that may go on now, best first.
fn going_on<'a>(
    plan: &'a Plan,
    index: &'a Index,
    (bracket, rung): (usize, usize),
    horizon: Horizon,
    estimates: &Estimates,
) -> Box<dyn Iterator<Item = (u64, Cutoff)> + 'a> {
    if is_stopping(plan) {
        return Box::new(arrivals(plan, index, bracket, rung).filter(|(_, standing)| standing.rank <= standing.quota));
    }
    let entries = index.entries(bracket, rung);
    let quota = match plan.scheduler {
        Scheduler::Hyperband if !is_complete(plan, index, bracket, rung) => 0,
        Scheduler::Progressive if rung >= top_rung(plan, index) => 0,
        Scheduler::Asha { .. } | Scheduler::Progressive if horizon.opens(rung) => entries,
        _ => plan.quota(entries),
    };
    let most = if horizon.opens(rung) { usize::MAX } else { patience(plan, index, bracket, rung) };
    if most == 0 || quota == 0 {
        return Box::new(std::iter::empty());
    }
    if let Some(estimates) = estimates.get_or_init(|| estimates_of(plan, index)) {
        let best = by_estimate(index, bracket, rung, quota, estimates).into_iter().take(quota);
        let waiting: HashSet<u64> = index.waiting(bracket, rung).map(|(_, number)| number).collect();
        return Box::new(best.filter(move |(number, _)| waiting.contains(number)).take(most));
    }
    let within = waiting(plan, index, bracket, rung).take_while(move |(rank, _)| *rank < quota);
    Box::new(within.take(most).map(move |(rank, trial)| (trial, cutoff(plan, index, (bracket, rung), (rank, trial), quota))))
}

/// Where a trial of this rank (from 0) stands, and where the line is: by value, or by all objectives.
fn cutoff(plan: &Plan, index: &Index, (bracket, rung): (usize, usize), (rank, trial): (usize, u64), quota: usize) -> Cutoff {
    let (entries, value) = (index.entries(bracket, rung), index.trial(trial).and_then(|trial| trial.value_at(rung)));
    let at = Cutoff { rung, rank: rank + 1, entries, quota, value, cutoff: None, by: Ranked::Front };
    if plan.additional.is_empty() {
        let cutoff = quota.checked_sub(1).and_then(|rank| index.value_of_rank(bracket, rung, rank));
        return Cutoff { cutoff, by: Ranked::Value, ..at };
    }
    at
}

/// The trials of a rung that may still go on, with their rank from 0, the best first: by value, or by all objectives.
fn waiting<'a>(plan: &Plan, index: &'a Index, bracket: usize, rung: usize) -> Box<dyn Iterator<Item = (usize, u64)> + 'a> {
    if plan.additional.is_empty() {
        return Box::new(index.waiting(bracket, rung));
    }
    let waiting: HashSet<u64> = index.waiting(bracket, rung).map(|(_, number)| number).collect();
    let ranked = by_front(plan, index, rung, index.standing_in(bracket, rung)).into_iter().enumerate();
    Box::new(ranked.filter(move |(_, number)| waiting.contains(number)))
}

/// Trials of a rung in the order in which they go on; whoever has no value there comes last.
fn by_front(plan: &Plan, index: &Index, rung: usize, trials: impl Iterator<Item = u64>) -> Vec<u64> {
    let with_point = |number: u64| (number, index.trial(number).and_then(|trial| point(plan, trial, rung)));
    let (valued, without): (Vec<_>, Vec<_>) = trials.map(with_point).partition(|(_, point)| point.is_some());
    let points: Vec<Point> = valued.iter().filter_map(|(_, point)| *point).collect();
    order(&points).into_iter().map(|at| valued[at].0).chain(without.into_iter().map(|(number, _)| number)).collect()
}

/// What a model holds of each trial, asked for at most once in a decision.
type Estimates = OnceCell<Option<HashMap<u64, f64>>>;

/// What the guided sampler's model holds of each trial. Only asynchronous promotion asks it.
fn estimates_of(plan: &Plan, index: &Index) -> Option<HashMap<u64, f64>> {
    match (&plan.sampler, plan.scheduler) {
        (Sampler::Guided(guided), Scheduler::Asha { .. } | Scheduler::Progressive) if plan.additional.is_empty() => {
            estimates(plan, guided, index)
        }
        _ => None,
    }
}

/// The trials of a rung, the best by a model's estimates first, each with where it stands.
fn by_estimate(index: &Index, bracket: usize, rung: usize, quota: usize, estimates: &HashMap<u64, f64>) -> Vec<(u64, Cutoff)> {
    let estimate = |number: u64| estimates.get(&number).copied().unwrap_or(f64::NEG_INFINITY);
    let mut ranked: Vec<(f64, u64)> = index.standing_in(bracket, rung).map(|number| (estimate(number), number)).collect();
    ranked.sort_by(|(one, first), (other, second)| other.total_cmp(one).then(first.cmp(second)));
    let entries = ranked.len();
    let standing = |(rank, (_, number)): (usize, (f64, u64))| {
        let value = index.trial(number).and_then(|trial| trial.value_at(rung));
        (number, Cutoff { rung, rank: rank + 1, entries, quota, value, cutoff: None, by: Ranked::Estimate })
    };
    ranked.into_iter().enumerate().map(standing).collect()
}

/// How many more trials of a rung may go on for now.
///
/// A sampler that learns makes nearly every newcomer one of the best: plain ASHA would promote all of them and hardly ever ask it again. So
/// while there are trials to create, a rung waits for a few entries, and only so many of them go on in all.
pub(crate) fn patience(plan: &Plan, index: &Index, bracket: usize, rung: usize) -> usize {
    if !plan.sampler.learns() || plan.counted(index, 0) >= plan.max_trials || plan.scheduler == Scheduler::Hyperband {
        return usize::MAX;
    }
    let entries = index.entries(bracket, rung);
    let Settings { fewest, quota, .. } = plan.sampler.settings();
    let deep = deep_trials(plan);
    if index.standing_in(bracket, rung).filter(|number| *number >= deep).take(fewest).count() < fewest {
        return 0;
    }
    plan.rungs.quota(entries * quota / 100).saturating_sub(index.promoted(bracket, rung))
}

/// Where a trial stands in a rung now, and where the line is; `None`: it does not stand there.
pub(crate) fn standing(plan: &Plan, index: &Index, trial: u64, rung: usize) -> Option<Cutoff> {
    let (bracket, mut rank) = index.rank_of(trial, rung)?;
    if !plan.additional.is_empty() {
        let ranked = by_front(plan, index, rung, index.standing_in(bracket, rung));
        rank = ranked.iter().position(|number| *number == trial)?;
    }
    let quota = plan.quota(index.entries(bracket, rung));
    Some(cutoff(plan, index, (bracket, rung), (rank, trial), quota))
}

/// Where a trial stands among those of its rung that may go on: by what they are ranked by now.
pub(crate) fn prospects(plan: &Plan, index: &Index, trial: u64, rung: usize) -> Option<Cutoff> {
    let (bracket, _) = index.rank_of(trial, rung)?;
    let Some(estimates) = estimates_of(plan, index) else { return standing(plan, index, trial, rung) };
    let ranked = by_estimate(index, bracket, rung, plan.quota(index.entries(bracket, rung)), &estimates);
    ranked.into_iter().find(|(number, _)| *number == trial).map(|(_, standing)| standing)
}

/// Trials that are stopped for good, since they were not among the best when they arrived.
pub(crate) fn stops(plan: &Plan, index: &Index, view: View) -> Vec<Decision> {
    if !is_stopping(plan) {
        return Vec::new();
    }
    let rungs = (0..plan.rungs.top()).flat_map(|rung| index.brackets().map(move |bracket| (bracket, rung)));
    let beaten = rungs.flat_map(|(bracket, rung)| arrivals(plan, index, bracket, rung)).filter(|(_, at)| at.rank > at.quota);
    beaten.map(|(trial, reason)| Decision::Stop { trial, view, reason }).collect()
}

/// Trials that can never be promoted any more: of ASHA those that at least floor(size / eta) others beat in their rung, since a rung
/// never holds more trials than its bracket; of Hyperband those that a complete rung left behind. Where a model ranks, the rule is the same,
/// by values: a trial that so many beat is given up whatever a model may hold of it later.
pub(crate) fn retirements(plan: &Plan, index: &Index, view: View) -> Vec<Decision> {
    if is_stopping(plan) {
        return Vec::new();
    }
    let retire = |(bracket, rung): (usize, usize)| {
        let (quota, beaten): (usize, Vec<(usize, u64)>) = match plan.scheduler {
            Scheduler::Hyperband if is_complete(plan, index, bracket, rung) => {
                let quota = plan.quota(index.entries(bracket, rung));
                (quota, waiting(plan, index, bracket, rung).filter(|(rank, _)| *rank >= quota).collect())
            }
            Scheduler::Hyperband => (usize::MAX, Vec::new()),
            _ => {
                let quota = plan.quota(usize::try_from(plan.most_trials(bracket)).unwrap_or(usize::MAX));
                (quota, beaten(plan, index, bracket, rung, quota))
            }
        };
        let retired = |(better, trial)| Decision::Retire { trial, view, reason: Retirement { rung, better, quota } };
        beaten.into_iter().map(retired).collect::<Vec<_>>()
    };
    let rungs = (0..plan.rungs.top()).flat_map(|rung| index.brackets().map(move |bracket| (bracket, rung)));
    rungs.flat_map(retire).collect()
}

/// The waiting trials of a rung that at least so many others beat, with how many do: by value, or in no objective worse.
fn beaten(plan: &Plan, index: &Index, bracket: usize, rung: usize, quota: usize) -> Vec<(usize, u64)> {
    if plan.additional.is_empty() {
        return index.waiting(bracket, rung).rev().take_while(|(rank, _)| *rank >= quota).collect();
    }
    let points_of = |number| index.trial(number).and_then(|trial| point(plan, trial, rung));
    let points: Vec<Point> = index.standing_in(bracket, rung).filter_map(points_of).collect();
    let dominators = |number: u64| {
        let own = points_of(number)?;
        let better = points.iter().filter(|other| dominates(other, &own)).count();
        (better >= quota).then_some((better, number))
    };
    // Who dominates a trial is no worse by the first objective: whoever ranks high enough there need not be compared.
    index.waiting(bracket, rung).filter(|(rank, _)| *rank >= quota).filter_map(|(_, number)| dominators(number)).collect()
}

fn is_stopping(plan: &Plan) -> bool {
    matches!(plan.scheduler, Scheduler::Asha { kind: Halving::Stopping, .. })
}

/// The trials of a rung whose fate is not recorded yet, with where they stood when they arrived. The first of a rung always goes on.
fn arrivals<'a>(plan: &'a Plan, index: &'a Index, bracket: usize, rung: usize) -> impl Iterator<Item = (u64, Cutoff)> + 'a {
    index.waiting(bracket, rung).map(move |(rank, trial)| {
        let (better, later) = index.arrived_after(bracket, rung, trial);
        let entries = index.entries(bracket, rung) - later;
        let quota = plan.quota(entries);
        let value = index.value_of_rank(bracket, rung, rank);
        let at = Cutoff { rung, rank: rank - better + 1, entries, quota, value, cutoff: None, by: Ranked::Value };
        if plan.additional.is_empty() {
            return (trial, at);
        }
        let own = index.arrival(trial, rung);
        let before = index.standing_in(bracket, rung).filter(|other| index.arrival(*other, rung) <= own);
        let rank = by_front(plan, index, rung, before).iter().position(|number| *number == trial);
        (trial, Cutoff { rank: rank.map_or(entries, |rank| rank + 1), by: Ranked::Front, ..at })
    })
}

/// Whether all trials of a bracket that will ever stand at a rung do: a trial that ended without a value keeps nobody waiting.
fn is_complete(plan: &Plan, index: &Index, bracket: usize, rung: usize) -> bool {
    let all_created = plan.counted(index, 0) >= plan.max_trials;
    let is_full = all_created || plan.counted_in(index, bracket) >= plan.hyperband_size(bracket);
    let is_left_behind = |lower: usize| {
        let quota = plan.quota(index.entries(bracket, lower));
        waiting(plan, index, bracket, lower).next().is_none_or(|(rank, _)| rank >= quota)
    };
    is_full && (0..=rung).all(|rung| index.running_towards(bracket, rung) == 0) && (0..rung).all(is_left_behind)
}

/// The highest rung of PASHA: one above the highest that was granted if the ranking of its two top rungs is unstable. It starts with two.
fn top_rung(plan: &Plan, index: &Index) -> usize {
    let granted = index.highest_target().max(1);
    let grows = granted < plan.rungs.top() && is_unstable(index, granted);
    granted + usize::from(grows)
}

/// Whether the best trials of a rung stand in another order at the rung below, by more than noise: PASHA's soft ranking. Trials whose
/// values below differ by at most epsilon are in either order.
fn is_unstable(index: &Index, rung: usize) -> bool {
    let curves = index.curves(rung, RANKED);
    let mut below: Vec<f64> = curves.iter().map(|curve| curve[rung - 1]).collect();
    let epsilon = noise(&curves);
    let as_ranked = below.clone();
    below.sort_by(|a, b| b.total_cmp(a));
    as_ranked.iter().zip(below).any(|(value, expected)| (value - expected).abs() > epsilon)
}

/// PASHA's epsilon: of the pairs that change places twice, which only noise does, nine in ten differ by at most this at the top rung.
/// Measured at the rungs (the paper: at every epoch), hence 0 until there are three.
fn noise(curves: &[Vec<f64>]) -> f64 {
    let changes = |a: &[f64], b: &[f64]| {
        let first_is_better: Vec<bool> = a.iter().zip(b).map(|(a, b)| a > b).collect();
        first_is_better.windows(2).filter(|pair| pair[0] != pair[1]).count()
    };
    let pairs = curves.iter().enumerate().flat_map(|(at, a)| curves[at + 1..].iter().map(move |b| (a, b)));
    let crossing = pairs.filter(|(a, b)| changes(a, b) >= 2);
    let mut distances: Vec<f64> = crossing.filter_map(|(a, b)| Some((a.last()? - b.last()?).abs())).collect();
    distances.sort_by(f64::total_cmp);
    let at = (distances.len() * 9).div_ceil(10);
    at.checked_sub(1).and_then(|at| distances.get(at)).copied().unwrap_or(0.0)
}

/// As a float; what is lost beyond 2^53 moves nobody's search.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
