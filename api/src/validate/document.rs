//! An experiment file: YAML, of the right kind, of the shape that the CRD asks for.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube::{CustomResourceExt, Resource};
use nas_search::Plan;
use serde_json::Value;

use crate::{Problem, objects::NasExperiment, schema, yaml::Document};

/// The schema of an experiment's `spec`, out of its CRD.
static SPEC: LazyLock<JSONSchemaProps> = LazyLock::new(|| {
    let versions = NasExperiment::crd().spec.versions;
    let schema = versions.into_iter().next().and_then(|version| version.schema?.open_api_v3_schema);
    schema.and_then(|schema| schema.properties?.remove("spec")).unwrap_or_default()
});

/// An experiment that was read from a file and found good.
#[derive(Debug)]
pub struct SourceFile {
    /// The object.
    pub experiment: NasExperiment,
    /// Its plan.
    pub plan: Plan,
}

/// Reads an experiment file and validates it.
///
/// # Errors
///
/// Every problem with its field and line; the stages (YAML, shape, meaning) come one after the other, since each needs the last.
pub fn read_experiment(text: &str) -> Result<SourceFile, Vec<Problem>> {
    let document = Document::parse(text)?;
    let located = |problems: Vec<Problem>| problems.into_iter().map(|problem| document.locate(problem)).collect::<Vec<_>>();
    let problems = check_shape(&document.value);
    if !problems.is_empty() {
        return Err(located(problems));
    }
    let experiment: NasExperiment = serde_json::from_value(document.value.clone())
        .map_err(|error| vec![Problem::new("", format!("cannot be read as a NasExperiment: {error}"))])?;
    let plan = experiment.validate().map_err(located)?;
    Ok(SourceFile { experiment, plan })
}

fn check_shape(value: &Value) -> Vec<Problem> {
    let Some(fields) = value.as_object() else {
        return vec![Problem::new("", "must be a map with apiVersion, kind, metadata and spec")];
    };
    let mut problems = Vec::new();
    let word = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    for (name, wanted) in [("apiVersion", NasExperiment::api_version(&())), ("kind", NasExperiment::kind(&()))] {
        if word(name) != wanted {
            problems.push(Problem::new(name, format!("must be {wanted}")));
        }
    }
    if !problems.is_empty() {
        return problems;
    }
    for name in fields.keys().filter(|name| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "spec" | "status")) {
        problems.push(Problem::new(name, "is not a known key; known are apiVersion, kind, metadata, spec"));
    }
    if !fields.get("metadata").and_then(|metadata| metadata.get("name")).is_some_and(Value::is_string) {
        problems.push(Problem::new("metadata.name", "is required, and must be text"));
    }
    match fields.get("spec") {
        Some(spec) => problems.extend(schema::check(spec, &SPEC, "spec")),
        None => problems.push(Problem::new("spec", "is required, but missing")),
    }
    problems
}
