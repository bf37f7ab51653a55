//! Ray Tune (2.60): its spaces are Python objects, so the file is what a script writes of them: each domain as the call that made it
//! (`{"loguniform": [0.005, 0.5]}`; Ray itself has this form for `{"grid_search": [...]}`), the rest by the names of its arguments.

use nas_api::objects::{
    Accelerator, Asha, AshaType, Bracket, DirectionSpec, Empty, Ladder, Objective, ResourceSpec, SamplerSpec, SchedulerSpec,
    UnitSpec,
};
use serde_json::{Map, Value};

use super::{
    domain::{Domain, Ends, Parameter, choice, name},
    draft::Draft,
    ladder,
    notes::Notes,
    source::{Part, number, short},
};

const CALLS: [&str; 13] = [
    "uniform",
    "quniform",
    "loguniform",
    "qloguniform",
    "randn",
    "qrandn",
    "randint",
    "qrandint",
    "lograndint",
    "qlograndint",
    "choice",
    "grid_search",
    "sample_from",
];
/// What counts Ray's steps unless another name is given.
const TIME: &str = "training_iteration";
const RUN: [(&str, &str); 6] = [
    ("storage_path", "checkpoints lie in the claim spec.trial.checkpoints, or in the folder of nasctl run"),
    ("failure_config", "a crashed trial has five attempts, from its checkpoint; disruptions count for nothing"),
    ("checkpoint_config", "spec.retention says whose checkpoints stay; a trainer keeps its own newest ones"),
    ("callbacks", "a trainer may call other services, where its pod has a network"),
    ("verbose", "nasctl top and nasctl describe show a search"),
    ("progress_reporter", "nasctl top shows a search while it runs"),
];

pub(super) fn convert(source: Value, notes: &mut Notes) -> Draft {
    let mut root = Part::new("", source, notes);
    let mut draft = Draft::default();
    let mut run = root.part("run_config", notes);
    let given = run.text("name", notes);
    draft.set_name("run_config.name", given.as_deref(), "ray-tune", notes);
    let mut found = Found::default();
    space(root.part("param_space", notes), "", &mut draft, &mut found, notes);
    let mut tune = root.part("tune_config", notes);
    let mode = tune.text("mode", notes);
    let direction = if mode.as_deref() == Some("min") { DirectionSpec::Minimize } else { DirectionSpec::Maximize };
    let metric = tune.text("metric", notes).unwrap_or_else(|| Objective::default().metric);
    draft.objective = Some(Objective { metric: metric.clone(), direction, additional: Vec::new() });
    sampler(tune.take("search_alg"), &found, &mut draft, notes);
    trials(&mut tune, &found, &mut draft, notes);
    if let Some(seconds) = tune.number("time_budget_s", notes) {
        draft.wall_clock = Some(format!("{seconds}s"));
    }
    let mut stop = run.part("stop", notes);
    if let Some(max) = stop.whole(TIME, notes) {
        draft.resource = Some(ResourceSpec { unit: UnitSpec::Epochs, max });
    }
    if let Some(value) = stop.number(&metric, notes) {
        notes.changed(stop.at(&metric), "ends the search, not the trial, and only a value at full length counts");
        draft.target = Some(value);
    }
    stop.rest(&[("time_total_s", "spec.trial.timeLimit, of one segment")], notes);
    scheduler(tune.take("scheduler"), &mut draft, notes);
    if draft.resource.is_some() {
        notes.assumed("spec.resource.unit", "epochs: one of Ray's training iterations, unless your trainer counts otherwise");
    }
    resources(root.part("resources", notes), &mut draft, notes);
    tune.rest(&[("reuse_actors", "each segment is a process of its own"), ("trial_name_creator", "trials are numbered")], notes);
    run.rest(&RUN, notes);
    root.rest(&[], notes);
    draft
}

/// What was seen of the space.
#[derive(Default)]
struct Found {
    /// Values of all `grid_search`, multiplied.
    grid: Option<i64>,
    /// Whether anything is drawn.
    drawn: bool,
}

fn space(mut part: Part, prefix: &str, draft: &mut Draft, found: &mut Found, notes: &mut Notes) {
    for given in part.names() {
        let path = part.at(&given);
        let Some(value) = part.take(&given) else { continue };
        let full = format!("{prefix}{given}");
        let domain = match call(&value) {
            Some((name, arguments)) => drawn(name, arguments, &path, found, notes),
            None if value.is_object() => {
                space(Part::new(path, value, notes), &format!("{full}."), draft, found, notes);
                continue;
            }
            None => choice(&path, vec![value], notes),
        };
        if let Some(domain) = domain {
            draft.parameters.push(Parameter { name: name(&path, &full, notes), domain });
        }
    }
}

