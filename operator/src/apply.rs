//! Every write of a search, and the reads that a write needs. Each takes its answer into the caches at once.

use std::{collections::HashMap, sync::Arc};

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, Preconditions, PropagationPolicy},
    core::DeserializeGuard,
};
use nas_api::objects::{NasExperiment, NasExperimentStatus, NasTrial, NasTrialStatus};
use nas_search::View;
use serde_json::{Value, json};

use crate::{
    Error,
    context::Context,
    labels,
    request::{manager, post},
    store::{Compared, ExperimentKey, version},
    trial::Waiting,
};

/// So many writes of a trainer in a row, each between the operator's look at its trial and its write, are no reports any more.
const TRAINER_WRITES: usize = 10;
/// Trials whose names are read at once.
const PAGE: u32 = 500;

/// What became of a request for a Job.
pub(crate) enum Created {
    /// It is there, or another of ours that has its name.
    Watched,
    /// One that does not even have our labels, so that no watch would show it, has its name.
    Unwatched,
    /// The server lets nobody have it, and says why.
    Refused(String),
}

/// What became of a decision about a trial.
pub(crate) enum Granted {
    /// It is written.
    Written(Arc<NasTrial>),
    /// The trial's name is taken, by this or by an older experiment: the caches will say.
    NotYet,
    /// The server lets nobody have the trial.
    Refused(Waiting),
}

/// Writes for one experiment.
pub(crate) struct Writer<'a> {
    pub(crate) context: &'a Context,
    pub(crate) key: &'a ExperimentKey,
}

