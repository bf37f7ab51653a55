//! The generated definitions: structural, described, with their rules.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use kube::CustomResourceExt;
use nas_api::objects::{NasExperiment, NasTrial};
use serde_json::{Map, Value};

fn schemas() -> [(&'static str, Value); 2] {
    [
        ("experiment", serde_json::to_value(NasExperiment::crd()).unwrap()),
        ("trial", serde_json::to_value(NasTrial::crd()).unwrap()),
    ]
    .map(|(name, crd)| (name, crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()))
}

/// Calls `visit` for each node of a schema that describes a value.
fn walk(path: &str, node: &Map<String, Value>, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
    visit(path, node);
    for (name, child) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        walk(&format!("{path}.{name}"), child.as_object().unwrap(), visit);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(child) = node.get(inner).and_then(Value::as_object) {
            walk(&format!("{path}[]"), child, visit);
        }
    }
}

#[test]
fn every_field_has_a_type_and_a_description() {
    for (name, schema) in schemas() {
        let mut fields = 0;
        walk(name, schema.as_object().unwrap(), &mut |path, node| {
            fields += 1;
            let typed = node.contains_key("type") || node.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            assert!(typed, "{path} has no type");
            assert!(node.contains_key("description") || path.ends_with("[]"), "{path} has no description");
        });
        assert!(fields > 40, "{name}: {fields}");
    }
}

/// The check of files knows these keywords, and would pass over any other.
#[test]
fn no_keyword_is_used_that_the_check_of_files_does_not_know() {
    const KNOWN: &[&str] = &[
        "type",
        "title",
        "description",
        "properties",
        "additionalProperties",
        "items",
        "required",
        "enum",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "maxProperties",
        "nullable",
        "default",
        "format",
        "oneOf",
        "x-kubernetes-validations",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
    ];
    let [(name, schema), _] = schemas();
    walk(name, schema.as_object().unwrap(), &mut |path, node| {
        for keyword in node.keys() {
            assert!(KNOWN.contains(&keyword.as_str()), "{path} uses {keyword}");
        }
    });
}

#[test]
fn each_rule_is_in_the_definition() {
    let text = schemas().map(|(_, schema)| schema.to_string()).concat();
    for rule in [
        "self.metadata.name.size() <= 40",
        "self.min < self.max",
        "self.min >= 1",
        "self.min > 0.0",
        "!(has(self.rungs) && has(self.maxRungs))",
        "self.scheduler.asha.rungs.all(r, r <= self.resource.max)",
        "self.space == oldSelf.space",
        "!has(self.fetch) || has(self.claim)",
        "!has(self.fetch) || self.name in ['cifar10', 'cifar100', 'mnist', 'fashion-mnist']",
        "self.matches('^https?://",
        "self.spec.maxTrials == oldSelf.spec.maxTrials ||",
        "self.topK * self.seeds <= 100",
        "self.confirm == oldSelf.confirm",
        "self.spec.confirms == oldSelf.spec.confirms",
        "self >= oldSelf",
        "oldSelf.all(o, self.exists(n, n == o))",
        "self.status.reported.attempt <= self.spec.attempt",
        "has(self.value) == (self.outcome == 'Value')",
    ] {
        assert!(text.contains(rule), "{rule}");
    }
}
