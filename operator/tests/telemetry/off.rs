//! Without traces, and without a collector that takes them.

use std::net::TcpListener;

use crate::{
    program::{Program, command, end, segments_of},
    rig::{EXPERIMENT, Rig, report, surrogate},
};

/// What the program says of spans that are lost.
fn complaints(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("the collector takes no traces")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_flag_nothing_is_traced_and_log_lines_say_of_which_experiment() {
    let rig = Rig::new("untraced").await;
    let program = Program::start(&rig, "one", &[]);
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    assert_eq!(started.segment.traceparent, None);
    end(&rig, &started, &report(&started.segment, surrogate).to_message()).await;
    segments_of(&rig, 0, 1).await;
    let threads = program.threads();
    assert!(!threads.is_empty() && threads.iter().all(|name| !name.starts_with("OpenTelemetry")), "{threads:?}");
    let log = program.stop();
    let span = format!("reconcile{{namespace=\"{}\" experiment=\"small\"}}: ", rig.namespace.name);
    for message in [" recorded ", " created ", " Job created "] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(message)).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(&span)), "{message}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_is_told_once_and_hinders_nothing() {
    let rig = Rig::new("nobody").await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = Program::start(&rig, "one", &["--otlp-endpoint", &format!("http://{nobody}")]);
    rig.create(EXPERIMENT).await;
    Box::pin(rig.finish()).await;
    let log = program.stop();
    let complaints = complaints(&log);
    assert!(complaints.len() == 1 && complaints[0].contains(&nobody.to_string()), "{log}");
    assert!(complaints[0].contains("Connection refused"), "{}", complaints[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_hinders_nothing() {
    let rig = Rig::new("silent").await;
    // Whoever connects waits for ever.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let program = Program::start(&rig, "one", &["--otlp-endpoint", &url]);
    rig.create(EXPERIMENT).await;
    Box::pin(rig.finish()).await;
    let log = program.stop();
    silent.set_nonblocking(true).unwrap();
    assert!(silent.accept().is_ok(), "it was asked");
    // Not at all, where the search was over before a request had waited long enough.
    assert!(complaints(&log).len() <= 1, "it is told at most once: {log}");
}

#[test]
fn a_wrong_address_is_refused_by_name() {
    let refused = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let mut command = command();
        command.args(arguments).envs(variable);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&["--otlp-endpoint", "collector:4318"], None);
    assert!(said.contains("--otlp-endpoint") && said.contains("http://collector:4318 is wanted"), "{said}");
    let said = refused(&[], Some(("NAS_OTLP_ENDPOINT", "collector:4318")));
    assert!(said.contains("--otlp-endpoint"), "{said}");
    let said = refused(&[], Some(("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")));
    assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT is \"collector:4318\""), "{said}");
}
