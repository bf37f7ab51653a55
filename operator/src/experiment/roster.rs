//! The trials of one search, or of its confirmation, kept from pass to pass: a pass looks at what has changed, and at what runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use kube::ResourceExt;
use nas_api::objects::NasTrial;

use crate::store::Changes;

/// Whose a trial is that names an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// It is of this roster.
    Here,
    /// It is the experiment's, or a namesake's that goes: it is no matter of this roster.
    Elsewhere,
    /// The experiment is not its owner, and nobody deletes it.
    Nobody,
}

#[derive(Default)]
pub(crate) struct Roster {
    /// The moment of the store until which everything is taken in.
    until: u64,
    trials: BTreeMap<u64, Arc<NasTrial>>,
    numbers: HashMap<String, u64>,
    /// Those with a granted rung that has no outcome.
    running: BTreeSet<u64>,
    /// Names of trials that are nobody's.
    disowned: BTreeSet<String>,
    /// Seconds for which the ended segments of each held their accelerators.
    held: BTreeMap<u64, f64>,
}

impl Roster {
    /// Until when it knows what has changed.
    pub(crate) fn until(&self) -> u64 {
        self.until
    }

    /// Takes in what has changed; returns the trials that did, `None` for those that are gone.
    pub(crate) fn update(
        &mut self,
        changes: Changes<NasTrial>,
        belongs: impl Fn(&NasTrial) -> Belongs,
    ) -> Vec<(u64, Option<Arc<NasTrial>>)> {
        let Changes { until, are_all, objects } = changes;
        self.until = until;
        let mut gone: Vec<String> = Vec::new();
        let mut news = Vec::new();
        if are_all {
            let there: std::collections::HashSet<&str> = objects.iter().map(|(name, _)| name.as_str()).collect();
            gone.extend(self.numbers.keys().filter(|name| !there.contains(name.as_str())).cloned());
            self.disowned.clear();
        }
        for (name, trial) in objects {
            let whose = trial.as_ref().map_or(Belongs::Elsewhere, |trial| belongs(trial));
            if whose == Belongs::Nobody {
                self.disowned.insert(name.clone());
            } else {
                self.disowned.remove(&name);
            }
            match trial.filter(|_| whose == Belongs::Here) {
                Some(trial) => news.extend(self.put(&trial).then(|| (trial.number(), Some(trial)))),
                None => gone.push(name),
            }
        }
        for name in gone {
            let Some(number) = self.numbers.remove(&name) else { continue };
            let is_its = self.trials.get(&number).is_some_and(|trial| trial.metadata.name.as_ref() == Some(&name));
            if is_its {
                self.trials.remove(&number);
                self.running.remove(&number);
                self.held.remove(&number);
                news.push((number, None));
            }
        }
        news
    }

    /// Takes in a trial as it is now; returns whether that is news.
    pub(crate) fn put(&mut self, trial: &Arc<NasTrial>) -> bool {
        let number = trial.number();
        if self.trials.get(&number).is_some_and(|known| known.metadata.resource_version == trial.metadata.resource_version) {
            return false;
        }
        if trial.running().is_some() {
            self.running.insert(number);
        } else {
            self.running.remove(&number);
        }
        self.held.insert(number, trial.accelerator_seconds());
        self.numbers.insert(trial.name_any(), number);
        self.trials.insert(number, Arc::clone(trial));
        true
    }

    /// All of them, by number.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<NasTrial>> {
        self.trials.values()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Arc<NasTrial>> {
        self.trials.get(&number)
    }

    /// One that names the experiment and is not owned by it.
    pub(crate) fn disowned(&self) -> Option<&str> {
        self.disowned.first().map(String::as_str)
    }

