//! Optuna (2 to 5): a space is in a file as its distributions (`optuna.distributions.distribution_to_json`), alone or with the study around
//! them, or in the journal that `JournalFileBackend` writes.

use std::collections::BTreeMap;

use nas_api::objects::{
    AdditionalObjectiveSpec, Asha, AshaType, Bracket, DirectionSpec, Empty, Ladder, Objective, ResourceSpec, SamplerSpec,
    SchedulerSpec, UnitSpec,
};
use serde_json::{Map, Value, json};

use super::{
    domain::{Ends, Parameter, choice, name},
    draft::Draft,
    ladder,
    notes::Notes,
    source::{Part, short},
};

/// Whether each field is a distribution.
pub(super) fn are_distributions(fields: &Map<String, Value>) -> bool {
    !fields.is_empty() && fields.values().all(|value| distribution(value).is_some())
}

/// A distribution: the object, or the text that a storage keeps of it.
fn distribution(value: &Value) -> Option<Value> {
    let value = match value {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    value.get("name")?.as_str()?.ends_with("Distribution").then_some(value)
}

pub(super) fn convert(source: Value, notes: &mut Notes) -> Draft {
    let (source, bare) = match source {
        Value::Object(fields) if are_distributions(&fields) => (Value::Null, Some(Value::Object(fields))),
        other => (other, None),
    };
    let mut root = Part::new("", source, notes);
    let mut draft = Draft::default();
    let given = root.text("study_name", notes);
    draft.set_name("study_name", given.as_deref(), "optuna-study", notes);
    let (sampler, grid) = sampler(root.take("sampler"), &mut draft, notes);
    draft.sampler = sampler;
    let mut distributions = match bare {
        Some(all) => Part::new("", all, notes),
        None => root.part("distributions", notes),
    };
    for given in distributions.names() {
        let path = distributions.at(&given);
        let Some(value) = distributions.take(&given) else { continue };
        match distribution(&value) {
            Some(value) => draft.parameters.extend(parameter(&path, &given, Part::new(&path, value, notes), grid, notes)),
            None => notes.lost(
                path,
                format!("{}: is no distribution: {{name, attributes}}, as distribution_to_json writes it", short(&value)),
            ),
        }
    }
    objectives(&mut root, &mut draft, notes);
    draft.max_trials = root.whole("n_trials", notes).unwrap_or_else(|| {
        notes.assumed("spec.maxTrials", "100: a space does not say how many trials there are");
        100
    });
    draft.parallel_trials = root.whole("n_jobs", notes).filter(|jobs| *jobs > 0).unwrap_or(1);
    if let Some(seconds) = root.number("timeout", notes) {
        draft.wall_clock = Some(format!("{seconds}s"));
    }
    pruner(&mut root, &mut draft, notes);
    root.rest(&[("storage", "results are in the NasTrials of the cluster, or in the folder of nasctl run")], notes);
    draft
}

fn objectives(root: &mut Part, draft: &mut Draft, notes: &mut Notes) {
    let mut names: Vec<String> = root.list("metric_names", notes).iter().map(|(_, name)| short(name)).collect();
    let mut directions: Vec<String> = root.list("directions", notes).iter().map(|(_, way)| short(way)).collect();
    directions.extend(root.text("direction", notes));
    if names.is_empty() {
        let one = "accuracy: Optuna's values have no name. Write the metric that your trainer reports";
        notes.assumed("spec.objective.metric", one);
        names.push(Objective::default().metric);
    }
    for index in names.len()..directions.len() {
        let name = format!("objective_{index}");
        notes
            .assumed(format!("spec.objective.additional[{}].metric", index - 1), format!("{name}: Optuna's values have no name"));
        names.push(name);
    }
    let mut all = names.into_iter().enumerate().map(|(index, metric)| {
        let way = directions.get(index).map(|way| way.to_ascii_lowercase());
        // Optuna minimises unless it is told otherwise.
        let direction = if way.as_deref() == Some("maximize") { DirectionSpec::Maximize } else { DirectionSpec::Minimize };
        AdditionalObjectiveSpec { metric, direction }
    });
    if let Some(first) = all.next() {
        draft.objective = Some(Objective { metric: first.metric, direction: first.direction, additional: all.collect() });
    }
    if directions.is_empty() {
        notes.assumed("spec.objective.direction", "Minimize, as Optuna does unless it is told otherwise");
    }
}

fn parameter(path: &str, given: &str, mut part: Part, grid: bool, notes: &mut Notes) -> Option<Parameter> {
    let kind = part.text("name", notes).unwrap_or_default();
    let mut attributes = part.part("attributes", notes);
    let at = attributes.at("step");
    let domain = if kind == "CategoricalDistribution" {
        let values = attributes.list("choices", notes).into_iter().map(|(_, value)| value).collect();
        choice(&attributes.at("choices"), values, notes)
    } else {
        let ends = attributes.number("low", notes).zip(attributes.number("high", notes));
        let step = attributes.number("step", notes).or_else(|| attributes.number("q", notes));
        let log = attributes.flag("log", notes).unwrap_or(false) || kind.contains("Log");
        let whole = kind.starts_with("Int");
        ends.map(|(min, max)| Ends { min, max, whole, log, step, grid }.domain(&at, notes))
    };
    attributes.rest(&[], notes);
    part.rest(&[], notes);
    if domain.is_none() {
        notes.lost(path, format!("{kind}: has no low and high, and no choices"));
    }
    domain.map(|domain| Parameter { name: name(path, given, notes), domain })
}

/// A class and its arguments: `"TPESampler"`, or `{"TPESampler": {"seed": 42}}`.
fn class(path: &str, value: Value, notes: &mut Notes) -> (String, Part) {
    match value {
        Value::Object(fields) if fields.len() == 1 => {
            let (name, arguments) = fields.into_iter().next().unwrap_or_default();
            let part = Part::new(format!("{path}.{name}"), arguments, notes);
            (name, part)
        }
        other => (short(&other), Part::new(path, Value::Null, notes)),
    }
}

/// The sampler (`None`: the default), and whether it is a grid.
fn sampler(value: Option<Value>, draft: &mut Draft, notes: &mut Notes) -> (Option<SamplerSpec>, bool) {
    let Some(value) = value else {
        notes.assumed(
            "spec.sampler",
            "tpe, as Optuna does unless it is told otherwise; leave it out for guided, the default here",
        );
        return (Some(SamplerSpec::Tpe(Empty {})), false);
    };
    let (name, mut arguments) = class("sampler", value, notes);
    draft.seed = arguments.whole("seed", notes);
    let known = match name.as_str() {
        "TPESampler" => Some(SamplerSpec::Tpe(Empty {})),
        "RandomSampler" => Some(SamplerSpec::Random(Empty {})),
        "GridSampler" | "BruteForceSampler" => Some(SamplerSpec::Grid(Empty {})),
        "NSGAIISampler" | "NSGAIIISampler" => Some(SamplerSpec::Mutation(Empty {})),
        _ => None,
    };
    match (&known, name.as_str()) {
        (None, _) => notes.changed("sampler", format!("{name}: the default, guided, stands in its place: sampler is left out")),
        (_, "NSGAIISampler" | "NSGAIIISampler") => {
            notes.changed(
                "sampler",
                format!("{name}: stands as mutation, regularised evolution; objectives are sorted by dominance in any case"),
            );
        }
        _ => {}
    }
    arguments.rest(&[("search_space", "a grid takes each value of the space: give `count`")], notes);
    let grid = matches!(known, Some(SamplerSpec::Grid(_)));
    (known, grid)
}

fn pruner(root: &mut Part, draft: &mut Draft, notes: &mut Notes) {
    let max = root.whole("max_step", notes);
    draft.resource = max.filter(|max| *max > 0).map(|max| ResourceSpec { unit: UnitSpec::Epochs, max });
    if let Some(ResourceSpec { max, .. }) = draft.resource {
        notes.assumed(
            "spec.resource",
            format!("{max} epochs: the highest step that trials reported; make it your trainer's full length and unit"),
        );
    }
    let Some(value) = root.take("pruner") else { return };
    let (name, mut arguments) = class("pruner", value, notes);
    let default = if name == "HyperbandPruner" { 3.0 } else { 4.0 };
    let given = arguments.number("reduction_factor", notes).unwrap_or(default);
    let eta = ladder::eta(arguments.at("reduction_factor"), given, notes);
    let least = arguments.whole("min_resource", notes).unwrap_or(1);
    let max = arguments.whole("max_resource", notes).or(max);
    if let (Some(max), "SuccessiveHalvingPruner" | "HyperbandPruner") = (max, name.as_str()) {
        draft.resource = Some(ResourceSpec { unit: UnitSpec::Epochs, max });
        let rungs = ladder::milestones(least, max, eta);
        draft.scheduler = if name == "HyperbandPruner" {
            notes.changed("pruner", "HyperbandPruner: prunes on arrival, while hyperband here waits for a rung to be complete");
            SchedulerSpec::Hyperband(Ladder { eta, max_rungs: None, rungs: Some(rungs) })
        } else {
            let bracket = Bracket::Aggressive;
            SchedulerSpec::Asha(Asha { kind: AshaType::Stopping, bracket, eta, max_rungs: None, rungs: Some(rungs) })
        };
    } else if matches!(name.as_str(), "SuccessiveHalvingPruner" | "HyperbandPruner") {
        notes.lost("pruner", format!("{name}: without max_step (the last step of the objective) its rungs are not known; set spec.resource.max and spec.scheduler"));
    } else if name != "NopPruner" {
        notes.changed("pruner", format!("{name}: there is none; each trial is trained in full. Try `asha: {{eta: 3}}`"));
    }
    arguments.rest(&[], notes);
}

/// Whether a text is the journal of a `JournalFileBackend`.
pub(super) fn is_journal(text: &str) -> bool {
    let first = text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok());
    first.is_some_and(|first| first.get("op_code").is_some())
}

