//! A cache of one kind that also knows its own process's writes: the newer resourceVersion wins, whether a watch or an answer brought it.
//!
//! Resource versions of one kind are whole numbers that can be compared (KEP-5504; so they were in practice before).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::{ResourceExt, runtime::watcher::Event};
use tokio::sync::watch;

/// Changes that are remembered in any case; beyond these, as many as a group has objects.
const LOG: usize = 64;

/// Namespace and name of the experiment that an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExperimentKey {
    pub(crate) namespace: String,
    pub(crate) experiment: String,
}

/// All objects of one kind, grouped by experiment.
pub(crate) struct Store<K> {
    /// Takes out what nobody reads, so that a cache of many objects stays small.
    prune: Box<dyn Fn(&mut K) + Send + Sync>,
    key_of: fn(&K) -> Option<ExperimentKey>,
    /// Whether a newer object says nothing that anybody waits for.
    is_no_news: fn(&K, &K) -> bool,
    inner: Mutex<Inner<K>>,
    /// Rings when the watch has brought something.
    news: watch::Sender<()>,
}

struct Inner<K> {
    groups: HashMap<ExperimentKey, Objects<K>>,
    listing: Option<Listing<K>>,
    synced: bool,
    /// Counts changes: each has its moment.
    moment: u64,
    /// Highest version that the watch has brought: an answer that is older speaks of an object that may be gone.
    watched: u64,
}

/// The objects of a group, and which of them changed since a moment.
struct Objects<K> {
    by_name: BTreeMap<String, Arc<K>>,
    /// All changes after this moment are in the log.
    since: u64,
    log: VecDeque<(u64, String)>,
}

/// What has changed in a group, as far as it is known, and until when that is.
#[derive(Debug, PartialEq)]
pub(crate) struct Changes<K> {
    pub(crate) until: u64,
    /// These are all objects there are; others are gone.
    pub(crate) are_all: bool,
    /// Each as it is now; `None`: it is gone.
    pub(crate) objects: Vec<(String, Option<Arc<K>>)>,
}

/// How what is known stands beside what the server lists.
#[derive(Debug, PartialEq)]
pub(crate) struct Compared {
    /// Those that are not known as they are.
    pub(crate) old: Vec<String>,
    /// Some that were known are there no more.
    pub(crate) some_are_gone: bool,
}

/// A list that is being read anew.
struct Listing<K> {
    objects: HashMap<ExperimentKey, BTreeMap<String, Arc<K>>>,
    /// Answers that came meanwhile: the list may not have them yet.
    answered: HashSet<(ExperimentKey, String)>,
}

impl<K: ResourceExt + Clone> Store<K> {
    pub(crate) fn new(key_of: fn(&K) -> Option<ExperimentKey>, prune: impl Fn(&mut K) + Send + Sync + 'static) -> Self {
        let inner = Inner { groups: HashMap::new(), listing: None, synced: false, moment: 0, watched: 0 };
        Self {
            prune: Box::new(prune),
            key_of,
            is_no_news: |_, _| false,
            inner: Mutex::new(inner),
            news: watch::Sender::default(),
        }
    }

