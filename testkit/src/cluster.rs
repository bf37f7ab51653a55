//! The control plane as a test sees it: one for each test program, a namespace for each test.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::{Namespace as NamespaceObject, Pod, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{Programs, eventually, plane};

/// A control plane that was started by this process.
#[derive(Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    processes: Vec<u32>,
    /// Holds the other side of the program's standard input: it ends when this process does.
    _supervisor: Child,
}

/// A namespace of a test's own.
#[derive(Clone)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// An administrator's client with this namespace as its default.
    pub client: Client,
}

impl Cluster {
    /// The control plane of this process, started at the first call. `control_plane` is the path of the program of that name.
    ///
    /// # Panics
    ///
    /// If it cannot be started: nothing can be tested then.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub fn shared() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| {
            let program = control_plane();
            let started = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut supervisor = started.unwrap_or_else(|error| {
                panic!("{}: {error}; run the tests of the whole workspace (make test)", program.display())
            });
            let mut lines = BufReader::new(supervisor.stdout.take().unwrap_or_else(|| unreachable!("it is piped"))).lines();
            let mut line =
                || -> String { next(&mut lines).unwrap_or_else(|| panic!("the control plane did not start: see above")) };
            let kubeconfig = line().into();
            let processes = line().split_whitespace().filter_map(|id| id.parse().ok()).collect();
            Self { kubeconfig, processes, _supervisor: supervisor }
        })
    }

    /// A kubeconfig for an administrator.
    pub fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    /// Process ids of the control plane's programs.
    pub fn processes(&self) -> &[u32] {
        &self.processes
    }

    /// An administrator's client. Each test needs its own: a client belongs to the runtime that made it.
    ///
    /// # Panics
    ///
    /// If the kubeconfig is unusable.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn client(&self) -> Client {
        plane::client(&self.kubeconfig).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The configuration of a client that acts as this user, with this user's rights.
    ///
    /// # Panics
    ///
    /// If the kubeconfig is unusable.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn config_of(&self, user: &str) -> kube::Config {
        let mut config = plane::config(&self.kubeconfig).await.unwrap_or_else(|error| panic!("{error}"));
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()]);
        config
    }

    /// The configuration of a client that has this token.
    ///
    /// # Panics
    ///
    /// If the kubeconfig is unusable.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn config_with(&self, token: &str) -> kube::Config {
        let mut config = plane::config(&self.kubeconfig).await.unwrap_or_else(|error| panic!("{error}"));
        config.auth_info = kube::config::AuthInfo { token: Some(token.to_owned().into()), ..kube::config::AuthInfo::default() };
        config
    }

    /// Renders the chart as `release` in `namespace` with these further arguments of `helm template`, and applies it; returns what was applied.
    ///
    /// # Panics
    ///
    /// If the chart cannot be rendered, or the API server refuses it.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub fn apply_chart(&self, release: &str, namespace: &str, arguments: &[&str]) -> String {
        let programs = Programs::find().unwrap_or_else(|error| panic!("{error}"));
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/nas-operator");
        let mut helm = Command::new(programs.path("helm"));
        helm.args(["template", release, chart, "--namespace", namespace, "--skip-tests"]).args(arguments);
        let rendered = helm.output().unwrap_or_else(|error| panic!("helm: {error}"));
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        let mut kubectl = Command::new(programs.path("kubectl"));
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(["apply", "-f", "-"]);
        let mut applied =
            kubectl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("kubectl: {error}"));
        let written = applied.stdin.take().map(|mut input| input.write_all(&rendered.stdout));
        let ended = applied.wait().unwrap_or_else(|error| panic!("kubectl: {error}"));
        assert!(matches!(written, Some(Ok(()))) && ended.success(), "kubectl apply: {ended}");
        String::from_utf8_lossy(&rendered.stdout).into_owned()
    }

    /// A fresh namespace that takes only pods which are as harmless as Kubernetes can make them; its name starts with `word`.
    ///
    /// # Panics
    ///
    /// If the API server refuses it.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn namespace(&self, word: &str) -> Namespace {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{word}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut object = NamespaceObject::default();
        object.metadata.name = Some(name.clone());
        let restricted = ("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned());
        object.metadata.labels = Some([restricted].into());
        let client = self.client().await;
        let created = Api::<NamespaceObject>::all(client.clone()).create(&PostParams::default(), &object).await;
        created.unwrap_or_else(|error| panic!("namespace {name}: {error}"));
        Namespace { name, client }
    }
}

impl Namespace {
    /// Applies definitions, which all namespaces of the cluster share, and waits until they are served.
    ///
    /// # Panics
    ///
    /// If the API server refuses one.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn define(&self, definitions: &[CustomResourceDefinition]) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let apply = PatchParams::apply("test").force();
        for definition in definitions {
            let name = definition.name_any();
            let applied = api.patch(&name, &apply, &Patch::Apply(definition)).await;
            applied.unwrap_or_else(|error| panic!("definition {name}: {error}"));
            eventually(&format!("the definition {name} is established"), || async {
                let found = api.get(&name).await.map_err(|error| error.to_string())?;
                let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
                let is_established =
                    conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True");
                if is_established { Ok(()) } else { Err(format!("{conditions:?}")) }
            })
            .await;
        }
    }

    /// Makes a pod of a service account, as harmless as the namespace asks for; no kubelet takes it.
    ///
    /// # Panics
    ///
    /// If the API server refuses it.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn pod(&self, account: &str, name: &str) -> Pod {
        let confined = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        let pod = json!({
            "metadata": {"name": name},
            "spec": {
                "serviceAccountName": account, "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "main", "image": "image", "securityContext": confined}],
            },
        });
        let pod = serde_json::from_value(pod).unwrap_or_default();
        self.api().create(&PostParams::default(), &pod).await.unwrap_or_else(|error| panic!("pod {name}: {error}"))
    }

    /// A token of a service account that is bound to a pod, as a kubelet gives it to the pod; `None`: one that is bound to nothing.
    ///
    /// # Panics
    ///
    /// If the API server refuses it.
    #[expect(clippy::panic, reason = "this is for tests alone")]
    pub async fn token(&self, account: &str, pod: Option<&Pod>) -> String {
        let bound_object_ref = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod.name_any()),
            uid: pod.uid(),
        });
        let spec = TokenRequestSpec { bound_object_ref, expiration_seconds: Some(600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = self.api::<ServiceAccount>().create_token_request(account, &PostParams::default(), &request).await;
        let answer = answer.unwrap_or_else(|error| panic!("token of {account}: {error}"));
        answer.status.and_then(|status| status.token).unwrap_or_default()
    }

    /// The objects of one kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }
}

fn next(lines: &mut std::io::Lines<BufReader<ChildStdout>>) -> Option<String> {
    lines.next()?.ok()
}

/// `control-plane` in the folder of programs: tests lie in the folder `deps` below it.
fn control_plane() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).map(|folder| folder.join("control-plane")).unwrap_or_default()
}
