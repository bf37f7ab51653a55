//! Whole searches in bad weather: what may be late is late, and nothing else.

use std::{collections::HashSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use nas_api::objects::{NasTrial, SegmentOutcome};
use nas_operator::Config;
use nas_search::Outcome;

use super::weather::Weather;
use crate::{
    between::Between,
    rig::{EXPERIMENT, Operator, Rig, Started, segment, surrogate},
};

/// Trials at the same time.
const SLOTS: usize = 3;
/// Longest time for a search: most of it passes between a pass that failed and the next.
const LIMIT: Duration = Duration::from_mins(6);

fn search() -> String {
    EXPERIMENT.replace("maxTrials: 4", "maxTrials: 9").replace("parallelTrials: 1", "parallelTrials: 3")
}

/// An operator with a lease of its own, in this weather.
fn leader(rig: &Rig, name: &str, weather: &Weather) -> Operator {
    let config = Config { lease_name: name.to_owned(), identity: name.to_owned(), ..rig.config() };
    weather.operator(rig, config)
}

/// Plays trainers as they come until the search has ended. Every moment is held to what must hold in each: `leaders` together hold no more
/// slots than each of them may, and no trial has two pods at work.
async fn until_finished(rig: &Rig, leaders: usize) {
    let mut trained = HashSet::new();
    loop {
        let pods = rig.pods().await;
        let at_work: Vec<&Pod> = pods.iter().filter(|pod| !matches!(phase(pod), "Succeeded" | "Failed")).collect();
        let trials: HashSet<&str> = at_work.iter().map(|pod| pod.labels()["nas-operator.dev/trial"].as_str()).collect();
        assert_eq!(trials.len(), at_work.len(), "a trial has two pods: {:?}", names(&at_work));
        assert!(trials.len() <= SLOTS * leaders, "more than the slots: {:?}", names(&at_work));
        for pod in at_work {
            if pod.metadata.deletion_timestamp.is_some() {
                rig.kubelet.remove(pod).await.ok();
            } else if trained.insert(pod.uid()) {
                train(rig, pod).await;
            }
        }
        let conditions = rig.experiment().await.status.unwrap_or_default().conditions;
        if conditions.iter().any(|condition| condition.type_ == "Finished" && condition.status == "True") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn train(rig: &Rig, pod: &Pod) {
    let started = Started { segment: segment(pod), pod: pod.clone() };
    let trial = rig.namespace.api::<NasTrial>().get(&started.segment.trial_name).await.unwrap();
    let granted = (trial.spec.target_rung, trial.spec.attempt);
    let asked = (i64::try_from(started.segment.target_rung).unwrap(), i64::from(started.segment.attempt));
    assert!(asked.0 <= granted.0 && asked.1 <= granted.1, "{}: {asked:?} of {granted:?}", trial.name_any());
    rig.kubelet.start(pod, "trainer").await.unwrap();
    rig.report(&started, surrogate).await;
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn names(pods: &[&Pod]) -> Vec<String> {
    pods.iter().map(|pod| pod.name_any()).collect()
}

/// Each trial once, its results as they were reported, and everything that was granted trained.
async fn nothing_is_lost(rig: &Rig) {
    let trials = rig.trials().await;
    let numbers: Vec<u64> = trials.iter().map(NasTrial::number).collect();
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    for trial in &trials {
        let record = trial.to_record();
        for recorded in &record.recorded {
            let expected = Outcome::Value(surrogate(record.number, recorded.rung));
            assert_eq!(recorded.outcome, expected, "{} {:?}", trial.name_any(), trial.status);
        }
        assert_eq!(record.running(), None, "{}", trial.name_any());
        let segments = &trial.status.as_ref().unwrap().segments;
        assert!(segments.iter().all(|segment| segment.outcome == SegmentOutcome::Value), "work was thrown away: {segments:?}");
    }
    let status = rig.experiment().await.status.unwrap();
    assert_eq!(status.end.unwrap().reason, "Completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_in_bad_weather_comes_to_its_end() {
    let rig = Rig::new("storm").await;
    let weather = Weather::new(seed());
    let operator = leader(&rig, "nas-operator", &weather);
    rig.create(&search()).await;
    tokio::time::timeout(LIMIT, until_finished(&rig, 1)).await.expect("the search ends");
    nothing_is_lost(&rig).await;
    println!("weather {}: {:?}", seed(), weather.seen());
    assert!(weather.seen().len() > 3, "{:?}", weather.seen());
    rig.close(operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_leaders_in_bad_weather_do_each_thing_once() {
    let rig = Rig::new("storms").await;
    rig.allow_any_lease().await;
    let weather = [Weather::new(seed()), Weather::new(seed() + 1)];
    let [one, two] = [leader(&rig, "one", &weather[0]), leader(&rig, "two", &weather[1])];
    rig.create(&search()).await;
    tokio::time::timeout(LIMIT, until_finished(&rig, 2)).await.expect("the search ends");
    nothing_is_lost(&rig).await;
    one.stop().await;
    rig.close(two).await;
}

/// `NAS_WEATHER=7 cargo test ...`: other weather.
fn seed() -> u64 {
    std::env::var("NAS_WEATHER").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}
