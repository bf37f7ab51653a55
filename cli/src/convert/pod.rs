//! From the pod that another tool starts for a trial to how a trial is trained here.

use std::collections::BTreeMap;

use nas_api::objects::{Accelerator, PodOverlay};
use serde_json::Value;

use super::{
    draft::Trial,
    notes::Notes,
    source::{Part, number, says_something, short},
};

const CONTRACT: &str =
    "the image's entry point is started without arguments: let it read NAS_PARAMETERS (docs/trainer-contract.md)";
const CONTAINER: [(&str, &str); 8] = [
    ("command", CONTRACT),
    ("args", CONTRACT),
    ("volumeMounts", "a trial has its data set, its checkpoint folder, /tmp and /dev/shm"),
    ("envFrom", "write the variables into spec.trial.env; what is secret has no place in an experiment"),
    ("imagePullPolicy", "it is the cluster's default"),
    ("workingDir", "let the image say it"),
    ("ports", "nothing asks a trial"),
    ("securityContext", "a trial runs as user 65532, without privileges"),
];
const POD: [(&str, &str); 6] = [
    ("restartPolicy", "a lost or crashed trial goes on from its checkpoint, by itself"),
    ("initContainers", "do it in the image, or before the search"),
    ("volumes", "a trial has its data set (trial.data.claim), its checkpoint folder, /tmp and /dev/shm"),
    ("serviceAccountName", "a trial has no account, and no token"),
    ("hostNetwork", "a trial has a network of its own, and needs none"),
    ("securityContext", "a trial runs as user 65532, without privileges"),
];
/// What `spec.trial.pod` has of a pod, under the same names.
const OVERLAY: [&str; 9] = [
    "nodeSelector",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "imagePullSecrets",
    "resourceClaims",
];

/// Reads a `PodTemplateSpec`. The trial's container is the one of this name, or else the first.
pub(super) fn template(mut template: Part, primary: Option<&str>, trial: &mut Trial, notes: &mut Notes) {
    let mut metadata = template.part("metadata", notes);
    let mut overlay = serde_json::Map::new();
    for name in ["labels", "annotations"] {
        overlay.extend(metadata.take(name).map(|value| (name.to_owned(), value)));
    }
    metadata.rest(&[], notes);
    let mut spec = template.part("spec", notes);
    template.rest(&[], notes);
    let mut containers = spec.parts("containers", notes);
    let own_name = |container: &mut Part| container.text("name", &mut Notes::default());
    let own_names: Vec<Option<String>> = containers.iter_mut().map(own_name).collect();
    let chosen = own_names.iter().position(|name| name.as_deref() == primary).unwrap_or(0);
    for (index, found) in containers.into_iter().enumerate() {
        if index == chosen {
            container(found, trial, notes);
        } else {
            notes.lost(found.path(), "a trial is one container: do its work in the trainer, or beside the search");
        }
    }
    for name in OVERLAY {
        overlay.extend(spec.take(name).map(|value| (name.to_owned(), value)));
    }
    let path = spec.path().to_owned();
    spec.rest(&POD, notes);
    set_overlay(&path, &Value::Object(overlay), trial, notes);
}

fn set_overlay(path: &str, overlay: &Value, trial: &mut Trial, notes: &mut Notes) {
    match serde_json::from_value::<PodOverlay>(overlay.clone()) {
        Ok(pod) => {
            lost(path, overlay, &serde_json::to_value(&pod).unwrap_or_default(), notes);
            trial.pod = pod;
        }
        Err(error) => notes.lost(path, format!("spec.trial.pod cannot take where it runs ({error}): write it there by hand")),
    }
}

/// Notes what of a pod's fields Kubernetes' types do not have.
fn lost(path: &str, written: &Value, read: &Value, notes: &mut Notes) {
    let inside: Vec<(String, &Value, Option<&Value>)> = match written {
        Value::Object(fields) => fields.iter().map(|(name, value)| (format!("{path}.{name}"), value, read.get(name))).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (format!("{path}[{index}]"), value, read.get(index))).collect()
        }
        _ => Vec::new(),
    };
    for (path, value, read) in inside {
        match read {
            Some(read) => lost(&path, value, read, notes),
            None if says_something(value) => notes.lost(path, format!("{}: a pod has no such field", short(value))),
            None => {}
        }
    }
}

