//! Turns for what nothing waits for: so many a second over all experiments, first come, first served. Without them a hundred experiments, each of
//! which tells its counts once a second, would ask more of the API server than their trials do.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// From one turn to the next.
const EVERY: Duration = Duration::from_millis(100);
/// An experiment gets none sooner after it was written.
const REST: Duration = Duration::from_secs(1);

/// The turns that are given.
pub(crate) struct Pace {
    /// Nobody has one from then on.
    free: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { free: Mutex::new(now) }
    }

    fn turn(&self, now: Instant) -> Instant {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = now.max(*free);
        *free = turn + EVERY;
        turn
    }
}

/// What one experiment knows of its turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    written: Option<Instant>,
    next: Option<Instant>,
}

impl Turns {
    /// How long it is to wait; `None`: it is its turn.
    pub(crate) fn wait(&mut self, pace: &Pace, now: Instant) -> Option<Duration> {
        let rested = self.written.map_or(now, |at| at + REST);
        if now < rested {
            return Some(rested - now);
        }
        let next = *self.next.get_or_insert_with(|| pace.turn(now));
        Some(next.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// There is nothing to write any more.
    pub(crate) fn withdraw(&mut self) {
        self.next = None;
    }

    /// It was written, be it out of turn.
    pub(crate) fn written(&mut self, now: Instant) {
        *self = Self { written: Some(now), next: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_experiments_get_turns_in_the_order_in_which_they_ask() {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let pace = Pace::new(begin);
        let mut experiments: [Turns; 3] = Default::default();
        let mut waits = |now| experiments.each_mut().map(|turns| turns.wait(&pace, at(now)).map(|left| left.as_millis()));
        assert_eq!(waits(0), [None, Some(100), Some(200)]);
        assert_eq!(waits(150), [None, None, Some(50)], "whoever asks again keeps the turn");
        experiments[0].written(at(150));
        let mut waits = |now| experiments.each_mut().map(|turns| turns.wait(&pace, at(now)).map(|left| left.as_millis()));
        assert_eq!(waits(200), [Some(950), None, None]);
        // What rests has no turn: nobody waits for it.
        assert_eq!(Turns::default().wait(&pace, at(300)), None);
        let mut waits = |now| experiments.each_mut().map(|turns| turns.wait(&pace, at(now)).map(|left| left.as_millis()));
        assert_eq!(waits(1150), [None, None, None]);
        // Who withdraws does not come in before others later.
        experiments[0].withdraw();
        assert_eq!(pace.turn(at(1150)), at(1250));
        assert_eq!(experiments[0].wait(&pace, at(1160)), Some(Duration::from_millis(190)));
    }
}
