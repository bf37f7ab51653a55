//! Determined AI's experiment configuration, of every version: its YAML of 0.12 (`description`, `max_length`) to 0.38 (`name`, `time_metric`).

use nas_api::objects::{
    Accelerator, Asha, AshaType, Bracket, DirectionSpec, Empty, Objective, ResourceSpec, SamplerSpec, SchedulerSpec, UnitSpec,
};
use serde_json::Value;

use super::{
    domain::{Domain, Ends, Parameter, choice, name},
    draft::Draft,
    ladder,
    notes::Notes,
    source::{Part, short},
};

const TOP: [(&str, &str); 20] = [
    ("entrypoint", "a trainer is a program that keeps the contract: docs/trainer-contract.md"),
    ("bind_mounts", "data sets lie in a claim (trial.data.claim); /tmp and /dev/shm can be written"),
    ("data", "the trainer finds data sets in NAS_DATA_DIR; further settings are constants of space.parameters"),
    ("scheduling_unit", "a trial asks nobody between its rungs"),
    ("records_per_epoch", "an epoch is a pass over the images that are trained on"),
    ("max_restarts", "a crashed trial has five attempts, from its checkpoint; disruptions count for nothing"),
    ("min_checkpoint_period", "spec.trial.checkpointEvery is a time, 5m by default; a rung's end always has a checkpoint"),
    ("checkpoint_policy", "spec.retention says whose checkpoints stay"),
    ("checkpoint_storage", "checkpoints lie in the claim spec.trial.checkpoints; spec.retention says whose stay"),
    ("perform_initial_validation", "evaluate before the first step in the trainer, where that is wanted"),
    ("labels", "label the experiment with kubectl"),
    ("workspace", "a namespace is what there is of it: kubectl apply --namespace"),
    ("project", "a namespace is what there is of it: kubectl apply --namespace"),
    ("description", "the experiment's name says it; kubectl annotate takes more"),
    ("profiling", "trainers serve Prometheus metrics (docs/metrics.md)"),
    ("optimizations", "set it in the trainer, or as constants of space.parameters"),
    ("internal", "an old field without meaning"),
    ("integrations", "a trainer may call other services, where its pod has a network"),
    ("log_policies", "failures are told apart by exit codes (docs/failures.md)"),
    ("preemption_timeout", "110 seconds lie between SIGTERM and SIGKILL"),
];

pub(super) fn convert(source: Value, notes: &mut Notes) -> Draft {
    let mut root = Part::new("", source, notes);
    let mut draft = Draft::default();
    let field = if root.has("name") { "name" } else { "description" };
    let given = root.text(field, notes);
    draft.set_name(field, given.as_deref(), "determined-experiment", notes);
    let mut searcher = root.part("searcher", notes);
    let kind = searcher.text("name", notes).unwrap_or_else(|| "single".to_owned());
    hyperparameters(root.part("hyperparameters", notes), "", kind == "grid", &mut draft, notes);
    let batch = draft.parameters.iter().find(|parameter| parameter.name == "global_batch_size");
    let batch = batch.and_then(|parameter| match &parameter.domain {
        Domain::Constant(value) => value.as_i64(),
        _ => None,
    });
    let concurrent = search(searcher, &kind, batch, &mut draft, notes);
    resources(root.part("resources", notes), concurrent, &mut draft, notes);
    let per_epoch = root.whole("records_per_epoch", notes).filter(|records| *records > 0);
    if let Some(records) = per_epoch {
        notes.lost("records_per_epoch", format!("{records}: an epoch is a pass over the images that are trained on"));
    }
    let images = per_epoch.or_else(|| super::darts::is_whole(&draft.parameters).then_some(super::darts::IMAGES));
    validation(root.part("min_validation_period", notes), images.zip(batch), &mut draft, notes);
    environment(root.part("environment", notes), &mut draft, notes);
    let mut reproducibility = root.part("reproducibility", notes);
    draft.seed = reproducibility.whole("experiment_seed", notes);
    reproducibility.rest(&[], notes);
    root.rest(&TOP, notes);
    super::darts::recognise(&mut draft, notes);
    draft
}

