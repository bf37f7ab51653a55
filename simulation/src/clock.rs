//! The virtual clock: a search whose segments take the time that a landscape says.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use nas_search::{Additional, Decision, Direction, End, Index, Outcome, Plan, Recorded, Trial, Usage, decide};

use crate::{Landscape, LandscapeError, chance::chance};

/// What costs time beside training. By default nothing does, and nothing fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Seconds from a grant until training starts, for each attempt of each segment.
    pub startup_seconds: f64,
    /// Probability that an attempt fails: somewhere on its way, evenly, and all that it did is lost.
    pub failure_probability: f64,
    /// Attempts of a segment, all on one slot, before its trial has failed.
    pub attempts: u32,
    /// Which attempts fail.
    pub seed: u64,
    /// When the simulation is broken off, in seconds, which the search does not know of.
    pub until: f64,
}

impl Default for Conditions {
    /// Free, without failures and never broken off; five attempts, as in the product.
    fn default() -> Self {
        Self { startup_seconds: 0.0, failure_probability: 0.0, attempts: 5, seed: 0, until: f64::INFINITY }
    }
}

/// The end of one rung of one trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Seconds since the search began.
    pub seconds: f64,
    /// The trial.
    pub trial: u64,
    /// The rung.
    pub rung: usize,
    /// Its training length.
    pub step: u64,
    /// What came out.
    pub outcome: Outcome,
}

/// A slot that was held by a trial on its way to a rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// The trial.
    pub trial: u64,
    /// The rung that it was granted.
    pub rung: usize,
    /// For how long: start-ups and lost attempts included.
    pub seconds: f64,
}

/// A search that has ended.
#[derive(Debug)]
pub struct Run {
    /// Everything that came out, in the order in which it was recorded.
    pub log: Vec<Event>,
    /// What was decided, in that order.
    pub decisions: Vec<Decision>,
    /// What was held by each segment that ended, in that order.
    pub segments: Vec<Held>,
    /// All trials.
    pub index: Index,
    /// Why it ended.
    pub end: End,
    /// When it ended, in seconds since it began.
    pub seconds: f64,
    /// Slots.
    pub workers: usize,
    /// Seconds that slots were held, summed over them: start-ups, lost attempts, and segments that the end cut off included.
    pub held_seconds: f64,
    /// Seconds of training whose outcome was recorded.
    pub trained_seconds: f64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Trials that were trained in full.
    pub full: usize,
}

impl Run {
    /// The share of all slots' time in which they were held.
    pub fn utilisation(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "slots are few")]
        let offered = self.seconds * self.workers as f64;
        if offered > 0.0 { self.held_seconds / offered } else { 0.0 }
    }

    /// The events that showed a better value than all before, at whatever rung, with that value.
    pub fn improvements(&self, direction: Direction) -> impl Iterator<Item = (&Event, f64)> {
        let mut best = None;
        self.log.iter().filter_map(move |event| {
            let Outcome::Value(value) = event.outcome else { return None };
            best.is_none_or(|best| direction.is_better(value, best)).then(|| {
                best = Some(value);
                (event, value)
            })
        })
    }
}

/// Runs a whole search on a landscape: `plan.parallel_trials` workers, and whenever a segment ends, what [`decide`] decides.
///
/// Events are ordered by their time, at one time by when their segments started. `plan.budget` ends the search at the second at which it
/// is spent; one accelerator is counted for each slot that is held. What the landscape calls infeasible has that outcome after the
/// start-up.
///
/// # Errors
///
/// Where the landscape does not know a configuration or a rung.
pub fn simulate(plan: &Plan, landscape: &(impl Landscape + ?Sized), conditions: &Conditions) -> Result<Run, LandscapeError> {
    let mut clock = Clock::new(plan, landscape, *conditions);
    loop {
        if let Some(end) = clock.decide()? {
            return Ok(clock.finish(end));
        }
        match (clock.next_end(), clock.limit()) {
            (Some(next), Some((limit, end))) if limit < next => {
                clock.advance(limit);
                return Ok(clock.finish(end));
            }
            (None, Some((limit, end))) => {
                clock.advance(limit);
                return Ok(clock.finish(end));
            }
            // `decide` finishes where nothing runs, unless the plan has no slot.
            (None, None) => return Ok(clock.finish(End::Completed)),
            _ => clock.end_segment()?,
        }
    }
}