impl Writer<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        self.context.requests.api(&self.key.namespace)
    }

    /// Creates a trial.
    pub(crate) async fn create_trial(&self, experiment: &NasExperiment, mut trial: NasTrial) -> Result<Granted, Error> {
        let name = trial.name_any();
        trial.metadata.namespace = Some(self.key.namespace.clone());
        trial.metadata.owner_references = kube::Resource::controller_owner_ref(experiment, &()).map(|owner| vec![owner]);
        trial.metadata.labels = Some([(labels::EXPERIMENT.to_owned(), trial.spec.experiment.clone())].into());
        let api = self.api::<NasTrial>();
        let created = self.context.requests.send("create", "NasTrial", &name, api.create(&post(), &trial)).await;
        match created {
            Ok(trial) => Ok(Granted::Written(self.context.world.trials.written(trial))),
            Err(Error::Conflict { .. }) => {
                if let Some(found) = self.context.requests.send("get", "NasTrial", &name, api.get_opt(&name)).await? {
                    self.context.world.trials.written(found);
                }
                Ok(Granted::NotYet)
            }
            // A policy or webhook, or a limit of the namespace: what was granted before goes on.
            Err(Error::Api { source, .. }) if let Some(said) = refusal(&source) => {
                Ok(Granted::Refused(Waiting::trial_refused(&name, &said)))
            }
            Err(error) => Err(error),
        }
    }

    /// Grants a rung, if the trial still stands as it was seen.
    pub(crate) async fn promote(
        &self,
        trial: &NasTrial,
        rung: usize,
        view: View,
        reason: String,
    ) -> Result<Arc<NasTrial>, Error> {
        let mut promoted = trial.clone();
        promoted.promote(rung, view, reason);
        let grant = to_value(&promoted.spec.grants.last());
        self.patch_spec(
            trial,
            &[
                json!({"op": "replace", "path": "/spec/targetRung", "value": promoted.spec.target_rung}),
                json!({"op": "add", "path": "/spec/grants/-", "value": grant}),
            ],
        )
        .await
    }

    pub(crate) async fn stop(&self, trial: &NasTrial, view: View) -> Result<Arc<NasTrial>, Error> {
        let view = nas_api::objects::ViewStatus::from(view);
        self.patch_spec(trial, &[json!({"op": "add", "path": "/spec/stopped/-", "value": to_value(&view)})]).await
    }

    pub(crate) async fn retire(&self, trial: &NasTrial, view: View) -> Result<Arc<NasTrial>, Error> {
        let view = nas_api::objects::ViewStatus::from(view);
        self.patch_spec(trial, &[json!({"op": "add", "path": "/spec/retired/-", "value": to_value(&view)})]).await
    }

    /// Raises the attempt: what an earlier one still writes is void.
    pub(crate) async fn next_attempt(&self, trial: &NasTrial) -> Result<Arc<NasTrial>, Error> {
        self.patch_spec(trial, &[json!({"op": "replace", "path": "/spec/attempt", "value": trial.spec.attempt + 1})]).await
    }

    /// An intent, by compare-and-swap on everything that was intended before.
    async fn patch_spec(&self, trial: &NasTrial, changes: &[Value]) -> Result<Arc<NasTrial>, Error> {
        let spec = &trial.spec;
        let test = |path: &str, value: Value| json!({"op": "test", "path": path, "value": value});
        let mut operations = vec![
            test("/metadata/uid", json!(trial.uid())),
            test("/spec/attempt", json!(spec.attempt)),
            test("/spec/targetRung", json!(spec.target_rung)),
            test("/spec/stopped", to_value(&spec.stopped)),
            test("/spec/retired", to_value(&spec.retired)),
        ];
        operations.extend_from_slice(changes);
        let patch: Patch<NasTrial> = Patch::Json(serde_json::from_value(Value::Array(operations)).unwrap_or_default());
        let name = trial.name_any();
        let patched =
            self.context.requests.send("patch", "NasTrial", &name, self.api::<NasTrial>().patch(&name, &manager(), &patch)).await;
        self.trial_answer(&name, patched).await
    }

    /// Writes a trial's status, if nobody but its trainer has written the trial since it was seen. A trainer that writes without pause is
    /// fenced: its reports are refused from then on.
    pub(crate) async fn write_trial_status(&self, trial: &NasTrial, status: &NasTrialStatus) -> Result<Arc<NasTrial>, Error> {
        let mut seen = Arc::new(trial.clone());
        let mut status = status.clone();
        for _ in 0..TRAINER_WRITES {
            let conflict = match self.put_trial_status(&seen, &status).await {
                Err(conflict @ Error::Conflict { .. }) => conflict,
                answer => return answer,
            };
            let latest = self.context.world.trials.get(self.key, &trial.name_any());
            let reported = |latest: &Arc<NasTrial>| {
                latest.resource_version() != seen.resource_version() && latest.differs_in_report_alone(&seen)
            };
            let Some(latest) = latest.filter(reported) else { return Err(conflict) };
            let reported = latest.status.as_ref().and_then(|status| status.reported.clone());
            if status.reported.as_ref().is_none_or(|own| !own.follows(reported.as_ref())) {
                status.reported = reported;
            }
            seen = latest;
        }
        tracing::warn!(trial = trial.name_any(), "its trainer writes without pause: the attempt is given up");
        self.next_attempt(&seen).await?;
        Err(Error::Conflict { kind: "NasTrial", name: trial.name_any() })
    }

    async fn put_trial_status(&self, trial: &NasTrial, status: &NasTrialStatus) -> Result<Arc<NasTrial>, Error> {
        let name = trial.name_any();
        let body = json!({"metadata": {"resourceVersion": trial.resource_version(), "uid": trial.uid()}, "status": status});
        let patched = self
            .context
            .requests
            .send("patch", "NasTrial", &name, self.api::<NasTrial>().patch_status(&name, &manager(), &Patch::Merge(body)))
            .await;
        self.trial_answer(&name, patched).await
    }

    /// Takes in the answer; after a lost race, what the other one wrote.
    async fn trial_answer(&self, name: &str, answer: Result<NasTrial, Error>) -> Result<Arc<NasTrial>, Error> {
        let trials = &self.context.world.trials;
        match answer {
            Ok(trial) => Ok(trials.written(trial)),
            Err(error @ Error::Conflict { .. }) => {
                match self.context.requests.send("get", "NasTrial", name, self.api::<NasTrial>().get_opt(name)).await? {
                    Some(trial) => drop(trials.written(trial)),
                    None => trials.gone(self.key, name),
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The trial as it is on the server; `None`: it is gone.
    pub(crate) async fn read_trial(&self, name: &str) -> Result<Option<Arc<NasTrial>>, Error> {
        match self.context.requests.send("get", "NasTrial", name, self.api::<NasTrial>().get(name)).await {
            Ok(trial) => Ok(Some(self.context.world.trials.written(trial))),
            Err(Error::Api { source, .. }) if is_not_found(&source) => {
                self.context.world.trials.gone(self.key, name);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the server has a trial of this name, whether or not this version can read it.
    pub(crate) async fn is_trial_there(&self, name: &str) -> Result<bool, Error> {
        Ok(self.context.requests.send("get", "NasTrial", name, self.api::<NasTrial>().get_metadata_opt(name)).await?.is_some())
    }

    /// Holds the cache against all trials of the experiment on the server, and reads those that it does not know as they are; returns
    /// whether it knew otherwise.
    pub(crate) async fn read_trials(&self) -> Result<bool, Error> {
        let mut page = ListParams::default().fields(&format!("spec.experiment={}", self.key.experiment)).limit(PAGE);
        let api = self.api::<NasTrial>();
        let mut listed = HashMap::new();
        // All pages are of one version.
        let at = loop {
            let found = self.context.requests.send("list", "NasTrial", &self.key.experiment, api.list_metadata(&page)).await?;
            listed.extend(found.items.iter().map(|trial| (trial.name_any(), version(trial))));
            match found.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break found.metadata.resource_version.and_then(|version| version.parse().ok()).unwrap_or_default(),
            }
        };
        let world = &self.context.world;
        let Compared { old, some_are_gone } = world.trials.compare(self.key, &listed, at);
        let mut knew_otherwise = some_are_gone;
        let api = self.api::<DeserializeGuard<NasTrial>>();
        for name in old {
            match self.context.requests.send("get", "NasTrial", &name, api.get_opt(&name)).await? {
                Some(DeserializeGuard(Ok(trial))) => knew_otherwise |= world.trials.read(trial),
                Some(DeserializeGuard(Err(invalid))) => {
                    world.note_unreadable_trial(&invalid.metadata, Some(&invalid.error));
                    knew_otherwise = true;
                }
                None => {
                    knew_otherwise |= world.trials.get(self.key, &name).is_some();
                    world.trials.gone(self.key, &name);
                }
            }
        }
        Ok(knew_otherwise)
    }

    /// Creates a Job, or takes in the one that has its name, which the next pass judges.
    pub(crate) async fn create_job(&self, job: &Job) -> Result<Created, Error> {
        let name = job.name_any();
        let api = self.api::<Job>();
        match self.context.requests.send("create", "Job", &name, api.create(&post(), job)).await {
            Ok(job) => drop(self.context.world.jobs.written(job)),
            Err(conflict @ Error::Conflict { .. }) => {
                // Gone again in between, and perhaps no watch shows it: the next pass must try anew.
                let Some(found) = self.context.requests.send("get", "Job", &name, api.get_opt(&name)).await? else {
                    return Err(conflict);
                };
                let is_watched = found.labels().contains_key(labels::TRIAL) && found.labels().contains_key(labels::EXPERIMENT);
                self.context.world.jobs.written(found);
                return Ok(if is_watched { Created::Watched } else { Created::Unwatched });
            }
            // An admission policy or webhook, or a limit of the namespace: the search's other trials are not to blame.
            Err(Error::Api { source, .. }) if let Some(said) = refusal(&source) => return Ok(Created::Refused(said)),
            Err(error) => return Err(error),
        }
        Ok(Created::Watched)
    }

    /// A Job as it is on the server: one that no cache holds.
    pub(crate) async fn read_job(&self, name: &str) -> Result<Option<Job>, Error> {
        self.context.requests.send("get", "Job", name, self.api::<Job>().get_opt(name)).await
    }

    /// Creates a Job that no cache holds. One that is there already is as good.
    pub(crate) async fn create_cleanup(&self, job: &Job) -> Result<(), Error> {
        match self.context.requests.send("create", "Job", &job.name_any(), self.api::<Job>().create(&post(), job)).await {
            Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes a Job and its pods, if it is still the one with this UID.
    pub(crate) async fn delete_job(&self, name: &str, uid: &str) -> Result<(), Error> {
        let parameters = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
            ..DeleteParams::default()
        };
        match self.context.requests.send("delete", "Job", name, self.api::<Job>().delete(name, &parameters)).await {
            Ok(answer) => {
                // A Job with a finalizer answers with itself, and goes later.
                match answer.left() {
                    Some(job) if job.metadata.deletion_timestamp.is_some() && job.labels().contains_key(labels::TRIAL) => {
                        drop(self.context.world.jobs.written(job));
                    }
                    _ => self.context.world.jobs.gone(self.key, name),
                }
                Ok(())
            }
            Err(Error::Api { source, .. }) if is_not_found(&source) => {
                self.context.world.jobs.gone(self.key, name);
                Ok(())
            }
            // Another Job has the name by now.
            Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The pods of a trial as they are on the server.
    pub(crate) async fn read_pods(&self, trial: &str) -> Result<Vec<Arc<Pod>>, Error> {
        let selector = ListParams::default().labels(&format!("{}={trial}", labels::TRIAL));
        let found = self.context.requests.send("list", "Pod", trial, self.api::<Pod>().list(&selector)).await?;
        Ok(found.items.into_iter().map(Arc::new).collect())
    }

    /// Writes the experiment's status, if nobody has written the experiment since it was seen. What is absent in `status` is removed.
    pub(crate) async fn write_status(
        &self,
        experiment: &NasExperiment,
        status: &NasExperimentStatus,
    ) -> Result<Arc<NasExperiment>, Error> {
        let name = experiment.name_any();
        let mut wanted = to_value(status);
        if let (Value::Object(wanted), Value::Object(old)) = (&mut wanted, to_value(&experiment.status)) {
            for field in old.keys().filter(|field| !wanted.contains_key(*field)).cloned().collect::<Vec<_>>() {
                wanted.insert(field, Value::Null);
            }
        }
        let metadata = json!({"resourceVersion": experiment.resource_version(), "uid": experiment.uid()});
        let body = Patch::Merge(json!({"metadata": metadata, "status": wanted}));
        let experiments = &self.context.world.experiments;
        let api = self.api::<NasExperiment>();
        match self.context.requests.send("patch", "NasExperiment", &name, api.patch_status(&name, &manager(), &body)).await {
            Ok(experiment) => Ok(experiments.written(experiment)),
            Err(error @ Error::Conflict { .. }) => {
                if let Some(found) = self.context.requests.send("get", "NasExperiment", &name, api.get_opt(&name)).await? {
                    experiments.written(found);
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

/// Why the server refuses an object that it has understood.
fn refusal(error: &kube::Error) -> Option<String> {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => Some(status.message.clone()),
        // A webhook that does not answer. Any other 500 is the server's own, and over in a moment, or it holds up everything.
        kube::Error::Api(status) if status.code == 500 && status.message.contains("failed calling webhook") => {
            Some(status.message.clone())
        }
        _ => None,
    }
}

/// Whether there is no such object, or not even its kind: for that the server answers in plain text, without a reason.
fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// An object of the API as another reads it: for comparing and sending parts of it.
fn to_value(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}
