//! Objects as each version has written them: whoever upgrades finds everything that was there, and whoever goes back to this version is
//! not stopped by what a newer one has added.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use kube::CustomResourceExt;
use nas_api::objects::{NasExperiment, NasTrial};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// The objects that each version has left, the oldest first. A release adds its own; none is ever changed.
fn versions() -> Vec<PathBuf> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("objects-"));
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn read(folder: &std::path::Path, file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

/// Fails where something of `kept` is not in `now`. Numbers are compared as numbers, since a definition may turn 1 into 1.0.
fn is_kept(path: &str, kept: &Value, now: &Value) {
    match (kept, now) {
        (Value::Object(kept), Value::Object(now)) => {
            for (name, value) in kept {
                let found = now.get(name).unwrap_or_else(|| panic!("{path}.{name} is lost"));
                is_kept(&format!("{path}.{name}"), value, found);
            }
        }
        (Value::Array(kept), Value::Array(now)) => {
            assert_eq!(kept.len(), now.len(), "{path}");
            kept.iter().zip(now).for_each(|(kept, now)| is_kept(&format!("{path}[]"), kept, now));
        }
        (Value::Number(kept), Value::Number(now)) => assert_eq!(kept.as_f64(), now.as_f64(), "{path}"),
        _ => assert_eq!(kept, now, "{path}"),
    }
}

/// The object with a field of a newer version in every part of it; `open` names parts whose fields are a user's.
fn with_news(value: &Value, open: &[&str]) -> Value {
    match value {
        Value::Object(fields) => {
            let inner = |(name, value): (&String, &Value)| {
                let is_open = open.contains(&name.as_str());
                (name.clone(), if is_open { value.clone() } else { with_news(value, open) })
            };
            let mut fields: Map<String, Value> = fields.iter().map(inner).collect();
            fields.insert("newInTheNextVersion".to_owned(), json!({"a": [1]}));
            Value::Object(fields)
        }
        Value::Array(values) => values.iter().map(|value| with_news(value, open)).collect(),
        other => other.clone(),
    }
}

fn holds_for<K: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(file: &str, open: &[&str]) {
    for folder in versions() {
        let kept = read(&folder, file);
        let object: K = serde_json::from_value(kept.clone()).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        is_kept(file, &kept, &serde_json::to_value(&object).unwrap());
        let newer: K = serde_json::from_value(with_news(&kept, open)).unwrap();
        assert_eq!(newer, object, "{}", folder.display());
    }
}

#[test]
fn everything_that_an_older_version_wrote_is_still_there() {
    // Objects whose names are a user's, or of Kubernetes.
    let open = ["metadata", "assignment", "metrics", "additional", "fixed", "random", "env", "pod"];
    holds_for::<NasTrial>("trial.json", &open);
    // A choice of one is told by the name of its only field.
    let open = [&open[..], &["scheduler", "sampler", "parameters"]].concat();
    holds_for::<NasExperiment>("experiment.json", &open);
    for folder in versions() {
        let experiment: NasExperiment = serde_json::from_value(read(&folder, "experiment.json")).unwrap();
        experiment.validate().unwrap_or_else(|problems| panic!("{}: {problems:?}", folder.display()));
    }
}

/// Names of all fields of a schema, with those that hold them; alternatives of a choice among them.
fn fields(path: &str, schema: &Value, all: &mut BTreeSet<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        all.insert(format!("{path}.{name}"));
        fields(&format!("{path}.{name}"), inner, all);
    }
    if schema["items"].is_object() {
        fields(path, &schema["items"], all);
    }
}

fn present(path: &str, value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                all.insert(format!("{path}.{name}"));
                present(&format!("{path}.{name}"), inner, all);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| present(path, value, all)),
        _ => {}
    }
}

/// A field that is missing in the newest of the objects would not be missed.
#[test]
fn the_newest_objects_have_every_field() {
    let newest = versions().pop().unwrap();
    for (file, definition, part, but) in [
        ("trial.json", NasTrial::crd(), "spec", &[][..]),
        ("trial.json", NasTrial::crd(), "status", &[]),
        ("experiment.json", NasExperiment::crd(), "status", &[]),
        // One of several that exclude each other.
        (
            "experiment.json",
            NasExperiment::crd(),
            "spec",
            &[
                ".warmStart",
                ".sampler.",
                ".scheduler.",
                ".shape",
                ".classes",
                ".int.",
                ".double.",
                ".count",
                // Of Kubernetes.
                ".tolerations.",
                ".topologySpreadConstraints.",
                ".imagePullSecrets.",
                ".resourceClaims.",
            ],
        ),
    ] {
        let definition = serde_json::to_value(definition).unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part];
        let (mut known, mut found) = (BTreeSet::new(), BTreeSet::new());
        fields(part, schema, &mut known);
        present(part, &read(&newest, file)[part], &mut found);
        let missing: Vec<_> =
            known.difference(&found).filter(|name| !but.iter().any(|but| name.contains(but))).cloned().collect();
        assert_eq!(missing, Vec::<String>::new(), "{file} lacks fields of this version");
    }
}

/// What a list that only grows holds is compared as a whole by the server, and an older operator writes what it knows of it: after a rollback nothing of
/// a trial could be written that has a field more there. A later version's new fact has a list of its own.
#[test]
fn what_is_only_ever_appended_has_the_fields_of_the_first_version() {
    let definition = serde_json::to_value(NasTrial::crd()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let view = ["count", "decisionSeq", "digest", "maxTrials", "stepsLeft"];
    for (part, list, wanted) in [
        ("status", "rungs", &["additional", "decisionSeq", "outcome", "rung", "value"][..]),
        (
            "spec",
            "grants",
            &["reason", "rung", "view", "view.count", "view.decisionSeq", "view.digest", "view.maxTrials", "view.stepsLeft"],
        ),
        ("spec", "stopped", &view),
        ("spec", "retired", &view),
    ] {
        let mut found = BTreeSet::new();
        fields("", &schema[part]["properties"][list], &mut found);
        let found: Vec<&str> = found.iter().map(|name| &name[1..]).collect();
        assert_eq!(found, wanted, "{part}.{list}");
    }
}
