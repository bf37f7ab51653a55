//! Searches that tests drive: a plan, outcomes by chance, and the loop.

#![allow(dead_code, reason = "each test program uses its part")]

use nas_search::{
    Budget, Constraints, Decision, Direction, Domain, End, Index, Outcome, Parameter, Plan, Recorded, Rungs, Sampler, Scale,
    Space, Trial, Usage, decide,
};
use proptest::prelude::*;

pub(crate) fn space(domains: Vec<(&str, Domain)>) -> Space {
    let parameters = domains.into_iter().map(|(name, domain)| Parameter { name: name.into(), domain, when: None, count: None });
    Space::new(parameters.collect()).unwrap()
}

pub(crate) fn plan(max_trials: u64, parallel_trials: usize, eta: u64) -> Plan {
    Plan {
        seed: 42,
        direction: Direction::Maximize,
        space: space(vec![
            ("lr", Domain::Double { min: 1e-4, max: 1.0, scale: Scale::Log }),
            ("width", Domain::Int { min: 1, max: 64, scale: Scale::Linear }),
        ]),
        constraints: Constraints::new(None),
        sampler: Sampler::Random,
        rungs: Rungs::geometric(81, eta, 4, max_trials),
        max_trials,
        parallel_trials,
        max_failed_trials: None,
        max_infeasible_trials: 1000,
        target: None,
        budget: Budget::default(),
    }
}

/// What a test lets happen next: which of the running trials ends, and how.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) pick: usize,
    pub(crate) outcome: Outcome,
}

pub(crate) fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        12 => (0_u8..20).prop_map(|value| Outcome::Value(f64::from(value) / 20.0)),
        1 => Just(Outcome::Diverged),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::OutOfMemory),
        1 => Just(Outcome::Infeasible),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((any::<usize>(), outcomes()).prop_map(|(pick, outcome)| Step { pick, outcome }), 400)
}

/// Drives a search to its end; `watch` sees the index before each round of decisions, and these.
pub(crate) fn drive(plan: &Plan, steps: &[Step], mut watch: impl FnMut(&Index, &[Decision])) -> (Index, Option<End>) {
    let mut index = Index::new(plan.direction, &plan.rungs);
    for (seq, step) in (1..).zip(steps.iter().cycle().take(10_000)) {
        let decisions = decide(plan, &index, &Usage::default());
        watch(&index, &decisions);
        for decision in &decisions {
            if let Decision::Finish { reason, .. } = decision {
                return (index, Some(*reason));
            }
            let trial = index.record(decision).unwrap();
            index.apply(trial);
        }
        let running: Vec<Trial> = index.trials().filter(|trial| trial.running().is_some()).cloned().collect();
        let Some(trial) = running.get(step.pick % running.len().max(1)) else { return (index, None) };
        let mut trial = trial.clone();
        trial.recorded.push(Recorded { rung: trial.running().unwrap(), outcome: step.outcome, seq });
        index.apply(trial);
    }
    (index, None)
}