/// Hyperparameters by name; maps without a `type` are nested.
fn hyperparameters(mut part: Part, prefix: &str, grid: bool, draft: &mut Draft, notes: &mut Notes) {
    for given in part.names() {
        let path = part.at(&given);
        let Some(value) = part.take(&given) else { continue };
        let full = format!("{prefix}{given}");
        let domain = match value {
            Value::Object(ref fields) if !fields.contains_key("type") => {
                hyperparameters(Part::new(path, value, notes), &format!("{full}."), grid, draft, notes);
                continue;
            }
            Value::Object(_) => typed(Part::new(&path, value, notes), grid, notes),
            constant => choice(&path, vec![constant], notes),
        };
        if let Some(domain) = domain {
            draft.parameters.push(Parameter { name: name(&path, &full, notes), domain });
        }
    }
}

fn typed(mut part: Part, grid: bool, notes: &mut Notes) -> Option<Domain> {
    let at = part.at("type");
    let kind = part.text("type", notes).unwrap_or_default();
    let path = part.at("vals");
    let domain = match kind.as_str() {
        "const" => {
            let path = part.at("val");
            part.take("val").and_then(|value| choice(&path, vec![value], notes))
        }
        "categorical" => {
            let values = part.list("vals", notes).into_iter().map(|(_, value)| value).collect();
            choice(&path, values, notes)
        }
        "int" | "double" | "log" => {
            let ends = part.number("minval", notes).zip(part.number("maxval", notes));
            let base = part.number("base", notes).unwrap_or(10.0);
            let count = part.whole("count", notes);
            ends.map(|(low, high)| {
                let log = kind == "log";
                let end = |exponent: f64| if log { super::domain::rounded(base.powf(exponent)) } else { exponent };
                let ends =
                    Ends { min: end(low), max: end(high), whole: kind == "int", log, step: None, grid: grid && count.is_none() };
                let mut domain = ends.domain(&at, notes);
                if let (Domain::Int(range) | Domain::Double(range), true) = (&mut domain, grid) {
                    range.count = count;
                }
                domain
            })
        }
        other => {
            notes.lost(at, format!("{other:?}: known are const, categorical, int, double, log"));
            None
        }
    };
    part.rest(&[], notes);
    domain
}

/// The searcher; how many trials it lets train at the same time (`None`: as many as there are).
fn search(mut searcher: Part, kind: &str, batch: Option<i64>, draft: &mut Draft, notes: &mut Notes) -> Option<i64> {
    let smaller = searcher.flag("smaller_is_better", notes).unwrap_or(true);
    let direction = if smaller { DirectionSpec::Minimize } else { DirectionSpec::Maximize };
    let metric = searcher.text("metric", notes).unwrap_or_else(|| Objective::default().metric);
    draft.objective = Some(Objective { metric, direction, additional: Vec::new() });
    // Since 0.38, which brought time_metric, its ASHA stops; before, it promotes unless it is told to stop.
    let stops = searcher.has("time_metric");
    draft.resource = length(&mut searcher, batch, notes);
    let at = searcher.at("name");
    match kind {
        "single" => {}
        "random" => draft.sampler = Some(SamplerSpec::Random(Empty {})),
        "grid" => {
            draft.sampler = Some(SamplerSpec::Grid(Empty {}));
            notes.assumed("spec.maxTrials", "100000, the most: a grid ends with its last point");
            draft.max_trials = 100_000;
        }
        "adaptive_asha" | "adaptive_simple" | "adaptive" => {
            let bracket = match searcher.text("mode", notes).as_deref() {
                Some("aggressive") => Bracket::Aggressive,
                Some("conservative") => Bracket::Conservative,
                _ => Bracket::Standard,
            };
            draft.scheduler = asha(&mut searcher, stops, bracket, "max_rungs", notes);
        }
        "async_halving" | "sync_halving" => draft.scheduler = asha(&mut searcher, stops, Bracket::Aggressive, "num_rungs", notes),
        other => notes.changed(at.clone(), format!("{other}: there is none; every trial is drawn at random and trained in full")),
    }
    if kind.starts_with("sync") || matches!(kind, "adaptive" | "adaptive_simple") {
        notes.changed(at, format!("{kind}: its synchronous rungs stand as asynchronous ones (asha)"));
    }
    if let Some(trials) = searcher.whole("max_trials", notes) {
        draft.max_trials = trials;
    }
    let concurrent = searcher.whole("max_concurrent_trials", notes).unwrap_or(16);
    let advice = [
        ("mode", "it is of adaptive searchers"),
        ("max_rungs", "it is of adaptive searchers"),
        ("num_rungs", "it is of async_halving"),
        ("divisor", "it is of searchers with rungs"),
        ("stop_once", "it is of searchers with rungs"),
        ("bracket_rungs", "brackets follow from bracket and maxRungs"),
        ("source_trial_id", "trials begin anew; `warmStart` lets the sampler learn from earlier experiments"),
        ("source_checkpoint_uuid", "trials begin anew; `warmStart` lets the sampler learn from earlier experiments"),
        ("budget", "set spec.budget"),
        ("train_stragglers", "nothing waits for the last of a rung"),
    ];
    searcher.rest(&advice, notes);
    (kind != "single" && concurrent > 0).then_some(concurrent).or((kind == "single").then_some(1))
}

