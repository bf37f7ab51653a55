//! Kubeflow Trainer's `OptimizationJob` (trainer.kubeflow.org/v1alpha1), as its types of version 2.3 have it.

use nas_api::objects::{AdditionalObjectiveSpec, DirectionSpec, Empty, Objective, SamplerSpec};
use serde_json::Value;

use super::{
    domain::{Ends, Parameter, choice, name},
    draft::{Draft, Trial},
    katib::metadata,
    notes::Notes,
    pod,
    source::Part,
};

const CONTRACT: &str =
    "the image's entry point is started without arguments: let it read NAS_PARAMETERS (docs/trainer-contract.md)";
const JOB: [(&str, &str); 5] = [
    ("runtimeRef", "a runtime brings its own pods: write what it sets beside the image into spec.trial by hand"),
    ("initializer", "data sets lie in a claim (trial.data.claim), or are fetched (trial.data.fetch)"),
    ("podTemplateOverrides", "write where pods run into trial.pod (docs/placing.md)"),
    ("runtimePatches", "write where pods run into trial.pod (docs/placing.md)"),
    ("managedBy", "trials of Kueue are queued by a label of trial.pod (docs/placing.md)"),
];
const TRAINER: [(&str, &str); 3] =
    [("command", CONTRACT), ("args", CONTRACT), ("numProcPerNode", "a trial is one process; it may start others itself")];

pub(super) fn convert(source: Value, notes: &mut Notes) -> Draft {
    let mut root = Part::new("", source, notes);
    let mut draft = Draft::default();
    metadata(&mut root, &mut draft, "optimization-job", notes);
    let mut spec = root.part("spec", notes);
    let mut objectives: Vec<AdditionalObjectiveSpec> =
        spec.parts("objectives", notes).into_iter().filter_map(|part| objective(part, notes)).collect();
    if !objectives.is_empty() {
        let AdditionalObjectiveSpec { metric, direction } = objectives.remove(0);
        draft.objective = Some(Objective { metric, direction, additional: objectives });
    }
    let mut algorithm = spec.part("searchAlgorithm", notes);
    let grid = algorithm.has("grid");
    if grid {
        algorithm.part("grid", notes).rest(&[], notes);
        draft.sampler = Some(SamplerSpec::Grid(Empty {}));
    }
    let mut random = algorithm.part("random", notes);
    match random.whole("seed", notes) {
        Some(seed) if seed < 0 => notes.lost(random.at("seed"), format!("{seed}: a seed is 0 or more")),
        seed => draft.seed = seed,
    }
    random.rest(&[], notes);
    algorithm.rest(&[], notes);
    for part in spec.parts("parameters", notes) {
        draft.parameters.extend(parameter(part, grid, notes));
    }
    draft.max_trials = spec.whole("numTrials", notes).unwrap_or(1);
    draft.parallel_trials = spec.whole("parallelTrials", notes).unwrap_or(1);
    train_job(spec.part("trainJobTemplate", notes), &mut draft.trial, notes);
    spec.rest(&[], notes);
    root.rest(&[("status", "results of the other system")], notes);
    draft
}

fn objective(mut part: Part, notes: &mut Notes) -> Option<AdditionalObjectiveSpec> {
    let metric = part.text("metric", notes);
    let direction = match part.text("direction", notes).unwrap_or_default().to_ascii_lowercase().as_str() {
        "maximize" => DirectionSpec::Maximize,
        _ => DirectionSpec::Minimize,
    };
    part.rest(&[], notes);
    metric.map(|metric| AdditionalObjectiveSpec { metric, direction })
}

fn parameter(mut part: Part, grid: bool, notes: &mut Notes) -> Option<Parameter> {
    let path = part.at("name");
    let given = part.text("name", notes)?;
    let mut space = part.part("searchSpace", notes);
    let mut domain = None;
    for (kind, log) in [("uniform", false), ("logUniform", true)] {
        let mut range = space.part(kind, notes);
        let (min, max) = (range.number("min", notes), range.number("max", notes));
        let whole = range.text("type", notes).as_deref() == Some("Int");
        let at = space.at(kind);
        domain = domain.or(min.zip(max).map(|(min, max)| Ends { min, max, whole, log, grid, step: None }.domain(&at, notes)));
        range.rest(&[], notes);
    }
    let mut list = space.part("categorical", notes);
    let values: Vec<Value> = list.list("choices", notes).into_iter().map(|(_, value)| value).collect();
    domain = domain.or_else(|| choice(&list.at("choices"), values, notes));
    list.rest(&[], notes);
    space.rest(&[], notes);
    part.rest(&[], notes);
    let Some(domain) = domain else {
        notes.lost(path, format!("{given}: has no range and no choices"));
        return None;
    };
    Some(Parameter { name: name(&path, &given, notes), domain })
}

fn train_job(mut template: Part, trial: &mut Trial, notes: &mut Notes) {
    let mut metadata = template.part("metadata", notes);
    for (name, into) in [("labels", &mut trial.pod.labels), ("annotations", &mut trial.pod.annotations)] {
        let mut words = metadata.part(name, notes);
        for key in words.names() {
            into.extend(words.text(&key, notes).map(|value| (key, value)));
        }
        words.rest(&[], notes);
    }
    metadata.rest(&[], notes);
    let mut spec = template.part("spec", notes);
    let mut trainer = spec.part("trainer", notes);
    let path = trainer.at("image");
    trial.image = trainer.text("image", notes);
    if trial.image.is_some() {
        notes.changed(
            path,
            "its program must keep the trainer contract: docs/trainer-contract.md, or nas_operator.trial in Python",
        );
    }
    pod::env(&mut trainer, trial, notes);
    let mut resources = trainer.part("resourcesPerNode", notes);
    pod::resources(&mut resources, trial, notes);
    resources.rest(&[], notes);
    match trainer.whole("numNodes", notes) {
        None | Some(1) => {}
        Some(count) => notes.lost(trainer.at("numNodes"), format!("{count}: a trial is one pod, on one node")),
    }
    trainer.rest(&TRAINER, notes);
    spec.rest(&JOB, notes);
    template.rest(&[], notes);
}
