//! What a peer's controller serves on the same control plane: Kueue 0.17, real, admits Jobs that ask for one accelerator each. Prints a table.
//!
//!     cargo bench -p nas-operator --bench peer
//!     cargo bench -p nas-operator --bench peer -- --qps 5000
//!
//! Kueue does less for a Job than the operator does for a segment (no pod runs, nothing is decided on a result) and more of other things. It is
//! here to say what this machine's control plane gives to a controller that many clusters rely on.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    dead_code,
    missing_docs,
    reason = "a benchmark fails by panicking, and uses a part of what the tests share"
)]

#[path = "../control_plane/process.rs"]
mod process;
#[path = "../../tests/kueue/queue.rs"]
mod queue;
#[path = "../control_plane/requests.rs"]
mod requests;
#[path = "../../tests/rig/mod.rs"]
mod rig;

use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{ListParams, PostParams};
use nas_testkit::Cluster;
use serde_json::{Value, json};

use self::{queue::Kueue, requests::Requests, rig::Rig};

/// Requests of this program at the same time.
const AT_ONCE: usize = 32;

#[derive(Parser)]
struct Arguments {
    /// Jobs that are queued.
    #[arg(long, default_value_t = 1_000)]
    jobs: u64,
    /// Requests per second that Kueue allows itself: by default as many as in what its release installs.
    #[arg(long, default_value_t = 50)]
    qps: u64,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let Arguments { jobs, qps, .. } = Arguments::parse();
    println!("| Kueue | Jobs | admitted per second | CPU time of Kueue per Job | of kube-apiserver | writes per Job |");
    println!("|---|---:|---:|---:|---:|---:|");
    let settings = json!({"clientConnection": {"qps": qps, "burst": 2 * qps}});
    let name = format!("with {qps} requests per second");
    row(&name, settings, jobs).await;
}

async fn row(name: &str, settings: Value, count: u64) {
    let rig = Rig::new("peer").await;
    let kueue = Kueue::start(&rig, count, settings).await;
    let api = rig.namespace.api::<Job>();
    let cluster = Cluster::shared().processes();
    let server = *cluster.iter().find(|id| process::name(**id) == "kube-apiserver").unwrap();
    let spent = || (process::cpu_seconds(kueue.id()), process::cpu_seconds(server));
    let (before, requests, began) = (spent(), Requests::read(&rig.namespace.client).await, Instant::now());
    stream::iter(0..count).for_each_concurrent(AT_ONCE, |at| create(&rig, at)).await;
    loop {
        let listed = api.list(&ListParams::default()).await.unwrap().items;
        let admitted =
            listed.iter().filter(|job| job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(false))).count() as u64;
        eprintln!("{name}: {:.1} s: {admitted} of {count} admitted", began.elapsed().as_secs_f64());
        if admitted == count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (took, after) = (began.elapsed().as_secs_f64(), spent());
    let requests = Requests::read(&rig.namespace.client).await.since(&requests);
    // Those that Kueue sends: creations of Jobs and all writes on pods are not its own.
    let own =
        [("workloads", true), ("workloads/status", true), ("jobs", false), ("jobs/status", false)].map(|(resource, creates)| {
            let verbs: &[&str] = if creates { &["POST", "PUT", "PATCH", "APPLY"] } else { &["PUT", "PATCH", "APPLY"] };
            requests.of(verbs, resource)
        });
    let each = |seconds: f64| 1000.0 * seconds / count as f64;
    println!(
        "| {name} | {count} | {:.1} | {:.1} ms | {:.1} ms | {:.1} |",
        count as f64 / took,
        each(after.0 - before.0),
        each(after.1 - before.1),
        own.iter().sum::<u64>() as f64 / count as f64,
    );
    drop(kueue);
    rig.remove().await;
}

/// A Job as the operator makes one for a segment, in the queue.
async fn create(rig: &Rig, at: u64) {
    let confined = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let job = json!({
        "metadata": {"name": format!("job-{at}"), "labels": {"kueue.x-k8s.io/queue-name": "gpus"}},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "main", "image": "image", "securityContext": confined, "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
        }}},
    });
    rig.namespace.api::<Job>().create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await.unwrap();
}
