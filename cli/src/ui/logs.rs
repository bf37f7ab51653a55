//! The end of what a trial's trainer wrote.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use kube::{ResourceExt, api::LogParams};
use serde::Serialize;

use super::{detail::pods, mirror::Mirror};
use crate::run::{LOG, trial_folder};

/// Bytes that are shown.
const SHOWN: u64 = 128 << 10;

/// The end of a log.
#[derive(Serialize)]
pub(super) struct Log {
    /// What wrote it, in words.
    from: String,
    text: String,
    /// There was more before it.
    cut: bool,
}

/// Of a trial in a run's folder.
pub(super) fn of_folder(folder: &Path, trial: &str) -> Result<Log, std::io::Error> {
    let path = trial_folder(folder, trial).join(LOG);
    let from = path.display().to_string();
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Log {
                from: format!("{from} does not exist: no trainer was started here"),
                text: String::new(),
                cut: false,
            });
        }
        opened => opened?,
    };
    let start = file.metadata()?.len().saturating_sub(SHOWN);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(SHOWN).read_to_end(&mut bytes)?;
    Ok(Log::new(from, &bytes, start > 0))
}

/// Of the newest pod of a trial.
pub(super) async fn of_cluster(mirror: &Mirror, trial: &str) -> Result<Log, kube::Error> {
    let Some(pod) = pods(mirror, trial).await?.pop() else {
        let from = "no pod of this trial is there any more: its Job was removed, or it waits to be started".to_owned();
        return Ok(Log { from, text: String::new(), cut: false });
    };
    let api = mirror.connection.api::<k8s_openapi::api::core::v1::Pod>();
    let parameters = LogParams { container: Some("trainer".to_owned()), tail_lines: Some(1000), ..LogParams::default() };
    let text = api.logs(&pod.name_any(), &parameters).await?;
    let start = text.len().saturating_sub(usize::try_from(SHOWN).unwrap_or(usize::MAX));
    Ok(Log::new(format!("pod {}", pod.name_any()), &text.as_bytes()[start..], start > 0))
}

impl Log {
    /// Whole lines alone, where the beginning was cut off.
    fn new(from: String, bytes: &[u8], cut: bool) -> Self {
        let whole = bytes.iter().position(|byte| *byte == b'\n').filter(|_| cut).map_or(0, |end| end + 1);
        Self { from, text: String::from_utf8_lossy(&bytes[whole..]).into_owned(), cut }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_end_of_a_log_begins_with_a_line() {
        let Ok(folder) = tempfile::tempdir() else { unreachable!() };
        let own = folder.path().join("trials/small-0");
        let line = "epoch 1: ä accuracy 0.5\n";
        let written = fs::create_dir_all(&own).and_then(|()| fs::write(own.join("trainer.log"), line.repeat(10_000)));
        assert!(written.is_ok());
        let Ok(log) = of_folder(folder.path(), "small-0") else { unreachable!() };
        assert!(log.cut && log.text.len() as u64 <= SHOWN && log.text.lines().all(|shown| format!("{shown}\n") == line));
        let Ok(none) = of_folder(folder.path(), "small-1") else { unreachable!() };
        assert!(none.text.is_empty() && none.from.contains("small-1/trainer.log does not exist"));
    }
}
