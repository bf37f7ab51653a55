//! What the chart asks of the API server, asked on a real one.

use std::{collections::BTreeSet, io::Write, process::Stdio};

use k8s_openapi::api::{core::v1::Namespace, flowcontrol::v1::FlowSchema};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    client::Body,
};
use nas_operator::NEEDS;
use nas_testkit::{Cluster, Programs, eventually, made_ready};
use serde_json::{Value, json};

use crate::{
    helm::{MONITORING, NAMESPACE, cases, chart, documents, helms, render, said},
    rig::Rig,
};

/// `kubectl ARGUMENTS -f -` with these objects.
fn kubectl(arguments: &[&str], objects: &[Value]) {
    let mut command = std::process::Command::new(Programs::find().unwrap().path("kubectl"));
    command.arg("--kubeconfig").arg(Cluster::shared().kubeconfig()).args(arguments).args(["-f", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    child.stdin.take().unwrap().write_all(list.to_string().as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

async fn namespaces() {
    let api: Api<Namespace> = Api::all(Cluster::shared().client().await);
    for name in [NAMESPACE, "team-a", "team-b"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        api.patch(name, &PatchParams::apply("test"), &Patch::Apply(namespace)).await.unwrap();
    }
}

/// The definitions of the Prometheus operator.
fn monitoring() {
    let folder = made_ready("schemas.sh", &[]).join("monitoring");
    let files =
        MONITORING.map(|name| std::fs::read_to_string(folder.join(format!("monitoring.coreos.com_{name}.yaml"))).unwrap());
    let definitions: Vec<Value> = files.iter().flat_map(|file| documents(file)).collect();
    kubectl(&["apply", "--server-side", "--force-conflicts"], &definitions);
    for name in MONITORING {
        let definition = format!("crd/{name}.monitoring.coreos.com");
        let kubectl = Programs::find().unwrap().path("kubectl");
        said(&kubectl, &["wait", &definition, "--for=condition=Established", "--timeout=60s"]);
    }
}

#[tokio::test]
async fn the_server_takes_every_manifest() {
    namespaces().await;
    monitoring();
    for values in cases() {
        let rendered = render(&helms()[0], &values, &[]);
        // The server looks for the account of the pod that checks.
        let accounts: Vec<Value> = rendered.iter().filter(|object| object["kind"] == "ServiceAccount").cloned().collect();
        kubectl(&["apply", "--server-side"], &accounts);
        kubectl(&["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"], &rendered);
    }
    // It looks at them: the same with one wrong field is refused.
    let mut rendered = render(&helms()[0], &chart().join("ci/everything-values.yaml"), &[]);
    let policy = rendered.iter_mut().find(|object| object["kind"] == "NetworkPolicy").unwrap();
    policy["spec"]["egress"][0]["ports"][0]["port"] = json!(70_000);
    let policy = policy.clone();
    let refused = std::panic::catch_unwind(|| kubectl(&["apply", "--server-side", "--dry-run=server"], &[policy])).unwrap_err();
    assert!(refused.downcast_ref::<String>().unwrap().contains("must be between 1 and 65535"));
}

/// The server serves the operator's lease beside those of its own controllers, and what else the operator asks in a level of its own.
#[tokio::test]
async fn the_servers_flow_control_knows_the_operator() {
    namespaces().await;
    let rendered = render(&helms()[0], &chart().join("ci/everything-values.yaml"), &["--show-only", "templates/flowschema.yaml"]);
    assert_eq!(rendered.len(), 3);
    kubectl(&["apply"], &rendered);
    let admin = Cluster::shared().client().await;
    let schemas: Api<FlowSchema> = Api::all(admin);
    let uid = async |name: &str| schemas.get(name).await.unwrap().uid().unwrap();
    let wanted = [
        (
            "get",
            format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/nas-operator"),
            uid("nas-system-nas-operator-lease").await,
        ),
        ("list", "/apis/nas-operator.dev/v1alpha1/nastrials".to_owned(), uid("nas-system-nas-operator").await),
        ("list", "/api/v1/namespaces/team-a/pods".to_owned(), uid("nas-system-nas-operator").await),
    ];
    let account = format!("system:serviceaccount:{NAMESPACE}:nas-operator");
    let client = Client::try_from(Cluster::shared().config_of(&account).await).unwrap();
    for (verb, path, uid) in wanted {
        eventually(&format!("{verb} {path} is of the flow schema"), || async {
            let request = http::Request::get(&path).body(Body::empty()).unwrap();
            let answer = client.send(request).await.unwrap();
            let served =
                answer.headers().get("x-kubernetes-pf-flowschema-uid").and_then(|uid| uid.to_str().ok().map(str::to_owned));
            if served.as_deref() == Some(uid.as_str()) { Ok(()) } else { Err(served) }
        })
        .await;
    }
}

/// `--check`, which `helm test` runs, asks for what the chart's roles grant, no more and no less.
#[test]
fn the_check_asks_for_what_the_roles_grant() {
    let rendered = render(&helms()[0], &chart().join("ci/default-values.yaml"), &["--show-only", "templates/rbac.yaml"]);
    let role = rendered.iter().find(|object| object["kind"] == "ClusterRole").unwrap();
    let mut granted = BTreeSet::new();
    let words = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    for rule in role["rules"].as_array().unwrap() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                granted.extend(words(&rule["verbs"]).into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    let asked = NEEDS.iter().flat_map(|(group, resource, verbs)| {
        verbs.iter().map(|verb| ((*group).to_owned(), (*resource).to_owned(), (*verb).to_owned()))
    });
    assert_eq!(asked.collect::<BTreeSet<_>>(), granted);
}

#[tokio::test]
async fn the_check_says_what_the_server_refuses() {
    let rig = Rig::new("check").await;
    let client = Client::try_from(rig.operator_config.clone()).unwrap();
    let checked = nas_operator::check(&rig.config(), &client).await.unwrap();
    let refused: Vec<_> = checked.iter().filter(|checked| checked.problem.is_some()).collect();
    assert_eq!(refused, [] as [&nas_operator::Checked; 0]);
    assert_eq!(checked.len(), NEEDS.iter().map(|(.., verbs)| verbs.len()).sum::<usize>() + 5);
    assert!(rig.jobs().await.is_empty() && rig.trials().await.is_empty(), "nothing is kept");

    // In all namespaces it has no rights; in another one neither.
    let everywhere = nas_operator::Config { watch_namespace: None, ..rig.config() };
    let checked = nas_operator::check(&everywhere, &client).await.unwrap();
    let refused = checked.iter().filter(|checked| checked.problem.is_some()).count();
    assert_eq!(refused, NEEDS.iter().map(|(.., verbs)| verbs.len()).sum::<usize>(), "{checked:?}");
    let elsewhere = nas_operator::Config { watch_namespace: Some("default".to_owned()), ..rig.config() };
    let checked = nas_operator::check(&elsewhere, &client).await.unwrap();
    let problems: Vec<_> = checked.iter().filter_map(|checked| checked.problem.as_deref()).collect();
    assert!(problems.iter().any(|problem| problem.contains("cannot create resource \"jobs\"")), "{problems:?}");
}
