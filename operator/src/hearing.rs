//! Whether the operator still hears of what happens: a watch that is refused, or that nothing answers, leaves its cache as it was, and every
//! pass would go on to find that nothing has changed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A watch that is interrupted for so long is told: an API server that is restarted takes less.
const DEAF: Duration = Duration::from_secs(20);
/// A watch that is opened again says nothing until something happens; one that fails is tried again within half of this.
const SILENCE: Duration = Duration::from_mins(1);

/// The watches that are interrupted.
#[derive(Default)]
pub(crate) struct Hearing(Mutex<BTreeMap<String, Interruption>>);

struct Interruption {
    since: Instant,
    last: Instant,
    said: String,
}

impl Hearing {
    /// The watch of a kind brought something.
    pub(crate) fn heard(&self, kind: &str) {
        self.interruptions().remove(kind);
    }

    /// The watch of a kind could not be opened, or ended with an error.
    pub(crate) fn interrupted(&self, kind: &str, said: String, now: Instant) {
        let mut interruptions = self.interruptions();
        let lasts = interruptions.get(kind).filter(|before| now.duration_since(before.last) < SILENCE).map(|before| before.since);
        interruptions.insert(kind.to_owned(), Interruption { since: lasts.unwrap_or(now), last: now, said });
    }

    /// A kind of which nothing is heard any more, and why.
    pub(crate) fn deaf(&self, now: Instant) -> Option<(String, String)> {
        let interruptions = self.interruptions();
        let lasts = |one: &Interruption| now.duration_since(one.since) >= DEAF && now.duration_since(one.last) < SILENCE;
        interruptions.iter().find(|(_, one)| lasts(one)).map(|(kind, one)| (kind.clone(), one.said.clone()))
    }

    fn interruptions(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Interruption>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_is_told_and_no_longer_than_it_does() {
        let (hearing, begin) = (Hearing::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let deaf = |seconds| hearing.deaf(at(seconds)).map(|(_, said)| said);
        hearing.interrupted("Pod", "restarted".to_owned(), at(0));
        assert_eq!(deaf(10), None);
        hearing.heard("Pod");
        hearing.interrupted("Pod", "forbidden".to_owned(), at(15));
        hearing.interrupted("Pod", "still forbidden".to_owned(), at(30));
        assert_eq!(deaf(30), None);
        assert_eq!(deaf(35), Some("still forbidden".to_owned()));
        // It was opened again, and nothing has happened since.
        assert_eq!(deaf(90), None);
        hearing.interrupted("Pod", "anew".to_owned(), at(100));
        assert_eq!(deaf(110), None);
        hearing.heard("Job");
        assert_eq!(deaf(120), Some("anew".to_owned()));
    }
}
