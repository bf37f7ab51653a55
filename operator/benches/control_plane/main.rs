//! How fast the control plane serves a large search: the real operator as its own process, a real etcd, kube-apiserver and Job controller, and
//! simulated nodes whose pods end after a while with values of a surrogate. Prints a page of results.
//!
//!     make bench-control-plane
//!     cargo bench -p nas-operator --bench control_plane -- --trials 1000 --parallel 100 --epoch-seconds 2
//!
//! The nodes are this program itself: they need what a trainer would say in its termination message, which kwok's stages cannot compute.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

mod ledger;
mod nodes;
mod page;
mod process;
mod requests;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use k8s_openapi::api::{batch::v1::Job, core::v1::PersistentVolumeClaim};
use kube::{
    CustomResourceExt, ResourceExt,
    api::{ListParams, PostParams},
};
use nas_api::{
    objects::{NasExperiment, NasTrial, TrialCounts},
    read_experiment,
};
use nas_search::replay;
use nas_testkit::{Cluster, Namespace};
use serde_json::json;

use self::{ledger::Ledger, nodes::Nodes, page::Findings, process::Operator, requests::Requests};

#[derive(Parser)]
struct Arguments {
    /// Trials of the search.
    #[arg(long, default_value_t = 10_000)]
    trials: u64,
    /// Trials at the same time: slots.
    #[arg(long, default_value_t = 500)]
    parallel: u64,
    /// Experiments at the same time, which share these trials and slots evenly.
    #[arg(long, default_value_t = 1)]
    experiments: u64,
    /// How long an epoch of a pod takes here, on average.
    #[arg(long, default_value_t = 20.0)]
    epoch_seconds: f64,
    /// An experiment to run instead, as it is but for its claims.
    #[arg(long)]
    experiment: Option<PathBuf>,
    /// Writes the results here.
    #[arg(long)]
    page: Option<PathBuf>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The search that is run unless another is given: four rungs, each three times as long as the one below.
fn experiment(trials: u64, parallel: u64) -> String {
    format!(
        "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {{name: large}}
spec:
  space: {{darts: {{}}}}
  sampler: {{random: {{}}}}
  scheduler: {{asha: {{eta: 3, rungs: [1, 3, 9, 27]}}}}
  resource: {{unit: epochs, max: 27}}
  maxTrials: {trials}
  parallelTrials: {parallel}
  seed: 1
  trial:
    accelerator: {{resource: nvidia.com/gpu, count: 1}}
    data: {{name: cifar10}}
    checkpoints: {{claim: checkpoints}}
"
    )
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let count = arguments.experiments;
    let text = match &arguments.experiment {
        Some(path) => std::fs::read_to_string(path).unwrap(),
        None => experiment(arguments.trials / count, arguments.parallel / count),
    };
    let read = read_experiment(&text).unwrap();
    let plan = read.experiment.validate().unwrap();
    let (trials, slots) = ((count * plan.max_trials) as usize, count as usize * plan.parallel_trials);

    let cluster = Cluster::shared();
    let namespace = cluster.namespace("bench").await;
    namespace.define(&[NasExperiment::crd(), NasTrial::crd()]).await;
    for name in ["checkpoints", "datasets"] {
        claim(&namespace, name).await;
    }
    let ledger = Arc::new(Ledger::new(trials));
    let nodes = Nodes { namespace: namespace.clone(), ledger: Arc::clone(&ledger), epoch_seconds: arguments.epoch_seconds };
    let watchers = [
        tokio::spawn(nodes.run()),
        tokio::spawn(Arc::clone(&ledger).watch(namespace.api::<Job>(), |ledger, job: Job| ledger.job(&job))),
        tokio::spawn(Arc::clone(&ledger).watch(namespace.api::<NasTrial>(), |ledger, trial: NasTrial| ledger.trial(&trial))),
    ];

    let mut operator = Operator::start(cluster.kubeconfig(), &namespace.name);
    operator.until_ready().await;
    let before = Requests::read(&namespace.client).await;
    let others: Vec<f64> = cluster.processes().iter().map(|id| process::cpu_seconds(*id)).collect();
    let began = Instant::now();
    let api = namespace.api::<NasExperiment>();
    for at in 0..count {
        let mut experiment = read.experiment.clone();
        if count > 1 {
            experiment.metadata.name = Some(format!("large-{at}"));
        }
        api.create(&PostParams::default(), &experiment).await.unwrap();
    }

    let mut largest = 0;
    let mut cold_start = None;
    let mut times = Vec::new();
    let mut usage = process::Usage::default();
    let mut ends: BTreeMap<String, Duration> = BTreeMap::new();
    let finished = loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let experiments = api.list(&ListParams::default()).await.unwrap().items;
        largest = experiments.iter().map(|experiment| serde_json::to_vec(experiment).unwrap().len()).fold(largest, usize::max);
        usage = usage.max(operator.usage());
        let created = sum(&experiments, |trials| trials.created);
        for experiment in experiments.iter().filter(|experiment| is_finished(experiment)) {
            ends.entry(experiment.name_any()).or_insert_with(|| began.elapsed());
        }
        tell(&experiments, began.elapsed(), &usage);
        if ends.len() as u64 == count {
            break experiments;
        }
        if created >= trials as u64 && cold_start.is_none() {
            // Everything is there that a large search has: another operator takes over.
            times = operator.times();
            let stopping = Instant::now();
            let spent = operator.stop().await;
            let at = Instant::now();
            operator = Operator::start(cluster.kubeconfig(), &namespace.name);
            operator.until_at_work().await;
            cold_start = Some(at.elapsed());
            ledger.handed_over(stopping);
            operator.add(spent);
        }
    };
    let took = began.elapsed();
    usage = usage.max(operator.usage());
    for watcher in &watchers {
        watcher.abort();
    }
    let processes =
        cluster.processes().iter().zip(others).map(|(id, before)| (process::name(*id), process::cpu_seconds(*id) - before));
    let findings = Findings {
        command: command(),
        epoch_seconds: arguments.epoch_seconds,
        experiments: &finished,
        trials: trials as u64,
        slots,
        took,
        ends: ends.into_values().collect(),
        seen: ledger.seen(slots),
        requests: Requests::read(&namespace.client).await.since(&before),
        operator: usage,
        others: processes.collect(),
        largest,
        cold_start,
        replay: replayed(&namespace, &finished).await,
        times,
    };
    let page = findings.page();
    println!("{page}");
    if let Some(path) = arguments.page {
        std::fs::write(path, page).unwrap();
    }
    operator.stop().await;
}