/// Reads a container: its image, resources and environment.
pub(super) fn container(mut container: Part, trial: &mut Trial, notes: &mut Notes) {
    let path = container.at("image");
    trial.image = container.text("image", notes);
    container.take("name");
    if trial.image.is_some() {
        notes.changed(
            path,
            "its program must keep the trainer contract: docs/trainer-contract.md, or nas_operator.trial in Python",
        );
    }
    env(&mut container, trial, notes);
    let mut resources = container.part("resources", notes);
    self::resources(&mut resources, trial, notes);
    resources.rest(&[], notes);
    container.rest(&CONTAINER, notes);
}

/// Reads `env`: variables with a value of their own.
pub(super) fn env(container: &mut Part, trial: &mut Trial, notes: &mut Notes) {
    for mut variable in container.parts("env", notes) {
        let path = variable.at("value");
        let name = variable.text("name", notes).unwrap_or_default();
        match variable.text("value", notes) {
            Some(value) if value.contains("${trialParameters.") => {
                notes.lost(path, format!("{name}: parameters arrive in NAS_PARAMETERS, one JSON object"));
            }
            Some(_) if name.starts_with("NAS_") => {
                notes.lost(path, format!("{name}: names that begin with NAS_ are the contract's"));
            }
            Some(value) => {
                trial.env.insert(name, value);
            }
            None => {}
        }
        variable.rest(&[("valueFrom", "an experiment holds plain values only")], notes);
    }
}

/// Reads `limits` and, where they say nothing, `requests`: accelerators, CPUs, memory.
pub(super) fn resources(resources: &mut Part, trial: &mut Trial, notes: &mut Notes) {
    let mut found: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for kind in ["requests", "limits"] {
        let mut amounts = resources.part(kind, notes);
        for name in amounts.names() {
            let path = amounts.at(&name);
            let Some(value) = amounts.take(&name) else { continue };
            if let Some((earlier, other)) = found.insert(name, (path, value.clone()))
                && other != value
            {
                notes.changed(earlier, format!("{}: the limit holds for both", short(&other)));
            }
        }
    }
    for (name, (path, value)) in found {
        amount(&name, &path, &value, trial, notes);
    }
}

/// One amount of a resource.
fn amount(name: &str, path: &str, value: &Value, trial: &mut Trial, notes: &mut Notes) {
    let count = number(value);
    match (name, count) {
        ("cpu", _) => match cpus(value) {
            Some(cpus) => {
                if count.is_none_or(|count| count.fract() != 0.0) {
                    notes.changed(path, format!("{}: CPUs are whole here: {cpus}", short(value)));
                }
                trial.cpu = Some(cpus);
            }
            None => notes.lost(path, format!("{}: is no number of CPUs", short(value))),
        },
        ("memory", _) => trial.memory = Some(short(value)),
        (device, Some(count)) if device.contains('/') && count >= 1.0 && trial.accelerator.is_none() => {
            trial.accelerator = Some(Accelerator { resource: device.to_owned(), count: whole(count) });
        }
        (device, _) if device.contains('/') => {
            notes.lost(
                path,
                format!(
                    "{}: a trial has one kind of accelerator, in whole numbers; others by trial.pod.resourceClaims",
                    short(value)
                ),
            );
        }
        _ => notes.lost(path, format!("{}: set it on the namespace (LimitRange)", short(value))),
    }
}

/// CPUs, rounded up: `500m` is half of one.
fn cpus(value: &Value) -> Option<i64> {
    let text = short(value);
    let cpus = match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<f64>().ok()? / 1000.0,
        None => text.parse::<f64>().ok()?,
    };
    (cpus > 0.0 && cpus <= 1e6).then(|| whole(cpus.ceil()))
}

#[expect(clippy::cast_possible_truncation, reason = "amounts of devices and CPUs are small")]
const fn whole(count: f64) -> i64 {
    count as i64
}
