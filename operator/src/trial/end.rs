//! How the work of a pod ended.

use std::borrow::Cow;

use k8s_openapi::{
    api::core::v1::{ContainerStateTerminated, Pod},
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
}

impl<'a> PodEnd<'a> {
    /// The end, if there is one.
    pub(super) fn of(pod: &'a Pod) -> Option<Self> {
        let trainer = terminated(pod).map(|container| Self { container, of_fetch: false });
        trainer.or_else(|| {
            let container = fetch::state(pod)?.terminated.as_ref().filter(|end| end.exit_code != 0)?;
            Some(Self { container, of_fetch: true })
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

    /// The termination message; of a fetch, whose message is the end of its output, the error with its field.
    pub(super) fn words(&self) -> Cow<'a, str> {
        let said = self.container.message.as_deref().unwrap_or_default();
        if !self.of_fetch {
            return said.into();
        }
        let said = said.trim();
        let last = said.rfind(ERROR).map(|at| at + ERROR.len());
        let last = last.or_else(|| Some(said.char_indices().rev().nth(WORDS)?.0)).unwrap_or(0);
        let code = if self.is_oom_kill() { "OOMKilled".to_owned() } else { format!("exit code {}", self.code()) };
        format!("spec.trial.data.fetch: {} ({code})", &said[last..]).into()
    }
}

/// The end of the pod's trainer.
pub(super) fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers.iter().find(|container| container.name == labels::CONTAINER)?.state.as_ref()?.terminated.as_ref()
}
