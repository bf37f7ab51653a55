//! The objects of one kind that belong to trials, kept from look to look: a look takes in what has changed since the last.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use kube::ResourceExt;

use crate::{labels, store::Changes};

/// Jobs, or pods, by the name of their trial. That the trial is known is not asked for: its pods may be heard of first.
pub(super) struct Attached<K> {
    /// The moment of the store until which everything is taken in.
    until: u64,
    by_trial: HashMap<String, BTreeMap<String, Arc<K>>>,
    /// Whose each of them is.
    trials: HashMap<String, String>,
}

impl<K> Default for Attached<K> {
    fn default() -> Self {
        Self { until: 0, by_trial: HashMap::new(), trials: HashMap::new() }
    }
}

impl<K: ResourceExt> Attached<K> {
    /// Until when it knows what has changed.
    pub(super) fn until(&self) -> u64 {
        self.until
    }

    /// Takes in what has changed; returns the names of the trials whose objects did.
    pub(super) fn update(&mut self, changes: Changes<K>) -> BTreeSet<String> {
        let Changes { until, are_all, objects } = changes;
        self.until = until;
        let mut touched = BTreeSet::new();
        if are_all {
            touched.extend(self.by_trial.drain().map(|(trial, _)| trial));
            self.trials.clear();
        }
        for (name, object) in objects {
            touched.extend(self.remove(&name));
            let Some(object) = object else { continue };
            let Some(trial) = object.labels().get(labels::TRIAL).cloned() else { continue };
            self.trials.insert(name.clone(), trial.clone());
            self.by_trial.entry(trial.clone()).or_default().insert(name, object);
            touched.insert(trial);
        }
        touched
    }

    /// Forgets an object; returns whose it was.
    fn remove(&mut self, name: &str) -> Option<String> {
        let trial = self.trials.remove(name)?;
        if let Some(objects) = self.by_trial.get_mut(&trial) {
            objects.remove(name);
            if objects.is_empty() {
                self.by_trial.remove(&trial);
            }
        }
        Some(trial)
    }

    /// All of them, by the name of their trial.
    pub(super) fn by_trial(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Arc<K>>)> {
        self.by_trial.iter().map(|(trial, objects)| (trial.as_str(), objects))
    }

    /// What belongs to a trial, by name.
    pub(super) fn of(&self, trial: &str) -> Vec<Arc<K>> {
        self.by_trial.get(trial).map(|objects| objects.values().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, trial: &str) -> (String, Option<Arc<ConfigMap>>) {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.labels = Some([(labels::TRIAL.to_owned(), trial.to_owned())].into());
        (name.to_owned(), Some(Arc::new(object)))
    }

    #[test]
    fn what_changed_is_told_and_what_is_gone_goes() {
        let mut attached: Attached<ConfigMap> = Attached::default();
        let mut update = |until, are_all, objects: &[_]| {
            let changes = Changes { until, are_all, objects: objects.to_vec() };
            let touched = attached.update(changes).into_iter().collect::<Vec<_>>().join(" ");
            let names = |trial| attached.of(trial).iter().map(|object| object.name_any()).collect::<Vec<_>>().join(" ");
            (attached.until(), touched, names("e-0"), names("e-1"))
        };
        let seen = |until, touched: &str, zero: &str, one: &str| (until, touched.to_owned(), zero.to_owned(), one.to_owned());
        let all = [object("a", "e-0"), object("b", "e-0"), object("c", "e-1")];
        assert_eq!(update(3, true, &all), seen(3, "e-0 e-1", "a b", "c"));
        assert_eq!(update(3, false, &[]), seen(3, "", "a b", "c"));
        assert_eq!(update(5, false, &[("a".to_owned(), None), object("c", "e-1")]), seen(5, "e-0 e-1", "b", "c"));
        assert_eq!(update(6, false, &[("never seen".to_owned(), None)]), seen(6, "", "b", "c"));
        // Somebody has given it another label.
        assert_eq!(update(7, false, &[object("b", "e-1")]), seen(7, "e-0 e-1", "", "b c"));
        assert_eq!(update(9, true, &[object("d", "e-0")]), seen(9, "e-0 e-1", "d", ""));
        assert_eq!(update(10, true, &[]), seen(10, "e-0", "", ""));
    }
}
