//! What time it is by the API server's clock, which objects have their times from: no budget may be spent, and no patience lost, because the clock of
//! the operator's node is wrong.

use std::sync::atomic::{AtomicI64, Ordering};

use http::{HeaderMap, header::DATE};
use k8s_openapi::jiff::{SignedDuration, Timestamp, fmt::rfc2822};

/// Less is what an answer's way takes, and its whole seconds.
const TOLERATED: SignedDuration = SignedDuration::from_secs(2);

/// How far this machine's clock is ahead of the API server's, as of its last answer.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(AtomicI64);

impl ServerClock {
    /// Takes in when an answer was given, at which it came here `now`; returns the seconds that it is ahead.
    pub(crate) fn heard(&self, answer: &HeaderMap, now: Timestamp) -> Option<i64> {
        let date = rfc2822::DateTimeParser::new().parse_timestamp(answer.get(DATE)?.to_str().ok()?).ok()?;
        let ahead = now.duration_since(date);
        let ahead = if ahead.abs() < TOLERATED { 0 } else { ahead.as_secs() };
        self.0.store(ahead, Ordering::Relaxed);
        Some(ahead)
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.at(Timestamp::now())
    }

    fn at(&self, now: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.0.load(Ordering::Relaxed));
        now.checked_sub(ahead).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_servers_where_the_two_clocks_differ() {
        let clock = ServerClock::default();
        let now: Timestamp = "2026-11-27T07:00:00Z".parse().unwrap();
        let heard = |date: &str| clock.heard(&HeaderMap::from_iter([(DATE, date.parse().unwrap())]), now);
        assert_eq!((heard("Fri, 27 Nov 2026 06:59:59 GMT"), clock.at(now)), (Some(0), now));
        let hour = SignedDuration::from_hours(1);
        assert_eq!((heard("Fri, 27 Nov 2026 06:00:00 GMT"), clock.at(now)), (Some(3600), now - hour));
        assert_eq!((heard("Fri, 27 Nov 2026 08:00:00 GMT"), clock.at(now)), (Some(-3600), now + hour));
        // What says nothing changes nothing.
        assert_eq!((heard("yesterday"), clock.heard(&HeaderMap::new(), now), clock.at(now)), (None, None, now + hour));
    }
}
