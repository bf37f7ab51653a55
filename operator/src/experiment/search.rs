//! What is remembered of an experiment between passes. All of it is read from the objects again after a restart.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use nas_api::{
    Problem,
    objects::{NasExperiment, NasTrial},
};
use nas_search::{Index, Plan, Rungs};

use super::roster::{Belongs, Roster};
use crate::{
    store::{Changes, Group},
    trial::{TrialView, Waiting, held_seconds, segment_digest},
    world::World,
};

/// A plan, or every problem of the experiment.
pub(crate) type Checked = Result<Arc<Plan>, Vec<Problem>>;

/// What was seen of a segment.
#[derive(Default)]
struct Seen {
    trial_uid: Option<String>,
    rung: i64,
    attempt: i64,
    /// Its digest: the same as long as it is the same segment.
    digest: Arc<str>,
    job: bool,
    /// When its Job began to have pods.
    started: Option<Timestamp>,
    /// Seconds that each pod held its accelerators, by UID: also those that are gone.
    pods: HashMap<String, f64>,
}

impl Seen {
    /// The digest of the present segment of `trial`; what belongs to another segment is forgotten.
    fn digest(&mut self, trial: &NasTrial, rungs: &Rungs) -> Arc<str> {
        let spec = &trial.spec;
        if (&self.trial_uid, self.rung, self.attempt) != (&trial.metadata.uid, spec.target_rung, spec.attempt) {
            *self = Self {
                trial_uid: trial.uid(),
                rung: spec.target_rung,
                attempt: spec.attempt,
                digest: segment_digest(trial, rungs).into(),
                ..Self::default()
            };
        }
        Arc::clone(&self.digest)
    }

    /// Takes in what is there now, and tells the view what was there before.
    fn tell(&mut self, view: &mut TrialView, now: Timestamp) {
        if let Some(job) = view.job() {
            self.job = true;
            let status = job.status.as_ref();
            let pods = status.map_or(0, |status| [status.active, status.failed, status.succeeded].into_iter().flatten().sum());
            let started = status.filter(|_| pods > 0).and_then(|status| status.start_time.as_ref());
            self.started = started.map(|time| time.0).or(self.started);
        }
        let there: HashMap<String, f64> =
            view.segment_pods().map(|pod| (pod.uid().unwrap_or_default(), held_seconds(pod, now))).collect();
        let vanished = self.pods.iter().filter(|(uid, _)| !there.contains_key(*uid)).map(|(_, held)| held).sum();
        self.pods.extend(there);
        view.job_was_seen = self.job;
        view.job_started = self.started;
        view.vanished_seconds = vanished;
    }
}

/// The memory of one experiment.
#[derive(Default)]
pub(crate) struct Search {
    /// The experiment's UID: a namesake starts anew.
    uid: String,
    /// The plan of the newest generation that was checked, or its problems.
    pub(crate) checked: Option<(i64, Checked)>,
    /// The generation whose surroundings (claims, permissions) were found complete.
    pub(crate) complete: Option<i64>,
    /// Of the search's trials.
    pub(crate) searched: Records,
    /// Of the trainings that confirm its best.
    pub(crate) confirmed: Records,
    pub(crate) cleanup: Cleanup,
    /// When the status was written last.
    pub(crate) status_written: Option<Instant>,
}

/// What is remembered of checkpoints that are taken away.
#[derive(Default)]
pub(crate) struct Cleanup {
    /// The generation of a finished experiment that keeps only what its retention keeps.
    pub(crate) nothing_to_remove: Option<i64>,
    /// When it was looked at last for checkpoints that may go.
    pub(crate) looked: Option<Instant>,
    /// When the Job is looked at again.
    pub(crate) due: Option<Instant>,
    /// UID of the Job whose failure was told.
    pub(crate) failed: Option<String>,
}

/// More trials than slots go on for so long where nobody took a slot away: two leaders have granted the same one at once. Mostly one of the
/// trials ends before.
const EXCESS: Duration = Duration::from_secs(30);