fn asha(searcher: &mut Part, stops: bool, bracket: Bracket, rungs: &str, notes: &mut Notes) -> SchedulerSpec {
    let stops = searcher.flag("stop_once", notes) == Some(true) || stops;
    let kind = if stops { AshaType::Stopping } else { AshaType::Promotion };
    let max_rungs = Some(searcher.whole(rungs, notes).unwrap_or(5));
    SchedulerSpec::Asha(Asha { kind, bracket, eta: divisor(searcher, notes), max_rungs, rungs: None })
}

fn divisor(searcher: &mut Part, notes: &mut Notes) -> i64 {
    let given = searcher.number("divisor", notes).unwrap_or(4.0);
    ladder::eta(searcher.at("divisor"), given, notes)
}

/// Full length: `max_length` in a unit, or `max_time` of `time_metric`.
fn length(searcher: &mut Part, batch: Option<i64>, notes: &mut Notes) -> Option<ResourceSpec> {
    let metric = searcher.text("time_metric", notes);
    if let (Some(max), Some(metric)) = (searcher.whole("max_time", notes), metric) {
        let unit = match metric.as_str() {
            "epochs" => UnitSpec::Epochs,
            "batches" => UnitSpec::Batches,
            other => {
                notes.changed(searcher.at("time_metric"), format!("{other}: lengths count epochs here; say how many"));
                UnitSpec::Epochs
            }
        };
        if let Some(old) = searcher.take("max_length") {
            notes.lost(searcher.at("max_length"), format!("{}: max_time holds", short(&old)));
        }
        return Some(ResourceSpec { unit, max });
    }
    let path = searcher.at("max_length");
    let value = searcher.take("max_length")?;
    if let Some(max) = value.as_i64() {
        notes.changed(path, format!("{max}: without a unit; it stands as batches"));
        return Some(ResourceSpec { unit: UnitSpec::Batches, max });
    }
    let mut length = Part::new(path, value, notes);
    let (batches, epochs, records) =
        (length.whole("batches", notes), length.whole("epochs", notes), length.whole("records", notes));
    let at = length.at("records");
    length.rest(&[], notes);
    let of = |unit, max| Some(ResourceSpec { unit, max });
    match (batches, epochs, records) {
        (Some(max), ..) => of(UnitSpec::Batches, max),
        (_, Some(max), _) => of(UnitSpec::Epochs, max),
        (_, _, Some(records)) => {
            let Some(size) = batch.filter(|size| *size > 0) else {
                notes.lost(at, format!("{records}: lengths are epochs or batches here, and global_batch_size is no constant"));
                return None;
            };
            notes.changed(at, format!("{records}: stands as batches of global_batch_size {size}"));
            of(UnitSpec::Batches, records / size)
        }
        _ => None,
    }
}