/// What a journal says of its last study, as if it stood in a file of its own. What trials found is not part of a search.
pub(super) fn of_journal(text: &str, notes: &mut Notes) -> Value {
    let operations = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut studies: Vec<Study> = Vec::new();
    // Ids count from 0 in the order of creation.
    let mut of_trial: Vec<usize> = Vec::new();
    for operation in operations {
        let id = |name: &str| operation.get(name).and_then(Value::as_u64).and_then(|id| usize::try_from(id).ok());
        let code = operation.get("op_code").and_then(Value::as_u64);
        if code == Some(0) {
            studies.push(Study::new(&operation));
            continue;
        }
        if let (Some(4), Some(study)) = (code, id("study_id")) {
            of_trial.push(study);
        }
        let study = id("study_id").or_else(|| of_trial.get(id("trial_id")?).copied());
        if let Some(study) = study.and_then(|study| studies.get_mut(study)) {
            study.take(code.unwrap_or_default(), &operation);
        }
    }
    let mut kept: Vec<Study> = studies.into_iter().filter(|study| !study.deleted).collect();
    let Some(last) = kept.pop() else { return json!({}) };
    for other in kept {
        notes.lost(format!("study {}", other.name), "one file is one search: convert a journal of that study alone");
    }
    last.into_file(notes)
}

