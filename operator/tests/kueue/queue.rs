//! Kueue as its own process on the tests' control plane, with a quota of accelerators for two teams.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use k8s_openapi::{
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        batch::v1::Job,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use nas_testkit::{Cluster, eventually, made_ready};
use serde_json::{Value, json};

use crate::rig::Rig;

/// What of Kueue's webhooks concerns Jobs and its own objects.
const PATHS: [&str; 9] = [
    "/mutate-batch-v1-job",
    "/validate-batch-v1-job",
    "/mutate-kueue-x-k8s-io-v1beta2-clusterqueue",
    "/validate-kueue-x-k8s-io-v1beta2-clusterqueue",
    "/mutate-kueue-x-k8s-io-v1beta2-resourceflavor",
    "/validate-kueue-x-k8s-io-v1beta2-resourceflavor",
    "/mutate-kueue-x-k8s-io-v1beta2-workload",
    "/validate-kueue-x-k8s-io-v1beta2-workload",
    "/validate-kueue-x-k8s-io-v1beta2-cohort",
];

/// A Kueue that ends with the test.
pub(crate) struct Kueue {
    child: Child,
    client: Client,
    namespace: String,
    _folder: tempfile::TempDir,
}

impl Drop for Kueue {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kueue {
    /// A Kueue with a quota of so many accelerators, as its release configures it but for `settings`.
    pub(crate) async fn start(rig: &Rig, quota: u64, settings: Value) -> Self {
        let program = made_ready("go-tools.sh", &["kueue"]).join("kueue");
        let module = module();
        let folder = tempfile::tempdir().unwrap();
        let port = free();
        let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        fs::write(folder.path().join("tls.crt"), key.cert.pem()).unwrap();
        fs::write(folder.path().join("tls.key"), key.signing_key.serialize_pem()).unwrap();
        let client = rig.namespace.client.clone();
        let definitions: Vec<CustomResourceDefinition> = fs::read_dir(module.join("config/components/crd/bases"))
            .unwrap()
            .map(|file| serde_yaml::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap())
            .collect();
        rig.namespace.define(&definitions).await;

        let mut config = json!({
            "apiVersion": "config.kueue.x-k8s.io/v1beta2",
            "kind": "Configuration",
            // Where Kueue is, it queues nothing.
            "namespace": "kueue-system",
            "health": {"healthProbeBindAddress": format!("127.0.0.1:{}", free())},
            "metrics": {"bindAddress": "0"},
            "webhook": {"host": "127.0.0.1", "port": port, "certDir": folder.path()},
            "leaderElection": {"leaderElect": false},
            "internalCertManagement": {"enable": false},
            "integrations": {"frameworks": ["batch/job"]},
        });
        config.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap_or_default());
        let file = folder.path().join("config.yaml");
        fs::write(&file, config.to_string()).unwrap();
        let log = folder.path().join("log");
        // Kueue takes the certificate of its metrics from one place alone, which it gets here in a namespace of its own.
        let own = "mount -t tmpfs tmpfs /etc && mkdir -p /etc/kueue/metrics/certs && cp \"$0\"/tls.* /etc/kueue/metrics/certs/ && \
                   exec setpriv --pdeathsig KILL -- \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "--", "sh", "-c", own])
            .arg(folder.path())
            .arg(program)
            .arg("--config")
            .arg(&file)
            // An API server of its own, which wants yet another certificate.
            .arg("--feature-gates=VisibilityOnDemand=false")
            .env("KUBECONFIG", Cluster::shared().kubeconfig());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        eventually("Kueue serves its webhooks", || {
            let ended = child.try_wait().unwrap();
            let said = fs::read_to_string(&log).unwrap_or_default();
            async move {
                let errors: Vec<&str> = said.lines().filter(|line| line.contains("\"level\":\"error\"")).collect();
                assert!(ended.is_none(), "Kueue has ended: {errors:#?}");
                std::net::TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|_| errors.join("\n"))
            }
        })
        .await;
        hook(&client, &module, port, &key.cert.pem()).await;
        let this = Self { child, client, namespace: rig.namespace.name.clone(), _folder: folder };
        this.share(quota).await;
        this
    }

    /// Its accelerators, and three classes of urgency.
    async fn share(&self, quota: u64) {
        self.create("ResourceFlavor", None, json!({"metadata": {"name": "any"}, "spec": {}})).await;
        let quota = json!([
            {"name": "nvidia.com/gpu", "nominalQuota": quota},
        ]);
        let queue = json!({"metadata": {"name": "gpus"}, "spec": {
            "namespaceSelector": {},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [{"coveredResources": ["nvidia.com/gpu"], "flavors": [{"name": "any", "resources": quota}]}],
        }});
        self.create("ClusterQueue", None, queue).await;
        let local = json!({"metadata": {"name": "gpus"}, "spec": {"clusterQueue": "gpus"}});
        self.create("LocalQueue", Some(&self.namespace), local).await;
        for (name, value) in [("low", 1), ("high", 10), ("urgent", 100)] {
            self.create("WorkloadPriorityClass", None, json!({"metadata": {"name": name}, "value": value})).await;
        }
    }

    async fn create(&self, kind: &str, namespace: Option<&str>, object: Value) {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", kind));
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let mut object: DynamicObject = serde_json::from_value(object).unwrap();
        object.types = Some(kube::core::TypeMeta { api_version: "kueue.x-k8s.io/v1beta2".to_owned(), kind: kind.to_owned() });
        // Its webhooks may not be known to the API server at once.
        eventually(&format!("a {kind}"), || async {
            api.create(&PostParams::default(), &object).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Jobs of somebody else that need so many accelerators, and are urgent.
    pub(crate) async fn another_team_wants(&self, accelerators: usize) {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), &self.namespace);
        for at in 0..accelerators {
            let confined = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
            let job = json!({
                "metadata": {"name": format!("urgent-{at}"), "labels": {
                    "kueue.x-k8s.io/queue-name": "gpus", "kueue.x-k8s.io/priority-class": "urgent", "team": "other",
                }},
                "spec": {"template": {"spec": {
                    "restartPolicy": "Never",
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{"name": "main", "image": "image", "securityContext": confined,
                        "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
                }}},
            });
            jobs.create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await.unwrap();
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn another_team_is_done(&self) {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), &self.namespace);
        jobs.delete_collection(&DeleteParams::background(), &ListParams::default().labels("team=other")).await.unwrap();
    }
}

/// Lets the API server ask Kueue about Jobs and Kueue's objects, at its address in place of its service.
async fn hook(client: &Client, module: &Path, port: u16, certificate: &str) {
    let bundle = k8s_openapi::ByteString(certificate.as_bytes().to_vec());
    let text = fs::read_to_string(module.join("config/components/webhook/manifests.yaml")).unwrap();
    for document in text.split("\n---\n") {
        let mut object: Value = serde_yaml::from_str(document).unwrap();
        let hooks = object["webhooks"].as_array_mut().unwrap();
        hooks.retain(|hook| hook["clientConfig"]["service"]["path"].as_str().is_some_and(|path| PATHS.contains(&path)));
        for hook in hooks {
            let path = hook["clientConfig"]["service"]["path"].as_str().unwrap().to_owned();
            hook["clientConfig"] = json!({"url": format!("https://127.0.0.1:{port}{path}"), "caBundle": bundle});
        }
        object["metadata"]["name"] = "kueue".into();
        if object["kind"] == "MutatingWebhookConfiguration" {
            let object: MutatingWebhookConfiguration = serde_json::from_value(object).unwrap();
            Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        } else {
            let object: ValidatingWebhookConfiguration = serde_json::from_value(object).unwrap();
            Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        }
    }
}

/// The folder of Kueue's Go module, with its manifests.
fn module() -> PathBuf {
    let pins = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/kueue");
    let output = Command::new("go").args(["-C", pins, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kueue"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().into()
}

fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
