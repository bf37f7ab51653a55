//! What unit tests build on: a plan, and trials that stand where they say.

use crate::{
    Assignment, Brackets, Budget, Constraints, Direction, Domain, Halving, Index, Outcome, Parameter, Plan, Recorded, Rungs,
    Sampler, Scale, Scheduler, Space, Trial,
};

/// Training lengths 1, 3, 9 and 27, of which one in three goes on; two slots.
pub(crate) fn plan(max_trials: u64) -> Plan {
    let lr = Domain::Double { min: 0.01, max: 1.0, scale: Scale::Log };
    Plan {
        seed: 42,
        direction: Direction::Maximize,
        additional: Vec::new(),
        earlier: Vec::new(),
        space: Space::new(vec![Parameter { name: "lr".into(), domain: lr, when: None, count: None }]).unwrap(),
        constraints: Constraints::new(None),
        sampler: Sampler::Random,
        rungs: Rungs::explicit(vec![1, 3, 9, 27], 3, 27, 27).unwrap(),
        scheduler: Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
        max_trials,
        parallel_trials: 2,
        max_failed_trials: None,
        max_infeasible_trials: 1000,
        target: None,
        budget: Budget::default(),
    }
}

/// A trial with these values from rung 0, which was granted nothing more.
pub(crate) fn trial(number: u64, values: &[f64]) -> Trial {
    let recorded =
        (0..).zip(values).map(|(rung, value)| Recorded::new(rung, Outcome::Value(*value), 10 * number + rung as u64 + 1));
    let assignment = Assignment::from([("n".into(), i64::try_from(number).unwrap().into())]);
    Trial { target_rung: values.len().saturating_sub(1), recorded: recorded.collect(), ..Trial::new(number, assignment) }
}

/// An index of these trials.
pub(crate) fn index(plan: &Plan, trials: impl IntoIterator<Item = Trial>) -> Index {
    let mut index = Index::new(plan.direction, &plan.rungs);
    trials.into_iter().for_each(|trial| index.apply(trial));
    index
}
