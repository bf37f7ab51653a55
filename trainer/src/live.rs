//! `NAS_REPORTING=CRStatus`: the trainer writes `status.reported` of its own trial while it trains.
//!
//! The termination message alone counts, so nothing here may hold up or end a training: requests are made on a thread of their own, one
//! at a time, and what cannot be written is a warning.

use std::{
    env, fs, io,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use nas_api::{TRAINER, objects::ReportedStatus, one_line};
use serde_json::{Value, json};
use thiserror::Error;
use ureq::{
    Agent,
    http::header,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{sinks::Sink, train::TrainEvent};

/// Between two reports of a trial, at least: a thousand of them then are some thirty writes a second.
pub const REPORT_EVERY: Duration = Duration::from_secs(30);
/// For one request, from the connection to the end of the answer.
const IN_TIME: Duration = Duration::from_secs(5);
/// Where a pod finds what it needs for its API server.
const POD_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An answer is read so far; that to a report is the trial.
const ANSWER_BYTES: u64 = 1 << 20;
const WORDS: usize = 400;

/// Why a report was not written.
#[derive(Debug, Error)]
pub enum LiveError {
    /// This process is not in a pod.
    #[error("{0} is not set: NAS_REPORTING=CRStatus is for pods of a cluster")]
    NoCluster(&'static str),
    /// Token, authority or namespace are missing.
    #[error("cannot read {path}: {source}; mount the projected volume that the operator gives its pods")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The authority is no certificate.
    #[error("{path} holds no PEM certificate: {problem}")]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No answer.
    #[error("no answer from {url}: {source}")]
    Unanswered {
        /// What was asked.
        url: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The API server refused the report: the attempt is void, or the token may not write it.
    #[error("the API server answers {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
}

/// The API server as a pod reaches it. Its files are read for each request, since they are renewed while the pod runs.
#[derive(Clone, Debug)]
pub struct ApiServer {
    url: String,
    folder: PathBuf,
}

impl ApiServer {
    /// A server at `url`, such as `https://10.0.0.1:443`; `folder` holds `token`, `ca.crt` and `namespace`.
    pub fn new(url: String, folder: PathBuf) -> Self {
        Self { url, folder }
    }

    /// That of the pod which this process runs in.
    pub fn of_pod() -> Result<Self, LiveError> {
        let [host, port] = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"]
            .map(|name| env::var(name).ok().filter(|value| !value.is_empty()).ok_or(LiveError::NoCluster(name)));
        let (host, port) = (host?, port?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Ok(Self::new(format!("https://{host}:{port}"), POD_FOLDER.into()))
    }

    /// Writes the report of a trial by server-side apply, over whatever stands there.
    pub fn apply(&self, trial: &str, report: &ReportedStatus) -> Result<(), LiveError> {
        let (token, namespace) = (self.read("token")?, self.read("namespace")?);
        let path = format!("apis/nas-operator.dev/v1alpha1/namespaces/{}/nastrials/{trial}/status", namespace.trim());
        let url = format!("{}/{path}?fieldManager={TRAINER}&force=true", self.url);
        let body = json!({
            "apiVersion": "nas-operator.dev/v1alpha1", "kind": "NasTrial", "metadata": {"name": trial}, "status": {"reported": report},
        });
        let unanswered = |source: ureq::Error| LiveError::Unanswered { url: self.url.clone(), source: Box::new(source) };
        let request = self.agent()?.patch(&url).header(header::AUTHORIZATION, format!("Bearer {}", token.trim()));
        let request = request.header(header::CONTENT_TYPE, "application/apply-patch+yaml");
        let mut answer = request.send(body.to_string()).map_err(unanswered)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string().unwrap_or_default();
        let said = serde_json::from_str::<Value>(&text).unwrap_or_default()["message"].as_str().unwrap_or(&text).to_owned();
        Err(LiveError::Refused { status: status.as_u16(), message: one_line(&said, WORDS) })
    }

    fn read(&self, name: &str) -> Result<String, LiveError> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).map_err(|source| LiveError::File { path, source })
    }

    fn agent(&self) -> Result<Agent, LiveError> {
        // An error says that the process has one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = self.read("ca.crt")?;
        let authority = |problem| LiveError::Authority { path: self.folder.join("ca.crt"), problem };
        let mut certificates = Vec::new();
        for item in parse_pem(pem.as_bytes()) {
            if let PemItem::Certificate(certificate) = item.map_err(|error| authority(error.to_string()))? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(authority("it is empty".to_owned()));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(IN_TIME))
            .max_redirects(0)
            // The API server of a pod's own cluster is not behind one.
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build());
        Ok(config.build().new_agent())
    }
}

/// Writes reports of a trial as they come, at most one in a while, always the newest; the last one at once.
pub struct Live {
    reports: Option<Sender<ReportedStatus>>,
    ended: Receiver<()>,
}

impl Live {
    /// Starts to report on a trial, by `write` and at most once in `every`.
    pub fn start(every: Duration, mut write: impl FnMut(&ReportedStatus) -> Result<(), LiveError> + Send + 'static) -> Self {
        let (reports, inbox) = channel();
        let (end, ended) = channel();
        thread::spawn(move || {
            let mut said = None;
            deliver(&inbox, every, |report| {
                let problem = write(report).err().map(|error| error.to_string());
                if let Some(problem) = problem.as_ref().filter(|_| problem != said) {
                    eprintln!("warning: no live report: {problem}");
                }
                said = problem;
                said.is_none()
            });
            drop(end);
        });
        Self { reports: Some(reports), ended }
    }
}

impl Sink for Live {
    fn see(&mut self, event: &TrainEvent) {
        if let (TrainEvent::Reported(report), Some(reports)) = (event, &self.reports) {
            // An error says that the thread is gone: there is nobody to tell.
            let _ = reports.send(report.clone().into());
        }
    }
}

impl Drop for Live {
    /// Waits for the last report: as long as two requests take where nobody answers, the one on the way and that.
    fn drop(&mut self) {
        self.reports = None;
        let _ = self.ended.recv_timeout(2 * IN_TIME);
    }
}

/// Hands on the newest of what comes, at most once in `every`; at the end what is left, at once. `write` says whether it succeeded.
fn deliver(inbox: &Receiver<ReportedStatus>, every: Duration, mut write: impl FnMut(&ReportedStatus) -> bool) {
    let mut due = Instant::now();
    let mut newest: Option<ReportedStatus> = None;
    let mut written = None;
    let mut pass_on = |report: ReportedStatus| {
        // The last report of a training is that of its last evaluation.
        if written.as_ref() != Some(&report) && write(&report) {
            written = Some(report);
        }
    };
    loop {
        let came = match &newest {
            Some(_) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match came {
            Ok(report) => newest = Some(report),
            Err(RecvTimeoutError::Timeout) => {
                newest.take().into_iter().for_each(&mut pass_on);
                due = Instant::now() + every;
            }
            Err(RecvTimeoutError::Disconnected) => return newest.into_iter().for_each(pass_on),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(step: i64) -> ReportedStatus {
        ReportedStatus { attempt: 0, seq: 0, step, results: Vec::new(), curve: Vec::new() }
    }

    /// What is written of reports that come before and after the first is out, where nobody waits for the next one to be due.
    fn written(first: i64, others: &[i64], succeeds: bool) -> Vec<i64> {
        let (reports, inbox) = channel();
        let (out, outbox) = channel();
        let writer = thread::spawn(move || {
            deliver(&inbox, Duration::from_hours(1), |report| out.send(report.step).is_ok() && succeeds);
        });
        reports.send(report(first)).unwrap();
        let mut steps = vec![outbox.recv().unwrap()];
        for step in others {
            reports.send(report(*step)).unwrap();
        }
        drop(reports);
        writer.join().unwrap();
        steps.extend(outbox.iter());
        steps
    }

    #[test]
    fn the_first_goes_out_at_once_and_at_the_end_the_newest_of_the_others() {
        assert_eq!(written(1, &[2, 3, 4], true), [1, 4]);
        assert_eq!(written(1, &[], true), [1]);
    }

    #[test]
    fn what_stands_there_is_not_written_again_and_what_does_not_is() {
        assert_eq!(written(1, &[2, 1], true), [1]);
        assert_eq!(written(1, &[1], false), [1, 1]);
    }
}