/// The command that does the same again.
fn command() -> String {
    let mut own = std::env::args().skip(1);
    let mut given = Vec::new();
    while let Some(argument) = own.next() {
        match argument.as_str() {
            "--bench" => {}
            "--page" => drop(own.next()),
            _ => given.push(argument),
        }
    }
    if given.is_empty() {
        "make bench-control-plane".to_owned()
    } else {
        format!("cargo bench -p nas-operator --bench control_plane -- {}", given.join(" "))
    }
}

fn is_finished(experiment: &NasExperiment) -> bool {
    let mut conditions = experiment.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.type_ == "Finished" && condition.status == "True")
}

/// A number of trials, of all experiments together.
fn sum(experiments: &[NasExperiment], of: fn(&TrialCounts) -> i64) -> u64 {
    let all = experiments.iter().filter_map(|experiment| experiment.status.as_ref()?.trials.as_ref());
    all.map(|trials| of(trials) as u64).sum()
}

/// Where it stands, on one line.
fn tell(experiments: &[NasExperiment], after: Duration, usage: &process::Usage) {
    let rungs: Vec<String> = page::entries(experiments).iter().map(|(_, entries)| entries.to_string()).collect();
    eprintln!(
        "{:6.1} s: {} created, {} running, rungs {}, {} ended; operator {} MiB, {:.2} of a core",
        after.as_secs_f64(),
        sum(experiments, |trials| trials.created),
        sum(experiments, |trials| trials.running),
        rungs.join("/"),
        experiments.iter().filter(|experiment| is_finished(experiment)).count(),
        usage.resident_mib,
        usage.cpu_seconds / after.as_secs_f64(),
    );
}

/// Decides everything anew from what was recorded; returns how many decisions that were, and how many differ.
async fn replayed(namespace: &Namespace, experiments: &[NasExperiment]) -> (usize, usize) {
    let mut trials = namespace.api::<NasTrial>().list(&ListParams::default()).await.unwrap().items;
    trials.retain(|trial| !trial.is_confirmation());
    trials.sort_by_key(NasTrial::number);
    let (mut recomputed, mut differences) = (0, 0);
    for experiment in experiments {
        let own = trials.iter().filter(|trial| trial.spec.experiment == experiment.name_any());
        let histories: Vec<_> = own.map(NasTrial::to_history).collect();
        let status = experiment.status.clone().unwrap_or_default();
        let end = status.end.as_ref().map(|end| (end.reason.as_str(), end.view.to_view()));
        let created = status.trials.map_or(0, |trials| trials.created) as u64;
        let found = replay(&experiment.validate().unwrap(), created, &histories, end);
        recomputed += found.recomputed;
        differences += found.differences.len();
    }
    (recomputed, differences)
}

async fn claim(namespace: &Namespace, name: &str) {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let claim: PersistentVolumeClaim = serde_json::from_value(claim).unwrap();
    namespace.api().create(&PostParams::default(), &claim).await.unwrap();
}
