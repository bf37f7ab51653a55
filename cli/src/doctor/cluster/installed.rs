//! The server, the definitions, the operator, and what one may do.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::apps::v1::Deployment,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray},
};
use kube::{CustomResourceExt, ResourceExt};
use nas_api::objects::{NasExperiment, NasTrial};

use super::{Facts, Seen, unseen};
use crate::doctor::finding::Finding;

/// The oldest Kubernetes that the operator is made for: 1.34.
const OLDEST: (u32, u32) = (1, 34);
const INSTALL: &str = "helm install nas-operator charts/nas-operator -n nas-system --create-namespace (docs/install.md)";

/// Judges them.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![server(&facts.server)];
    let ours = [NasExperiment::crd(), NasTrial::crd()];
    findings.extend(ours.iter().filter_map(|own| Some(definition(own, facts.definitions.get(own.name_any().as_str())?))));
    findings.push(operator(&facts.operators, &facts.namespace));
    findings.push(rights(facts));
    findings
}

fn server(version: &str) -> Finding {
    let mut numbers = version.trim_start_matches('v').split(['.', '+', '-']).map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            let cure = format!("upgrade it to {}.{} or newer", OLDEST.0, OLDEST.1);
            Finding::problem("API server", format!("{version} is too old"), cure)
        }
        _ => Finding::ok("API server", version),
    }
}

/// Whether the cluster has a definition, with all fields that this program knows.
fn definition(own: &CustomResourceDefinition, seen: &Seen<Option<CustomResourceDefinition>>) -> Finding {
    let kind = &own.spec.names.kind;
    let found = match seen {
        Err(why) => return unseen(kind, why),
        Ok(None) => return Finding::problem(kind, "this cluster does not know it", INSTALL),
        Ok(Some(found)) => found,
    };
    let version = own.spec.versions.first().map(|version| version.name.clone()).unwrap_or_default();
    let served = found.spec.versions.iter().find(|served| served.name == version && served.served);
    let Some(served) = served else {
        let others: Vec<&str> = found.spec.versions.iter().map(|version| version.name.as_str()).collect();
        let said = format!("{version} is not served, but {}", others.join(", "));
        return Finding::problem(kind, said, "install a nasctl of the same release as the chart");
    };
    let conditions = found.status.as_ref().and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    if !conditions.into_iter().any(|condition| condition.type_ == "Established" && condition.status == "True") {
        return Finding::problem(kind, "its definition is not established", format!("kubectl describe crd {}", found.name_any()));
    }
    let fields = |schema: Option<&JSONSchemaProps>| {
        let mut names = BTreeSet::new();
        if let Some(schema) = schema {
            collect(schema, "", &mut names);
        }
        names
    };
    let of = |version: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionVersion| {
        fields(version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()))
    };
    let known = own.spec.versions.first().map(of).unwrap_or_default();
    let there = of(served);
    let (lacks, more): (Vec<_>, Vec<_>) = (known.difference(&there).collect(), there.difference(&known).collect());
    if let Some(first) = lacks.first() {
        let said =
            format!("{version} of an older release: it lacks {} and {} more", first.trim_start_matches('.'), lacks.len() - 1);
        return Finding::warning(
            kind,
            said,
            "helm upgrade with the chart of this release: fields that it does not know are dropped",
        );
    }
    if let Some(first) = more.first() {
        let said = format!("{version} of a newer release: it has {}, too", first.trim_start_matches('.'));
        return Finding::warning(kind, said, "install a nasctl of that release");
    }
    Finding::ok(kind, version)
}

/// The paths of all fields.
fn collect(schema: &JSONSchemaProps, path: &str, names: &mut BTreeSet<String>) {
    for (name, below) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        collect(below, &path, names);
        names.insert(path);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        collect(items, path, names);
    }
}

fn operator(seen: &Seen<Vec<Deployment>>, namespace: &str) -> Finding {
    let what = "operator";
    let all = match seen {
        Err(why) => return unseen(what, why),
        Ok(all) => all,
    };
    let watches = |deployment: &&Deployment| watched(deployment).is_none_or(|watched| watched == namespace);
    let Some(found) = all.iter().find(watches) else {
        let said = if all.is_empty() { "none is installed".to_owned() } else { format!("none watches namespace {namespace}") };
        return Finding::problem(what, said, INSTALL);
    };
    let place = format!("{}/{}", found.namespace().unwrap_or_default(), found.name_any());
    let status = found.status.clone().unwrap_or_default();
    if status.ready_replicas.unwrap_or_default() == 0 {
        let cure = format!(
            "kubectl -n {} logs deployment/{} --tail 50 (docs/runbooks/NasOperatorDown.md)",
            found.namespace().unwrap_or_default(),
            found.name_any()
        );
        return Finding::problem(what, format!("{place} has no pod that is ready"), cure);
    }
    let version = found.labels().get("app.kubernetes.io/version").cloned().unwrap_or_default();
    let own = env!("CARGO_PKG_VERSION");
    if version != own {
        let said = format!("{place} is of release {version}, this nasctl of {own}");
        return Finding::warning(what, said, "use the same release of both");
    }
    Finding::ok(what, format!("{place}, release {version}"))
}

