//! Starts and ends the programs of a control plane.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use tempfile::TempDir;
use thiserror::Error;

use crate::Programs;

/// Longest time from the start to readiness; on two busy cores it takes 5 to 15 seconds.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// Controllers that tests need: Jobs make pods, owners' ends delete what they own, namespaces empty themselves (and with them claims that no
/// pod uses), quotas count.
const CONTROLLERS: &str = "job-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller,\
                           persistentvolumeclaim-protection-controller,resourcequota-controller";

/// Why there is no control plane.
#[derive(Debug, Error)]
pub enum PlaneError {
    /// The programs have not been built.
    #[error("the cluster programs are not in {}: build them with scripts/programs.sh (make setup does)", .0.display())]
    NotBuilt(PathBuf),
    /// A file or program cannot be used.
    #[error("{}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Certificates cannot be made.
    #[error("cannot make certificates")]
    Certificates(#[from] rcgen::Error),
    /// The API server cannot be reached as a client.
    #[error("cannot talk to the API server")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A program ended, or is not ready in time.
    #[error("{program} {problem}; the end of its log:\n{log}")]
    Program {
        /// Which.
        program: &'static str,
        /// What happened.
        problem: &'static str,
        /// The last lines that it wrote.
        log: String,
    },
}

impl PlaneError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// A control plane that runs. Dropping it kills its programs and removes its folder.
#[derive(Debug)]
pub struct Plane {
    folder: TempDir,
    programs: Programs,
    children: Vec<(&'static str, Child)>,
}

impl Plane {
    /// Starts a control plane on free ports of 127.0.0.1 and waits until it is ready.
    ///
    /// The programs also end when the calling thread does: call it from a thread that lives as long as the control plane.
    ///
    /// # Errors
    ///
    /// If the programs are missing, end, or are not ready in time.
    pub async fn start() -> Result<Self, PlaneError> {
        let programs = Programs::find()?;
        let folder =
            tempfile::Builder::new().prefix("nas-plane-").tempdir().map_err(PlaneError::io(Path::new("temporary folder")))?;
        let mut plane = Self { folder, programs, children: Vec::new() };
        let [etcd, peer, api] = free_ports().map_err(PlaneError::io(Path::new("127.0.0.1")))?;
        plane.write_certificates(api)?;
        let local = |port: u16| format!("http://127.0.0.1:{port}");
        plane.spawn(
            "etcd",
            &[
                "--data-dir=etcd",
                // The data does not outlive the test.
                "--unsafe-no-fsync",
                &format!("--listen-client-urls={}", local(etcd)),
                &format!("--advertise-client-urls={}", local(etcd)),
                &format!("--listen-peer-urls={}", local(peer)),
                &format!("--initial-advertise-peer-urls={}", local(peer)),
                &format!("--initial-cluster=default={}", local(peer)),
            ],
        )?;
        plane.spawn(
            "kube-apiserver",
            &[
                &format!("--etcd-servers={}", local(etcd)),
                &format!("--secure-port={api}"),
                "--bind-address=127.0.0.1",
                // No pod uses the service `kubernetes`, and its endpoint could not be a loopback address.
                "--endpoint-reconciler-type=none",
                "--tls-cert-file=server.crt",
                "--tls-private-key-file=server.key",
                "--token-auth-file=tokens.csv",
                "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-account-signing-key-file=sa.key",
                "--service-account-key-file=sa.pub",
                "--service-cluster-ip-range=10.96.0.0/16",
            ],
        )?;
        plane.until_ready().await?;
        plane.spawn(
            "kube-controller-manager",
            &[
                "--kubeconfig=kubeconfig",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                "--secure-port=0",
                "--use-service-account-credentials=false",
                &format!("--controllers={CONTROLLERS}"),
                // The default of 20 requests a second is for a cluster that others share.
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
            ],
        )?;
        Ok(plane)
    }

    /// A kubeconfig for an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Process ids of the programs.
    pub fn processes(&self) -> Vec<u32> {
        self.children.iter().map(|(_, child)| child.id()).collect()
    }

    /// Fails if one of the programs has ended.
    pub fn check(&mut self) -> Result<(), PlaneError> {
        for (program, child) in &mut self.children {
            if !matches!(child.try_wait(), Ok(None)) {
                return Err(problem(self.folder.path(), program, "has ended"));
            }
        }
        Ok(())
    }

    fn spawn(&mut self, program: &'static str, arguments: &[&str]) -> Result<(), PlaneError> {
        let log = self.folder.path().join(program).with_extension("log");
        let log = File::create(&log).map_err(PlaneError::io(&log))?;
        let path = self.programs.path(program);
        // The program dies with the thread that starts it, even where that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&path).args(arguments);
        // A group of its own: Ctrl-C must not end the API server before its clients.
        command.process_group(0).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stderr(log).stdout(Stdio::null());
        let child = command.spawn().map_err(PlaneError::io(Path::new("setpriv")))?;
        self.children.push((program, child));
        Ok(())
    }

    async fn until_ready(&mut self) -> Result<(), PlaneError> {
        let client = client(&self.kubeconfig()).await?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            self.check()?;
            // The controller manager looks at /healthz, and that of 1.34 ends where it is not well for ten seconds.
            if is_well(&client, "/readyz").await && is_well(&client, "/healthz").await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(problem(self.folder.path(), "kube-apiserver", "is not ready in time"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn write_certificates(&self, port: u16) -> Result<(), PlaneError> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut server = CertificateParams::default();
        server.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let tokens = KeyPair::generate()?;
        // Local to this machine and to the life of the process: a fresh key as a token.
        let token = KeyPair::generate()?.serialize_pem().lines().nth(2).unwrap_or_default().replace(['+', '/', '='], "x");
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": format!("https://127.0.0.1:{port}"), "certificate-authority": self.folder.path().join("ca.crt")}}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        });
        for (name, text) in [
            ("ca.crt", authority.pem()),
            ("server.crt", server.signed_by(&key, &authority)?.pem()),
            ("server.key", key.serialize_pem()),
            ("sa.key", tokens.serialize_pem()),
            ("sa.pub", tokens.public_key_pem()),
            ("tokens.csv", format!("{token},admin,admin,system:masters\n")),
            ("kubeconfig", kubeconfig.to_string()),
        ] {
            let path = self.folder.path().join(name);
            fs::write(&path, text).map_err(PlaneError::io(&path))?;
        }
        Ok(())
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // The API server first: without its etcd it would wait for minutes. Nothing of it is kept, so nothing is asked for politely.
        for (_, child) in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A client for a kubeconfig.
pub(crate) async fn client(kubeconfig: &Path) -> Result<Client, PlaneError> {
    Client::try_from(config(kubeconfig).await?).map_err(|error| PlaneError::Client(error.into()))
}

/// What a kubeconfig says.
pub(crate) async fn config(kubeconfig: &Path) -> Result<Config, PlaneError> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| PlaneError::Client(error.into()))?;
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(file, &options).await.map_err(|error| PlaneError::Client(error.into()))
}

/// Whether the API server says so at `path`.
async fn is_well(client: &Client, path: &str) -> bool {
    // Of what kube can ask, a list is the only one of a bare path.
    let Ok(request) = kube::core::request::Request::new(path).list(&kube::api::ListParams::default()) else { return false };
    matches!(tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await, Ok(Ok(_)))
}

fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until the last is found, so that they differ.
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn problem(folder: &Path, program: &'static str, problem: &'static str) -> PlaneError {
    let log = fs::read_to_string(folder.join(program).with_extension("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    PlaneError::Program { program, problem, log: lines[lines.len().saturating_sub(15)..].join("\n") }
}