    /// Which one has this name.
    pub(crate) fn number_of(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn is_running(&self, number: u64) -> bool {
        self.running.contains(&number)
    }

    /// Seconds for which segments that have ended held their accelerators, summed over these.
    pub(crate) fn ended_seconds(&self) -> f64 {
        self.held.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use nas_api::{
        objects::{NasTrialStatus, RunSegment, SegmentOutcome},
        read_experiment,
    };
    use nas_search::{Decision, Index, Usage, decide};

    use super::*;

    fn trial(name: &str, number: i64, version: u64) -> Arc<NasTrial> {
        let plan = read_experiment(include_str!("../../../configs/quickstart.yaml")).map(|read| read.plan);
        let Ok(plan) = plan else { unreachable!() };
        let decisions = decide(&plan, &Index::new(plan.direction, &plan.rungs), &Usage::default());
        let Some(Decision::Create { new, view }) = decisions.into_iter().next() else { unreachable!() };
        let mut trial = NasTrial::create("e", &new, view);
        trial.metadata.name = Some(name.to_owned());
        trial.metadata.resource_version = Some(version.to_string());
        trial.spec.number = number;
        Arc::new(trial)
    }

    fn changes(until: u64, are_all: bool, objects: &[(&str, Option<&Arc<NasTrial>>)]) -> Changes<NasTrial> {
        let objects = objects.iter().map(|(name, trial)| ((*name).to_owned(), trial.cloned())).collect();
        Changes { until, are_all, objects }
    }

    fn stands(roster: &Roster) -> (Vec<String>, Vec<u64>) {
        (roster.all().map(|trial| trial.name_any()).collect(), roster.running.iter().copied().collect())
    }

    #[test]
    fn what_changed_is_taken_in_once_and_what_is_gone_goes() {
        let mut roster = Roster::default();
        let (zero, one) = (trial("e-0", 0, 5), trial("e-1", 1, 6));
        let news = roster.update(changes(2, true, &[("e-0", Some(&zero)), ("e-1", Some(&one))]), |_| Belongs::Here);
        assert_eq!(news.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(roster.until(), 2);
        assert!(roster.update(changes(3, false, &[("e-1", Some(&one))]), |_| Belongs::Here).is_empty(), "that version is known");
        let mut ended = NasTrial::clone(&one);
        ended.metadata.resource_version = Some("7".to_owned());
        let segment = RunSegment { outcome: SegmentOutcome::Diverged, accelerator_seconds: 2.5, ..RunSegment::default() };
        let mut status = NasTrialStatus { segments: vec![segment], ..NasTrialStatus::default() };
        status.record(&[nas_api::RungEnd::new(0, nas_search::Outcome::Diverged)], 0);
        ended.status = Some(status);
        assert!(roster.put(&Arc::new(ended)));
        assert_eq!(stands(&roster), (vec!["e-0".to_owned(), "e-1".to_owned()], vec![0]));
        assert_eq!(roster.ended_seconds().to_bits(), 2.5_f64.to_bits());
        // Not of this search any more, and not in a complete list.
        assert_eq!(roster.update(changes(8, false, &[("e-1", None)]), |_| Belongs::Here).len(), 1);
        assert_eq!(roster.ended_seconds().abs().to_bits(), 0_f64.to_bits());
        assert_eq!(roster.update(changes(9, false, &[("e-0", Some(&trial("e-0", 0, 8)))]), |_| Belongs::Nobody).len(), 1);
        assert_eq!(roster.disowned(), Some("e-0"));
        assert_eq!(stands(&roster), (vec![], vec![]));
        roster.update(changes(10, false, &[("e-0", None)]), |_| Belongs::Nobody);
        assert_eq!(roster.disowned(), None);
        roster.update(changes(10, true, &[("e-0", Some(&zero))]), |_| Belongs::Here);
        assert_eq!(roster.update(changes(11, true, &[("e-1", Some(&one))]), |_| Belongs::Here).len(), 2);
        assert_eq!(stands(&roster), (vec!["e-1".to_owned()], vec![1]));
        assert_eq!((roster.number_of("e-0"), roster.number_of("e-1")), (None, Some(1)));
    }
}
