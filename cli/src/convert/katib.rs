//! Katib's `Experiment` (kubeflow.org/v1beta1), as its documentation of 0.19 has it.

use nas_api::objects::{DartsSpace, DirectionSpec, Empty, Ladder, Objective, ResourceSpec, SamplerSpec, SchedulerSpec, UnitSpec};
use serde_json::Value;

use super::{
    domain::{Ends, Parameter, choice, name},
    draft::{Draft, Trial},
    ladder,
    notes::Notes,
    pod,
    source::{Part, number, short},
};

const SPEC: [(&str, &str); 3] = [
    ("metricsCollectorSpec", "the trainer reports by itself, one JSON document at its end (docs/trainer-contract.md)"),
    ("resumePolicy", "`suspend` pauses a search; one that has ended does not go on, a new one with `warmStart` learns from it"),
    ("earlyStopping", "rungs compare trials at one length instead: try `scheduler: {asha: {eta: 3}}`"),
];
const TEMPLATE: [(&str, &str); 6] = [
    ("primaryPodLabels", "a trial has one pod"),
    ("successCondition", "a trial succeeds with exit code 0 and a report"),
    ("failureCondition", "a trial fails by its exit code (docs/trainer-contract.md)"),
    ("retain", "`retention` says whose checkpoints stay"),
    ("configMap", "write trial.image and what it needs by hand"),
    ("trialSpec", "a trial is one pod with one container, on one node: write trial.image and what it needs by hand"),
];

pub(super) fn convert(source: Value, notes: &mut Notes) -> Draft {
    let mut root = Part::new("", source, notes);
    let mut draft = Draft::default();
    metadata(&mut root, &mut draft, "katib-experiment", notes);
    let mut spec = root.part("spec", notes);
    objective(spec.part("objective", notes), &mut draft, notes);
    let (algorithm, settings) = algorithm(spec.part("algorithm", notes), notes);
    draft.parallel_trials = spec.whole("parallelTrialCount", notes).unwrap_or(3);
    let trials = spec.whole("maxTrialCount", notes);
    if let Some(failed) = spec.whole("maxFailedTrialCount", notes) {
        notes.changed(spec.at("maxFailedTrialCount"), "the search ends when more than these failed, not when as many did");
        draft.max_failed_trials = Some(failed);
    }
    let grid = algorithm == "grid";
    for parameter in spec.parts("parameters", notes) {
        draft.parameters.extend(self::parameter(parameter, grid, notes));
    }
    let method = Method { name: &algorithm, path: spec.at("algorithm"), settings };
    method.apply(trials, &mut draft, &mut spec, notes);
    template(spec.part("trialTemplate", notes), &mut draft.trial, notes);
    spec.rest(&SPEC, notes);
    root.rest(&[("status", "results of the other system")], notes);
    draft
}

/// Name, namespace, and what else an object's metadata may hold.
pub(super) fn metadata(root: &mut Part, draft: &mut Draft, fallback: &str, notes: &mut Notes) {
    root.take("apiVersion");
    root.take("kind");
    let mut metadata = root.part("metadata", notes);
    let generated = metadata.text("generateName", notes);
    let name = metadata.text("name", notes).or(generated);
    draft.set_name(&metadata.at("name"), name.as_deref(), fallback, notes);
    draft.namespace = metadata.text("namespace", notes);
    for name in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "finalizers"] {
        metadata.take(name);
    }
    let advice = "give it to the experiment with kubectl, to its pods with trial.pod";
    metadata.rest(&[("labels", advice), ("annotations", advice)], notes);
}

