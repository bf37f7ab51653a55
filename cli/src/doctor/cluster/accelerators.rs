//! What nodes offer beside CPUs and memory, and how much of it is free.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};
use kube::ResourceExt;
use nas_api::{SourceFile, amount, objects::NasExperiment};

use super::{Facts, unseen};
use crate::doctor::finding::Finding;

const WHAT: &str = "accelerators";
/// The device plug-in is what tells Kubernetes of them.
const PLUGIN: &str =
    "install the device plug-in of their vendor, or name what nodes offer in spec.trial.accelerator.resource (docs/install.md)";

/// A resource over all nodes that can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Offer {
    nodes: u32,
    all: f64,
    /// Free now on all of them; on those of which it is known.
    free: f64,
    /// Trials that fit into what is free.
    fit: f64,
    /// The most that one node has.
    largest: f64,
}

/// Judges them.
pub(super) fn judge(facts: &Facts, source: Option<&SourceFile>) -> Vec<Finding> {
    let nodes = match &facts.nodes {
        Err(why) => return vec![unseen("nodes", why)],
        Ok(nodes) => nodes,
    };
    let experiment = source.map(|source| &source.experiment);
    let usable: Vec<&Node> = nodes.iter().filter(|node| is_usable(node, experiment)).collect();
    let mut findings = Vec::new();
    if usable.is_empty() {
        let said = format!("none of {} is ready and takes trial pods", nodes.len());
        let cure = "kubectl get nodes; taints and labels: spec.trial.pod.tolerations and nodeSelector (docs/placing.md)";
        findings.push(Finding::problem("nodes", said, cure));
    } else {
        findings.push(Finding::ok("nodes", format!("{} of {} are ready and take trial pods", usable.len(), nodes.len())));
    }
    let pods = facts.pods.as_deref().unwrap_or_default();
    if let Err(why) = &facts.pods {
        findings.push(unseen("what is free", why));
    }
    let Some(source) = source else {
        findings.push(offered(&usable, pods, facts.pods.is_ok()));
        return findings;
    };
    let Some(accelerator) = &source.experiment.spec.trial.accelerator else {
        let said = if source.experiment.accelerators_of_a_trial() > 0 {
            "by spec.trial.pod.resourceClaims: not looked at"
        } else {
            "the experiment asks for none: its trials train on CPUs"
        };
        findings.push(Finding::ok(WHAT, said));
        return findings;
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 64")]
    let each = accelerator.count as f64;
    let offer = offers(&usable, pods, each).remove(&accelerator.resource).unwrap_or_default();
    findings.push(for_experiment(source, &accelerator.resource, each, offer, facts.pods.is_ok()));
    findings
}

fn for_experiment(source: &SourceFile, resource: &str, each: f64, offer: Offer, is_known: bool) -> Finding {
    if offer.nodes == 0 {
        return Finding::problem(WHAT, format!("no node that can be used offers {resource}"), PLUGIN);
    }
    let free = if is_known { format!(", {} free", offer.free) } else { String::new() };
    let said = format!("{resource}: {} on {} node(s){free}", offer.all, offer.nodes);
    if offer.largest < each {
        let cure = format!("lower spec.trial.accelerator.count to {}: a pod runs on one node", offer.largest);
        return Finding::problem(
            WHAT,
            format!("{said}; a trial asks for {each}, and no node has more than {}", offer.largest),
            cure,
        );
    }
    let wanted = source.plan.parallel_trials;
    #[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
    let lacks = is_known && offer.fit < wanted as f64;
    if lacks {
        let cure = "the others wait until there is room; lower spec.parallelTrials, or add nodes";
        return Finding::warning(WHAT, format!("{said}: {} of spec.parallelTrials {wanted} would begin now", offer.fit), cure);
    }
    Finding::ok(WHAT, said)
}

fn offered(nodes: &[&Node], pods: &[Pod], is_known: bool) -> Finding {
    let offers = offers(nodes, pods, 1.0);
    if offers.is_empty() {
        return Finding::warning(WHAT, "no node offers any: trials train on CPUs", PLUGIN);
    }
    let word = |(name, offer): (&String, &Offer)| {
        let free = if is_known { format!(", {} free", offer.free) } else { String::new() };
        format!("{name}: {} on {} node(s){free}", offer.all, offer.nodes)
    };
    Finding::ok(WHAT, offers.iter().map(word).collect::<Vec<_>>().join("; "))
}

/// The extended resources of these nodes, by name; `each`: how many a trial takes.
fn offers(nodes: &[&Node], pods: &[Pod], each: f64) -> BTreeMap<String, Offer> {
    let mut offers: BTreeMap<String, Offer> = BTreeMap::new();
    for node in nodes {
        let status = node.status.clone().unwrap_or_default();
        for (name, quantity) in status.allocatable.unwrap_or_default() {
            let count = amount(&quantity.0).unwrap_or_default();
            if !is_extended(&name) || count <= 0.0 {
                continue;
            }
            let taken: f64 = pods.iter().filter(|pod| is_on(pod, &node.name_any())).map(|pod| takes(pod, &name)).sum();
            let free = (count - taken).max(0.0);
            let offer = offers.entry(name).or_default();
            offer.nodes += 1;
            offer.all += count;
            offer.free += free;
            offer.fit += (free / each).floor();
            offer.largest = offer.largest.max(count);
        }
    }
    offers
}

fn is_extended(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io"))
}

fn is_on(pod: &Pod, node: &str) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node)
}

