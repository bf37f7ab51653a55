//! What one report costs: folded into the index and decided upon, among 1,000 to 100,000 trials.
//!
//!     cargo bench -p nas-search --bench report
//!
//! A search of promotion ASHA on the DARTS space's 32 choices is brought to each size; then of further trials are timed, each
//! with everything that follows from it: the fold, the decisions, and the folds of what was decided. For comparison it prints what copying
//! a trial's record and sorting a list of that many values anew cost on the same machine. Then the same with the guided sampler, where most
//! of the time goes into proposals, and one report in a few dozen fits the model anew.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use nas_search::{
    Brackets, Budget, Constraints, Decision, Direction, Domain, Guided, Halving, Index, Outcome, Parameter, Plan, Recorded,
    Rungs, Sampler, Scale, Scheduler, Space, Usage, decide,
};

const TIMED: usize = 2000;

fn plan(sampler: Sampler, max_trials: u64) -> Plan {
    let choice = |name: String, domain| Parameter { name: name.into(), domain, when: None, count: None };
    let operations =
        ["max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"];
    let parameters = (0..16).flat_map(|edge| {
        let operations = operations.iter().map(|operation| (*operation).into()).collect();
        [
            choice(format!("edge{edge}_op"), Domain::Categorical(operations)),
            choice(format!("edge{edge}_input"), Domain::Int { min: 0, max: 4, scale: Scale::Linear }),
        ]
    });
    Plan {
        seed: 1,
        direction: Direction::Maximize,
        additional: Vec::new(),
        earlier: Vec::new(),
        space: Space::new(parameters.collect()).unwrap(),
        sampler,
        constraints: Constraints::new(None),
        rungs: Rungs::explicit(vec![1, 3, 9, 27, 81], 3, 81, max_trials).unwrap(),
        scheduler: Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
        max_trials,
        parallel_trials: 16,
        max_failed_trials: None,
        max_infeasible_trials: 0,
        target: None,
        budget: Budget::default(),
    }
}

/// A search and its running trials.
struct Search {
    plan: Plan,
    index: Index,
    running: VecDeque<u64>,
    seq: u64,
}

impl Search {
    /// Carries out what is to be done now.
    fn decide(&mut self) {
        for decision in decide(&self.plan, &self.index, &Usage::default()) {
            match &decision {
                Decision::Create { new, .. } => self.running.push_back(new.number),
                Decision::Promote { trial, .. } => self.running.push_back(*trial),
                _ => {}
            }
            if let Some(trial) = self.index.record(&decision) {
                self.index.apply(trial);
            }
        }
    }

    /// The next trial reports values that depend on its number and rung alone.
    fn report(&mut self) {
        let number = self.running.pop_front().unwrap();
        let mut trial = self.index.trial(number).unwrap().clone();
        while let Some(rung) = trial.running() {
            self.seq += 1;
            let noise = (number * 20 + rung as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
            #[expect(clippy::cast_precision_loss, reason = "53 bits")]
            let outcome = Outcome::Value(noise as f64);
            trial.recorded.push(Recorded::new(rung, outcome, self.seq));
        }
        self.index.apply(trial);
    }
}

fn each(elapsed: Duration, count: usize) -> f64 {
    elapsed.as_secs_f64() * 1e6 / f64::from(u32::try_from(count).unwrap())
}

/// Brings a search to so many trials and times further reports: the median, and what 99 of 100 are below, in microseconds.
fn timed(sampler: fn() -> Sampler, trials: u64, reports: usize) -> (Search, f64, f64) {
    let plan = plan(sampler(), 1 << 40);
    let index = Index::new(plan.direction, &plan.rungs);
    let mut search = Search { plan, index, running: VecDeque::new(), seq: 0 };
    search.decide();
    while search.index.created() < trials {
        search.report();
        search.decide();
    }
    let mut times: Vec<Duration> = (0..reports)
        .map(|_| {
            let began = Instant::now();
            search.report();
            search.decide();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    (search, each(times[reports / 2], 1), each(times[reports * 99 / 100], 1))
}

fn main() {
    println!("  trials  median report [us]  99 of 100 below [us]  copy of a record [us]  sorting all anew [us]");
    for trials in [1000, 10_000, 100_000] {
        let (search, median, most) = timed(|| Sampler::Random, trials, TIMED);
        let record = search.index.trial(0).unwrap();
        let began = Instant::now();
        for _ in 0..TIMED {
            std::hint::black_box(record.clone());
        }
        let copy = each(began.elapsed(), TIMED);
        let mut values: Vec<u64> = (0..trials).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let began = Instant::now();
        values.sort_unstable();
        std::hint::black_box(&values);
        let sorting = each(began.elapsed(), 1);
        println!("{trials:>8}  {median:>18.1}  {most:>20.1}  {copy:>21.2}  {sorting:>21.0}");
    }
    println!("\n  trials  guided: median report [us]  99 of 100 below [us]");
    for trials in [100, 1000, 3000] {
        let (_, median, most) = timed(|| Sampler::Guided(Guided::default()), trials, 300);
        println!("{trials:>8}  {median:>26.0}  {most:>20.0}");
    }
}