fn resources(mut part: Part, concurrent: Option<i64>, draft: &mut Draft, notes: &mut Notes) {
    let slots = part.whole("slots_per_trial", notes).unwrap_or(1);
    if slots > 0 {
        draft.trial.accelerator = Some(Accelerator { resource: "nvidia.com/gpu".to_owned(), count: slots });
    }
    let at = part.at("max_slots");
    let max_slots = part.whole("max_slots", notes);
    let fit = max_slots.map(|max| (max / slots.max(1)).max(1));
    draft.parallel_trials = match (concurrent, fit) {
        (Some(concurrent), Some(fit)) => concurrent.min(fit),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => draft.max_trials.min(10_000),
    };
    if let (Some(max), Some(fit)) = (max_slots, fit)
        && concurrent.is_none_or(|concurrent| concurrent > fit)
    {
        notes.changed(at, format!("{max}: stands as {fit} trials at the same time; it may be changed while the search runs"));
    }
    let advice = [
        ("resource_pool", "say where trials run in spec.trial.pod (docs/placing.md)"),
        ("priority", "a PriorityClass in spec.trial.pod, or Kueue (docs/placing.md)"),
        ("weight", "there is no fair share between experiments but Kueue's (docs/placing.md)"),
        ("shm_size", "/dev/shm is as large as the pod's memory allows"),
        ("agent_label", "a nodeSelector in spec.trial.pod (docs/placing.md)"),
        ("native_parallel", "a trial is one process on one node"),
        ("devices", "spec.trial.pod.resourceClaims"),
    ];
    part.rest(&advice, notes);
}

/// `min_validation_period` as epochs between evaluations, where the images of an epoch and of a batch are known.
fn validation(mut part: Part, images: Option<(i64, i64)>, draft: &mut Draft, notes: &mut Notes) {
    let (epochs, batches) = (part.whole("epochs", notes), part.whole("batches", notes).filter(|batches| *batches > 0));
    let at = part.at("batches");
    draft.trial.evaluate_every = match (epochs, batches, images) {
        (Some(epochs), ..) => Some(epochs),
        (None, Some(batches), Some((images, size))) if size > 0 => {
            let every = ((batches * size + images / 2) / images).max(1);
            notes.changed(at, format!("{batches}: evaluations are whole epochs apart: {every}"));
            Some(every)
        }
        (None, Some(batches), _) => {
            notes.lost(at, format!("{batches}: set spec.trial.evaluateEvery, in epochs"));
            None
        }
        _ => None,
    };
    part.rest(&[("records", "set spec.trial.evaluateEvery, in epochs")], notes);
}

fn environment(mut part: Part, draft: &mut Draft, notes: &mut Notes) {
    let at = part.at("environment_variables");
    match part.take("environment_variables") {
        Some(Value::Array(lines)) => {
            for (index, line) in lines.iter().enumerate() {
                match line.as_str().and_then(|line| line.split_once('=')) {
                    Some((name, value)) => drop(draft.trial.env.insert(name.to_owned(), value.to_owned())),
                    None => notes.lost(format!("{at}[{index}]"), format!("{}: is no NAME=VALUE", short(line))),
                }
            }
        }
        Some(_) => notes.lost(at, "write the variables into spec.trial.env"),
        None => {}
    }
    let advice = [
        ("image", "its image holds no trainer: build one that does, and name it in spec.trial.image (docs/trainer-contract.md)"),
        ("pod_spec", "write where pods run into spec.trial.pod (docs/placing.md)"),
        ("force_pull_image", "it is the cluster's default"),
        ("registry_auth", "spec.trial.pod.imagePullSecrets"),
        ("ports", "nothing asks a trial"),
        ("add_capabilities", "a trial runs as user 65532, without privileges"),
        ("drop_capabilities", "a trial runs as user 65532, without privileges"),
    ];
    part.rest(&advice, notes);
}
