//! Every manifest against the schemas that Kubernetes 1.34 to 1.37 publish: what an API server would not understand is an error.

use std::{collections::BTreeMap, path::Path};

use boon::{Compiler, SchemaIndex, Schemas};
use nas_testkit::made_ready;
use serde_json::{Map, Value, json};

use crate::helm::{MONITORING, cases, documents, helms, render};

const VERSIONS: [&str; 4] = ["v1.34", "v1.35", "v1.36", "v1.37"];

/// The schemas of one version of Kubernetes.
struct Version {
    schemas: Schemas,
    compiler: Compiler,
    /// By group and version, and kind: where its schema lies.
    kinds: BTreeMap<(String, String), String>,
}

/// No key that a schema does not name, as an API server has it with strict field validation.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let is_open =
                map.contains_key("additionalProperties") || map.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            if map.get("properties").is_some_and(Value::is_object)
                && !is_open
                && map.get("properties").is_some_and(|fields| fields["properties"].is_null())
            {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

impl Version {
    fn read(folder: &Path, monitoring: &Path) -> Self {
        let (mut all, mut kinds) = (Map::new(), BTreeMap::new());
        for entry in std::fs::read_dir(folder).unwrap() {
            let mut file: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
            let Value::Object(found) = file["components"]["schemas"].take() else { panic!("no schemas in {}", folder.display()) };
            for (name, schema) in &found {
                for kind in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
                    let word = |field: &str| kind[field].as_str().unwrap_or_default().to_owned();
                    let group = word("group");
                    let group = if group.is_empty() { word("version") } else { format!("{group}/{}", word("version")) };
                    kinds.insert((group, word("kind")), format!("#/components/schemas/{name}"));
                }
            }
            all.extend(found);
        }
        for name in MONITORING {
            let file = std::fs::read_to_string(monitoring.join(format!("monitoring.coreos.com_{name}.yaml"))).unwrap();
            let definition = documents(&file).remove(0);
            let version = &definition["spec"]["versions"][0];
            assert_eq!(version["name"], "v1");
            let kind = definition["spec"]["names"]["kind"].as_str().unwrap().to_owned();
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            schema["properties"]["metadata"] =
                json!({"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"});
            all.insert(kind.clone(), schema);
            kinds.insert(("monitoring.coreos.com/v1".to_owned(), kind.clone()), format!("#/components/schemas/{kind}"));
        }
        let mut document = json!({"components": {"schemas": all}});
        close(&mut document);
        let mut compiler = Compiler::new();
        compiler.add_resource("http://kubernetes/openapi.json", document).unwrap();
        Self { schemas: Schemas::new(), compiler, kinds }
    }

    fn schema(&mut self, object: &Value) -> SchemaIndex {
        let word = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let kind = (word("apiVersion"), word("kind"));
        let place = self.kinds.get(&kind).unwrap_or_else(|| panic!("there is no {kind:?}"));
        self.compiler.compile(&format!("http://kubernetes/openapi.json{place}"), &mut self.schemas).unwrap()
    }

    fn problem(&mut self, object: &Value) -> Option<String> {
        let schema = self.schema(object);
        self.schemas.validate(object, schema).err().map(|error| format!("{error:#}"))
    }
}

#[test]
fn every_manifest_is_one_of_kubernetes_1_34_to_1_37() {
    let folder = made_ready("schemas.sh", &[]);
    let helm = &helms()[0];
    let rendered: Vec<_> = cases().iter().map(|case| (case.clone(), render(helm, case, &[]))).collect();
    for name in VERSIONS {
        let mut version = Version::read(&folder.join(name), &folder.join("monitoring"));
        for (case, objects) in &rendered {
            assert!(objects.len() >= 8);
            for object in objects {
                let problem = version.problem(object);
                assert_eq!(problem, None, "{name} {}: {} {}", case.display(), object["kind"], object["metadata"]["name"]);
            }
        }
        // It would be seen: a field of another name, a wrong type, deep below.
        for (object, path, value) in wrong(&rendered[1].1) {
            let mut object = object.clone();
            *object.pointer_mut(path).unwrap() = value;
            assert!(version.problem(&object).is_some(), "{name} takes {object}");
        }
    }
}

/// Mistakes in objects of the case with everything: which object, where, and what stands there.
fn wrong(objects: &[Value]) -> Vec<(&Value, &'static str, Value)> {
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    vec![
        (
            of("Deployment"),
            "/spec/template/spec/containers/0/livenessProbe",
            json!({"httpGet": {"path": "/livez", "prt": "http"}}),
        ),
        (of("Deployment"), "/spec/replicas", json!("1")),
        (of("Deployment"), "/spec/template/spec/containers/0/ports/0/name", json!(1)),
        (of("Service"), "/spec/ports/0", json!({"port": 8080, "target": "http"})),
    ]
}