/// A map with one field that is the name of a call.
fn call(value: &Value) -> Option<(&str, &Value)> {
    let (name, arguments) = value.as_object().filter(|fields: &&Map<_, _>| fields.len() == 1)?.iter().next()?;
    CALLS.contains(&name.as_str()).then_some((name, arguments))
}

fn drawn(name: &str, arguments: &Value, path: &str, found: &mut Found, notes: &mut Notes) -> Option<Domain> {
    let list = arguments.as_array().cloned().unwrap_or_default();
    let at = format!("{path}.{name}");
    match name {
        "grid_search" => {
            found.grid = Some(found.grid.unwrap_or(1).saturating_mul(i64::try_from(list.len()).unwrap_or(1).max(1)));
            return choice(&at, list, notes);
        }
        "choice" => {
            found.drawn = true;
            // choice([1, 2]) may be written as the list, or as the list of its arguments.
            let values = match list.as_slice() {
                [Value::Array(values)] => values.clone(),
                _ => list,
            };
            return choice(&at, values, notes);
        }
        "sample_from" => {
            notes.lost(at, "a function cannot be in a file: where it only leaves a parameter out, write `when` at it; else compute it in the trainer");
            return None;
        }
        "randn" | "qrandn" => {
            notes.lost(at, "there is no normal distribution: add a `double` with the range that you want");
            return None;
        }
        _ => found.drawn = true,
    }
    let (whole, log, quantized) = (name.ends_with("randint"), name.contains("log"), name.starts_with('q'));
    let numbers: Option<Vec<f64>> = list.iter().map(number).collect();
    let (min, max, step) = match numbers.as_deref() {
        Some([min, max]) if !quantized => (*min, *max, None),
        Some([min, max, step]) if quantized => (*min, *max, Some(*step)),
        _ => {
            let wanted = if quantized { "[lower, upper, q]" } else { "[lower, upper]" };
            notes.lost(at, format!("{}: {name} takes {wanted}, without a base", short(arguments)));
            return None;
        }
    };
    // randint is without its upper end, qrandint with it.
    let max = if whole && !quantized { max - 1.0 } else { max };
    Some(Ends { min, max, whole, log, step, grid: false }.domain(&at, notes))
}

/// A class and its arguments: `ASHAScheduler`, or `{"ASHAScheduler": {"max_t": 9}}`.
fn class(path: &str, value: Value, notes: &mut Notes) -> Option<(String, Part)> {
    match value {
        Value::String(name) => Some((name, Part::new(path, Value::Null, notes))),
        Value::Object(fields) if fields.len() == 1 => {
            let (name, arguments) = fields.into_iter().next()?;
            let part = Part::new(format!("{path}.{name}"), arguments, notes);
            Some((name, part))
        }
        other => {
            notes.lost(
                path,
                format!("{}: write the class with its arguments, as in {{\"ASHAScheduler\": {{\"max_t\": 9}}}}", short(&other)),
            );
            None
        }
    }
}

fn sampler(value: Option<Value>, found: &Found, draft: &mut Draft, notes: &mut Notes) {
    let path = "tune_config.search_alg";
    if found.grid.is_some() && !found.drawn {
        draft.sampler = Some(SamplerSpec::Grid(Empty {}));
    } else if found.grid.is_some() {
        notes.changed(
            "param_space",
            "some is a grid_search, some is drawn: here all of it is drawn; a grid is for all parameters",
        );
    }
    let Some((name, mut arguments)) = value.and_then(|value| class(path, value, notes)) else { return };
    if let Some(seed) = arguments.whole("seed", notes).or_else(|| arguments.whole("random_state", notes)) {
        draft.seed = Some(seed);
    }
    match name.as_str() {
        "BasicVariantGenerator" => {
            if let Some(most) = arguments.whole("max_concurrent", notes).filter(|most| *most > 0) {
                draft.parallel_trials = most;
            }
        }
        "OptunaSearch" | "HyperOptSearch" | "TuneBOHB" => {
            notes.changed(
                path,
                format!(
                    "{name}: tpe, which looks at each parameter by itself, is nearest to it; without `sampler`, guided draws"
                ),
            );
            draft.sampler = Some(SamplerSpec::Tpe(Empty {}));
        }
        other => {
            notes.changed(path, format!("{other}: the default, guided, stands in its place: sampler is left out"));
            draft.sampler = None;
        }
    }
    arguments.rest(&[("points_to_evaluate", "`warmStart` learns from earlier experiments")], notes);
}

