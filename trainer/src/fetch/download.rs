//! One file from an HTTP server, taken up where it was broken off.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use ureq::{
    Agent,
    http::{Response, StatusCode, header},
    tls::{RootCerts, TlsConfig},
};

use super::{FetchError, PublishedFile};

/// Attempts in a row that bring no byte.
const FRUITLESS: u32 = 4;
/// A connection that brings nothing for so long has broken off.
const SILENCE: Duration = Duration::from_mins(1);
const BLOCK: usize = 1 << 16;

/// A client for a fetch, with the system's certificates and proxies (`HTTPS_PROXY`, `NO_PROXY`).
pub(super) fn agent() -> Agent {
    // An error says that the process has one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build());
    config.build().new_agent()
}

/// Brings a file to `path`, through `<path>.part`, and checks its length and digest.
pub(super) struct Download<'a> {
    pub(super) agent: &'a Agent,
    pub(super) url: String,
    pub(super) file: &'a PublishedFile,
    pub(super) path: &'a Path,
    /// Before attempt n + 1 in a row that follows n fruitless ones.
    pub(super) pause: Duration,
    pub(super) tell: &'a dyn Fn(&str),
}

impl Download<'_> {
    /// Does it, unless it is done.
    pub(super) fn run(&self) -> Result<(), FetchError> {
        if self.path.is_file() {
            return Ok(());
        }
        let part = self.part();
        let mut fruitless = 0;
        loop {
            let before = self.received();
            if before == self.file.bytes {
                break;
            }
            let reason = self.attempt(&part, before)?;
            let received = self.received();
            if received == self.file.bytes {
                break;
            }
            fruitless = if received > before { 0 } else { fruitless + 1 };
            if fruitless == FRUITLESS {
                return Err(FetchError::Interrupted { url: self.url.clone(), received, bytes: self.file.bytes, reason });
            }
            (self.tell)(&format!("{}: {reason}; going on from byte {received}", self.file.name));
            thread::sleep(self.pause * fruitless);
        }
        let found = sha256(&part).map_err(FetchError::storage(&part))?;
        if found != self.file.sha256 {
            fs::remove_file(&part).map_err(FetchError::storage(&part))?;
            return Err(FetchError::OtherDigest { url: self.url.clone(), sha256: self.file.sha256.clone(), found });
        }
        fs::rename(&part, self.path).map_err(FetchError::storage(self.path))
    }

    fn part(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".part");
        name.into()
    }

    /// Bytes that are there; none counts where they are more than the file has.
    fn received(&self) -> u64 {
        fs::metadata(self.part()).map_or(0, |about| if about.len() > self.file.bytes { 0 } else { about.len() })
    }

    /// Asks for what is missing and writes what comes; says why it ended.
    fn attempt(&self, part: &Path, from: u64) -> Result<String, FetchError> {
        let mut request = self.agent.get(&self.url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(error.to_string()),
        };
        let from = match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, from) => from,
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                // The server's file is another one than before: from the beginning.
                File::create(part).map_err(FetchError::storage(part))?;
                return Ok("the server cannot go on from there".to_owned());
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Ok(format!("the server answers {status}"));
            }
            status => return Err(FetchError::Refused { url: self.url.clone(), status: status.as_u16() }),
        };
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(found) = length.map(|length| from + length).filter(|found| *found != self.file.bytes) {
            return Err(FetchError::OtherLength { url: self.url.clone(), bytes: self.file.bytes, found });
        }
        let opened = if from == 0 { File::create(part) } else { OpenOptions::new().append(true).open(part) };
        let mut out = opened.map_err(FetchError::storage(part))?;
        self.copy(response.into_body().into_reader(), &mut out, from).map_err(FetchError::storage(part))
    }

    /// Copies until an end or an error of the reader, which is what is returned; an error of the writer is one.
    fn copy(&self, mut from: impl Read, to: &mut File, mut received: u64) -> io::Result<String> {
        let mut block = vec![0; BLOCK];
        let bytes = self.file.bytes;
        let tenth = |received: u64| received * 10 / bytes.max(1);
        let end = loop {
            match from.read(&mut block) {
                Ok(0) => break "the connection ended early".to_owned(),
                Ok(count) => {
                    let before = tenth(received);
                    received += count as u64;
                    if received > bytes {
                        break "more bytes came than the file has".to_owned();
                    }
                    to.write_all(&block[..count])?;
                    if tenth(received) > before {
                        let [received, bytes] = [received, bytes].map(|count| count as f64 / 1e6);
                        (self.tell)(&format!("{}: {received:.1} of {bytes:.1} MB", self.file.name));
                    }
                }
                Err(error) => break error.to_string(),
            }
        };
        to.sync_data()?;
        Ok(end)
    }
}

/// Whether a partial answer begins at this byte.
fn starts_at<T>(response: &Response<T>, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(format!("{:x}", digest.finalize()))
}
