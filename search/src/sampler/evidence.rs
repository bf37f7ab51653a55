//! What a sampler learns from: each trial's point and what came out of it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    axes::{Axes, Point},
    guided::{Features, Fitted},
    standardization::Standardization,
    weights::Weights,
};
use crate::{Assignment, Direction, Evidence, Index, Outcome, Plan, Recorded, Trial};

/// So few values are not standardised.
const ENOUGH: usize = 4;

/// What a sampler has computed before and would compute again: points of configurations, and the last fit. It never changes what is
/// proposed, only how fast, and belongs to one plan.
#[derive(Default)]
pub struct Memory(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// Earlier trials first, then those of this search, by number.
    points: Vec<Option<(Assignment, Arc<Point>)>>,
    features: Vec<Option<(Arc<Point>, Arc<Features>)>>,
    /// The newest first.
    fitted: Vec<Arc<Fitted>>,
}

/// A trial as a sampler sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Its number; `None`: it is one of an earlier search.
    pub(crate) number: Option<u64>,
    /// Its place among all trials, those of earlier searches first.
    pub(crate) place: usize,
    /// Where it lies.
    pub(crate) point: Arc<Point>,
    /// The rung at which it is compared first.
    pub(crate) first_rung: usize,
    /// What came out of each rung from 0: more is better, minus infinity where there is no value.
    pub(crate) values: Vec<f64>,
}

impl Seen {
    /// Higher rungs first, then better values.
    pub(crate) fn standing(&self) -> (usize, f64) {
        (self.values.len(), self.values.last().copied().unwrap_or(f64::NEG_INFINITY))
    }
}

/// All trials of which something is known, those of earlier searches first, then by number: of the first `outcomes` outcomes in their order.
/// Several objectives are one by `weights`.
pub(crate) fn evidence(
    plan: &Plan,
    memory: &Memory,
    axes: &Axes<'_>,
    index: &Index,
    outcomes: usize,
    weights: Option<Weights>,
) -> Vec<Seen> {
    let earlier = if plan.additional.is_empty() { plan.earlier.as_slice() } else { &[] };
    let mut remembered = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
    let last = index.outcome_after(outcomes);
    let see = |trial: &Trial| -> Vec<f64> {
        let is_known = |recorded: &&Recorded| last.is_none_or(|last| (recorded.seq, trial.number, recorded.rung) < last);
        trial.recorded.iter().take_while(is_known).map_while(|recorded| reading(recorded.outcome, index.direction())).collect()
    };
    let (trials, mut values): (Vec<&Trial>, Vec<Vec<f64>>) =
        index.trials().map(|trial| (trial, see(trial))).filter(|(_, values)| !values.is_empty()).unzip();
    if let Some(weights) = weights {
        let lengths: Vec<(&Trial, usize)> = trials.iter().zip(&values).map(|(trial, values)| (*trial, values.len())).collect();
        values = weights.values(plan, &lengths);
    }
    let shifts = shifts(earlier, &values);
    let of_earlier = |(place, evidence): (usize, &Evidence)| Seen {
        number: None,
        place,
        first_rung: 0,
        point: remembered.point(axes, place, &evidence.assignment),
        values: evidence.values.iter().zip(&shifts).map(|(value, (from, to))| to.value(from.standard(*value))).collect(),
    };
    let mut seen: Vec<Seen> = earlier.iter().enumerate().map(of_earlier).collect();
    seen.extend(trials.into_iter().zip(values).map(|(trial, values)| {
        let place = earlier.len() + usize::try_from(trial.number).unwrap_or_default();
        let point = remembered.point(axes, place, &trial.assignment);
        Seen { number: Some(trial.number), place, first_rung: trial.first_rung, point, values }
    }));
    seen
}

/// How values are standardised at each rung, those of earlier trials and this search's own: other data or a longer schedule shift all values
/// alike. Until there are enough of its own, they are taken as they are.
fn shifts(earlier: &[Evidence], own: &[Vec<f64>]) -> Vec<(Standardization, Standardization)> {
    let standardization = |values: Vec<f64>| (values.len() >= ENOUGH).then(|| Standardization::of(&values));
    let rungs = earlier.iter().map(|evidence| evidence.values.len()).max().unwrap_or_default();
    let at = |rung: usize| {
        let finite = |values: &[f64]| values.get(rung).copied().filter(|value| value.is_finite());
        let from = standardization(earlier.iter().filter_map(|evidence| finite(&evidence.values)).collect());
        let to = standardization(own.iter().filter_map(|values| finite(values)).collect());
        from.zip(to).unwrap_or((Standardization::UNIT, Standardization::UNIT))
    };
    (0..rungs).map(at).collect()
}

/// What an outcome says about a configuration; `None`: nothing.
fn reading(outcome: Outcome, direction: Direction) -> Option<f64> {
    match outcome {
        Outcome::Value(value) if value.is_finite() => Some(direction.upwards(value)),
        Outcome::Value(_) | Outcome::Diverged | Outcome::Infeasible | Outcome::OutOfMemory | Outcome::Failed => {
            Some(f64::NEG_INFINITY)
        }
        Outcome::Misconfigured | Outcome::Cancelled => None,
    }
}

impl Remembered {
    fn point(&mut self, axes: &Axes<'_>, at: usize, assignment: &Assignment) -> Arc<Point> {
        if at >= self.points.len() {
            self.points.resize(at + 1, None);
        }
        if let Some((known, point)) = &self.points[at]
            && known == assignment
        {
            return Arc::clone(point);
        }
        let point = Arc::new(axes.point(assignment));
        self.points[at] = Some((assignment.clone(), Arc::clone(&point)));
        point
    }
}

impl Memory {
    /// The features of a trial: those that were computed for its point before, or new ones.
    pub(crate) fn features(&self, trial: &Seen, compute: impl FnOnce(&Point) -> Features) -> Arc<Features> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = trial.place;
        if at >= remembered.features.len() {
            remembered.features.resize(at + 1, None);
        }
        if let Some((point, features)) = &remembered.features[at]
            && Arc::ptr_eq(point, &trial.point)
        {
            return Arc::clone(features);
        }
        let features = Arc::new(compute(&trial.point));
        remembered.features[at] = Some((Arc::clone(&trial.point), Arc::clone(&features)));
        features
    }

    /// The fit on what a view of the records shows: one of the last `kept`, or a new one.
    pub(crate) fn fitted(&self, kept: usize, is_same: impl Fn(&Fitted) -> bool, fit: impl FnOnce() -> Fitted) -> Arc<Fitted> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().fitted.iter().find(|known| is_same(known)) {
            return Arc::clone(known);
        }
        let fitted = Arc::new(fit());
        let mut remembered = lock();
        remembered.fitted.insert(0, Arc::clone(&fitted));
        remembered.fitted.truncate(kept);
        fitted
    }
}

/// A copy begins with nothing.
impl Clone for Memory {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What is remembered makes no difference.
impl PartialEq for Memory {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}