fn objective(mut objective: Part, draft: &mut Draft, notes: &mut Notes) {
    let kind = objective.text("type", notes);
    let direction = if kind.as_deref() == Some("minimize") { DirectionSpec::Minimize } else { DirectionSpec::Maximize };
    let metric = objective.text("objectiveMetricName", notes).unwrap_or_else(|| Objective::default().metric);
    draft.objective = Some(Objective { metric, direction, additional: Vec::new() });
    if let Some(goal) = objective.number("goal", notes) {
        notes.changed(objective.at("goal"), "only a value at full length ends the search");
        draft.target = Some(goal);
    }
    let advice = [
        (
            "additionalMetricNames",
            "nothing to declare: a trainer may report further metrics. Further objectives are objective.additional",
        ),
        (
            "metricStrategies",
            "the value at the rung's step decides; report the best so far under a name of its own where that is wanted",
        ),
    ];
    objective.rest(&advice, notes);
}

/// Settings of an algorithm, each with its path.
type Settings = Vec<(String, String, Value)>;

fn algorithm(mut algorithm: Part, notes: &mut Notes) -> (String, Settings) {
    let name = algorithm.text("algorithmName", notes).unwrap_or_else(|| "random".to_owned());
    let mut settings = Vec::new();
    for mut setting in algorithm.parts("algorithmSettings", notes) {
        let path = setting.at("value");
        let name = setting.text("name", notes).unwrap_or_default();
        settings.extend(setting.take("value").map(|value| (name, path, value)));
        setting.rest(&[], notes);
    }
    algorithm.rest(&[], notes);
    (name, settings)
}

/// How Katib chooses configurations.
struct Method<'a> {
    name: &'a str,
    path: String,
    settings: Settings,
}

impl Method<'_> {
    fn take(&mut self, name: &str) -> Option<(String, Value)> {
        let at = self.settings.iter().position(|(known, ..)| known == name)?;
        let (_, path, value) = self.settings.remove(at);
        Some((path, value))
    }

    fn apply(mut self, trials: Option<i64>, draft: &mut Draft, spec: &mut Part, notes: &mut Notes) {
        if let Some((path, value)) = self.take("random_state") {
            match number(&value).map(as_whole).filter(|seed| *seed >= 0) {
                Some(seed) => draft.seed = Some(seed),
                None => notes.lost(path, format!("{}: a seed is a whole number, 0 or more", short(&value))),
            }
        }
        let guided = "the default, guided, stands in its place: sampler is left out";
        draft.sampler = match self.name {
            "random" | "hyperband" => Some(SamplerSpec::Random(Empty {})),
            "grid" => Some(SamplerSpec::Grid(Empty {})),
            "tpe" => Some(SamplerSpec::Tpe(Empty {})),
            "multivariate-tpe" => {
                notes.changed(&self.path, "multivariate-tpe: tpe here looks at each parameter by itself");
                Some(SamplerSpec::Tpe(Empty {}))
            }
            "enas" | "darts" => {
                let what = "one-shot search with shared weights is not there: space.darts is the DARTS space, of which each architecture is trained on its own";
                notes.changed(&self.path, format!("{}: {what}", self.name));
                draft.darts = Some(DartsSpace::default());
                None
            }
            other => {
                notes.changed(&self.path, format!("{other}: {guided}"));
                None
            }
        };
        draft.max_trials = trials.unwrap_or_else(|| {
            notes.assumed("spec.maxTrials", "100: without maxTrialCount a Katib experiment has no end");
            100
        });
        if self.name == "hyperband" {
            self.hyperband(draft, notes);
        }
        for (name, path, value) in self.settings {
            notes.lost(path, format!("{name}={}: samplers and schedulers here have no such setting", short(&value)));
        }
        if matches!(self.name, "enas" | "darts") {
            spec.part("nasConfig", notes).rest(&[], notes);
        }
    }

    /// Katib trains each promoted configuration anew as a trial of its own, with the length as a parameter: here the length is the resource.
    fn hyperband(&mut self, draft: &mut Draft, notes: &mut Notes) {
        let eta = self.take("eta").and_then(|(path, value)| Some(ladder::eta(path, number(&value)?, notes))).unwrap_or(3);
        let (path, resource) = self.take("resource_name").map_or_else(Default::default, |(path, value)| (path, short(&value)));
        let Some(max) = self.take("r_l").and_then(|(_, value)| number(&value)).map(as_whole) else {
            notes.lost(&self.path, "hyperband without r_l: set spec.resource.max and spec.scheduler");
            return;
        };
        let max = max.max(1);
        draft.parameters.retain(|parameter| parameter.name != resource.replace('-', "_"));
        let lower = resource.to_ascii_lowercase();
        let unit =
            if ["batch", "step", "iter"].iter().any(|word| lower.contains(word)) { UnitSpec::Batches } else { UnitSpec::Epochs };
        let said = format!(
            "{resource}: no parameter any more, but the resource: the trainer reads NAS_TARGET_STEP (of NAS_MAX_STEP {max})"
        );
        notes.changed(path, said);
        let lengths = |rungs: u32| (0..rungs).map(|rung| max / eta.pow(rungs - 1 - rung)).collect::<Vec<i64>>();
        let count = (1..16).take_while(|rung| eta.checked_pow(*rung).is_some_and(|power| power <= max)).count();
        let rungs = lengths(u32::try_from(count).unwrap_or_default() + 1);
        let given = draft.max_trials;
        draft.max_trials = configurations(eta, i64::try_from(count).unwrap_or_default(), given);
        if draft.max_trials != given {
            let said =
                format!("{given}: Katib counts each promotion as a trial; {} configurations are among them", draft.max_trials);
            notes.changed("spec.maxTrialCount", said);
        }
        draft.resource = Some(ResourceSpec { unit, max });
        draft.scheduler = SchedulerSpec::Hyperband(Ladder { eta, max_rungs: None, rungs: Some(rungs) });
    }
}

