//! The generated definitions: structural, described, with their rules.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use kube::CustomResourceExt;
use nas_api::objects::{MUTABLE, NasExperiment, NasExperimentSpec, NasTrial, only_these_may_change};
use nas_darts::Op;
use serde_json::{Map, Value, json};

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

#[test]
fn no_scheduler_has_rungs_beyond_full_length() {
    let [(_, schema), _] = schemas();
    let spec = &schema["properties"]["spec"];
    let schedulers = spec["properties"]["scheduler"]["properties"].as_object().unwrap();
    let has_rungs = |fields: &Value| fields["properties"].get("rungs").is_some();
    let names: Vec<&String> = schedulers.iter().filter(|(_, fields)| has_rungs(fields)).map(|(name, _)| name).collect();
    assert!(names.len() >= 3, "{names:?}");
    let rules = spec["x-kubernetes-validations"].to_string();
    for name in names {
        assert!(rules.contains(&format!("self.scheduler.{name}.rungs.all(r, r <= self.resource.max)")), "{name}");
    }
}

#[test]
fn the_operations_that_are_searched_by_default_are_told() {
    let [(_, schema), _] = schemas();
    let operations = &schema["properties"]["spec"]["properties"]["space"]["properties"]["darts"]["properties"]["operations"];
    let names = Op::DARTS.map(Op::as_str).join(", ");
    assert_eq!(operations["description"], format!("Operations to choose from. Default: {names}."));
}

/// A field that the rule forgot could be changed on a cluster while its search goes on.
#[test]
fn the_rule_of_what_may_change_names_every_other_field() {
    let [(_, schema), _] = schemas();
    let spec = &schema["properties"]["spec"];
    let fields = spec["properties"].as_object().unwrap();
    let said = |rule: &&Value| rule["message"].as_str().unwrap().starts_with(&only_these_may_change());
    let rule = spec["x-kubernetes-validations"].as_array().unwrap().iter().find(said).unwrap()["rule"].as_str().unwrap();
    let is_always_there =
        |name: &str| spec["required"].as_array().unwrap().contains(&json!(name)) || fields[name].get("default").is_some();
    let clause = |name: &String| {
        let same = format!("self.{name} == oldSelf.{name}");
        if is_always_there(name) {
            same
        } else {
            format!("has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || {same})")
        }
    };
    let clauses: Vec<String> = fields.keys().filter(|name| !MUTABLE.contains(&name.as_str())).map(clause).collect();
    for clause in &clauses {
        assert!(rule.contains(clause.as_str()), "{clause}");
    }
    assert_eq!(rule.len(), clauses.join(" && ").len(), "it names nothing else: {rule}");
    assert!(MUTABLE.iter().all(|name| fields.contains_key(*name)));
}

#[test]
fn a_search_goes_on_after_changes_of_fields_that_may_change_alone() {
    let spec = |change: Option<(&str, &Value)>| -> NasExperimentSpec {
        let mut spec = json!({"space": {"parameters": [{"name": "layers", "constant": 2}]}, "scheduler": {"fullLength": {}},
            "resource": {"unit": "epochs", "max": 4}, "maxTrials": 2, "trial": {"data": {"name": "cifar10"}}});
        if let Some((name, value)) = change {
            spec[name] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    };
    let changes = json!({
        "budget": {"gpuHours": 1}, "confirm": {"topK": 1, "seeds": 3}, "constraints": [{"rule": "hp.layers == 2"}], "maxFailedTrials": 3,
        "maxInfeasibleTrials": 7, "maxTrials": 3, "objective": {"metric": "loss"}, "parallelTrials": 4, "resource": {"unit": "epochs", "max": 8},
        "retention": {"checkpoints": "All"}, "sampler": {"random": {}}, "scheduler": {"asha": {}}, "seed": 8, "space": {"darts": {}},
        "suspend": true, "target": 0.9, "trial": {"data": {"name": "mnist"}}, "warmStart": {"experiments": ["earlier"]},
    });
    let changes = changes.as_object().unwrap();
    let [(_, schema), _] = schemas();
    let fields = schema["properties"]["spec"]["properties"].as_object().unwrap();
    assert!(changes.keys().eq(fields.keys()), "a change of each field: {:?}", fields.keys());
    assert!(spec(None).may_follow(&spec(None)));
    for (name, value) in changes {
        let later = spec(Some((name, value)));
        assert_ne!(later, spec(None), "{name}");
        assert_eq!(later.may_follow(&spec(None)), MUTABLE.contains(&name.as_str()), "{name}");
    }
}
