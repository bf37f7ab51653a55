//! The confirmation of a search that has ended: its best configurations, trained anew.

use crate::{
    Assignment, Brackets, Budget, Constraints, Halving, Index, Plan, Rungs, Sampler, Scheduler, Space, Trial,
    random::confirmation_seed,
};

impl Index {
    /// The best trials at the highest rung that has a value, best first, with their values there: at most `count`, each configuration once.
    pub fn leaders(&self, count: usize) -> Vec<(f64, &Trial)> {
        let mut leaders: Vec<(f64, &Trial)> = Vec::new();
        let rung = self.incumbent().map(|best| best.rung);
        for (value, trial) in rung.into_iter().flat_map(|rung| self.ranking(rung)) {
            if leaders.len() == count {
                break;
            }
            if leaders.iter().all(|(_, better)| better.assignment != trial.assignment) {
                leaders.push((value, trial));
            }
        }
        leaders
    }
}

impl Plan {
    /// The plan of this search's confirmation: these configurations in order, each for `length` steps. Nothing ends it but its last trial, and
    /// no trial has the seed of one of the search.
    #[must_use]
    pub fn confirmation(&self, configurations: Vec<Assignment>, length: u64) -> Self {
        Self {
            seed: confirmation_seed(self.seed),
            direction: self.direction,
            additional: Vec::new(),
            earlier: Vec::new(),
            space: Space::default(),
            max_trials: configurations.len() as u64,
            sampler: Sampler::Listed(configurations),
            constraints: Constraints::default(),
            rungs: Rungs::full_length(length),
            scheduler: Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
            parallel_trials: self.parallel_trials,
            max_failed_trials: None,
            max_infeasible_trials: u64::MAX,
            target: None,
            budget: Budget::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        Direction, End, Outcome,
        random::trial_seed,
        simulate,
        testing::{index, plan, trial},
    };

    fn numbers(index: &Index, count: usize) -> Vec<u64> {
        index.leaders(count).into_iter().map(|(_, trial)| trial.number).collect()
    }

    #[test]
    fn leaders_are_the_best_at_the_highest_rung_that_has_a_value() {
        let trials = [trial(0, &[0.9]), trial(1, &[0.5, 0.6]), trial(2, &[0.4, 0.7]), trial(3, &[0.3, 0.6])];
        let found = index(&plan(9), trials.clone());
        assert_eq!(numbers(&found, 2), [2, 1]);
        assert_eq!(numbers(&found, 16), [2, 1, 3], "fewer, where fewer came so far; ties by number");
        assert_eq!(found.leaders(1)[0].0.to_bits(), 0.7_f64.to_bits());
        let down = Plan { direction: Direction::Minimize, ..plan(9) };
        assert_eq!(numbers(&index(&down, trials), 3), [1, 3, 2]);
        assert!(numbers(&index(&plan(9), [trial(0, &[])]), 3).is_empty());
    }

    #[test]
    fn a_configuration_leads_once() {
        let twin = Trial { assignment: trial(0, &[]).assignment, ..trial(1, &[0.8]) };
        assert_eq!(numbers(&index(&plan(9), [trial(0, &[0.9]), twin, trial(2, &[0.7])]), 2), [0, 2]);
    }

    #[test]
    fn a_confirmation_trains_each_configuration_in_order_whatever_becomes_of_it() {
        let of = |number: i64| Assignment::from([("n".into(), number.into())]);
        let search = Plan { budget: Budget { wall_clock: Some(std::time::Duration::ZERO), ..Budget::default() }, ..plan(9) };
        let confirmation = search.confirmation([7, 3, 7, 3].map(of).to_vec(), 60);
        let outcomes = [Outcome::Infeasible, Outcome::Failed, Outcome::Diverged, Outcome::Value(0.5)];
        let found = simulate(&confirmation, |trial, _| outcomes[usize::try_from(trial.number).unwrap()]);
        let trained: Vec<_> = found.index.trials().map(|trial| trial.assignment.clone()).collect();
        assert_eq!((trained, found.end), ([7, 3, 7, 3].map(of).to_vec(), End::Completed));
        assert_eq!(confirmation.rungs.steps(), [60]);
    }

    #[test]
    fn no_training_has_the_seed_of_another() {
        let seeds = (0..100).flat_map(|number| [trial_seed(42, number), trial_seed(confirmation_seed(42), number)]);
        assert_eq!(seeds.collect::<BTreeSet<_>>().len(), 200);
    }
}
