//! Warm start: what came out of earlier searches, as evidence for samplers that learn. It never stands in a rung.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Assignment, Direction, Domain, Index, Metric, Outcome, Plan, Rungs, Scalar, Space, Trial};

/// What is kept of a trial of an earlier search. It does not depend on the search that learns from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlierTrial {
    /// Its configuration.
    pub assignment: Assignment,
    /// What came out after which share of a full training, ascending; no value: the training went astray there, or ran out of memory.
    pub curve: Vec<(f64, Option<f64>)>,
}

/// An earlier trial as a sampler sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Its configuration in the space of this search.
    pub(crate) assignment: Assignment,
    /// What it would have shown at each rung of this search from 0, as far as is known: more is better, minus infinity where there is no value.
    pub(crate) values: Vec<f64>,
}

/// A length is known where a curve begins at most this many times later, with its first value; and where it ended at most so little before.
const BEFORE: f64 = 3.0;
const BEYOND: f64 = 1.5;

/// The trials of a search that has results, at most `limit`: those that were trained longest, of equal ones the older.
pub fn earlier_trials(index: &Index, rungs: &Rungs, limit: usize) -> Vec<EarlierTrial> {
    let mut trials: Vec<(&Trial, EarlierTrial)> =
        index.trials().map(|trial| (trial, summary(trial, rungs))).filter(|(_, summary)| !summary.curve.is_empty()).collect();
    trials.sort_by_key(|(trial, summary)| (std::cmp::Reverse(summary.curve.len()), trial.number));
    trials.into_iter().take(limit).map(|(_, summary)| summary).collect()
}

fn summary(trial: &Trial, rungs: &Rungs) -> EarlierTrial {
    let known = trial.recorded.iter().map_while(|recorded| {
        let value = match recorded.outcome {
            Outcome::Value(value) => Some(value),
            Outcome::Diverged | Outcome::OutOfMemory => None,
            // What failed or was refused says nothing of its configuration in another search.
            Outcome::Failed | Outcome::Infeasible | Outcome::Misconfigured | Outcome::Cancelled => return None,
        };
        (recorded.rung <= rungs.top()).then(|| (rungs.share(recorded.rung), value))
    });
    EarlierTrial { curve: known.collect(), assignment: trial.assignment.clone() }
}

impl Evidence {
    /// An earlier trial, seen from a search; `None`: it lacks a parameter, has a value that the space does not have, or nothing is known of it
    /// at the lowest rung. Constants may differ: a small network tells of a large one.
    pub(crate) fn of(earlier: &EarlierTrial, space: &Space, rungs: &Rungs, direction: Direction) -> Option<Self> {
        let worth = |metric| match metric {
            Metric::Diverged => f64::NEG_INFINITY,
            Metric::Finite(value) => direction.upwards(value),
        };
        let mut values = Vec::new();
        for share in (0..=rungs.top()).map(|rung| rungs.share(rung)) {
            let Some(metric) = at(&earlier.curve, share) else { break };
            values.push(worth(metric));
            if metric == Metric::Diverged {
                break;
            }
        }
        let assignment = seen_from(space, &earlier.assignment)?;
        (!values.is_empty()).then_some(Self { assignment, values })
    }
}

impl Plan {
    /// Learns from earlier trials, in place of what was learned before; returns from how many it can.
    pub fn learn_from(&mut self, earlier: &[EarlierTrial]) -> usize {
        let seen = |trial| Evidence::of(trial, &self.space, &self.rungs, self.direction);
        self.earlier = earlier.iter().filter_map(seen).collect();
        self.earlier.len()
    }
}

/// What a curve shows after a share of a full training: between two of its points along the logarithm of the share. `None`: it is not known.
fn at(curve: &[(f64, Option<f64>)], share: f64) -> Option<Metric> {
    let metric = |value: Option<f64>| value.map_or(Metric::Diverged, Metric::of);
    let (first, last) = (curve.first()?, curve.last()?);
    if share * BEFORE < first.0 || (share > last.0 * BEYOND && last.1.is_some()) {
        return None;
    }
    let later = curve.iter().position(|(of, _)| *of >= share);
    match later {
        None => Some(metric(last.1)),
        Some(0) => Some(metric(first.1)),
        Some(at) => {
            let ((from, low), (to, high)) = (curve[at - 1], curve[at]);
            let (Some(low), Some(high)) = (low, high) else { return Some(metric(high)) };
            let way = libm::log(share / from) / libm::log(to / from);
            Some(Metric::of(low + way * (high - low)))
        }
    }
}

