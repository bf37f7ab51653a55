//! What an experiment learns from earlier ones: put into a `ConfigMap` of its own before its first trial, and read from there ever after, so that
//! a search decides the same after a restart, and when the earlier experiments are gone.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt};
use nas_api::{WARM_START_KEY, objects::NasExperiment};
use nas_search::EarlierTrial;

use super::{accept::Refusal, status::is_finished};
use crate::{Error, context::Context, labels, ownership::is_owned, request::post, store::ExperimentKey, world::World};

/// The evidence, or what is in its way.
pub(super) async fn evidence(
    context: &Context,
    key: &ExperimentKey,
    experiment: &NasExperiment,
) -> Result<Result<Vec<EarlierTrial>, Refusal>, Error> {
    let name = NasExperiment::warm_start_map(&experiment.name_any());
    let api = context.requests.api::<ConfigMap>(&key.namespace);
    if let Some(kept) = context.requests.send("get", "ConfigMap", &name, api.get_opt(&name)).await? {
        return Ok(read(&kept, experiment));
    }
    let (world, of, learner) = (Arc::clone(&context.world), key.clone(), experiment.clone());
    // It validates each earlier experiment, which may take seconds.
    let gathered = tokio::task::spawn_blocking(move || gather(&world, &of, &learner)).await;
    let trials = match gathered.map_err(|error| Error::Task(error.to_string()))? {
        Ok(trials) => trials,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let kept = serde_json::to_string(&trials).map_err(|error| Error::Task(error.to_string()))?;
    let mut map = ConfigMap { immutable: Some(true), ..ConfigMap::default() };
    map.metadata.name = Some(name.clone());
    map.metadata.labels = Some([(labels::EXPERIMENT.to_owned(), experiment.name_any())].into());
    map.metadata.owner_references = experiment.controller_owner_ref(&()).map(|owner| vec![owner]);
    map.data = Some([(WARM_START_KEY.to_owned(), kept)].into());
    // Where another replica was faster, the next pass reads what it kept.
    let created = context.requests.send("create", "ConfigMap", &name, api.create(&post(), &map)).await?;
    Ok(read(&created, experiment))
}

/// What was kept for this very experiment.
fn read(kept: &ConfigMap, experiment: &NasExperiment) -> Result<Vec<EarlierTrial>, Refusal> {
    let name = kept.name_any();
    if !is_owned(kept, experiment) {
        let message = format!("the ConfigMap {name} is in the way, which is not of this experiment: delete it");
        return Err(Refusal { reason: "NameTaken", message });
    }
    let text = kept.data.as_ref().and_then(|data| data.get(WARM_START_KEY)).map(String::as_str).unwrap_or_default();
    serde_json::from_str(text).map_err(|error| {
        let message = format!(
            "the ConfigMap {name} does not hold what this experiment learns from ({error}): delete it, and it is made anew"
        );
        Refusal { reason: "EvidenceDamaged", message }
    })
}

/// What the earlier experiments have to tell: all of them have ended, so that it changes no more.
fn gather(world: &World, key: &ExperimentKey, experiment: &NasExperiment) -> Result<Vec<EarlierTrial>, Refusal> {
    let mut all = Vec::new();
    for (at, name) in experiment.warm_start().iter().enumerate() {
        let refuse = |reason, words: String| Refusal { reason, message: format!("spec.warmStart.experiments[{at}]: {words}") };
        let other = ExperimentKey { experiment: name.clone(), ..key.clone() };
        let Some(earlier) = world.experiments.get(&other, name) else {
            let words = format!("there is no NasExperiment {name} in namespace {}", key.namespace);
            return Err(refuse("WarmStartMissing", words));
        };
        if !is_finished(&earlier) {
            return Err(refuse("WarmStartRunning", format!("{name} has not finished yet: this experiment waits for it")));
        }
        let trials = world.trials_of(&other, &earlier);
        let told = experiment.learn_from(&earlier, trials.iter().map(|trial| (**trial).clone()));
        all.extend(told.map_err(|words| refuse("WarmStartUnsuitable", words))?);
    }
    Ok(all)
}