/// What is remembered of one set of trials, whose numbers are their own.
#[derive(Default)]
pub(crate) struct Records {
    index: Option<Index>,
    pub(crate) roster: Roster,
    /// What was seen of each trial's present segment.
    seen: HashMap<u64, Seen>,
    /// Since when somebody else's Job is known to have the name that an attempt of a trial needs.
    names_taken: HashMap<(u64, i64), Timestamp>,
    /// The slots as they were last.
    slots: Option<usize>,
    /// When trials beyond them pause.
    excess_until: Option<Instant>,
    /// Why a Job has no pods, as an event said, and when that was read.
    pub(crate) creation_failures: HashMap<String, (Timestamp, Option<Waiting>)>,
    /// Since when outcomes are known that are recorded, and on which nothing was decided yet.
    pub(super) undecided: Vec<Instant>,
    /// What a trial waits for, and since when.
    pub(crate) waits: HashMap<u64, (&'static str, Timestamp)>,
    /// What keeps the next trial from being created.
    pub(crate) uncreated: Option<Waiting>,
    /// Since when there is a trial that is nobody's.
    disowned_since: Option<Timestamp>,
}

impl Search {
    /// Forgets what belongs to another experiment of this name.
    pub(crate) fn of(&mut self, experiment: &NasExperiment) {
        let uid = experiment.uid().unwrap_or_default();
        if self.uid != uid {
            *self = Self { uid, ..Self::default() };
        }
    }
}

impl Records {
    /// Takes in what has become of the trials since the last time.
    pub(crate) fn fold(&mut self, plan: &Plan, changes: Changes<NasTrial>, belongs: impl Fn(&NasTrial) -> Belongs) -> &mut Index {
        let index = self.index.get_or_insert_with(|| Index::new(plan.direction, &plan.rungs));
        debug_assert_eq!(index.summaries(&plan.rungs).count(), plan.rungs.steps().len(), "rungs are immutable");
        for (number, trial) in self.roster.update(changes, belongs) {
            match trial {
                Some(trial) => index.apply(trial.to_record()),
                None => index.forget(number),
            }
        }
        index
    }

    /// Takes in a trial that was just written.
    pub(crate) fn take(&mut self, plan: &Plan, trial: &Arc<NasTrial>) {
        if self.roster.put(trial) {
            self.index.get_or_insert_with(|| Index::new(plan.direction, &plan.rungs)).apply(trial.to_record());
        }
    }

    pub(crate) fn index(&mut self, plan: &Plan) -> &Index {
        self.index.get_or_insert_with(|| Index::new(plan.direction, &plan.rungs))
    }

    /// How long what runs beyond the slots may go on, though it must not begin; `None`: it pauses. It does so at once where slots were lowered, and
    /// otherwise only if it lasts: after a restart nobody knows whether they were.
    pub(crate) fn excess_goes_on(&mut self, slots: usize, pending: usize, now: Instant) -> Option<Duration> {
        let lowered = self.slots.replace(slots).is_some_and(|before| slots < before);
        if pending <= slots {
            self.excess_until = None;
            return None;
        }
        if lowered {
            self.excess_until = Some(now);
        }
        let left = self.excess_until.get_or_insert(now + EXCESS).saturating_duration_since(now);
        Some(left).filter(|left| !left.is_zero())
    }

    /// Takes in for which trials somebody else's Job has the name, and forgets the others.
    pub(crate) fn names_are_taken(&mut self, trials: &[Arc<NasTrial>], now: Timestamp) {
        let known = std::mem::take(&mut self.names_taken);
        let attempts = trials.iter().map(|trial| (trial.number(), trial.spec.attempt));
        self.names_taken = attempts.map(|attempt| (attempt, known.get(&attempt).copied().unwrap_or(now))).collect();
    }

    /// A trial that names the experiment and is not owned by it, and since when there is one.
    pub(crate) fn disowned(&mut self, now: Timestamp) -> Option<(&str, Timestamp)> {
        let Some(name) = self.roster.disowned() else {
            self.disowned_since = None;
            return None;
        };
        Some((name, *self.disowned_since.get_or_insert(now)))
    }

