//! The experiment that a conversion makes, as a person would write it: what was left open stays open.

use std::collections::BTreeMap;

use nas_api::objects::{
    Accelerator, Claim, ConstraintSpec, DartsSpace, Empty, Objective, PodOverlay, ResourceSpec, SamplerSpec, SchedulerSpec,
    UnitSpec,
};
use serde::Serialize;
use serde_yaml::FlowMap;

use super::{domain::Parameter, notes::Notes};

/// The claims of the experiments that come with the project.
const CHECKPOINTS: &str = "checkpoints";
const DATASETS: &str = "datasets";
/// Longest name of an experiment.
const MAX_NAME: usize = 40;

/// An experiment in the making.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) objective: Option<Objective>,
    pub(super) darts: Option<DartsSpace>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) constraints: Vec<ConstraintSpec>,
    /// `None`: the default, the guided one.
    pub(super) sampler: Option<SamplerSpec>,
    pub(super) scheduler: SchedulerSpec,
    pub(super) resource: Option<ResourceSpec>,
    pub(super) max_trials: i64,
    pub(super) parallel_trials: i64,
    pub(super) wall_clock: Option<String>,
    pub(super) target: Option<f64>,
    pub(super) max_failed_trials: Option<i64>,
    pub(super) seed: Option<i64>,
    pub(super) trial: Trial,
}

/// How one trial is trained.
#[derive(Default)]
pub(super) struct Trial {
    pub(super) image: Option<String>,
    pub(super) accelerator: Option<Accelerator>,
    pub(super) cpu: Option<i64>,
    pub(super) memory: Option<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) data: Option<String>,
    pub(super) evaluate_every: Option<i64>,
    pub(super) pod: PodOverlay,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            name: String::new(),
            namespace: None,
            objective: None,
            darts: None,
            parameters: Vec::new(),
            constraints: Vec::new(),
            sampler: Some(SamplerSpec::Random(Empty {})),
            scheduler: SchedulerSpec::FullLength(Empty {}),
            resource: None,
            max_trials: 1,
            parallel_trials: 1,
            wall_clock: None,
            target: None,
            max_failed_trials: None,
            seed: None,
            trial: Trial::default(),
        }
    }
}

impl Draft {
    /// Gives the experiment a name: `given`, as far as an experiment can have it.
    pub(super) fn set_name(&mut self, path: &str, given: Option<&str>, fallback: &str, notes: &mut Notes) {
        let lower = given.unwrap_or(fallback).to_ascii_lowercase();
        let clean: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let mut clean = clean.trim_matches('-').to_owned();
        if !clean.starts_with(|c: char| c.is_ascii_lowercase()) {
            clean.insert_str(0, "x-");
        }
        clean.truncate(MAX_NAME);
        let clean = clean.trim_end_matches('-');
        clean.strip_suffix("-confirm").unwrap_or(clean).clone_into(&mut self.name);
        match given {
            Some(given) if given != self.name => {
                notes.changed(
                    path,
                    format!("the experiment's name is {}: at most {MAX_NAME} lower-case letters, digits and -", self.name),
                );
            }
            Some(_) => {}
            None => notes.assumed("metadata.name", format!("{}: name it as you like", self.name)),
        }
    }

    /// Fills in what an experiment needs and the file did not say.
    pub(super) fn complete(&mut self, notes: &mut Notes) {
        if self.resource.is_none() {
            self.resource = Some(ResourceSpec { unit: UnitSpec::Epochs, max: 1 });
            let advice = "1 epoch stands for one whole training, which the trainer ends by itself. Say how long it is (unit epochs or \
                          batches) where rungs are to save time";
            notes.assumed("spec.resource", advice);
        }
        if self.trial.data.is_none() {
            self.trial.data = Some("none".to_owned());
            let advice = "none: name the data set's folder in the claim, or leave it where the trainer brings its own data";
            notes.assumed("spec.trial.data.name", advice);
        }
        let advice = format!(
            "on a cluster, data sets lie in the PersistentVolumeClaim {DATASETS} and checkpoints in {CHECKPOINTS}: make them, or name yours"
        );
        notes.assumed("spec.trial.data.claim, spec.trial.checkpoints.claim", advice);
    }

    /// The file, without comments.
    ///
    /// # Errors
    ///
    /// What cannot be written as YAML.
    pub(super) fn to_yaml(&self) -> Result<String, String> {
        let Trial { image, accelerator, cpu, memory, env, data, evaluate_every, pod } = &self.trial;
        let claim = |name: &str| FlowMap(Claim { claim: name.to_owned() });
        let spec = Spec {
            objective: self.objective.as_ref().map(FlowMap),
            space: SpaceLines { darts: self.darts.as_ref(), parameters: self.parameters.iter().map(FlowMap).collect() },
            constraints: &self.constraints,
            sampler: self.sampler.as_ref().map(FlowMap),
            scheduler: FlowMap(&self.scheduler),
            resource: self.resource.as_ref().map(FlowMap),
            max_trials: self.max_trials,
            parallel_trials: self.parallel_trials,
            budget: self.wall_clock.as_deref().map(|wall_clock| FlowMap(Budget { wall_clock })),
            target: self.target,
            max_failed_trials: self.max_failed_trials,
            seed: self.seed,
            trial: TrialLines {
                image: image.as_deref(),
                accelerator: accelerator.as_ref().map(FlowMap),
                cpu: *cpu,
                memory: memory.as_deref(),
                env,
                data: FlowMap(Data { name: data.as_deref().unwrap_or_default(), claim: DATASETS }),
                evaluate_every: *evaluate_every,
                checkpoints: claim(CHECKPOINTS),
                pod: (*pod != PodOverlay::default()).then_some(pod),
            },
        };
        let metadata = FlowMap(Metadata { name: &self.name, namespace: self.namespace.as_deref() });
        let file = File { api_version: "nas-operator.dev/v1alpha1", kind: "NasExperiment", metadata, spec };
        serde_yaml::to_string(&file).map_err(|error| error.to_string())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: FlowMap<Metadata<'a>>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    objective: Option<FlowMap<&'a Objective>>,
    space: SpaceLines<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    constraints: &'a [ConstraintSpec],
    #[serde(skip_serializing_if = "Option::is_none")]
    sampler: Option<FlowMap<&'a SamplerSpec>>,
    scheduler: FlowMap<&'a SchedulerSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<FlowMap<&'a ResourceSpec>>,
    max_trials: i64,
    parallel_trials: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<FlowMap<Budget<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_failed_trials: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    trial: TrialLines<'a>,
}

#[derive(Serialize)]
struct SpaceLines<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    darts: Option<&'a DartsSpace>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<FlowMap<&'a Parameter>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Budget<'a> {
    wall_clock: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrialLines<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accelerator: Option<FlowMap<&'a Accelerator>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: &'a BTreeMap<String, String>,
    data: FlowMap<Data<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluate_every: Option<i64>,
    checkpoints: FlowMap<Claim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a PodOverlay>,
}

#[derive(Serialize)]
struct Data<'a> {
    name: &'a str,
    claim: &'a str,
}