/// A study of a journal.
#[derive(Default)]
struct Study {
    name: String,
    directions: Vec<&'static str>,
    distributions: BTreeMap<String, Value>,
    /// Trials in which each parameter was asked for.
    asked: BTreeMap<String, u64>,
    trials: u64,
    max_step: u64,
    deleted: bool,
}

impl Study {
    fn new(operation: &Value) -> Self {
        let ways = operation.get("directions").and_then(Value::as_array).into_iter().flatten();
        let directions = ways.map(|way| if way.as_u64() == Some(2) { "maximize" } else { "minimize" }).collect();
        let name = operation.get("study_name").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { name, directions, ..Self::default() }
    }

    fn take(&mut self, code: u64, operation: &Value) {
        match code {
            1 => self.deleted = true,
            4 => self.trials += 1,
            5 => {
                if let (Some(name), Some(distribution)) =
                    (operation.get("param_name").and_then(Value::as_str), operation.get("distribution"))
                {
                    *self.asked.entry(name.to_owned()).or_default() += 1;
                    self.distributions.insert(name.to_owned(), distribution.clone());
                }
            }
            7 => self.max_step = self.max_step.max(operation.get("step").and_then(Value::as_u64).unwrap_or_default()),
            _ => {}
        }
    }

    fn into_file(self, notes: &mut Notes) -> Value {
        for (name, asked) in self.asked.iter().filter(|(_, asked)| **asked < self.trials) {
            let said = format!(
                "was asked for in {asked} of {} trials: where it depends on another parameter, write `when` at it",
                self.trials
            );
            notes.changed(format!("distributions.{name}"), said);
        }
        notes.lost(
            "trials",
            format!("{}: what they found is not part of a search, and no sampler here learns from it", self.trials),
        );
        notes.lost("sampler, pruner", "a journal does not name them: set spec.sampler and spec.scheduler (docs/choosing.md)");
        json!({
            "study_name": self.name, "directions": self.directions, "distributions": self.distributions, "n_trials": self.trials.max(1),
            "max_step": self.max_step,
        })
    }
}