/// How many configurations are among the first `trials` trials of Katib's Hyperband, whose brackets begin at rung `highest`, ..., 0 below full
/// length and which has one round of them.
fn configurations(eta: i64, highest: i64, trials: i64) -> i64 {
    let up = |number: i64, divisor: i64| (number + divisor - 1) / divisor;
    let mut left = trials;
    let mut found = 0;
    for bracket in (0..=highest).rev() {
        let power = |exponent: i64| eta.pow(u32::try_from(exponent).unwrap_or_default());
        let width = up((highest + 1) * power(bracket), bracket + 1);
        let started: i64 = (0..=bracket).map(|rung| up(width, power(rung))).sum();
        found += width.min(left.max(0));
        left -= started;
    }
    found.max(1)
}

fn parameter(mut parameter: Part, grid: bool, notes: &mut Notes) -> Option<Parameter> {
    let path = parameter.at("name");
    let given = parameter.text("name", notes)?;
    let kind = parameter.text("parameterType", notes).unwrap_or_default();
    let mut space = parameter.part("feasibleSpace", notes);
    let at = space.at("step");
    let domain = match kind.as_str() {
        "double" | "int" => {
            let distribution = space.at("distribution");
            let spread = space.text("distribution", notes).unwrap_or_default();
            let log = matches!(spread.as_str(), "logUniform" | "logNormal");
            if matches!(spread.as_str(), "normal" | "logNormal") {
                notes.changed(
                    distribution,
                    format!("{spread}: stands as an even one over the same range{}", if log { ", in the logarithm" } else { "" }),
                );
            }
            let (min, max) = (space.number("min", notes), space.number("max", notes));
            let step = space.number("step", notes);
            min.zip(max).map(|(min, max)| Ends { min, max, whole: kind == "int", log, step, grid }.domain(&at, notes))
        }
        "discrete" => {
            let numbers = space
                .list("list", notes)
                .into_iter()
                .map(|(_, value)| number(&value).map_or(value, |number| super::domain::as_number(number).into()));
            choice(&space.at("list"), numbers.collect(), notes)
        }
        "categorical" => {
            let values = space.list("list", notes).into_iter().map(|(_, value)| value).collect();
            choice(&space.at("list"), values, notes)
        }
        other => {
            notes.lost(parameter.at("parameterType"), format!("{other:?}: known are double, int, discrete, categorical"));
            return None;
        }
    };
    space.rest(&[], notes);
    parameter.rest(&[], notes);
    let Some(domain) = domain else {
        notes.lost(path, format!("{given}: has no range and no list"));
        return None;
    };
    Some(Parameter { name: name(&path, &given, notes), domain })
}

