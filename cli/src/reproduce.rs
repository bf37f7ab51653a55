//! Experiment files that do something again: search the same, or train one trial.

use std::collections::BTreeMap;

use nas_api::{
    objects::{DomainSpec, Empty, NasExperiment, NasExperimentSpec, ParameterSpec, SamplerSpec, SchedulerSpec},
    to_object,
};
use nas_search::Assignment;
use serde::Serialize;

/// An experiment as a person would write it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Name<'a>,
    spec: &'a NasExperimentSpec,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

/// The file of an experiment that searches the same as this one: all that was left open when it was written is said.
pub(crate) fn same_search(experiment: &NasExperiment) -> String {
    let file = File {
        api_version: "nas-operator.dev/v1alpha1",
        kind: "NasExperiment",
        metadata: Name { name: experiment.metadata.name.as_deref().unwrap_or_default() },
        spec: &experiment.spec,
    };
    serde_yaml::to_string(&file).unwrap_or_default()
}

/// The file of an experiment that trains the configuration of one trial anew, in full: everything in its space is constant.
pub(crate) fn one_trial(experiment: &NasExperiment, trial: &str, assignment: &Assignment) -> String {
    let mut again = experiment.clone();
    let spec = &mut again.spec;
    let is_choice = |name: &str| spec.space.darts.is_some() && nas_darts::choice_names().any(|choice| choice == name);
    let (fixed, constants): (BTreeMap<_, _>, BTreeMap<_, _>) =
        to_object(assignment).into_iter().partition(|(name, _)| is_choice(name));
    let parameter = |(name, value)| ParameterSpec { name, domain: DomainSpec::Constant(value), when: None };
    spec.space.parameters = constants.into_iter().map(parameter).collect();
    if let Some(darts) = &mut spec.space.darts {
        darts.operations = Vec::new();
        darts.fixed = fixed;
    }
    spec.constraints = Vec::new();
    spec.sampler = SamplerSpec::Random(Empty {});
    spec.warm_start = None;
    spec.scheduler = SchedulerSpec::FullLength(Empty {});
    (spec.max_trials, spec.parallel_trials) = (1, 1);
    (spec.budget, spec.target, spec.max_failed_trials, spec.confirm) = (None, None, None, None);
    spec.suspend = false;
    // Of an experiment's name at most 40 characters are allowed; trials of long ones have more.
    let name: String = format!("again-{trial}").chars().take(40).collect();
    again.metadata.name = Some(name.trim_end_matches('-').to_owned());
    same_search(&again)
}
