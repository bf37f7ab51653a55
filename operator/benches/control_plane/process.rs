//! Processes: the operator, and what the others use.

use std::{
    collections::HashMap,
    fs::File,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    /// The most that it has held.
    pub(crate) resident_mib: u64,
}

impl Usage {
    pub(crate) fn max(self, other: Self) -> Self {
        Self { cpu_seconds: self.cpu_seconds.max(other.cpu_seconds), resident_mib: self.resident_mib.max(other.resident_mib) }
    }
}

/// The operator as a process of its own.
pub(crate) struct Operator {
    child: Child,
    port: u16,
    before: f64,
}

impl Operator {
    pub(crate) fn start(kubeconfig: &Path, namespace: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::env::temp_dir().join(format!("nas-operator-{port}.log"));
        eprintln!("operator: {}", log.display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_nas-operator"));
        command.env("KUBECONFIG", kubeconfig).env("NAS_LOG", "warn").stdin(Stdio::null()).stderr(File::create(log).unwrap());
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--watch-namespace", namespace, "--lease-namespace", namespace]);
        Self { child: command.spawn().unwrap(), port, before: 0.0 }
    }

    /// Ends it in order; returns the time of CPUs that it took.
    pub(crate) async fn stop(mut self) -> f64 {
        let spent = self.usage().cpu_seconds;
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        while self.child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        spent
    }

    /// Counts what an earlier one took.
    pub(crate) fn add(&mut self, cpu_seconds: f64) {
        self.before = cpu_seconds;
    }

    pub(crate) fn usage(&self) -> Usage {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Usage { cpu_seconds: self.before + cpu_seconds(self.child.id()), resident_mib: peak.unwrap_or_default() / 1024 }
    }

    /// Until it leads and knows all there is.
    pub(crate) async fn until_ready(&self) {
        self.until(|text| text.lines().any(|line| line.starts_with("leader_election_master_status") && line.ends_with(" 1")))
            .await;
    }

    /// Until it has done something: recorded an outcome, or ended a pass that found nothing to be done.
    pub(crate) async fn until_at_work(&self) {
        let is_done =
            |line: &str| line.starts_with("nas_outcomes_total{") || line.starts_with("controller_runtime_reconcile_total{");
        self.until(|text| text.lines().any(is_done)).await;
    }

    async fn until(&self, holds: impl Fn(&str) -> bool) {
        while !holds(&self.metrics()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn metrics(&self) -> String {
        let curl = Command::new("curl").args(["-sf", &format!("http://127.0.0.1:{}/metrics", self.port)]).output();
        curl.map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned()).unwrap_or_default()
    }

    /// What it times itself: name and label, how often, and the mean in milliseconds.
    pub(crate) fn times(&self) -> Vec<(String, u64, f64)> {
        let text = self.metrics();
        let values: HashMap<&str, f64> = text
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(series, value)| Some((series, value.parse().ok()?)))
            .collect();
        let counts = text.lines().filter_map(|line| line.rsplit_once(' ')?.0.split_once("_count"));
        let timed = counts.filter_map(|(name, labels)| {
            let count = values.get(format!("{name}_count{labels}").as_str()).copied()?;
            let sum = values.get(format!("{name}_sum{labels}").as_str()).copied()?;
            Some((format!("{name}{labels}"), count as u64, 1000.0 * sum / count.max(1.0)))
        });
        timed.collect()
    }
}

impl Drop for Operator {
    /// Also where the benchmark fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time of CPUs that a process has taken.
pub(crate) fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // In ticks of the kernel's clock, which has 100 a second on Linux.
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

/// The name of its program.
pub(crate) fn name(id: u32) -> String {
    let line = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    line.split('\0').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned()
}
