//! Events: one for each thing that happened, told only after it was written. They are for people; nothing is decided by them.

use futures::{
    StreamExt,
    channel::mpsc::{self, UnboundedSender},
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use nas_api::{objects::SegmentOutcome, one_line};
use nas_search::End;
use tokio::time::timeout;

use crate::request::IN_TIME;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happened {
    Accepted,
    NotAccepted { message: String },
    Promoted { rung: usize, reason: String },
    Stopped { reason: String },
    Retired { reason: String },
    OutcomeRecorded { outcome: &'static str, message: String },
    AttemptEnded { outcome: SegmentOutcome, message: String },
    Stalled { message: String },
    Ended { reason: End },
    Confirming { message: String },
    Confirmed { message: String },
    Finished { message: String },
    EditIgnored,
    PassesFail { message: String },
    CleanupFailed { message: String },
}

impl Happened {
    /// Whether it may happen to the same object again and again: then it is told as one event, with a count.
    fn may_repeat(&self) -> bool {
        match self {
            Self::NotAccepted { .. }
            | Self::AttemptEnded { .. }
            | Self::Stalled { .. }
            | Self::EditIgnored
            | Self::PassesFail { .. }
            | Self::CleanupFailed { .. } => true,
            Self::Accepted
            | Self::Promoted { .. }
            | Self::Stopped { .. }
            | Self::Retired { .. }
            | Self::OutcomeRecorded { .. }
            | Self::Ended { .. }
            | Self::Confirming { .. }
            | Self::Confirmed { .. }
            | Self::Finished { .. } => false,
        }
    }

    fn event(&self) -> Event {
        let (type_, reason, action, note) = match self {
            Self::Accepted => (EventType::Normal, "Accepted", "Validate", "the experiment can be searched".to_owned()),
            Self::NotAccepted { message } => (EventType::Warning, "NotAccepted", "Validate", message.clone()),
            Self::Promoted { rung, reason } => {
                (EventType::Normal, "TrialPromoted", "Promote", format!("goes on to rung {rung}: {reason}"))
            }
            Self::Stopped { reason } => (EventType::Normal, "TrialStopped", "Stop", format!("stopped: {reason}")),
            Self::Retired { reason } => (EventType::Normal, "TrialRetired", "Retire", reason.clone()),
            Self::OutcomeRecorded { outcome, message } => {
                (EventType::Warning, "TrialEnded", "Record", format!("{outcome}: {message}"))
            }
            Self::AttemptEnded { outcome, message } => {
                let type_ = if outcome.is_fault() { EventType::Warning } else { EventType::Normal };
                (type_, "AttemptEnded", "Retry", format!("{}: {message}", outcome.name()))
            }
            Self::Stalled { message } => (EventType::Warning, "Stalled", "Wait", message.clone()),
            Self::Ended { reason } => (EventType::Normal, "SearchEnded", "Finish", reason.to_string()),
            Self::Confirming { message } => {
                (EventType::Normal, "Confirming", "Confirm", format!("the best trials are trained anew, {message}"))
            }
            Self::Confirmed { message } => (EventType::Normal, "Confirmed", "Confirm", message.clone()),
            Self::Finished { message } => (EventType::Normal, "Finished", "Finish", message.clone()),
            Self::CleanupFailed { message } => (EventType::Warning, "CleanupFailed", "Remove", message.clone()),
            Self::PassesFail { message } => (EventType::Warning, "PassesFail", "Reconcile", message.clone()),
            Self::EditIgnored => (
                EventType::Warning,
                "EditIgnored",
                "Ignore",
                "the experiment is finished, and of its spec only retention still acts: create a new one to search on".to_owned(),
            ),
        };
        // The API takes at most 1,024 bytes.
        let note = one_line(&note, 250);
        Event { type_, reason: reason.to_owned(), note: Some(note), action: action.to_owned(), secondary: None }
    }
}

/// Takes events to be published. Nothing waits for that, and losing one is logged and changes nothing.
#[derive(Clone)]
pub(crate) struct Events(UnboundedSender<(ObjectReference, Happened)>);

impl Events {
    /// The sender, and what publishes: until all senders are gone, and everything is told.
    pub(crate) fn new(client: Client, instance: &str) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let reporter = Reporter { controller: "nas-operator.dev/nas-operator".to_owned(), instance: Some(instance.to_owned()) };
        // A recorder keeps what it told for some minutes, to count what repeats: of a large search, that would be most of what is in memory.
        let recorder = move || Recorder::new(client.clone(), reporter.clone());
        let counting = recorder();
        let (sender, mut told) = mpsc::unbounded::<(ObjectReference, Happened)>();
        let publish = async move {
            while let Some((regarding, happened)) = told.next().await {
                let recorder = if happened.may_repeat() { counting.clone() } else { recorder() };
                match timeout(IN_TIME, recorder.publish(&happened.event(), &regarding)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, ?happened, "an event is lost"),
                    Err(late) => tracing::warn!(error = %late, ?happened, "an event is lost"),
                }
            }
        };
        (Self(sender), publish)
    }

    pub(crate) fn tell(&self, regarding: &ObjectReference, happened: Happened) {
        // Nobody listens any more when the operator ends.
        let _ = self.0.unbounded_send((regarding.clone(), happened));
    }
}
