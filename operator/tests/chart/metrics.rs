//! `docs/metrics.md` against what a running operator serves.

use nas_testkit::eventually;

use crate::played::{Played, documented, rows, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_metrics_tells_what_is_served() {
    let played = Played::begin("metrics").await;
    for _ in 0..3 {
        played.report().await;
    }
    let wanted = documented(|row| !row.starts_with("nas_trainer_"));
    let served = eventually("what is documented is served", || async {
        let text = played.scrape();
        let served = rows(&text);
        if served == wanted {
            Ok(text)
        } else {
            Err(format!(
                "served, not documented so: {:#?}\ndocumented, not served so: {:#?}",
                minus(&served, &wanted),
                minus(&wanted, &served)
            ))
        }
    })
    .await;

    let namespace = &played.rig.namespace.name;
    let condition = |experiment: &str, rest: &str| {
        value(&served, &format!("nas_experiment_condition{{experiment=\"{experiment}\",namespace=\"{namespace}\",{rest}}}"))
    };
    assert_eq!(condition("small", "reason=\"Valid\",status=\"True\",type=\"Accepted\""), Some(1.0));
    assert_eq!(condition("lacking", "reason=\"ClaimMissing\",status=\"False\",type=\"Accepted\""), Some(1.0));
    assert_eq!(condition("lacking", "reason=\"Valid\",status=\"True\",type=\"Accepted\""), None);
    // All may be served before the last of them is recorded.
    let served = eventually("three segments are counted, a minute for each", || async {
        let text = played.scrape();
        let small = format!("{{experiment=\"small\",namespace=\"{namespace}\"");
        let segments = value(&text, &format!("nas_segments_total{small},outcome=\"Value\"}}"));
        let seconds = value(&text, &format!("nas_experiment_accelerator_seconds{small}}}"));
        if (segments, seconds) == (Some(3.0), Some(180.0)) { Ok(text) } else { Err((segments, seconds)) }
    })
    .await;
    let decided = value(&served, &format!("nas_decision_latency_seconds_count{{namespace=\"{namespace}\"}}"));
    assert!(decided.is_some_and(|decided| (2.0..=3.0).contains(&decided)), "{decided:?} outcomes led to decisions");
    eventually("all is quiet, and nothing waits", || async {
        let text = played.scrape();
        let found = ["workqueue_depth{name", "controller_runtime_active_workers{controller"]
            .map(|series| value(&text, &format!("{series}=\"nasexperiment\"}}")));
        if found == [Some(0.0); 2] { Ok(()) } else { Err(found) }
    })
    .await;
    let sum = value(&served, &format!("nas_segment_duration_seconds_sum{{namespace=\"{namespace}\"}}"));
    assert_eq!(sum, Some(180.0));

    // What is gone has no series.
    let experiments = played.rig.namespace.api::<nas_api::objects::NasExperiment>();
    for name in ["small", "lacking"] {
        experiments.delete(name, &kube::api::DeleteParams::default()).await.unwrap();
    }
    eventually("no series of an experiment", || async {
        let text = played.scrape();
        let left: Vec<String> = text.lines().filter(|line| line.contains("experiment=\"")).map(str::to_owned).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    played.rig.close(played.operator).await;
}

fn minus(some: &[String], others: &[String]) -> Vec<String> {
    some.iter().filter(|row| !others.contains(row)).cloned().collect()
}
