//! The test as kubelet and trainer: pods start, and end with what the surrogate of a training says.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use nas_api::{
    contract::{Report, Reported, RungResult, Segment},
    read_experiment,
};
use nas_search::{Outcome, Simulation, simulate};
use nas_testkit::eventually;

use super::{EXPERIMENT, Rig};

/// A pod that waits for its kubelet, with what it was told to train.
pub struct Started {
    pub pod: Pod,
    pub segment: Segment,
}

impl Rig {
    /// The next pod that no kubelet has taken; it runs from now on.
    pub async fn next_pod(&self) -> Started {
        let pod = eventually("a new pod", || async {
            let pods = self.pods().await;
            let waiting = |pod: &&Pod| {
                pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending")
                    && pod.metadata.deletion_timestamp.is_none()
            };
            let found = pods.iter().filter(waiting).min_by_key(|pod| pod.name_any()).cloned();
            match found {
                Some(pod) => Ok(pod),
                None => Err(self.seen().await),
            }
        })
        .await;
        self.kubelet.start(&pod, "trainer").await.unwrap();
        Started { segment: segment(&pod), pod }
    }

    /// The next two pods, by name of their trials.
    pub async fn two_pods(&self) -> [Started; 2] {
        let mut both = [self.next_pod().await, self.next_pod().await];
        both.sort_by_key(|started| started.segment.trial_name.clone());
        both
    }

    /// The pod ends with a report of these values, one for each rung up to its target.
    pub async fn report(&self, started: &Started, values: impl Fn(u64, usize) -> f64) {
        let message = report(&started.segment, values).to_message();
        self.end(started, 0, &message).await;
    }

    /// Trains whatever comes, until the search has succeeded.
    pub async fn finish(&self) {
        let training = async {
            loop {
                let started = self.next_pod().await;
                self.report(&started, surrogate).await;
            }
        };
        tokio::select! {
            () = training => {}
            _ = self.condition("Succeeded", "True") => {}
        }
    }

    /// Trains as many segments as the simulation of [`EXPERIMENT`] has, one after the other; each pod goes to `look` first.
    pub async fn play(&self, look: impl Fn(&Started)) -> Simulation {
        let plan = read_experiment(EXPERIMENT).unwrap().plan;
        let simulated = simulate(&plan, |trial, rung| Outcome::Value(surrogate(trial.number, rung)));
        for _ in 0..simulated.index.trials().map(|trial| trial.target_rung + 1).sum::<usize>() {
            let started = self.next_pod().await;
            look(&started);
            self.report(&started, surrogate).await;
        }
        simulated
    }

    pub async fn end(&self, started: &Started, exit_code: i32, message: &str) {
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        self.kubelet.end(&started.pod, "trainer", exit_code, reason, message).await.unwrap();
    }
}

/// A number of a trial's own: what the surrogate of training depends on.
pub fn number(segment: &Segment) -> u64 {
    segment.trial_name.rsplit('-').next().unwrap().parse().unwrap()
}

pub fn report(segment: &Segment, values: impl Fn(u64, usize) -> f64) -> Report {
    let number = number(segment);
    let result = |rung| RungResult {
        rung,
        outcome: Reported::Value,
        value: Some(values(number, rung)),
        metrics: BTreeMap::from([("loss".to_owned(), 0.5)]),
        message: None,
    };
    let results = (0..=segment.target_rung).map(result).collect();
    Report {
        attempt: segment.attempt,
        seq: 1 + segment.target_rung as u64,
        step: segment.target_step,
        results,
        curve: Vec::new(),
    }
}

/// Accuracies that differ by trial and grow with the rung.
pub fn surrogate(number: u64, rung: usize) -> f64 {
    let noise = number.wrapping_mul(2_654_435_761) % 1000;
    0.2 + 0.2 * rung as f64 + noise as f64 / 10_000.0
}

pub fn segment(pod: &Pod) -> Segment {
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let env: BTreeMap<_, _> =
        container.env.iter().flatten().filter_map(|env| Some((env.name.clone(), env.value.clone()?))).collect();
    Segment::from_env(|name| env.get(name).cloned()).unwrap()
}