struct Clock<'a, L: ?Sized> {
    plan: &'a Plan,
    landscape: &'a L,
    conditions: Conditions,
    now: f64,
    /// Numbers segments in the order in which they start.
    started: u64,
    seq: u64,
    index: Index,
    running: BinaryHeap<Reverse<Segment>>,
    log: Vec<Event>,
    decisions: Vec<Decision>,
    segments: Vec<Held>,
    held_seconds: f64,
    /// Of segments that have ended.
    ended_seconds: f64,
    trained_seconds: f64,
    failed_attempts: u64,
}

/// A segment on its worker.
struct Segment {
    start: f64,
    /// When it ends.
    end: f64,
    /// Position in the order of starts.
    order: u64,
    trial: u64,
    trained_seconds: f64,
    /// How it ends; `None`: with values.
    outcome: Option<Outcome>,
}

impl<'a, L: Landscape + ?Sized> Clock<'a, L> {
    fn new(plan: &'a Plan, landscape: &'a L, conditions: Conditions) -> Self {
        Self {
            plan,
            landscape,
            conditions,
            now: 0.0,
            started: 0,
            seq: 0,
            index: Index::new(plan.direction, &plan.rungs),
            running: BinaryHeap::new(),
            log: Vec::new(),
            decisions: Vec::new(),
            segments: Vec::new(),
            held_seconds: 0.0,
            ended_seconds: 0.0,
            trained_seconds: 0.0,
            failed_attempts: 0,
        }
    }

    /// Decides and starts what was granted; whether and why the search has ended.
    fn decide(&mut self) -> Result<Option<End>, LandscapeError> {
        let usage = Usage {
            wall_clock: duration(self.now),
            accelerator: duration(self.held_seconds),
            segments: duration(self.ended_seconds),
            ..Usage::default()
        };
        for decision in decide(self.plan, &self.index, &usage) {
            if let Decision::Finish { reason, .. } = decision {
                return Ok(Some(reason));
            }
            let recorded = self.index.record(&decision);
            self.decisions.push(decision);
            let Some(trial) = recorded else { continue };
            let was_running = self.index.trial(trial.number).is_some_and(|before| before.running().is_some());
            if !was_running && trial.running().is_some() {
                let segment = self.segment(&trial)?;
                self.running.push(Reverse(segment));
            }
            self.index.apply(trial);
        }
        Ok(None)
    }

    /// The segment of a trial that was just granted a rung: from what it has recorded to its target.
    fn segment(&mut self, trial: &Trial) -> Result<Segment, LandscapeError> {
        let steps = self.plan.rungs.steps();
        let from = trial.recorded.last().map_or(0, |last| steps[last.rung]);
        self.started += 1;
        let mut segment = Segment {
            start: self.now,
            end: self.now,
            order: self.started,
            trial: trial.number,
            trained_seconds: 0.0,
            outcome: None,
        };
        let training = match self.landscape.seconds(&trial.assignment, from, steps[trial.target_rung]) {
            Ok(seconds) => seconds,
            Err(LandscapeError::Infeasible(_)) => {
                segment.end += self.conditions.startup_seconds;
                segment.outcome = Some(Outcome::Infeasible);
                return Ok(segment);
            }
            Err(error) => return Err(error),
        };
        for attempt in 0..self.conditions.attempts {
            segment.end += self.conditions.startup_seconds;
            let Some(share) = self.failure(trial, attempt) else {
                segment.end += training;
                segment.trained_seconds = training;
                return Ok(segment);
            };
            self.failed_attempts += 1;
            segment.end += training * share;
        }
        segment.outcome = Some(Outcome::Failed);
        Ok(segment)
    }