/// How many of a resource a pod holds: what its containers ask for together, or what one of its init containers does.
fn takes(pod: &Pod, resource: &str) -> f64 {
    let Some(spec) = &pod.spec else { return 0.0 };
    let limit = |container: &k8s_openapi::api::core::v1::Container| {
        let resources = container.resources.as_ref();
        let limits = resources.and_then(|resources| resources.limits.as_ref()).and_then(|limits| limits.get(resource));
        limits.and_then(|quantity| amount(&quantity.0)).unwrap_or_default()
    };
    let together: f64 = spec.containers.iter().map(limit).sum();
    spec.init_containers.iter().flatten().map(limit).fold(together, f64::max)
}

/// Whether trial pods of an experiment may run there.
fn is_usable(node: &Node, experiment: Option<&NasExperiment>) -> bool {
    let spec = node.spec.clone().unwrap_or_default();
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let template = experiment.map(|experiment| &experiment.spec.trial);
    let pod = template.and_then(|template| template.pod.as_ref());
    let resource = template.and_then(|template| template.accelerator.as_ref()).map(|accelerator| accelerator.resource.as_str());
    let is_selected = pod.is_none_or(|pod| pod.node_selector.iter().all(|(name, value)| node.labels().get(name) == Some(value)));
    let tolerates = |taint: &Taint| {
        // That of the accelerator is tolerated by every trial pod; without an experiment, whatever an accelerator's name is.
        let is_accelerators = resource.map_or_else(|| is_extended(&taint.key), |resource| resource == taint.key);
        is_accelerators || pod.is_some_and(|pod| pod.tolerations.iter().any(|toleration| matches(toleration, taint)))
    };
    let mut taints = spec.taints.iter().flatten().filter(|taint| taint.effect != "PreferNoSchedule");
    is_ready && spec.unschedulable != Some(true) && is_selected && taints.all(tolerates)
}

fn matches(toleration: &Toleration, taint: &Taint) -> bool {
    let is_effect = toleration.effect.as_ref().is_none_or(|effect| effect.is_empty() || *effect == taint.effect);
    let is_key = toleration.key.as_ref().is_none_or(|key| key.is_empty() || *key == taint.key);
    let exists = toleration.operator.as_deref() == Some("Exists");
    is_effect && is_key && (exists || toleration.value.clone().unwrap_or_default() == taint.value.clone().unwrap_or_default())
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

    fn node(name: &str, gpus: u32, taints: &Value) -> Node {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let node = json!({"metadata": {"name": name, "labels": {"pool": name}}, "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": "8", "nvidia.com/gpu": gpus.to_string(), "hugepages-2Mi": "0"}, "conditions": ready}});
        serde_json::from_value(node).unwrap()
    }

    fn pod(node: &str, gpus: u32) -> Pod {
        let container = json!({"name": "c", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}});
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"nodeName": node, "containers": [container]}})).unwrap()
    }

    fn found(nodes: Vec<Node>, pods: Vec<Pod>, experiment: Option<&str>) -> Vec<Finding> {
        let source = experiment.map(source);
        judge(&Facts { nodes: Ok(nodes), pods: Ok(pods), ..facts() }, source.as_ref())
    }

    fn last(findings: Vec<Finding>) -> Finding {
        findings.into_iter().last().unwrap()
    }

    #[test]
    fn what_is_free_is_counted_by_node() {
        let nodes =
            || vec![node("a", 4, &json!(null)), node("b", 4, &json!([{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]))];
        let all = last(found(nodes(), vec![pod("a", 3), pod("b", 1), pod("elsewhere", 8)], None));
        assert_eq!((all.level, all.said.as_str()), (Level::Ok, "nvidia.com/gpu: 8 on 2 node(s), 4 free"));
        // A trial of two needs both on one node: 1 and 3 are free.
        let two = last(found(nodes(), vec![pod("a", 3), pod("b", 1)], Some("accelerator: {count: 2}")));
        assert!(two.level == Level::Warning && two.said.ends_with("1 of spec.parallelTrials 2 would begin now"), "{two:?}");
        let enough = last(found(nodes(), Vec::new(), Some("accelerator: {count: 2}")));
        assert_eq!(enough.level, Level::Ok, "{enough:?}");
        let large = last(found(nodes(), Vec::new(), Some("accelerator: {count: 8}")));
        assert!(large.level == Level::Problem && large.cure.contains("to 4"), "{large:?}");
        let other = last(found(nodes(), Vec::new(), Some("accelerator: {resource: amd.com/gpu}")));
        assert!(other.level == Level::Problem && other.said.contains("amd.com/gpu"), "{other:?}");
    }

    #[test]
    fn a_node_that_pods_do_not_come_to_offers_nothing() {
        let tainted = || node("a", 4, &json!([{"key": "team", "value": "x", "effect": "NoSchedule"}]));
        let refused = found(vec![tainted()], Vec::new(), Some("accelerator: {count: 1}"));
        assert_eq!(refused[0].level, Level::Problem, "{refused:?}");
        for pod in [
            "pod: {tolerations: [{key: team, operator: Exists}]}",
            "pod: {tolerations: [{key: team, value: x, effect: NoSchedule}]}",
        ] {
            let taken = found(vec![tainted()], Vec::new(), Some(&format!("accelerator: {{count: 1}}, {pod}")));
            assert!(taken.iter().all(|finding| finding.level != Level::Problem), "{taken:?}");
        }
        let selected =
            found(vec![node("a", 4, &json!(null))], Vec::new(), Some("accelerator: {count: 1}, pod: {nodeSelector: {pool: b}}"));
        assert_eq!(selected[0].level, Level::Problem, "{selected:?}");
        let mut away = node("a", 4, &json!(null));
        away.status.as_mut().unwrap().conditions = None;
        assert_eq!(found(vec![away], Vec::new(), None)[0].level, Level::Problem, "it is not ready");
    }
}
