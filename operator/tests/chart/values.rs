//! The values of the chart, and what is rendered for them.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::helm::{cases, chart, documents, helms, refusal, render, said};

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

fn defaults() -> Value {
    documents(&std::fs::read_to_string(chart().join("values.yaml")).unwrap()).remove(0)
}

#[test]
fn lint_finds_nothing() {
    let chart = chart();
    for helm in helms() {
        for values in cases() {
            let said =
                said(&helm, &["lint".as_ref(), "--strict".as_ref(), chart.as_os_str(), "--values".as_ref(), values.as_os_str()]);
            assert!(said.contains("0 chart(s) failed") && !said.contains("[WARNING]"), "{said}");
        }
    }
}

#[test]
fn helm_3_and_helm_4_render_the_same() {
    let [four, three] = helms();
    let version = |helm| said(helm, &["version", "--short"]);
    assert!(version(&four).starts_with("v4.") && version(&three).starts_with("v3."), "{} {}", version(&four), version(&three));
    for values in cases() {
        let sorted = |helm| {
            let mut rendered = render(helm, &values, &[]);
            rendered.sort_by_key(|object| {
                format!("{} {} {}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"])
            });
            rendered
        };
        assert_eq!(sorted(&four), sorted(&three), "{}", values.display());
    }
}

/// Each value that has no values below it, by path.
fn leaves(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                leaves(value, &format!("{path}.{name}"), all);
            }
        }
        _ => all.push(path.to_owned()),
    }
}

/// Everything in the schema that is an object of the chart's own takes no key that it does not name.
fn closed(schema: &Value, path: &str) {
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], json!(false), "{path} takes any key");
        for (name, schema) in properties {
            closed(schema, &format!("{path}.{name}"));
        }
    }
    if schema["items"].is_object() {
        closed(&schema["items"], &format!("{path}[]"));
    }
}

#[test]
fn the_schema_names_every_value_and_no_other() {
    let (schema, defaults) = (schema(), defaults());
    closed(&schema, "");
    let mut all = Vec::new();
    leaves(&defaults, "", &mut all);
    for path in all {
        // Resources and labels are maps of the cluster's, not of the chart's.
        let mut at = &schema;
        for name in path.split('.').skip(1) {
            if at["properties"].is_null() {
                break;
            }
            at = &at["properties"][name];
            assert!(!at.is_null(), "the schema does not know {path}");
        }
    }
    named(&schema, &defaults, "");
}

fn named(schema: &Value, defaults: &Value, path: &str) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        // Helm's own, and maps that are the cluster's.
        if (path.is_empty() && name == "global")
            || ["resources", "affinity", "imagePullSecrets", "extraEnv"].contains(&path.trim_start_matches('.'))
        {
            continue;
        }
        assert!(!defaults[name].is_null(), "values.yaml does not tell of {path}.{name}");
        named(schema, &defaults[name], &format!("{path}.{name}"));
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let chart = chart();
    let refused = [
        ("replica=2", "replica"),
        ("replicas=two", "replicas"),
        ("replicas=9", "replicas"),
        ("metrics.serviceMonitor.enable=true", "enable"),
        ("metrics.podMonitor.interval=often", "interval"),
        ("watchNamespace=Team_A", "watchNamespace"),
        ("networkPolicy.apiServer.cidrs={10.0.0.1}", "cidrs"),
        ("log.format=xml", "format"),
        ("tracing.endpoint=collector:4318", "endpoint"),
        ("tracing.sample=2", "sample"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("extraEnv[0].key=a", "extraEnv"),
        ("trainer.reporting.enabled=true", "trainer.reporting.namespaces is empty"),
    ];
    for helm in helms() {
        for (value, word) in refused {
            let complaint =
                refusal(&helm, &["template".as_ref(), "nas".as_ref(), chart.as_os_str(), "--set".as_ref(), value.as_ref()]);
            assert!(complaint.contains(word), "{value}: {complaint}");
        }
    }
}

/// Numbers as one kind: Helm writes 1.0 as 1.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        _ => value.clone(),
    }
}

#[test]
fn the_definitions_are_those_of_the_folder_crds_and_are_kept() {
    let helm = &helms()[0];
    let values = chart().join("ci/default-values.yaml");
    let definitions = |more: &[&str]| {
        let mut rendered = render(helm, &values, more);
        rendered.retain(|object| object["kind"] == "CustomResourceDefinition");
        rendered
    };
    let committed: Vec<Value> = ["nasexperiments", "nastrials"]
        .iter()
        .map(|name| documents(&std::fs::read_to_string(chart().join(format!("../../crds/{name}.yaml"))).unwrap()).remove(0))
        .collect();
    let rendered = definitions(&[]);
    let specs = |objects: &[Value]| objects.iter().map(|object| plain(&object["spec"])).collect::<Vec<_>>();
    assert!(specs(&rendered) == specs(&committed), "make generate");
    assert!(rendered.iter().all(|object| object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"));
    let loose = definitions(&["--set", "crds.keep=false"]);
    assert!(
        loose.len() == 2 && loose.iter().all(|object| object["metadata"]["annotations"]["helm.sh/resource-policy"].is_null())
    );
    assert_eq!(definitions(&["--set", "crds.enabled=false"]).len(), 0);
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let rules = documents(&std::fs::read_to_string(chart().join("files/monitoring/alerts.yaml")).unwrap()).remove(0);
    let pages = chart().join("../../docs/runbooks");
    let mut alerts: Vec<String> = Vec::new();
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let name = rule["alert"].as_str().unwrap().to_owned();
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(url, format!("https://github.com/nas-operator/nas-operator/blob/main/docs/runbooks/{name}.md"));
        let page = std::fs::read_to_string(pages.join(format!("{name}.md")))
            .unwrap_or_else(|error| panic!("docs/runbooks/{name}.md: {error}"));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        alerts.push(name);
    }
    let mut pages: Vec<String> = std::fs::read_dir(pages)
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()).file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "README")
        .collect();
    alerts.sort();
    pages.sort();
    assert_eq!(alerts, pages);
}