    /// The share of its way after which an attempt fails; `None`: it does not.
    fn failure(&self, trial: &Trial, attempt: u32) -> Option<f64> {
        if self.conditions.failure_probability <= 0.0 {
            return None;
        }
        let mut subject = [0; 16];
        subject[..8].copy_from_slice(&trial.number.to_le_bytes());
        subject[8..].copy_from_slice(&(trial.target_rung as u64).to_le_bytes());
        let mut chance = chance(self.conditions.seed, *b"failures", subject, u64::from(attempt));
        (chance.unit() < self.conditions.failure_probability).then(|| chance.unit())
    }

    /// When the next segment ends.
    fn next_end(&self) -> Option<f64> {
        self.running.peek().map(|Reverse(segment)| segment.end)
    }

    /// When something is spent if nothing ends before, and what.
    fn limit(&self) -> Option<(f64, End)> {
        let wall = self.plan.budget.wall_clock.map(|limit| (limit.as_secs_f64(), End::WallClockSpent));
        let accelerator = self.plan.budget.accelerator.filter(|_| !self.running.is_empty()).map(|limit| {
            #[expect(clippy::cast_precision_loss, reason = "slots are few")]
            let left = (limit.as_secs_f64() - self.held_seconds) / self.running.len() as f64;
            (self.now + left.max(0.0), End::AcceleratorTimeSpent)
        });
        let until = (self.conditions.until < f64::INFINITY).then_some((self.conditions.until, End::WallClockSpent));
        wall.into_iter().chain(accelerator).chain(until).min_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    fn advance(&mut self, to: f64) {
        #[expect(clippy::cast_precision_loss, reason = "slots are few")]
        let running = self.running.len() as f64;
        self.held_seconds += (to - self.now) * running;
        self.now = to;
    }

    /// Records what comes out of the segment that ends first.
    fn end_segment(&mut self) -> Result<(), LandscapeError> {
        let Some(end) = self.next_end() else { return Ok(()) };
        self.advance(end);
        let Some(Reverse(segment)) = self.running.pop() else { return Ok(()) };
        let Some(trial) = self.index.trial(segment.trial) else { return Ok(()) };
        let mut trial = trial.clone();
        self.ended_seconds += segment.end - segment.start;
        self.segments.push(Held { trial: trial.number, rung: trial.target_rung, seconds: segment.end - segment.start });
        self.trained_seconds += segment.trained_seconds;
        while let Some(rung) = trial.running() {
            let step = self.plan.rungs.steps()[rung];
            let outcome = match segment.outcome {
                Some(outcome) => outcome,
                None => Outcome::Value(self.landscape.observed(&trial.assignment, step)?),
            };
            self.seq += 1;
            let additional = match outcome {
                Outcome::Value(_) => self.plan.measure(&trial.assignment, |_| None),
                _ => Ok(Additional::default()),
            };
            let additional = additional.map_err(|metric| LandscapeError::NoMetric(metric.to_owned()))?;
            trial.recorded.push(Recorded { rung, outcome, additional, seq: self.seq });
            self.log.push(Event { seconds: self.now, trial: trial.number, rung, step, outcome });
        }
        self.index.apply(trial);
        Ok(())
    }

    fn finish(self, end: End) -> Run {
        let top = self.plan.rungs.top();
        let full = self.log.iter().filter(|event| event.rung == top && matches!(event.outcome, Outcome::Value(_))).count();
        Run {
            log: self.log,
            decisions: self.decisions,
            segments: self.segments,
            index: self.index,
            end,
            seconds: self.now,
            workers: self.plan.parallel_trials,
            held_seconds: self.held_seconds,
            trained_seconds: self.trained_seconds,
            failed_attempts: self.failed_attempts,
            full,
        }
    }
}

/// Seconds as a duration; what is beyond all durations is the longest.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

impl Ord for Segment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.end.total_cmp(&other.end).then(self.order.cmp(&other.order))
    }
}

impl PartialOrd for Segment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Segment {}