fn trials(tune: &mut Part, found: &Found, draft: &mut Draft, notes: &mut Notes) {
    let at = tune.at("num_samples");
    let samples = tune.whole("num_samples", notes).unwrap_or(1);
    draft.max_trials = match found.grid {
        _ if samples < 0 => {
            notes.changed(at, "-1, without end: 100000 is the most; set a budget");
            100_000
        }
        Some(points) => {
            if samples > 1 && !found.drawn {
                notes.changed(at, format!("{samples}: a grid is searched once"));
                points
            } else {
                points.saturating_mul(samples)
            }
        }
        None => samples,
    };
    if let Some(most) = tune.whole("max_concurrent_trials", notes).filter(|most| *most > 0) {
        draft.parallel_trials = most;
    } else if draft.parallel_trials == 1 {
        notes.assumed(
            "spec.parallelTrials",
            "1: Ray starts as many as fit on its cluster; it may be changed while the search runs",
        );
    }
}

fn scheduler(value: Option<Value>, draft: &mut Draft, notes: &mut Notes) {
    let path = "tune_config.scheduler";
    let Some((name, mut arguments)) = value.and_then(|value| class(path, value, notes)) else { return };
    if let Some(time) = arguments.text("time_attr", notes).filter(|time| time != TIME) {
        notes.changed(arguments.at("time_attr"), format!("{time}: lengths count epochs or batches of the trainer"));
    }
    for shared in ["metric", "mode"] {
        arguments.take(shared);
    }
    match name.as_str() {
        "ASHAScheduler" | "AsyncHyperBandScheduler" => {
            let max = arguments.whole("max_t", notes).unwrap_or(100).max(1);
            let grace = arguments.whole("grace_period", notes).unwrap_or(1).max(1);
            let eta = factor(&mut arguments, 4.0, notes);
            let brackets = arguments.whole("brackets", notes).unwrap_or(1);
            let rungs = ladder::milestones(grace, max, eta);
            let bracket = if brackets == 1 {
                Bracket::Aggressive
            } else {
                let said = format!("{brackets}: stands as Standard, half as many brackets as rungs, which share the trials");
                notes.changed(arguments.at("brackets"), said);
                Bracket::Standard
            };
            draft.resource = Some(ResourceSpec { unit: UnitSpec::Epochs, max });
            draft.scheduler =
                SchedulerSpec::Asha(Asha { kind: AshaType::Stopping, bracket, eta, max_rungs: None, rungs: Some(rungs) });
        }
        "HyperBandScheduler" | "HyperBandForBOHB" => {
            let max = arguments.whole("max_t", notes).unwrap_or(81).max(1);
            let eta = factor(&mut arguments, 3.0, notes);
            draft.resource = Some(ResourceSpec { unit: UnitSpec::Epochs, max });
            draft.scheduler =
                SchedulerSpec::Hyperband(Ladder { eta, max_rungs: None, rungs: Some(ladder::milestones(1, max, eta)) });
        }
        "FIFOScheduler" => {}
        other => notes.changed(path, format!("{other}: there is none; each trial is trained in full. Try `asha: {{eta: 3}}`")),
    }
    arguments.rest(&[("stop_last_trials", "a trial at full length has ended")], notes);
}

fn factor(arguments: &mut Part, default: f64, notes: &mut Notes) -> i64 {
    let given = arguments.number("reduction_factor", notes).unwrap_or(default);
    ladder::eta(arguments.at("reduction_factor"), given, notes)
}

fn resources(mut part: Part, draft: &mut Draft, notes: &mut Notes) {
    let path = part.at("gpu");
    if let Some(gpus) = part.number("gpu", notes).filter(|gpus| *gpus > 0.0) {
        #[expect(clippy::cast_possible_truncation, reason = "numbers of devices are small")]
        let count = gpus.ceil() as i64;
        if gpus.fract() != 0.0 {
            notes.changed(
                path,
                format!("{gpus}: stands as {count}; parts of a GPU are resources of their own names (docs/placing.md)"),
            );
        }
        draft.trial.accelerator = Some(Accelerator { resource: "nvidia.com/gpu".to_owned(), count });
    }
    #[expect(clippy::cast_possible_truncation, reason = "numbers of CPUs are small")]
    if let Some(cpus) = part.number("cpu", notes).filter(|cpus| *cpus > 0.0) {
        draft.trial.cpu = Some(cpus.ceil() as i64);
    }
    part.rest(&[("memory", "set spec.trial.memory, such as 8Gi")], notes);
}