    /// The trials that have something running or to run, each with its Jobs and pods.
    pub(crate) fn views(&mut self, world: &World, group: &Group, plan: &Plan, now: Timestamp) -> Vec<TrialView> {
        let mut jobs = by_trial(&self.roster, world.jobs.of(group));
        let mut pods = by_trial(&self.roster, world.pods_of(group));
        let busy: BTreeSet<u64> = self.roster.running().chain(jobs.keys().copied()).chain(pods.keys().copied()).collect();
        self.seen.retain(|number, _| self.roster.is_running(*number));
        let mut views = Vec::with_capacity(busy.len());
        for number in busy {
            let Some(trial) = self.roster.get(number) else { continue };
            let (jobs, pods) = (jobs.remove(&number).unwrap_or_default(), pods.remove(&number).unwrap_or_default());
            let mut seen = self.roster.is_running(number).then(|| self.seen.entry(number).or_default());
            let digest = match &mut seen {
                Some(seen) => seen.digest(trial, &plan.rungs),
                None => segment_digest(trial, &plan.rungs).into(),
            };
            let mut view = TrialView::new(Arc::clone(trial), jobs, pods, digest);
            if let Some(seen) = seen {
                seen.tell(&mut view, now);
            }
            view.name_taken_since = self.names_taken.get(&(number, trial.spec.attempt)).copied();
            views.push(view);
        }
        views
    }
}

/// What belongs to each trial, by its number.
fn by_trial<K: ResourceExt>(roster: &Roster, objects: Vec<Arc<K>>) -> HashMap<u64, Vec<Arc<K>>> {
    let mut found: HashMap<u64, Vec<Arc<K>>> = HashMap::new();
    for object in objects {
        let number = object.labels().get(crate::labels::TRIAL).and_then(|name| roster.number_of(name));
        if let Some(number) = number {
            found.entry(number).or_default().push(object);
        }
    }
    found
}

/// The trials of this very experiment's search, by number: not those of a namesake that was deleted before.
pub(crate) fn trials_of(world: &World, group: &Group, experiment: &NasExperiment) -> Vec<Arc<NasTrial>> {
    owned(world, group, experiment, |trial| !trial.is_confirmation())
}

/// The trainings that confirm the best of this very experiment, by number.
pub(crate) fn confirmations_of(world: &World, group: &Group, experiment: &NasExperiment) -> Vec<Arc<NasTrial>> {
    owned(world, group, experiment, NasTrial::is_confirmation)
}

/// Whether it is a trial, or a training, of this very experiment.
pub(crate) fn is_owned(trial: &NasTrial, experiment: &NasExperiment) -> bool {
    trial.owner_references().iter().any(|owner| Some(&owner.uid) == experiment.metadata.uid.as_ref())
}

fn owned(world: &World, group: &Group, experiment: &NasExperiment, is_wanted: fn(&NasTrial) -> bool) -> Vec<Arc<NasTrial>> {
    let mut trials = world.trials.of(group);
    trials.retain(|trial| is_wanted(trial) && is_owned(trial, experiment));
    trials.sort_by_key(|trial| trial.spec.number);
    trials
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_leaders_granted_at_once_goes_on_and_what_was_lowered_pauses() {
        let (mut records, begin) = (Records::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(records.excess_goes_on(2, 3, at(0)), Some(EXCESS));
        assert_eq!(records.excess_goes_on(2, 3, at(20)), Some(Duration::from_secs(10)));
        assert_eq!(records.excess_goes_on(2, 2, at(25)), None, "nothing is beyond");
        assert_eq!(records.excess_goes_on(2, 3, at(40)), Some(EXCESS), "it begins anew");
        assert_eq!(records.excess_goes_on(2, 3, at(70)), None, "it lasts");
        let mut records = Records::default();
        assert_eq!(records.excess_goes_on(2, 2, at(0)), None);
        assert_eq!(records.excess_goes_on(1, 2, at(1)), None, "a person wants it back");
        assert_eq!(records.excess_goes_on(1, 2, at(2)), None);
    }
}
