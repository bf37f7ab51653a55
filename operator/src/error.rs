//! What can go wrong, with its place.

use std::{io, net::SocketAddr};

use thiserror::Error;

/// Why the operator, or one pass of it, ended.
#[derive(Debug, Error)]
pub enum Error {
    /// No API server to talk to.
    #[error("cannot make a client: give a kubeconfig, or run in a pod with a service account")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A write or read of the API.
    #[error("cannot {verb} {kind} {name}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// On which kind.
        kind: &'static str,
        /// On which object.
        name: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("no answer in time to {verb} {kind} {name}")]
    Timeout {
        /// What was tried.
        verb: &'static str,
        /// On which kind.
        kind: &'static str,
        /// On which object.
        name: String,
    },
    /// Somebody else has written first: the next pass sees it.
    #[error("{kind} {name} was changed meanwhile")]
    Conflict {
        /// Which kind.
        kind: &'static str,
        /// Which object.
        name: String,
    },
    /// The web server cannot listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another replica has the lease, or the API server was away for longer than it holds.
    #[error("the lease is lost: another replica goes on")]
    LeaseLost,
    /// For most of the time that the lease holds, it could not be renewed.
    #[error("the lease could not be renewed in time, so another replica may go on")]
    LeaseExpired(#[source] Box<Error>),
    /// A variable of the environment cannot be read.
    #[error("{name} is {value:?}: {problem}")]
    Variable {
        /// Which one.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it should say.
        problem: &'static str,
    },
    /// Nothing could be sent to the collector of traces.
    #[error("cannot send traces to {endpoint}, which --otlp-endpoint or its variables name")]
    Collector {
        /// Its address.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A metric is defined twice.
    #[error("cannot define metrics")]
    Metrics(#[from] prometheus::Error),
    /// A task of the operator panicked: a bug.
    #[error("a task ended unexpectedly: {0}")]
    Task(String),
}

impl Error {
    /// The words that the errors of passes have.
    pub(crate) const CATEGORIES: [&str; 3] = ["api", "timeout", "internal"];

    /// A word for metrics.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Api { .. } => "api",
            Self::Timeout { .. } => "timeout",
            Self::Conflict { .. } => "conflict",
            Self::Listen { .. } => "listen",
            Self::LeaseLost | Self::LeaseExpired(_) => "lease",
            Self::Variable { .. } | Self::Collector { .. } => "telemetry",
            Self::Metrics(_) | Self::Task(_) => "internal",
        }
    }

    /// The whole chain of causes in one line.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error with its whole chain of causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
