//! What the chart lets the operator do is what it does, and no more. (That it is enough shows every other test: the operator in them has
//! these rights alone.)

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec},
    core::v1::{Pod, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use nas_testkit::Cluster;
use serde_json::json;

use crate::rig::Rig;

/// One kind of request: group, resource, verb, and what the operator needs it for.
type Need = (&'static str, &'static str, &'static str, &'static str);

/// In the namespaces of experiments.
const WORK: &[Need] = &[
    (
        "nas-operator.dev",
        "nasexperiments",
        "get",
        "what somebody else wrote, after a lost race; the text of one that cannot be read",
    ),
    ("nas-operator.dev", "nasexperiments", "list", "the cache"),
    ("nas-operator.dev", "nasexperiments", "watch", "the cache"),
    ("nas-operator.dev", "nasexperiments/status", "patch", "where a search stands, and its end"),
    ("nas-operator.dev", "nastrials", "get", "before a Job is made; after a lost race"),
    ("nas-operator.dev", "nastrials", "list", "the cache; before an end is written"),
    ("nas-operator.dev", "nastrials", "watch", "the cache"),
    ("nas-operator.dev", "nastrials", "create", "a new trial"),
    ("nas-operator.dev", "nastrials", "patch", "grants, stops, retirements, attempts"),
    ("nas-operator.dev", "nastrials/status", "patch", "what came out of a segment"),
    ("batch", "jobs", "get", "whose Job has the name that a segment needs"),
    ("batch", "jobs", "list", "the cache"),
    ("batch", "jobs", "watch", "the cache"),
    ("batch", "jobs", "create", "one for each segment"),
    ("batch", "jobs", "delete", "once its end is recorded, or to stop it"),
    ("", "pods", "list", "the cache; the pods of a Job that is complete"),
    ("", "pods", "watch", "the cache: termination messages"),
    ("", "events", "list", "why a Job has no pods"),
    ("events.k8s.io", "events", "create", "what happened"),
    ("events.k8s.io", "events", "patch", "that it happened again"),
    ("", "configmaps", "get", "what an experiment learns from earlier ones"),
    ("", "configmaps", "create", "what an experiment learns from earlier ones, before its first trial"),
    ("", "persistentvolumeclaims", "get", "whether the claims of an experiment are there"),
    ("", "serviceaccounts", "get", "whether the account of trial pods is there"),
];

/// In its own namespace.
const LEASE: &[Need] = &[
    ("coordination.k8s.io", "leases", "create", "the first time: no rule can name what does not exist"),
    ("coordination.k8s.io", "leases/nas-operator", "get", "who holds it"),
    ("coordination.k8s.io", "leases/nas-operator", "update", "taking, renewing and giving it back, by resourceVersion"),
];

/// Rules as (group, resource, verb), each once; a rule for one name has it behind its resource.
fn each(rules: &[PolicyRule]) -> Vec<[String; 3]> {
    let mut all = Vec::new();
    for rule in rules {
        assert!(rule.non_resource_urls.is_none(), "{rule:?}");
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                let named = rule.resource_names.iter().flatten().map(|name| format!("{resource}/{name}"));
                let named: Vec<String> = if rule.resource_names.is_some() { named.collect() } else { vec![resource.clone()] };
                let verbs = rule.verbs.iter();
                all.extend(verbs.flat_map(|verb| named.iter().map(|name| [group.clone(), name.clone(), verb.clone()])));
            }
        }
    }
    all.sort();
    all
}

fn needed(needs: &[Need]) -> Vec<[String; 3]> {
    let mut all: Vec<_> =
        needs.iter().map(|(group, resource, verb, _)| [group, resource, verb].map(|word| (*word).to_owned())).collect();
    all.sort();
    all
}

/// Everything of the chart but its definitions, rendered and applied; returns the kinds of its objects.
fn install(release: &str, namespace: &str, watch: &str) -> Vec<String> {
    let watch = format!("watchNamespace={watch}");
    let text = Cluster::shared().apply_chart(release, namespace, &["--set", "crds.enabled=false", "--set", &watch]);
    let mut kinds: Vec<String> = text.lines().filter_map(|line| Some(line.strip_prefix("kind: ")?.to_owned())).collect();
    kinds.sort();
    kinds
}

fn is_for(role: &RoleRef, subjects: Option<Vec<Subject>>, name: &str, namespace: &str) -> bool {
    let subjects = subjects.unwrap_or_default();
    let expected = Subject {
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        api_group: None,
    };
    let account: Vec<_> = subjects.into_iter().map(|subject| Subject { api_group: None, ..subject }).collect();
    role.name.starts_with(name) && account == [expected]
}

