//! Whether an experiment can be searched: its own rules, and what it names in the cluster.

use std::sync::Arc;

use k8s_openapi::api::{
    authorization::v1::SelfSubjectAccessReview,
    core::v1::{PersistentVolumeClaim, ServiceAccount},
};
use kube::Api;
use nas_api::{
    Access, Problem, TRAINER,
    objects::{NasExperiment, ReportingSpec},
};
use nas_search::Plan;

use super::{search::Search, warm_start};
use crate::{Error, context::Context, request::post, store::ExperimentKey};

/// Why an experiment is not accepted: a word and a text with every problem.
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// The experiment's plan, if everything that it names is there; or why there is none.
pub(crate) async fn accept(
    context: &Context,
    key: &ExperimentKey,
    search: &mut Search,
    experiment: &Arc<NasExperiment>,
) -> Result<Result<Arc<Plan>, Refusal>, Error> {
    let plan = match plan_of(context, key, search, experiment).await? {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let generation = experiment.metadata.generation.unwrap_or_default();
    if search.complete != Some(generation) {
        if let Some(refusal) = missing(context, key, experiment, &plan).await? {
            return Ok(Err(refusal));
        }
        search.complete = Some(generation);
    }
    Ok(Ok(plan))
}

/// The experiment's plan, whatever is there by now; or why there is none.
pub(crate) async fn plan_of(
    context: &Context,
    key: &ExperimentKey,
    search: &mut Search,
    experiment: &Arc<NasExperiment>,
) -> Result<Result<Arc<Plan>, Refusal>, Error> {
    let generation = experiment.metadata.generation.unwrap_or_default();
    let checked = match &search.checked {
        Some((of, checked)) if *of == generation => checked.clone(),
        _ => {
            let own = Arc::clone(experiment);
            // Rules are compiled and a configuration is drawn: seconds, where nothing satisfies them.
            let checked = tokio::task::spawn_blocking(move || own.validate()).await;
            let mut checked = checked.map_err(|error| Error::Task(error.to_string()))?;
            if let (Ok(plan), false) = (&mut checked, experiment.warm_start().is_empty()) {
                match warm_start::evidence(context, key, experiment).await? {
                    Ok(earlier) => plan.learn_from(&earlier),
                    Err(refusal) => return Ok(Err(refusal)),
                };
            }
            let checked = checked.map(Arc::new);
            search.checked = Some((generation, checked.clone()));
            checked
        }
    };
    Ok(checked.map_err(|problems| {
        let message = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ");
        Refusal { reason: "Invalid", message }
    }))
}

/// The first thing that is not there.
async fn missing(
    context: &Context,
    key: &ExperimentKey,
    experiment: &NasExperiment,
    plan: &Plan,
) -> Result<Option<Refusal>, Error> {
    let namespace = &key.namespace;
    let template = &experiment.spec.trial;
    let refuse = |reason, message: String| Ok(Some(Refusal { reason, message }));
    if template.checkpoints.is_none() && plan.rungs.top() > 0 {
        return refuse(
            "CheckpointsNeeded",
            "spec.trial.checkpoints is missing: trials that go on to a further rung resume from there. Name a PersistentVolumeClaim, \
             {claim: checkpoints}, that all nodes of the trials can mount"
                .to_owned(),
        );
    }
    if let Some(problem) = experiment.lacks_on_cluster() {
        return refuse("DataClaimNeeded", problem.to_string());
    }
    for (resource, group) in [("jobs", "batch"), ("nastrials", "nas-operator.dev")] {
        if !may_create(context, namespace, group, resource).await? {
            return refuse(
                "Forbidden",
                format!(
                    "the operator may not create {resource} in namespace {namespace}: install its chart with this namespace among those it watches"
                ),
            );
        }
    }
    let claims = [
        ("spec.trial.checkpoints.claim", template.checkpoints.as_ref().map(|claim| &claim.claim)),
        ("spec.trial.data.claim", template.data.claim.as_ref()),
    ];
    for (field, claim) in claims {
        let Some(claim) = claim else { continue };
        let api = context.requests.api::<PersistentVolumeClaim>(namespace);
        let found = context.requests.send("get", "PersistentVolumeClaim", claim, api.get_metadata_opt(claim)).await?;
        if found.is_none() {
            return refuse(
                "ClaimMissing",
                format!("{field}: there is no PersistentVolumeClaim {claim} in namespace {namespace}: create it"),
            );
        }
    }
    let (account, cure) = match template.reporting {
        ReportingSpec::TerminationMessage => {
            let account = context.config.trainer_service_account.as_str();
            (account, format!("create it with `kubectl create serviceaccount {account} -n {namespace}`"))
        }
        ReportingSpec::CRStatus => {
            let cure = "spec.trial.reporting is CRStatus: install the chart with trainer.reporting.enabled=true and this namespace in \
                        trainer.reporting.namespaces, or use TerminationMessage";
            (TRAINER, cure.to_owned())
        }
    };
    let api = context.requests.api::<ServiceAccount>(namespace);
    let found = context.requests.send("get", "ServiceAccount", account, api.get_metadata_opt(account)).await?;
    if found.is_none() {
        return refuse("ServiceAccountMissing", format!("there is no ServiceAccount {account} in namespace {namespace}: {cure}"));
    }
    Ok(None)
}

async fn may_create(context: &Context, namespace: &str, group: &str, resource: &str) -> Result<bool, Error> {
    let review = Access { namespace: Some(namespace), group, resource, name: None, verb: "create" }.review();
    let api: Api<SelfSubjectAccessReview> = Api::all(context.requests.client());
    let answer = context.requests.send("create", "SelfSubjectAccessReview", resource, api.create(&post(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