/// A configuration of another search in this space.
fn seen_from(space: &Space, other: &Assignment) -> Option<Assignment> {
    let value = |name: &str, domain: &Domain| -> Option<Scalar> {
        let value = match domain {
            Domain::Constant(own) => return Some(own.clone()),
            _ => other.get(name)?,
        };
        let within = match domain {
            Domain::Constant(_) => true,
            Domain::Categorical(values) => values.contains(value),
            Domain::Int { min, max, .. } => value.as_i64().is_some_and(|value| (*min..=*max).contains(&value)),
            Domain::Double { min, max, .. } => value.as_f64().is_some_and(|value| (*min..=*max).contains(&value)),
        };
        within.then(|| value.clone())
    };
    let mut assignment = BTreeMap::new();
    for parameter in space.parameters() {
        match (value(&parameter.name, &parameter.domain), &parameter.when) {
            (Some(value), _) => drop(assignment.insert(Arc::clone(&parameter.name), value)),
            // It may not exist for this configuration.
            (None, Some(_)) if !other.contains_key(&parameter.name) => {}
            (None, _) => return None,
        }
    }
    Some(assignment.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test fails by panicking; numbers are plain")]

    use super::*;
    use crate::{Condition, Parameter, Recorded, Scale};

    fn space() -> Space {
        let parameter = |name: &str, domain| Parameter { name: name.into(), domain, when: None, count: None };
        let kinds = Domain::Categorical(vec![Scalar::from("a"), Scalar::from("b")]);
        Space::new(vec![
            parameter("kind", kinds),
            parameter("layers", Domain::Constant(Scalar::Int(20))),
            parameter("lr", Domain::Double { min: 0.01, max: 1.0, scale: Scale::Log }),
        ])
        .unwrap()
    }

    fn earlier(kind: &str, lr: f64, curve: &[(f64, Option<f64>)]) -> EarlierTrial {
        let assignment =
            [("kind", Scalar::from(kind)), ("lr", Scalar::Float(lr)), ("layers", Scalar::Int(8)), ("x", Scalar::Int(1))];
        EarlierTrial { assignment: assignment.map(|(name, value)| (name.into(), value)).into(), curve: curve.to_vec() }
    }

    fn values(curve: &[(f64, Option<f64>)], direction: Direction) -> Option<Vec<f64>> {
        let rungs = Rungs::explicit(vec![1, 3, 9, 27], 3, 27, 27).unwrap();
        Evidence::of(&earlier("a", 0.1, curve), &space(), &rungs, direction).map(|evidence| evidence.values)
    }

    #[test]
    fn a_curve_is_read_at_the_rungs_of_this_search() {
        let curve = [(1.0 / 9.0, Some(0.2)), (1.0, Some(0.6))];
        let found = values(&curve, Direction::Maximize).unwrap();
        let expected = [0.2, 0.2, 0.4, 0.6];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
        // Half of a training says nothing of the whole, a ninth nothing of a hundredth.
        assert_eq!(values(&[(1.0 / 27.0, Some(0.5)), (0.5, Some(0.5))], Direction::Minimize), Some(vec![-0.5, -0.5, -0.5]));
        assert_eq!(values(&[(0.5, Some(0.5))], Direction::Maximize), None);
        // Between its last value and where it was astray, it was on its way there.
        assert_eq!(values(&[(0.1, Some(0.5)), (0.5, None)], Direction::Maximize), Some(vec![0.5, f64::NEG_INFINITY]));
    }

    #[test]
    fn a_curve_is_known_from_a_third_of_its_first_length_to_one_and_a_half_of_its_last() {
        let curve = [(0.25, Some(2.0)), (0.5, Some(6.0))];
        let known = [0.08, 0.25 / 3.0, 0.25, 0.5, 0.75, 0.76].map(|share| at(&curve, share));
        let finite = |value| Some(Metric::Finite(value));
        assert_eq!(known, [None, finite(2.0), finite(2.0), finite(6.0), finite(6.0), None]);
        // Half-way by the ratio of lengths.
        let Some(Metric::Finite(between)) = at(&curve, 0.125_f64.sqrt()) else { panic!("it is known there") };
        assert!((between - 4.0).abs() < 1e-12, "{between}");
        // What went astray is astray ever after, and was on its way there.
        let astray = [(0.25, Some(2.0)), (0.5, None)];
        let expected = [finite(2.0), Some(Metric::Diverged), Some(Metric::Diverged), Some(Metric::Diverged)];
        assert_eq!([0.2, 0.3, 0.5, 0.9].map(|share| at(&astray, share)), expected);
        assert_eq!(at(&[], 0.5), None);
    }

    #[test]
    fn whole_numbers_have_to_be_within_their_bounds_and_conditional_ones_may_be_missing() {
        let parameter = |name: &str, domain, when| Parameter { name: name.into(), domain, when, count: None };
        let layers = Domain::Int { min: 2, max: 4, scale: Scale::Linear };
        let deep = Condition { name: "kind".into(), values: vec![Scalar::from("deep")] };
        let kinds = Domain::Categorical(vec![Scalar::from("deep"), Scalar::from("flat")]);
        let space = Space::new(vec![parameter("kind", kinds, None), parameter("layers", layers, Some(deep))]).unwrap();
        let seen = |kind: &str, layers: Option<i64>| {
            let kind = ("kind".into(), Scalar::from(kind));
            let layers = layers.map(|layers| ("layers".into(), Scalar::Int(layers)));
            seen_from(&space, &std::iter::once(kind).chain(layers).collect()).map(|found| found.len())
        };
        assert_eq!([1, 2, 4, 5].map(|layers| seen("deep", Some(layers))), [None, Some(2), Some(2), None]);
        assert_eq!(seen("flat", None), Some(1));
    }

    #[test]
    fn a_configuration_is_one_of_this_space_or_none() {
        let rungs = Rungs::full_length(4);
        let seen = |kind: &str, lr| {
            let evidence = Evidence::of(&earlier(kind, lr, &[(1.0, Some(0.5))]), &space(), &rungs, Direction::Maximize);
            evidence.map(|evidence| evidence.assignment.clone())
        };
        let expected = [("kind", Scalar::from("a")), ("layers", Scalar::Int(20)), ("lr", Scalar::Float(0.1))];
        assert_eq!(seen("a", 0.1), Some(expected.map(|(name, value)| (name.into(), value)).into()));
        assert_eq!((seen("c", 0.1), seen("a", 2.0)), (None, None));
    }

    #[test]
    fn those_trained_longest_are_kept_and_what_failed_says_nothing() {
        let rungs = Rungs::explicit(vec![1, 4], 2, 4, 4).unwrap();
        let mut index = Index::new(Direction::Maximize, &rungs);
        let outcomes = [vec![Outcome::Value(0.5)], vec![Outcome::Failed], vec![Outcome::Value(0.5), Outcome::Diverged]];
        for (number, outcomes) in (0..).zip(outcomes) {
            let recorded = |(rung, outcome)| Recorded::new(rung, outcome, 10 * number + rung as u64 + 1);
            let recorded = outcomes.into_iter().enumerate().map(recorded).collect();
            index.apply(Trial { target_rung: 1, recorded, ..Trial::new(number, Assignment::new()) });
        }
        let found: Vec<_> = earlier_trials(&index, &rungs, 9).into_iter().map(|trial| trial.curve).collect();
        assert_eq!(found, [vec![(0.25, Some(0.5)), (1.0, None)], vec![(0.25, Some(0.5))]]);
        assert_eq!(earlier_trials(&index, &rungs, 1).len(), 1);
    }
}
