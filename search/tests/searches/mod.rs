//! Searches that tests drive: a plan, outcomes by chance, and the loop.

#![allow(dead_code, reason = "each test program uses its part")]

use std::time::Duration;

use nas_search::{
    AdditionalObjective, Brackets, Budget, Constraints, Decision, Direction, Domain, End, Halving, Index, Outcome, Parameter,
    Plan, Recorded, Rungs, Sampler, Scale, Scheduler, Space, Trial, TrialHistory, Usage, decide,
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
        additional: Vec::new(),
        earlier: Vec::new(),
        space: space(vec![
            ("lr", Domain::Double { min: 1e-4, max: 1.0, scale: Scale::Log }),
            ("width", Domain::Int { min: 1, max: 64, scale: Scale::Linear }),
        ]),
        constraints: Constraints::new(None),
        sampler: Sampler::Random,
        rungs: Rungs::geometric(81, eta, 4, max_trials),
        scheduler: Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
        max_trials,
        parallel_trials,
        max_failed_trials: None,
        max_infeasible_trials: 1000,
        target: None,
        budget: Budget::default(),
    }
}

/// Something else to be kept small, of which `drive` makes up values from 0 to 12.
pub(crate) fn cost() -> AdditionalObjective {
    AdditionalObjective { metric: "cost".to_owned(), direction: Direction::Minimize }
}

/// All schedulers.
pub(crate) fn schedulers() -> impl Strategy<Value = Scheduler> {
    let kinds = prop_oneof![Just(Halving::Promotion), Just(Halving::Stopping)];
    let brackets = prop_oneof![Just(Brackets::Aggressive), Just(Brackets::Standard), Just(Brackets::Conservative)];
    prop_oneof![
        4 => (kinds, brackets).prop_map(|(kind, brackets)| Scheduler::Asha { kind, brackets }),
        2 => Just(Scheduler::Hyperband),
        1 => Just(Scheduler::Progressive),
    ]
    // One more does not compile here, so that it is not forgotten above.
    .prop_map(|drawn| match drawn {
        Scheduler::Asha { .. } | Scheduler::Hyperband | Scheduler::Progressive => drawn,
    })
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

/// Records the outcomes of a segment: values on the way to its target, and there this one.
pub(crate) fn record(trial: &mut Trial, last: Outcome, seq: &mut u64) {
    while let Some(rung) = trial.running() {
        *seq += 1;
        let outcome = if rung < trial.target_rung { Outcome::Value(0.5) } else { last };
        trial.recorded.push(Recorded::new(rung, outcome, *seq));
    }
}

/// Keeps what was decided, as records do.
pub(crate) fn keep(histories: &mut Vec<TrialHistory>, decisions: &[Decision]) {
    for decision in decisions {
        match decision {
            Decision::Create { new, view } => histories.push(TrialHistory {
                trial: Trial::new(new.number, new.sample.assignment.clone()),
                seed: new.seed,
                grants: vec![(new.rung, *view)],
                stopped: None,
                retired: None,
            }),
            Decision::Promote { trial, rung, view, .. } => of_trial(histories, *trial).grants.push((*rung, *view)),
            Decision::Stop { trial, view, .. } => of_trial(histories, *trial).stopped = Some(*view),
            Decision::Retire { trial, view, .. } => of_trial(histories, *trial).retired = Some(*view),
            Decision::Finish { .. } => {}
        }
    }
}

/// Adds what came out.
pub(crate) fn finish(histories: &mut [TrialHistory], index: &Index) {
    for trial in index.trials() {
        of_trial(histories, trial.number).trial = trial.clone();
    }
}

pub(crate) fn of_trial(histories: &mut [TrialHistory], number: u64) -> &mut TrialHistory {
    &mut histories[usize::try_from(number).unwrap()]
}

/// What a search has spent whose every step takes a second of one accelerator.
pub(crate) fn usage(plan: &Plan, index: &Index) -> Usage {
    let segments = Duration::from_secs(index.steps_trained(&plan.rungs));
    Usage { accelerator: segments, segments, ..Usage::default() }
}

/// Drives a search to its end; `watch` sees the index before each round of decisions, and these.
pub(crate) fn drive(plan: &Plan, steps: &[Step], mut watch: impl FnMut(&Index, &[Decision])) -> (Index, Option<End>) {
    let mut index = Index::new(plan.direction, &plan.rungs);
    let mut seq = 0;
    for step in steps.iter().cycle().take(10_000) {
        let decisions = decide(plan, &index, &usage(plan, &index));
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
        record(&mut trial, step.outcome, &mut seq);
        let cost = f64::from(u32::try_from(trial.number * 7919 % 13).unwrap());
        for recorded in trial.recorded.iter_mut().filter(|_| !plan.additional.is_empty()) {
            recorded.additional.0[0] = cost;
        }
        index.apply(trial);
    }
    (index, None)
}
