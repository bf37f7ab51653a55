//! How the work of a pod ended.

use std::borrow::Cow;

use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStateTerminated, Pod},
    jiff::Timestamp,
};
use nas_api::contract::Exit;

use super::fetch;
use crate::labels;

/// What stands before the error in the output of the trainer's program.
const ERROR: &str = "nas-trainer: ";
/// Characters at the end of an output without one that are kept.
const WORDS: usize = 300;

/// The end of a pod's trainer, or of the fetch that kept it from starting.
pub(super) struct PodEnd<'a> {
    container: &'a ContainerStateTerminated,
    of_fetch: bool,
    /// Why its node put it out, such as for its use of local storage.
    evicted: Option<&'a str>,
}

impl<'a> PodEnd<'a> {
    /// The end, if there is one.
    pub(super) fn of(pod: &'a Pod) -> Option<Self> {
        let status = pod.status.as_ref().filter(|status| status.reason.as_deref() == Some("Evicted"));
        let evicted = status.and_then(|status| status.message.as_deref());
        let trainer = terminated(pod).map(|container| Self { container, of_fetch: false, evicted });
        trainer.or_else(|| {
            let container = fetch::state(pod)?.terminated.as_ref().filter(|end| end.exit_code != 0)?;
            Some(Self { container, of_fetch: true, evicted })
        })
    }

    /// Whether nothing was trained, since there was no data set.
    pub(super) fn is_of_fetch(&self) -> bool {
        self.of_fetch
    }

    /// What the end means. That a fetch failed says nothing about the trial: unless a person has to mend something, it may pass.
    pub(super) fn exit(&self) -> Exit {
        let exit = Exit::from_code(self.container.exit_code);
        if self.of_fetch && !exit.is_misconfiguration() { Exit::Temporary } else { exit }
    }

    /// Whether it says nothing about the trial, and the next one may end otherwise: a full disk, a pod that was told to stop.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.exit(), Exit::Temporary | Exit::Stopped)
    }

    pub(super) fn code(&self) -> i32 {
        self.container.exit_code
    }

    pub(super) fn finished_at(&self) -> Option<Timestamp> {
        self.container.finished_at.as_ref().map(|time| time.0)
    }

    /// Whether the container was killed for its use of memory.
    pub(super) fn is_oom_kill(&self) -> bool {
        self.container.reason.as_deref() == Some("OOMKilled")
    }

    /// The termination message, or why its node put it out; of a fetch, whose message is the end of its output, the error with its field.
    pub(super) fn words(&self) -> Cow<'a, str> {
        let said = self.container.message.as_deref().unwrap_or_default();
        if !self.of_fetch {
            return self.evicted.filter(|_| said.trim().is_empty()).unwrap_or(said).into();
        }
        let said = said.trim();
        let error = said.rfind(ERROR).map(|at| at + ERROR.len());
        let from = error.or_else(|| Some(said.char_indices().rev().nth(WORDS - 1)?.0)).unwrap_or(0);
        let ended =
            if self.is_oom_kill() { "killed for its use of memory".to_owned() } else { format!("exit code {}", self.code()) };
        match &said[from..] {
            "" => format!("spec.trial.data.fetch: {ended}").into(),
            words => format!("spec.trial.data.fetch: {words} ({ended})").into(),
        }
    }
}

/// The end of the pod's trainer.
pub(super) fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    trainer(pod)?.terminated.as_ref()
}

/// What the pod's trainer does. Whoever puts containers of their own into pods, as a service mesh does, may put them first.
pub(super) fn trainer(pod: &Pod) -> Option<&ContainerState> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers.iter().find(|container| container.name == labels::CONTAINER)?.state.as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_fetch(code: i32, reason: &str, message: &str) -> Pod {
        let status = |name: &str, state| json!({"name": name, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0});
        let end = json!({"terminated": {"exitCode": code, "reason": reason, "message": message}});
        let another = json!({"terminated": {"exitCode": 1}});
        let waiting = json!({"waiting": {"reason": "PodInitializing"}});
        let pod = json!({"status": {
            "initContainerStatuses": [status("mesh", another), status(labels::FETCH, end)],
            "containerStatuses": [status(labels::CONTAINER, waiting)],
        }});
        serde_json::from_value(pod).unwrap_or_default()
    }

    #[test]
    fn the_end_of_a_fetch_is_for_a_person_or_may_pass() {
        for code in [64, 65, 78] {
            assert_eq!(PodEnd::of(&of_fetch(code, "Error", "")).map(|end| end.exit()), Some(Exit::from_code(code)));
        }
        for code in [1, 2, 70, 71, 75, 128, 137, 143] {
            assert_eq!(PodEnd::of(&of_fetch(code, "Error", "")).map(|end| end.exit()), Some(Exit::Temporary), "{code}");
        }
        assert!(PodEnd::of(&of_fetch(0, "Completed", "")).is_none(), "the trainer comes next");
    }

    #[test]
    fn the_words_of_a_fetch_are_its_error_with_the_field() {
        let words = |code, reason, message: &str| {
            let pod = of_fetch(code, reason, message);
            PodEnd::of(&pod).map(|end| end.words().into_owned()).unwrap_or_default()
        };
        let log = "fetching http://mirror/a\na: 1.0 of 9.9 MB\nnas-trainer: http://mirror/a answers 404: give another\n";
        assert_eq!(words(65, "Error", log), "spec.trial.data.fetch: http://mirror/a answers 404: give another (exit code 65)");
        assert_eq!(words(137, "OOMKilled", ""), "spec.trial.data.fetch: killed for its use of memory");
        let cut = words(2, "Error", &"ä".repeat(1000));
        assert_eq!(cut.chars().filter(|c| *c == 'ä').count(), WORDS);
    }

    #[test]
    fn who_was_put_out_has_the_words_of_its_node() {
        let words = |message: &str| {
            let end = json!({"terminated": {"exitCode": 137, "message": message}});
            let status =
                json!({"name": labels::CONTAINER, "state": end, "image": "", "imageID": "", "ready": false, "restartCount": 0});
            let said = "Usage of EmptyDir volume \"scratch\" exceeds the limit \"1Gi\".";
            let pod = json!({"status": {"reason": "Evicted", "message": said, "containerStatuses": [status]}});
            let pod: Pod = serde_json::from_value(pod).unwrap_or_default();
            PodEnd::of(&pod).map(|end| end.words().into_owned()).unwrap_or_default()
        };
        assert!(words("").contains("EmptyDir volume"));
        assert_eq!(words("out of luck"), "out of luck");
    }
}
