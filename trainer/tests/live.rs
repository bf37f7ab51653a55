//! What the trainer writes while it trains, on a real API server with a token of a pod.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, net::TcpListener, path::Path, sync::mpsc::channel, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{CustomResourceExt, api::PostParams};
use nas_api::{
    contract::{CurvePoint, Report, Reported, RungResult},
    objects::{NasTrial, ReportedStatus},
};
use nas_search::{NewTrial, View};
use nas_testkit::{Cluster, Namespace, eventually};
use nas_trainer::{
    live::{ApiServer, Live, LiveError},
    sinks::Sink,
    train::TrainEvent,
};
use serde_json::Value;
use tempfile::TempDir;

/// A trial whose pod has a token in a folder, as a kubelet leaves it.
struct Setting {
    namespace: Namespace,
    pod: Pod,
    folder: TempDir,
    server: ApiServer,
}

impl Setting {
    async fn new(word: &str) -> Self {
        let namespace = Cluster::shared().namespace(word).await;
        namespace.define(&[NasTrial::crd()]).await;
        let namespaces = format!("trainer.reporting.namespaces={{{}}}", namespace.name);
        let values = ["--set", "trainer.reporting.enabled=true", "--set", &namespaces, "--show-only", "templates/reporting.yaml"];
        Cluster::shared().apply_chart("nas-operator", &namespace.name, &values);
        let trial = NasTrial::create("small", &NewTrial::default(), View::default());
        namespace.api().create(&PostParams::default(), &trial).await.unwrap();
        let pod = namespace.pod("nas-trainer", "small-0-r0-a0-abcde").await;

        let kubeconfig: Value = serde_json::from_str(&fs::read_to_string(Cluster::shared().kubeconfig()).unwrap()).unwrap();
        let cluster = &kubeconfig["clusters"][0]["cluster"];
        let folder = tempfile::tempdir().unwrap();
        fs::copy(cluster["certificate-authority"].as_str().unwrap(), folder.path().join("ca.crt")).unwrap();
        fs::write(folder.path().join("namespace"), &namespace.name).unwrap();
        let server = ApiServer::new(cluster["server"].as_str().unwrap().to_owned(), folder.path().to_owned());
        let setting = Self { namespace, pod, folder, server };
        setting.renew_token().await;
        // The API server hears of the role a moment after it was made.
        eventually("the role holds", || async {
            setting.server.apply("small-0", &report(0, 0).into()).map_err(|e| e.to_string())
        })
        .await;
        setting
    }

    async fn renew_token(&self) {
        fs::write(self.folder.path().join("token"), self.namespace.token("nas-trainer", Some(&self.pod)).await).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn reported(&self) -> Option<ReportedStatus> {
        self.namespace.api::<NasTrial>().get("small-0").await.unwrap().status.and_then(|status| status.reported)
    }
}

/// What a training says after so many evaluations and rungs.
fn report(points: u32, rungs: usize) -> Report {
    let result = |rung| RungResult {
        rung,
        outcome: Reported::Value,
        value: Some(0.1 + 0.2),
        metrics: BTreeMap::from([("loss".to_owned(), 1.0 / 3.0)]),
        message: None,
    };
    Report {
        attempt: 0,
        seq: rungs as u64,
        step: points.into(),
        results: (0..rungs).map(result).collect(),
        curve: (1..=points).map(|step| CurvePoint { step: step.into(), value: 1.0 / f64::from(step) }).collect(),
    }
}

#[tokio::test]
async fn the_curve_of_a_training_is_there_while_it_trains_and_its_end_when_it_ends() {
    let setting = Setting::new("live").await;
    let server = setting.server.clone();
    let mut live = Live::start(Duration::ZERO, move |report| server.apply("small-0", report));
    for points in 1..=3 {
        live.see(&TrainEvent::Reported(report(points, 0)));
        let wanted = ReportedStatus::from(report(points, 0));
        eventually("the report is there", || async {
            let found = setting.reported().await;
            if found.as_ref() == Some(&wanted) { Ok(()) } else { Err(found) }
        })
        .await;
    }
    live.see(&TrainEvent::Reported(report(4, 1)));
    drop(live);
    assert_eq!(setting.reported().await, Some(report(4, 1).into()));
}

#[tokio::test]
async fn tokens_and_authorities_are_read_anew_and_what_is_wrong_is_named() {
    let setting = Setting::new("files").await;
    let apply = |points| setting.server.apply("small-0", &report(points, 1).into());
    let files: Vec<(&str, Vec<u8>)> =
        ["token", "ca.crt", "namespace"].map(|name| (name, fs::read(setting.path().join(name)).unwrap())).into();
    let certificate = rcgen::generate_simple_self_signed(["another".to_owned()]).unwrap().cert.pem();
    for (name, text, words) in [
        ("token", "expired", "the API server answers 401"),
        ("namespace", "elsewhere", "the API server answers 403"),
        ("ca.crt", certificate.as_str(), "no answer from https://127.0.0.1"),
        ("ca.crt", "", "holds no PEM certificate"),
    ] {
        fs::write(setting.path().join(name), text).unwrap();
        let said = apply(1).unwrap_err().to_string();
        assert!(said.contains(words), "{name}: {said}");
        for (name, bytes) in &files {
            fs::write(setting.path().join(name), bytes).unwrap();
        }
    }
    fs::remove_file(setting.path().join("token")).unwrap();
    let LiveError::File { path, .. } = apply(1).unwrap_err() else { panic!("{:?}", apply(1)) };
    assert_eq!(path, setting.path().join("token"));
    assert_eq!(setting.reported().await, Some(report(0, 0).into()));
    setting.renew_token().await;
    apply(1).unwrap();
    assert_eq!(setting.reported().await, Some(report(1, 1).into()));
    let LiveError::Refused { status, message } = setting.server.apply("small-0", &report(9, 0).into()).unwrap_err() else {
        panic!()
    };
    assert!(status == 422 && message.contains("must not go back"), "{status} {message}");
}

#[test]
fn a_server_that_does_not_answer_harms_no_training() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["another".to_owned()]).unwrap().cert.pem();
    for (name, text) in [("token", "t"), ("namespace", "n"), ("ca.crt", &certificate)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = ApiServer::new(format!("https://{address}"), folder.path().to_owned());
    let (release, held) = channel::<()>();
    let (failed, failures) = channel();
    let mut live = Live::start(Duration::ZERO, move |report| {
        // A server that never answers could do no worse.
        let _ = held.recv();
        let written = server.apply("small-0", report);
        failed.send((report.step, written.as_ref().unwrap_err().to_string())).unwrap();
        written
    });
    // If training waited for the answer, it would wait for ever.
    for points in 0..1000 {
        live.see(&TrainEvent::Reported(report(points, 0)));
    }
    drop(release);
    drop(live);
    let failures: Vec<_> = failures.iter().collect();
    assert_eq!(failures.last().unwrap().0, 999, "the last is tried whatever became of the others");
    assert!(failures.iter().all(|(_, said)| said.starts_with(&format!("no answer from https://{address}"))), "{failures:?}");
}