    /// Takes in objects that differ from the last ones as `is_no_news` says, and tells nobody.
    pub(crate) fn quiet(self, is_no_news: fn(&K, &K) -> bool) -> Self {
        Self { is_no_news, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the first list has been read.
    pub(crate) fn is_synced(&self) -> bool {
        self.lock().synced
    }

    /// Takes in what the watch brings; returns the groups that it may have changed.
    pub(crate) fn take(&self, event: Event<K>) -> Vec<ExperimentKey> {
        let touched = self.take_in(event);
        self.news.send_replace(());
        touched
    }

    fn take_in(&self, event: Event<K>) -> Vec<ExperimentKey> {
        let event = event.modify(&self.prune);
        let mut inner = self.lock();
        match event {
            Event::Apply(object) => {
                inner.watched = inner.watched.max(version(&object));
                inner.put(self.key_of, self.is_no_news, Arc::new(object)).into_iter().collect()
            }
            Event::Delete(object) => {
                inner.watched = inner.watched.max(version(&object));
                let Some(key) = (self.key_of)(&object) else { return Vec::new() };
                inner.remove(&key, &object.name_any(), object.uid().as_deref());
                vec![key]
            }
            Event::Init => {
                inner.listing = Some(Listing { objects: HashMap::new(), answered: HashSet::new() });
                Vec::new()
            }
            Event::InitApply(object) => {
                let Some(key) = (self.key_of)(&object) else { return Vec::new() };
                let name = object.name_any();
                // All that is known would be there twice until the list is complete.
                let known = inner.groups.get(&key).and_then(|objects| objects.by_name.get(&name));
                let known = known.filter(|known| version(&***known) == version(&object)).map(Arc::clone);
                if let Some(listing) = &mut inner.listing {
                    let object = known.unwrap_or_else(|| Arc::new(object));
                    listing.objects.entry(key).or_default().insert(name, object);
                }
                Vec::new()
            }
            Event::InitDone => inner.relisted(),
        }
    }

    /// Takes in the answer to a write of ours.
    pub(crate) fn written(&self, mut object: K) -> Arc<K> {
        (self.prune)(&mut object);
        let shared = Arc::new(object);
        self.lock().answered(self.key_of, self.is_no_news, &shared);
        shared
    }

    /// Takes in the answer to a look at the server; returns whether it is news.
    pub(crate) fn read(&self, mut object: K) -> bool {
        (self.prune)(&mut object);
        self.lock().answered(self.key_of, self.is_no_news, &Arc::new(object))
    }

    /// Holds what is known of a group against the names and versions that the server listed at version `at`: what it lacks is forgotten.
    pub(crate) fn compare(&self, key: &ExperimentKey, listed: &HashMap<String, u64>, at: u64) -> Compared {
        let mut inner = self.lock();
        let known: HashMap<String, u64> = inner
            .groups
            .get(key)
            .into_iter()
            .flat_map(|objects| &objects.by_name)
            .map(|(name, object)| (name.clone(), version(&**object)))
            .collect();
        // What is newer than the list was made after it.
        let gone: Vec<&String> =
            known.iter().filter(|(name, version)| !listed.contains_key(*name) && **version <= at).map(|(name, _)| name).collect();
        for name in &gone {
            inner.remove(key, name, None);
        }
        let is_old = |name: &String, version: u64| known.get(name).is_none_or(|known| *known < version);
        let mut old: Vec<String> = listed.iter().filter(|(name, at)| is_old(name, **at)).map(|(name, _)| name.clone()).collect();
        old.sort_unstable();
        Compared { old, some_are_gone: !gone.is_empty() }
    }

    /// The server says that an object is gone.
    pub(crate) fn gone(&self, key: &ExperimentKey, name: &str) {
        self.lock().remove(key, name, None);
    }

    /// The objects of an experiment, by name.
    pub(crate) fn of(&self, key: &ExperimentKey) -> Vec<Arc<K>> {
        self.lock().groups.get(key).map(|objects| objects.by_name.values().cloned().collect()).unwrap_or_default()
    }

    /// What has changed in a group after a moment; 0: before everything.
    pub(crate) fn changes(&self, key: &ExperimentKey, after: u64) -> Changes<K> {
        let inner = self.lock();
        let until = inner.moment;
        let Some(objects) = inner.groups.get(key) else { return Changes { until, are_all: true, objects: Vec::new() } };
        if after < objects.since {
            let all = objects.by_name.iter().map(|(name, object)| (name.clone(), Some(Arc::clone(object))));
            return Changes { until, are_all: true, objects: all.collect() };
        }
        let changed: BTreeSet<&String> =
            objects.log.iter().rev().take_while(|(moment, _)| *moment > after).map(|(_, name)| name).collect();
        let changed = changed.into_iter().map(|name| (name.clone(), objects.by_name.get(name).cloned()));
        Changes { until, are_all: false, objects: changed.collect() }
    }

    /// Until when it is known what has changed in a group.
    pub(crate) fn until(&self) -> u64 {
        self.lock().moment
    }

    /// Waits until something has changed in a group after a moment.
    pub(crate) async fn changed(&self, key: &ExperimentKey, after: u64) -> Changes<K> {
        let mut news = self.news.subscribe();
        loop {
            let changes = self.changes(key, after);
            if !changes.objects.is_empty() {
                return changes;
            }
            if news.changed().await.is_err() {
                // Nothing comes any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// One object.
    pub(crate) fn get(&self, key: &ExperimentKey, name: &str) -> Option<Arc<K>> {
        self.lock().groups.get(key)?.by_name.get(name).cloned()
    }

    /// The groups that have objects.
    pub(crate) fn groups(&self) -> Vec<ExperimentKey> {
        self.lock().groups.keys().cloned().collect()
    }
}

impl<K> Objects<K> {
    /// A group of which nothing was known until this moment.
    fn new(since: u64, by_name: BTreeMap<String, Arc<K>>) -> Self {
        Self { by_name, since, log: VecDeque::new() }
    }

    fn note(&mut self, moment: u64, name: String) {
        self.log.push_back((moment, name));
        // Who has not asked for so long looks at all of them as fast.
        while self.log.len() > self.by_name.len().max(LOG) {
            self.since = self.log.pop_front().map_or(moment, |(moment, _)| moment);
        }
    }
}

impl<K: ResourceExt> Inner<K> {
    /// Takes in an object out of an answer; returns whether it is news.
    fn answered(&mut self, key_of: fn(&K) -> Option<ExperimentKey>, is_no_news: fn(&K, &K) -> bool, object: &Arc<K>) -> bool {
        let Some(key) = key_of(object) else { return false };
        let name = object.name_any();
        if let Some(listing) = &mut self.listing {
            listing.answered.insert((key.clone(), name.clone()));
        }
        let known = self.groups.get(&key).is_some_and(|objects| objects.by_name.contains_key(&name));
        (known || version(&**object) > self.watched) && self.put(key_of, is_no_news, Arc::clone(object)).is_some()
    }

    /// Takes in an object that is newer than the known one; returns its group where that is news.
    fn put(
        &mut self,
        key_of: fn(&K) -> Option<ExperimentKey>,
        is_no_news: fn(&K, &K) -> bool,
        object: Arc<K>,
    ) -> Option<ExperimentKey> {
        let key = key_of(&object)?;
        let name = object.name_any();
        let moment = self.moment + 1;
        let objects = self.groups.entry(key.clone()).or_insert_with(|| Objects::new(moment, BTreeMap::new()));
        let known = objects.by_name.get(&name);
        if known.is_some_and(|known| version(&*object) <= version(&**known)) {
            return None;
        }
        let news = known.is_none_or(|known| !is_no_news(known, &object));
        objects.by_name.insert(name.clone(), object);
        objects.note(moment, name);
        self.moment = moment;
        news.then_some(key)
    }

    /// Forgets an object, unless a newer one has its name.
    fn remove(&mut self, key: &ExperimentKey, name: &str, uid: Option<&str>) {
        let Some(objects) = self.groups.get_mut(key) else { return };
        let same = objects.by_name.get(name).is_some_and(|known| uid.is_none() || known.uid().as_deref() == uid);
        if same {
            objects.by_name.remove(name);
            self.moment += 1;
            objects.note(self.moment, name.to_owned());
        }
        if objects.by_name.is_empty() {
            self.groups.remove(key);
        }
    }

    /// The list is complete: what it lacks is gone, unless an answer came while it was read.
    fn relisted(&mut self) -> Vec<ExperimentKey> {
        let Some(Listing { mut objects, answered }) = self.listing.take() else { return Vec::new() };
        for (key, name) in answered {
            let Some(known) = self.groups.get(&key).and_then(|objects| objects.by_name.get(&name)) else { continue };
            let listed = objects.entry(key).or_default();
            if listed.get(&name).is_none_or(|listed| version(&**known) > version(&**listed)) {
                listed.insert(name, Arc::clone(known));
            }
        }
        self.moment += 1;
        let anew = objects.into_iter().map(|(key, by_name)| (key, Objects::new(self.moment, by_name))).collect();
        let before = std::mem::replace(&mut self.groups, anew);
        self.synced = true;
        let touched: HashSet<ExperimentKey> = before.into_keys().chain(self.groups.keys().cloned()).collect();
        let newest = self.groups.values().flat_map(|objects| objects.by_name.values()).map(|object| version(&**object)).max();
        self.watched = self.watched.max(newest.unwrap_or_default());
        touched.into_iter().collect()
    }
}

/// The resourceVersion, as a number that can be compared; 0 where it is none.
pub(crate) fn version<K: ResourceExt>(object: &K) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