/// The pod of a Job, or of a job of the training operator that has a single one.
fn template(mut template: Part, trial: &mut Trial, notes: &mut Notes) {
    let primary = template.text("primaryContainerName", notes);
    for mut parameter in template.parts("trialParameters", notes) {
        let path = parameter.at("name");
        let (name, reference) = (parameter.text("name", notes), parameter.text("reference", notes));
        if let (Some(name), Some(reference)) = (&name, &reference)
            && name != reference
        {
            notes.changed(
                path,
                format!("{name}: the trainer finds it in NAS_PARAMETERS as {reference}, the name of the parameter"),
            );
        }
        parameter.take("description");
        parameter.rest(&[], notes);
    }
    if let Some(spec) = template.take("trialSpec") {
        let path = template.at("trialSpec");
        match one_pod(&spec) {
            Some(way) => job(Part::new(&path, spec, notes), &way, primary.as_deref(), trial, notes),
            None => notes.lost(path, TEMPLATE[5].1),
        }
    }
    template.rest(&TEMPLATE, notes);
}

/// The way to the pod's template, where there is one pod.
fn one_pod(spec: &Value) -> Option<Vec<String>> {
    let inside = spec.get("spec")?.as_object()?;
    if inside.contains_key("template") {
        return Some(Vec::new());
    }
    let (name, replicas) = inside.iter().find(|(name, _)| name.ends_with("ReplicaSpecs"))?;
    let (role, only) = replicas.as_object().filter(|roles| roles.len() == 1)?.iter().next()?;
    let count = only.get("replicas").map_or(Some(1), Value::as_i64)?;
    (count == 1).then(|| vec![name.clone(), role.clone()])
}

fn job(mut job: Part, way: &[String], primary: Option<&str>, trial: &mut Trial, notes: &mut Notes) {
    job.take("apiVersion");
    job.take("kind");
    job.part("metadata", notes).rest(&[], notes);
    let spec = job.part("spec", notes);
    job.rest(&[], notes);
    let mut parts = vec![spec];
    for step in way {
        let inner = parts.last_mut().map(|last| last.part(step, notes));
        parts.extend(inner);
    }
    if let Some(last) = parts.last_mut() {
        last.take("replicas").or_else(|| last.take("parallelism"));
        pod::template(last.part("template", notes), primary, trial, notes);
    }
    let advice = [
        ("backoffLimit", "a crashed trial has five attempts, from its checkpoint"),
        ("activeDeadlineSeconds", "set spec.trial.timeLimit"),
        ("ttlSecondsAfterFinished", "the operator takes Jobs away by itself"),
        ("restartPolicy", "a lost or crashed trial goes on from its checkpoint, by itself"),
        ("runPolicy", "`suspend`, `retention` and spec.trial.timeLimit are what there is of it"),
    ];
    for part in parts {
        part.rest(&advice, notes);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes its end, and is refused later")]
fn as_whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::{super::domain::Domain, *};

    #[test]
    fn katibs_hyperband_counts_promotions_as_trials() {
        assert_eq!(configurations(3, 2, 23), 17, "9 + 3 + 1, 5 + 2, 3");
        assert_eq!(configurations(3, 2, 9), 9);
        assert_eq!(configurations(3, 2, 1000), 17, "one round");
        assert_eq!(configurations(4, 0, 5), 1);
    }

    #[test]
    fn a_list_of_one_is_a_constant() {
        let mut notes = Notes::default();
        assert_eq!(choice("list", vec!["sgd".into()], &mut notes), Some(Domain::Constant("sgd".into())));
    }
}
