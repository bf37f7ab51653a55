//! One bracket of a search: who stands in which rung, who may still go on, who is on the way.

use std::collections::BTreeSet;

use crate::{Direction, Metric, Trial, metric::Rank, ranking::Ranking};

/// A trial's place in a rung: best first, then smaller number first.
pub(crate) type Place = (Rank, u64);

/// The trials of a bracket by rung.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bracket {
    pub(crate) rungs: Vec<Rung>,
    pub(crate) trials: u64,
    pub(crate) infeasible: u64,
}

/// The trials of a bracket at one rung.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rung {
    /// All trials that stand here, best first.
    pub(crate) ranked: Ranking<Place>,
    /// Those of them that may still go on.
    pub(crate) waiting: BTreeSet<Place>,
    /// Trials that train towards it.
    pub(crate) running: usize,
    /// Trials that were granted the next one.
    pub(crate) promoted: usize,
}

impl Bracket {
    /// A bracket without trials.
    pub(crate) fn new(rungs: usize) -> Self {
        Self { rungs: vec![Rung::default(); rungs], trials: 0, infeasible: 0 }
    }

    /// Adds or takes away what a trial contributes to its rungs.
    pub(crate) fn count(&mut self, trial: &Trial, direction: Direction, add: bool) {
        let top = self.rungs.len() - 1;
        let tally = |counter: &mut usize| *counter = if add { *counter + 1 } else { *counter - 1 };
        if let (Some(_), Some(rung)) = (trial.running(), self.rungs.get_mut(trial.target_rung)) {
            tally(&mut rung.running);
        }
        let passed = trial.first_rung..trial.target_rung.min(top);
        self.rungs
            .get_mut(passed)
            .into_iter()
            .flatten()
            .filter(|_| !trial.is_infeasible())
            .for_each(|rung| tally(&mut rung.promoted));
        for recorded in &trial.recorded {
            let Some((at, metric)) = trial.standing(recorded) else { continue };
            let Some(rung) = self.rungs.get_mut(at) else { continue };
            let place = (Rank::of(metric, direction), trial.number);
            let waits = at < top
                && matches!(metric, Metric::Finite(_))
                && trial.target_rung == at
                && !trial.stopped
                && !trial.retired
                && trial.last() == Some(*recorded);
            if add {
                rung.ranked.insert(place);
            } else {
                rung.ranked.remove(&place);
            }
            if waits && add {
                rung.waiting.insert(place);
            } else {
                rung.waiting.remove(&place);
            }
        }
    }
}
