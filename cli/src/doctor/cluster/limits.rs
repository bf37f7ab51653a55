//! What a namespace allows: quotas, limits, Pod Security, queues.

use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use kube::ResourceExt;
use nas_api::{SourceFile, amount, objects::TrialTemplate};

use super::{Facts, Namespaced, unseen};
use crate::doctor::finding::Finding;

/// Judges them.
pub(super) fn judge(facts: &Facts, source: Option<&SourceFile>) -> Vec<Finding> {
    let mut findings = vec![namespace(facts)];
    match &facts.quotas {
        Err(why) => findings.push(unseen("quotas", why)),
        Ok(quotas) if quotas.is_empty() => findings.push(Finding::ok("quotas", "none")),
        Ok(quotas) => findings.extend(quotas.iter().map(|one| quota(one, source))),
    }
    match &facts.limit_ranges {
        Err(why) => findings.push(unseen("limits", why)),
        Ok(ranges) if ranges.is_empty() => findings.push(Finding::ok("limits", "none")),
        Ok(ranges) => {
            findings.extend(ranges.iter().map(|range| limits(range, source.map(|source| &source.experiment.spec.trial))));
        }
    }
    findings.extend(queue(facts, source));
    findings
}

fn namespace(facts: &Facts) -> Finding {
    let name = &facts.namespace;
    match &facts.pod_security {
        Err(why) => unseen("namespace", why),
        Ok(Namespaced::Missing) => {
            Finding::problem("namespace", format!("there is no namespace {name}"), format!("kubectl create namespace {name}"))
        }
        Ok(Namespaced::Open) => Finding::ok("namespace", format!("{name} enforces no Pod Security level")),
        Ok(Namespaced::Enforces(level)) => {
            Finding::ok("namespace", format!("{name} enforces Pod Security {level}: trial pods satisfy restricted"))
        }
    }
}

fn queue(facts: &Facts, source: Option<&SourceFile>) -> Option<Finding> {
    let (what, wanted) = ("Kueue", source.and_then(|source| source.experiment.spec.trial.queue.as_ref()));
    let there = match (&facts.queues, wanted) {
        (None, None) => return None,
        (None, Some(wanted)) => {
            let cure = "install Kueue (docs/placing.md), or remove spec.trial.queue";
            return Some(Finding::problem(what, format!("is not installed, and spec.trial.queue names {}", wanted.name), cure));
        }
        (Some(Err(why)), _) => return Some(unseen(what, why)),
        (Some(Ok(there)), _) => there,
    };
    let list = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Some(match wanted {
        Some(wanted) if !there.contains(&wanted.name) => {
            let said = format!("namespace {} has no LocalQueue {}: it has {list}", facts.namespace, wanted.name);
            Finding::problem(what, said, "create it, or name one that is there in spec.trial.queue")
        }
        Some(wanted) => Finding::ok(what, format!("LocalQueue {} is there", wanted.name)),
        None => Finding::ok(what, format!("is installed, LocalQueues here: {list}; spec.trial.queue names one")),
    })
}

/// What one trial asks for of a resource of quotas, and in which field.
fn asks(resource: &str, source: &SourceFile) -> Option<(f64, &'static str)> {
    let template = &source.experiment.spec.trial;
    let of = |quantity: Option<&String>| quantity.and_then(|quantity| amount(quantity));
    if let Some(accelerator) = &template.accelerator
        && resource.strip_prefix("requests.") == Some(accelerator.resource.as_str())
    {
        #[expect(clippy::cast_precision_loss, reason = "at most 64")]
        return Some((accelerator.count as f64, "spec.trial.accelerator"));
    }
    match resource {
        "pods" | "count/pods" | "count/jobs.batch" => Some((1.0, "a trial")),
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        "requests.cpu" | "cpu" => Some((template.cpu.map_or(0.0, |cpu| cpu as f64), "spec.trial.cpu")),
        "requests.memory" | "memory" | "limits.memory" => {
            Some((of(template.memory.as_ref()).unwrap_or_default(), "spec.trial.memory"))
        }
        // Trial pods have no such limit: the quota refuses them.
        "limits.cpu" => Some((0.0, "limits.cpu")),
        _ => None,
    }
}

fn quota(quota: &ResourceQuota, source: Option<&SourceFile>) -> Finding {
    let what = format!("quota {}", quota.name_any());
    let status = quota.status.clone().unwrap_or_default();
    let hard = status.hard.or_else(|| quota.spec.as_ref()?.hard.clone()).unwrap_or_default();
    let used = status.used.unwrap_or_default();
    let left = |resource: &str| {
        let number = |map: &std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
            map.get(resource).and_then(|quantity| amount(&quantity.0)).unwrap_or_default()
        };
        number(&hard) - number(&used)
    };
    let list: Vec<String> = hard
        .iter()
        .map(|(name, hard)| format!("{name} {} of {}", used.get(name).map_or("0", |used| used.0.as_str()), hard.0))
        .collect();
    let said = format!("used: {}", list.join(", "));
    let Some(source) = source else { return Finding::ok(what, said) };
    let must_ask = |resource: &str, each: f64| each <= 0.0 && ["cpu", "memory"].iter().any(|kind| resource.ends_with(kind));
    for resource in hard.keys() {
        let Some((each, field)) = asks(resource, source) else { continue };
        if must_ask(resource, each) {
            let cure =
                format!("set {field}, or have a LimitRange give a default: the quota refuses pods that do not say {resource}");
            return Finding::warning(what, said, cure);
        }
        let fit = (left(resource) / each).floor().max(0.0);
        if fit < 1.0 {
            let cure = format!("raise {resource} of the quota, or lower {field}: no trial can start");
            return Finding::problem(what, said, cure);
        }
        let wanted = source.plan.parallel_trials;
        #[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
        if fit < wanted as f64 {
            let cure = format!("{resource} leaves room for {fit} of spec.parallelTrials {wanted}: the others wait");
            return Finding::warning(what, said, cure);
        }
    }
    Finding::ok(what, said)
}

