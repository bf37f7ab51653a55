//! What is shown: the newest records, and the report's data of them. They are looked at anew when a page asks, and never more often than they
//! cost.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use serde::Serialize;
use tokio::{sync::Mutex, task::block_in_place};

use super::source::{Mark, Source};
use crate::{
    failure::Failure,
    records::Records,
    report::{ReportData, of_the_best},
};

/// Between two looks at the least.
const PAUSE: Duration = Duration::from_millis(500);
/// A look is followed by so many times as long without one.
const REST: u32 = 4;

/// A search at one moment.
pub(super) struct Snapshot {
    /// Counts from 1.
    pub(super) version: u64,
    pub(super) records: Records,
    /// The report's data, as JSON.
    pub(super) data: Bytes,
}

/// What a page asks every other second.
#[derive(Serialize)]
pub(super) struct Standing {
    /// Of the newest data.
    version: u64,
    ended: bool,
    /// Why what is shown may be old.
    trouble: Option<String>,
}

struct Look {
    mark: Mark,
    next: Instant,
}

/// The newest snapshot, and what makes the next.
pub(super) struct Board {
    pub(super) source: Source,
    shown: RwLock<(Arc<Snapshot>, Option<String>)>,
    look: Mutex<Look>,
}

impl Board {
    /// Reads a search for the first time.
    pub(super) async fn open(source: Source) -> Result<Self, Failure> {
        // The mark comes first: what changes while it is read is read once more.
        let mark = source.mark().await;
        let snapshot = snapshot(1, source.records().await?)?;
        let look = Look { mark: mark?, next: Instant::now() };
        Ok(Self { source, shown: RwLock::new((Arc::new(snapshot), None)), look: Mutex::new(look) })
    }

    /// The newest snapshot.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Looks whether something has changed, if it is time for it and nobody else is at it.
    pub(super) async fn look(&self) -> Standing {
        if let Ok(mut look) = self.look.try_lock()
            && look.next <= Instant::now()
        {
            let began = Instant::now();
            let renewed = self.renew(&mut look).await;
            let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
            match renewed {
                Ok(Some(snapshot)) => *shown = (Arc::new(snapshot), None),
                Ok(None) => shown.1 = None,
                Err(failure) => shown.1 = Some(failure.to_string()),
            }
            look.next = Instant::now() + PAUSE.max(REST * began.elapsed());
        }
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Standing { version: shown.0.version, ended: shown.0.records.end.is_some(), trouble: shown.1.clone() }
    }

    async fn renew(&self, look: &mut Look) -> Result<Option<Snapshot>, Failure> {
        let mark = self.source.mark().await?;
        if mark == look.mark {
            return Ok(None);
        }
        let records = self.source.records().await?;
        let snapshot = snapshot(self.snapshot().version + 1, records)?;
        look.mark = mark;
        Ok(Some(snapshot))
    }
}

fn snapshot(version: u64, records: Records) -> Result<Snapshot, Failure> {
    block_in_place(|| {
        let data = ReportData::new(&records, of_the_best(&records, &records.index()));
        let malformed = |error| Failure::Folder(format!("these records cannot be written as JSON: {error}"));
        let data = serde_json::to_vec(&data).map_err(malformed)?;
        Ok(Snapshot { version, records, data: data.into() })
    })
}
