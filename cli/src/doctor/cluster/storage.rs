//! Claims for checkpoints and data.

use k8s_openapi::api::{core::v1::PersistentVolumeClaim, storage::v1::StorageClass};
use kube::ResourceExt;
use nas_api::SourceFile;

use super::{Facts, Seen, unseen};
use crate::doctor::finding::Finding;

const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// Judges them.
pub(super) fn judge(facts: &Facts, source: Option<&SourceFile>) -> Vec<Finding> {
    let claims = match &facts.claims {
        Err(why) => return vec![unseen("claims", why)],
        Ok(claims) => claims,
    };
    let mut findings = vec![classes(&facts.classes)];
    let Some(source) = source else {
        findings.push(shared(claims, &facts.namespace));
        return findings;
    };
    let template = &source.experiment.spec.trial;
    let several = source.plan.parallel_trials > 1 && facts.nodes.as_ref().is_ok_and(|nodes| nodes.len() > 1);
    match &template.checkpoints {
        Some(checkpoints) => {
            findings.push(claim("spec.trial.checkpoints.claim", &checkpoints.claim, claims, &facts.namespace, several));
        }
        None if source.plan.rungs.top() > 0 => findings.push(Finding::problem(
            "checkpoints",
            "trials go on to further rungs, and there is no place for their checkpoints",
            "name a claim in spec.trial.checkpoints (docs/storage.md)",
        )),
        None => {}
    }
    if let Some(name) = &template.data.claim {
        findings.push(claim("spec.trial.data.claim", name, claims, &facts.namespace, several));
    }
    if let Some(problem) = source.experiment.lacks_on_cluster() {
        findings.push(Finding::problem("data", problem.to_string(), "docs/data.md"));
    }
    findings
}

fn classes(seen: &Seen<Vec<StorageClass>>) -> Finding {
    let what = "storage classes";
    let classes = match seen {
        Err(why) => return unseen(what, why),
        Ok(classes) => classes,
    };
    let is_default = |class: &&StorageClass| class.annotations().get(DEFAULT).is_some_and(|value| value == "true");
    let list: Vec<String> = classes.iter().map(|class| format!("{} ({})", class.name_any(), class.provisioner)).collect();
    match (classes.iter().find(is_default), list.is_empty()) {
        (Some(default), _) => Finding::ok(what, format!("{}; {} where none is named", list.join(", "), default.name_any())),
        (None, false) => Finding::warning(
            what,
            format!("{}, and none by default", list.join(", ")),
            "name one in storageClassName of each claim",
        ),
        (None, true) => {
            Finding::warning(what, "there is none", "claims need volumes that somebody made by hand (docs/storage.md)")
        }
    }
}

/// Whether pods on several nodes can share a volume.
fn is_shared(claim: &PersistentVolumeClaim) -> bool {
    let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_ref());
    modes.is_some_and(|modes| modes.iter().any(|mode| mode == "ReadWriteMany"))
}

fn shared(claims: &[PersistentVolumeClaim], namespace: &str) -> Finding {
    let names: Vec<String> = claims.iter().filter(|claim| is_shared(claim)).map(ResourceExt::name_any).collect();
    if names.is_empty() {
        let cure = "a search with several rungs needs one for its checkpoints that all its nodes can mount: ReadWriteMany (docs/storage.md)";
        return Finding::warning("claims", format!("namespace {namespace} has none that pods on several nodes can share"), cure);
    }
    Finding::ok("claims", format!("{} can be shared by pods on several nodes", names.join(", ")))
}

fn claim(field: &str, name: &str, claims: &[PersistentVolumeClaim], namespace: &str, several: bool) -> Finding {
    let Some(found) = claims.iter().find(|claim| claim.name_any() == name) else {
        let said = format!("there is no PersistentVolumeClaim {name} in namespace {namespace}");
        return Finding::problem(field, said, "create it (docs/install.md#make-room-for-a-search), or name one that is there");
    };
    let status = found.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or_else(|| "Pending".to_owned());
    if phase == "Lost" {
        return Finding::problem(
            field,
            format!("{name} has lost its volume"),
            format!("kubectl describe pvc {name} -n {namespace}"),
        );
    }
    if several && !is_shared(found) {
        let cure =
            "pods on other nodes wait for it: make it ReadWriteMany, or keep trials on one node (spec.trial.pod.nodeSelector)";
        return Finding::warning(field, format!("{name} can be mounted on one node alone"), cure);
    }
    if phase == "Pending" {
        let cure = format!(
            "it may be bound with the first pod (WaitForFirstConsumer); else: kubectl describe pvc {name} -n {namespace}"
        );
        return Finding::warning(field, format!("{name} has no volume yet"), cure);
    }
    let size = status
        .capacity
        .and_then(|mut capacity| capacity.remove("storage"))
        .map(|size| format!(", {}", size.0))
        .unwrap_or_default();
    Finding::ok(field, format!("{name} is {phase}{size}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{
            super::finding::Level,
            tests::{facts, source},
        },
        *,
    };

    fn pvc(name: &str, mode: &str, phase: &str) -> PersistentVolumeClaim {
        let claim = json!({"metadata": {"name": name}, "spec": {"accessModes": [mode]},
            "status": {"phase": phase, "capacity": {"storage": "200Gi"}}});
        serde_json::from_value(claim).unwrap()
    }

    #[test]
    fn a_claim_must_be_there_and_be_shared() {
        let judged = |claims: &[PersistentVolumeClaim], several| claim("field", "checkpoints", claims, "research", several);
        assert_eq!(judged(&[], true).level, Level::Problem);
        assert_eq!(judged(&[pvc("checkpoints", "ReadWriteMany", "Lost")], true).level, Level::Problem);
        assert_eq!(judged(&[pvc("checkpoints", "ReadWriteOnce", "Bound")], true).level, Level::Warning);
        assert_eq!(judged(&[pvc("checkpoints", "ReadWriteOnce", "Bound")], false).level, Level::Ok);
        assert!(judged(&[pvc("checkpoints", "ReadWriteMany", "Pending")], true).cure.contains("WaitForFirstConsumer"));
        assert_eq!(judged(&[pvc("checkpoints", "ReadWriteMany", "Bound")], true).said, "checkpoints is Bound, 200Gi");
    }

    #[test]
    fn an_experiment_with_rungs_needs_a_place_for_checkpoints() {
        let has = |findings: &[Finding], what: &str| {
            findings.iter().any(|finding| finding.what == what && finding.level == Level::Problem)
        };
        assert!(has(&judge(&facts(), Some(&source("cpu: 1"))), "checkpoints"));
        assert!(has(&judge(&facts(), Some(&source("checkpoints: {claim: none}"))), "spec.trial.checkpoints.claim"));
    }

    #[test]
    fn classes_without_a_default_have_to_be_named() {
        let class = |is_default: &str| {
            serde_json::from_value(
                json!({"metadata": {"name": "nfs", "annotations": {DEFAULT: is_default}}, "provisioner": "nfs.csi.k8s.io"}),
            )
            .unwrap()
        };
        assert_eq!(classes(&Ok(vec![class("true")])).level, Level::Ok);
        assert!(classes(&Ok(vec![class("false")])).cure.contains("storageClassName"));
        assert_eq!(classes(&Ok(Vec::new())).level, Level::Warning);
    }
}