fn limits(range: &LimitRange, template: Option<&TrialTemplate>) -> Finding {
    let what = format!("limits {}", range.name_any());
    let items = range.spec.as_ref().map(|spec| spec.limits.clone()).unwrap_or_default();
    let of_containers: Vec<_> = items.into_iter().filter(|item| ["Container", "Pod"].contains(&item.type_.as_str())).collect();
    let memory = template.and_then(|template| template.memory.as_ref());
    for item in &of_containers {
        let most = item.max.as_ref().and_then(|max| max.get("memory"));
        if let (Some(most), Some(memory)) = (most, memory)
            && amount(memory) > amount(&most.0)
        {
            let cure = format!("lower spec.trial.memory ({memory}), or have the LimitRange raised");
            return Finding::problem(what, format!("memory of at most {}", most.0), cure);
        }
        let given = item.default.as_ref().and_then(|default| default.get("memory"));
        if let (Some(given), None) = (given, memory) {
            let cure = "set spec.trial.memory: a trial that needs more is killed, and counts as OutOfMemory";
            return Finding::warning(what, format!("memory of {} for containers that ask for none", given.0), cure);
        }
    }
    Finding::ok(what, format!("{} rule(s) for containers and pods", of_containers.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::{
            super::finding::Level,
            tests::{facts, source},
        },
        *,
    };

    const EXPERIMENT: &str = "accelerator: {count: 2}, memory: 8Gi, cpu: 2";

    fn judged(hard: &Value, used: &Value, experiment: &str) -> Finding {
        let object = json!({"metadata": {"name": "team"}, "status": {"hard": hard, "used": used}});
        quota(&serde_json::from_value(object).unwrap(), Some(&source(experiment)))
    }

    #[test]
    fn a_quota_is_held_against_what_the_trials_ask_for() {
        let gpus = |hard: &str, used: &str| {
            judged(&json!({"requests.nvidia.com/gpu": hard}), &json!({"requests.nvidia.com/gpu": used}), EXPERIMENT)
        };
        assert_eq!(gpus("8", "4").level, Level::Ok);
        assert!(gpus("8", "5").cure.contains("room for 1 of spec.parallelTrials 2"), "{:?}", gpus("8", "5"));
        let none = gpus("8", "7");
        assert!(none.level == Level::Problem && none.cure.contains("no trial can start"), "{none:?}");
        assert_eq!(judged(&json!({"requests.memory": "12Gi"}), &json!({}), EXPERIMENT).level, Level::Warning);
        // Who does not say how much is refused by a quota of it.
        assert!(judged(&json!({"limits.memory": "12Gi"}), &json!({}), "cpu: 1").cure.contains("set spec.trial.memory"));
        assert!(judged(&json!({"limits.cpu": "64"}), &json!({}), EXPERIMENT).cure.contains("LimitRange"));
        assert_eq!(judged(&json!({"services": "0"}), &json!({}), EXPERIMENT).level, Level::Ok);
    }

    #[test]
    fn limits_are_held_against_the_memory_of_a_trial() {
        let judged = |item: Value, experiment: &str| {
            let range = json!({"metadata": {"name": "defaults"}, "spec": {"limits": [item]}});
            limits(&serde_json::from_value(range).unwrap(), Some(&source(experiment).experiment.spec.trial))
        };
        assert_eq!(judged(json!({"type": "Container", "max": {"memory": "4Gi"}}), EXPERIMENT).level, Level::Problem);
        assert_eq!(judged(json!({"type": "Container", "max": {"memory": "16Gi"}}), EXPERIMENT).level, Level::Ok);
        assert_eq!(judged(json!({"type": "Container", "default": {"memory": "512Mi"}}), "cpu: 1").level, Level::Warning);
        assert_eq!(judged(json!({"type": "PersistentVolumeClaim", "max": {"memory": "1"}}), EXPERIMENT).level, Level::Ok);
    }

    #[test]
    fn a_queue_that_is_named_must_be_there() {
        let judged = |queues: Option<&[&str]>, experiment: &str| {
            let queues = queues.map(|names| Ok(names.iter().map(|name| (*name).to_owned()).collect()));
            queue(&Facts { queues, ..facts() }, Some(&source(experiment))).map(|finding| finding.level)
        };
        let unseen = queue(&Facts { queues: Some(Err("forbidden".to_owned())), ..facts() }, Some(&source("queue: {name: team}")));
        assert_eq!(unseen.map(|finding| finding.level), Some(Level::Warning), "it may be there");
        assert_eq!(judged(None, "cpu: 1"), None);
        assert_eq!(judged(None, "queue: {name: team}"), Some(Level::Problem));
        assert_eq!(judged(Some(&["other"]), "queue: {name: team}"), Some(Level::Problem));
        assert_eq!(judged(Some(&["other", "team"]), "queue: {name: team}"), Some(Level::Ok));
        assert_eq!(judged(Some(&[]), "cpu: 1"), Some(Level::Ok));
    }

    #[test]
    fn a_namespace_must_be_there() {
        let with = |pod_security| namespace(&Facts { pod_security, ..facts() });
        assert_eq!(with(Ok(Namespaced::Missing)).level, Level::Problem);
        assert!(with(Ok(Namespaced::Enforces("restricted".to_owned()))).said.contains("satisfy restricted"));
        assert_eq!(with(Err("forbidden".to_owned())).level, Level::Warning);
    }
}
