//! Whose checkpoints nobody will ask for again: the same on a cluster and on a laptop.

use std::collections::HashSet;

use nas_search::{Index, Outcome};

use crate::objects::{ConfirmStatus, NasTrial, Retained, Retention};

impl Retention {
    /// The trials of a search that lose their checkpoints, in the order of `trials`, those that have lost them already among them.
    ///
    /// While the search goes on: those that were stopped or retired, or ended without a value, but none of the best. Once it has ended
    /// (`is_finished`): all but the best. Never one that trains, or that is in `confirmed`. `index` holds the records of `trials`.
    pub fn loses<'a>(
        self,
        confirmed: &[ConfirmStatus],
        index: &Index,
        trials: impl IntoIterator<Item = &'a NasTrial>,
        is_finished: bool,
    ) -> Vec<&'a NasTrial> {
        if self.checkpoints == Retained::All {
            return Vec::new();
        }
        let best = usize::try_from(self.best).unwrap_or_default();
        let kept: HashSet<u64> = index.best().take(best).map(|(_, _, trial)| trial.number).collect();
        let is_due = |trial: &&NasTrial| {
            let ended = trial.last().is_some_and(|last| !matches!(last.outcome, Outcome::Value(_)));
            let is_over = is_finished || trial.is_over() || ended;
            let is_confirmed = confirmed.iter().any(|confirmed| Some(&confirmed.trial) == trial.metadata.name.as_ref());
            is_over && !is_confirmed && trial.running().is_none() && !kept.contains(&trial.number())
        };
        trials.into_iter().filter(is_due).collect()
    }
}

#[cfg(test)]
mod tests {
    use nas_search::{Decision, Usage, decide};

    use super::*;
    use crate::{RungEnd, objects::NasTrialStatus, read_experiment};

    /// Trials of a search that has gone on for a while: number 0 is the best, 1 was retired, 2 diverged, 3 trains.
    fn trials() -> Option<(Index, Vec<NasTrial>)> {
        let plan = read_experiment(include_str!("../../configs/quickstart.yaml")).ok()?.plan;
        let mut index = Index::new(plan.direction, &plan.rungs);
        let mut trials = Vec::new();
        while trials.len() < 4 {
            let decisions = decide(&plan, &index, &Usage::default());
            let Decision::Create { new, view } =
                decisions.into_iter().find(|decision| matches!(decision, Decision::Create { .. }))?
            else {
                return None;
            };
            let mut trial = NasTrial::create("e", &new, view);
            let mut status = NasTrialStatus::default();
            let end = match new.number {
                0 => Some(Outcome::Value(0.9)),
                1 => Some(Outcome::Value(0.1)),
                2 => Some(Outcome::Diverged),
                _ => None,
            };
            let ends: Vec<_> = end.map(|end| RungEnd::new(0, end)).into_iter().collect();
            status.record(&ends, index.view().seq);
            trial.status = Some(status);
            if new.number == 1 {
                trial.retire(view);
            }
            index.apply(trial.to_record());
            trials.push(trial);
        }
        Some((index, trials))
    }

    #[test]
    fn who_never_goes_on_loses_them_unless_among_the_best() {
        let Some((index, trials)) = trials() else { unreachable!() };
        let numbers = |retention: Retention, confirmed: &[ConfirmStatus], is_finished| -> Vec<u64> {
            retention.loses(confirmed, &index, &trials, is_finished).iter().map(|trial| trial.number()).collect()
        };
        let best = |best| Retention { checkpoints: Retained::Best, best };
        assert_eq!(numbers(best(1), &[], false), [1, 2]);
        assert_eq!(numbers(best(2), &[], false), [2], "the second best is kept though it was retired");
        assert_eq!(numbers(best(0), &[], true), [0, 1, 2], "what trains keeps them, whatever is written of the end");
        assert_eq!(numbers(Retention { checkpoints: Retained::All, best: 0 }, &[], true), [] as [u64; 0]);
        let confirmed = ConfirmStatus { trial: "e-1".to_owned(), ..ConfirmStatus::default() };
        assert_eq!(numbers(best(0), &[confirmed], true), [0, 2]);
    }
}