/// The namespace that an operator watches; `None`: all.
fn watched(deployment: &Deployment) -> Option<&str> {
    let containers = &deployment.spec.as_ref()?.template.spec.as_ref()?.containers;
    let mut variables = containers.iter().flat_map(|container| container.env.iter().flatten());
    variables.find(|variable| variable.name == "NAS_WATCH_NAMESPACE")?.value.as_deref()
}

fn rights(facts: &Facts) -> Finding {
    let lacks: Vec<_> = facts.rights.iter().filter(|(_, allowed)| !allowed).map(|(right, _)| right).collect();
    let what = "your rights";
    if lacks.is_empty() {
        return Finding::ok(what, format!("all that nasctl needs in namespace {}", facts.namespace));
    }
    let list: Vec<String> = lacks.iter().map(|right| format!("{} {} ({})", right.verb, right.resource, right.for_what)).collect();
    let said = format!("in namespace {} you may not {}", facts.namespace, list.join(", "));
    let cure = "have a Role with these verbs bound to you, or use another --namespace";
    if lacks.iter().any(|right| (right.verb, right.resource) == ("create", "nasexperiments")) {
        return Finding::problem(what, said, cure);
    }
    Finding::warning(what, said, cure)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{super::finding::Level, RIGHTS},
        *,
    };

    #[test]
    fn a_server_that_is_too_old_is_a_problem() {
        for (version, level) in [
            ("v1.33.9", Level::Problem),
            ("v1.34.0", Level::Ok),
            ("v1.36.3+k3s1", Level::Ok),
            ("v2.0.0", Level::Ok),
            ("?", Level::Ok),
        ] {
            assert_eq!(server(version).level, level, "{version}");
        }
    }

    fn spec(crd: &mut CustomResourceDefinition) -> &mut JSONSchemaProps {
        let schema = crd.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
        schema.properties.as_mut().unwrap().get_mut("spec").unwrap()
    }

    #[test]
    fn a_definition_is_held_against_the_fields_that_are_known_here() {
        let own = NasExperiment::crd();
        let established = json!({"conditions": [{"type": "Established", "status": "True"}], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []});
        let mut same = own.clone();
        same.status = serde_json::from_value(established).unwrap();
        let judged = |found: Option<CustomResourceDefinition>| definition(&own, &Ok(found));
        assert_eq!(judged(Some(same.clone())).level, Level::Ok);
        assert!(judged(None).cure.contains("helm install"));
        assert_eq!(judged(Some(own.clone())).level, Level::Problem, "it is not established");
        let mut older = same.clone();
        spec(&mut older).properties.as_mut().unwrap().remove("confirm");
        let found = judged(Some(older));
        assert!(found.level == Level::Warning && found.said.contains("older release: it lacks spec.confirm"), "{found:?}");
        let mut newer = same.clone();
        spec(&mut newer).properties.as_mut().unwrap().insert("zeal".to_owned(), JSONSchemaProps::default());
        assert!(judged(Some(newer)).said.contains("newer release: it has spec.zeal"));
        let mut other = same;
        other.spec.versions[0].name = "v1".to_owned();
        assert_eq!(judged(Some(other)).level, Level::Problem);
        assert!(definition(&own, &Err("forbidden".to_owned())).said.contains("forbidden"));
    }

    fn deployment(version: &str, ready: i32, watches: Option<&str>) -> Deployment {
        let env = watches.map(|namespace| json!([{"name": "NAS_WATCH_NAMESPACE", "value": namespace}]));
        let labels = json!({"app.kubernetes.io/version": version});
        let pod = json!({"spec": {"containers": [{"name": "operator", "env": env}]}});
        let deployment = json!({"metadata": {"name": "nas-operator", "namespace": "nas-system", "labels": labels},
            "spec": {"selector": {}, "template": pod}, "status": {"readyReplicas": ready}});
        serde_json::from_value(deployment).unwrap()
    }

    #[test]
    fn an_operator_must_be_ready_watch_the_namespace_and_be_of_the_same_release() {
        let own = env!("CARGO_PKG_VERSION");
        for (all, level, words) in [
            (vec![deployment(own, 1, None)], Level::Ok, "nas-system/nas-operator"),
            (vec![deployment(own, 1, Some("other")), deployment(own, 1, Some("research"))], Level::Ok, own),
            (vec![deployment(own, 1, Some("other"))], Level::Problem, "none watches namespace research"),
            (vec![deployment(own, 0, None)], Level::Problem, "no pod that is ready"),
            (vec![deployment("9.9.9", 1, None)], Level::Warning, "9.9.9"),
            (Vec::new(), Level::Problem, "none is installed"),
        ] {
            let found = operator(&Ok(all), "research");
            assert!(found.level == level && found.said.contains(words), "{found:?}");
        }
    }

    #[test]
    fn who_may_not_begin_a_search_has_a_problem_and_who_may_not_look_a_warning() {
        let with = |denied: &[usize]| {
            let rights = RIGHTS.into_iter().enumerate().map(|(at, right)| (right, !denied.contains(&at))).collect();
            rights_of(rights)
        };
        assert_eq!(with(&[]).level, Level::Ok);
        assert_eq!(with(&[0]).level, Level::Problem);
        let found = with(&[6]);
        assert!(found.level == Level::Warning && found.said.contains("get pods/log (nasctl logs)"), "{found:?}");
    }

    fn rights_of(all: Vec<(super::super::Right, bool)>) -> Finding {
        rights(&Facts { rights: all, ..super::super::tests::facts() })
    }
}
