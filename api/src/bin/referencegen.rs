//! Writes the reference of all fields, `docs/reference.md`, out of the definitions.

use std::{env, error::Error, fmt::Write, fs, path::PathBuf};

use kube::CustomResourceExt;
use nas_api::objects::{NasExperiment, NasTrial};
use serde_json::Value;

const HEAD: &str = "<!-- Generated from api/src/objects by `make generate`. Do not edit. -->
# Reference of all fields

Group `nas-operator.dev`, version `v1alpha1`. People write the `spec` of a NasExperiment; everything else is written by the operator and by trainers. A field in bold must be given. `kubectl explain nasexperiment.spec` tells the same.
";

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "docs/reference.md".to_owned()));
    let mut page = HEAD.to_owned();
    for crd in [NasExperiment::crd(), NasTrial::crd()] {
        let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
        let schema = serde_json::to_value(schema.and_then(|schema| schema.open_api_v3_schema.as_ref()))?;
        write!(page, "\n## {}\n\n{}\n", crd.spec.names.kind, prose(&schema))?;
        for part in ["spec", "status"] {
            table(&mut page, part, &schema["properties"][part])?;
        }
    }
    fs::write(&path, page)?;
    println!("{}", path.display());
    Ok(())
}

/// The fields of an object at `place`, then those of the objects below it.
fn table(page: &mut String, place: &str, schema: &Value) -> Result<(), std::fmt::Error> {
    let Some(fields) = schema["properties"].as_object() else { return Ok(()) };
    write!(page, "\n### {place}\n\n{}\n\n| field | type | what |\n|---|---|---|\n", prose(schema))?;
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in fields {
        let shown = if required.contains(&name.as_str()) { format!("**`{name}`**") } else { format!("`{name}`") };
        let default = field.get("default").map(|default| format!(" Default: `{default}`.")).unwrap_or_default();
        writeln!(page, "| {shown} | {} | {}{} |", type_of(field), cell(&prose(field)), cell(&default))?;
    }
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let rules: Vec<&str> = rules.filter_map(|rule| rule["message"].as_str()).collect();
    if !rules.is_empty() {
        writeln!(page, "\nThe server sees to it that:\n")?;
        for rule in rules {
            writeln!(page, "- {rule}")?;
        }
    }
    for (name, field) in fields {
        let (end, inner) = inside(field);
        table(page, &format!("{place}.{name}{end}"), inner)?;
    }
    Ok(())
}

/// What a list or a map is of, and how its place is written.
fn inside(field: &Value) -> (&'static str, &Value) {
    if field["items"].is_object() {
        ("[]", &field["items"])
    } else if field["additionalProperties"].is_object() {
        ("{}", &field["additionalProperties"])
    } else {
        ("", field)
    }
}

fn type_of(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    let (end, inner) = inside(field);
    let of = |schema: &Value| schema["type"].as_str().unwrap_or("any scalar").to_owned();
    let kind = match end {
        "[]" => format!("list of {}", of(inner)),
        "{}" => format!("map of {}", of(inner)),
        _ => of(field),
    };
    let bound = |name: &str| field[name].as_f64();
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{kind}, {least} to {most}"),
        (Some(least), None) => format!("{kind}, at least {least}"),
        (None, Some(most)) => format!("{kind}, at most {most}"),
        (None, None) => kind,
    }
}

/// A description in one line.
fn prose(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