#[tokio::test]
async fn in_one_namespace_the_chart_grants_what_is_needed() {
    let rig = Rig::new("rights").await;
    let namespace = &rig.namespace.name;
    let kinds = install("nas-operator", namespace, namespace);
    assert_eq!(kinds, ["Deployment", "Role", "Role", "RoleBinding", "RoleBinding", "Service", "ServiceAccount"]);
    let roles = rig.namespace.api::<Role>();
    assert_eq!(each(&roles.get("nas-operator").await.unwrap().rules.unwrap()), needed(WORK));
    assert_eq!(each(&roles.get("nas-operator-lease").await.unwrap().rules.unwrap()), needed(LEASE));
    for binding in rig.namespace.api::<RoleBinding>().list(&ListParams::default()).await.unwrap() {
        assert!(is_for(&binding.role_ref, binding.subjects, "nas-operator", namespace));
    }

    // What the server says that it may do: the same, and what everybody may.
    let mut may = rules(&rig, Client::try_from(rig.operator_config.clone()).unwrap()).await;
    let nobody = format!("system:serviceaccount:{namespace}:nobody");
    let everybody = rules(&rig, Client::try_from(Cluster::shared().config_of(&nobody).await).unwrap()).await;
    may.retain(|rule| !everybody.contains(rule));
    let mut wanted = needed(&[WORK, LEASE].concat());
    wanted.sort();
    assert_eq!(may, wanted);
}

async fn rules(rig: &Rig, client: Client) -> Vec<[String; 3]> {
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(rig.namespace.name.clone()) };
    let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    let answer = Api::<SelfSubjectRulesReview>::all(client).create(&PostParams::default(), &review).await.unwrap();
    let rules = answer.status.unwrap().resource_rules.into_iter().map(|rule| PolicyRule {
        api_groups: rule.api_groups,
        resources: rule.resources,
        resource_names: rule.resource_names.filter(|names| !names.is_empty()),
        verbs: rule.verbs,
        non_resource_urls: None,
    });
    each(&rules.collect::<Vec<_>>())
}

#[tokio::test]
async fn in_all_namespaces_it_grants_the_same_and_the_lease_only_in_its_own() {
    let rig = Rig::new("wide").await;
    let namespace = &rig.namespace.name;
    let kinds = install(namespace, namespace, "");
    let expected = ["ClusterRole", "ClusterRoleBinding", "Deployment", "Role", "RoleBinding", "Service", "ServiceAccount"];
    assert_eq!(kinds, expected);
    let client = || rig.namespace.client.clone();
    let role = Api::<ClusterRole>::all(client()).get(namespace).await.unwrap();
    assert_eq!(each(&role.rules.unwrap()), needed(WORK));
    assert_eq!(role.aggregation_rule, None);
    let lease = rig.namespace.api::<Role>().get(&format!("{namespace}-lease")).await.unwrap();
    let own: Vec<_> = needed(LEASE).into_iter().map(|need| need.map(|word| word.replace("nas-operator", namespace))).collect();
    assert_eq!(each(&lease.rules.unwrap()), own);
    let binding = Api::<ClusterRoleBinding>::all(client()).get(namespace).await.unwrap();
    assert!(is_for(&binding.role_ref, binding.subjects, namespace, namespace));
}

#[tokio::test]
async fn the_operators_pod_is_one_of_those_that_a_restricted_namespace_takes() {
    let rig = Rig::new("restricted").await;
    let namespace = &rig.namespace.name;
    install("nas-operator", namespace, "");
    let labels = [("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned())];
    let found: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(rig.namespace.client.clone());
    let labelled = found.get(namespace).await.unwrap().metadata.labels.unwrap();
    assert!(BTreeMap::from(labels).iter().all(|(label, value)| labelled.get(label) == Some(value)), "{labelled:?}");

    let deployment = rig.namespace.api::<Deployment>().get("nas-operator").await.unwrap();
    let template = deployment.spec.unwrap().template;
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let mut pod = Pod { metadata: template.metadata.unwrap(), spec: template.spec, ..Pod::default() };
    pod.metadata.name = Some("operator".to_owned());
    rig.namespace.api().create(&dry, &pod).await.unwrap();
    // It is the namespace that says so: with more, the same pod is refused.
    let container = &mut pod.spec.as_mut().unwrap().containers[0];
    container.security_context.as_mut().unwrap().allow_privilege_escalation = Some(true);
    let refused = rig.namespace.api().create(&dry, &pod).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity") && refused.contains("restricted"), "{refused}");
    let account: ServiceAccount = rig.namespace.api().get("nas-operator").await.unwrap();
    assert_eq!(json!(account.automount_service_account_token), json!(null), "it talks to the API server");
}
