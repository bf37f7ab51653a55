//! Time, failures and limits under the virtual clock, on a landscape whose numbers are plain.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking; times are whole")]

use std::time::Duration;

use nas_search::{
    Assignment, Brackets, Budget, Constraints, Direction, Domain, End, Halving, Outcome, Parameter, Plan, Rungs, Sampler, Scalar,
    Scale, Scheduler, Space,
};
use nas_simulation::{CodeError, Conditions, Landscape, LandscapeError, Run, simulate, trajectory};

/// Configuration `x` shows `x + step` and trains 10 seconds for each step; below 0 nothing can be trained.
struct Plain;

fn x(assignment: &Assignment) -> Result<f64, LandscapeError> {
    match assignment["x"].as_f64().unwrap() {
        x if x < 0.0 => Err(CodeError::SameInput(0).into()),
        x => Ok(x),
    }
}

impl Landscape for Plain {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        Ok(x(assignment)? + f64::from(u32::try_from(step).unwrap()))
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        x(assignment).map(|_| 10.0 * f64::from(u32::try_from(to - from).unwrap()))
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        Ok(100.0 * x(assignment)?)
    }
}

/// Tries these configurations with 1, 3 and 9 steps.
fn plan(configurations: &[i64], workers: usize) -> Plan {
    let domain = Domain::Int { min: 0, max: 100, scale: Scale::Linear };
    let listed = configurations.iter().map(|x| Assignment::from([("x".into(), Scalar::Int(*x))]));
    Plan {
        seed: 0,
        direction: Direction::Maximize,
        additional: Vec::new(),
        earlier: Vec::new(),
        space: Space::new(vec![Parameter { name: "x".into(), domain, when: None, count: None }]).unwrap(),
        sampler: Sampler::Listed(listed.collect()),
        constraints: Constraints::new(None),
        rungs: Rungs::explicit(vec![1, 3, 9], 3, 9, 9).unwrap(),
        scheduler: Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
        max_trials: 1000,
        parallel_trials: workers,
        max_failed_trials: None,
        max_infeasible_trials: 1000,
        target: None,
        budget: Budget::default(),
    }
}

/// Seconds, trial and rung of each event.
fn log(run: &Run) -> Vec<(f64, u64, usize)> {
    run.log.iter().map(|event| (event.seconds, event.trial, event.rung)).collect()
}

fn costly(startup_seconds: f64) -> Conditions {
    Conditions { startup_seconds, ..Conditions::default() }
}

#[test]
fn segments_end_by_time_then_by_start() {
    let run = simulate(&plan(&[5, 6, 7, 8], 2), &Plain, &costly(0.0)).unwrap();
    // Trial 2 is the best of three and goes on before trial 3 is there, though both end at one second; then trial 3 is the best of four.
    assert_eq!(log(&run), [(10.0, 0, 0), (10.0, 1, 0), (20.0, 2, 0), (20.0, 3, 0), (40.0, 2, 1), (40.0, 3, 1)]);
    assert_eq!((run.end, run.seconds, run.full), (End::SpaceExhausted, 40.0, 0));
    assert_eq!((run.held_seconds, run.trained_seconds, run.utilisation()), (80.0, 80.0, 1.0));
}

#[test]
fn every_segment_pays_its_start_up() {
    let run = simulate(&plan(&[5, 6, 7], 1), &Plain, &costly(5.0)).unwrap();
    assert_eq!(log(&run), [(15.0, 0, 0), (30.0, 1, 0), (45.0, 2, 0), (70.0, 2, 1)]);
    assert_eq!((run.held_seconds, run.trained_seconds), (70.0, 50.0));
}

#[test]
fn the_wall_clock_cuts_off_what_runs_then() {
    let plan = plan(&[5, 6, 7], 2);
    let until = |until| Conditions { until, ..Conditions::default() };
    let run = simulate(&plan, &Plain, &until(15.0)).unwrap();
    assert_eq!(log(&run), [(10.0, 0, 0), (10.0, 1, 0)]);
    assert_eq!((run.end, run.seconds, run.held_seconds), (End::WallClockSpent, 15.0, 25.0));
    // What ends at that very second counts.
    assert_eq!(simulate(&plan, &Plain, &until(20.0)).unwrap().log.len(), 3);
}

#[test]
fn a_spent_budget_cuts_off_what_takes_longer_than_was_to_be_expected() {
    let mut plan = plan(&[5, 6, 7, 8], 2);
    plan.budget.accelerator = Some(Duration::from_secs(6));
    // Accelerator time is summed over slots. Before the first segment has ended, nobody knows how long one takes.
    let run = simulate(&plan, &Plain, &costly(0.0)).unwrap();
    assert_eq!((run.end, run.seconds, run.held_seconds, run.log.len()), (End::AcceleratorTimeSpent, 3.0, 6.0, 0));
    plan.budget = Budget { wall_clock: Some(Duration::from_secs(3)), ..Budget::default() };
    let run = simulate(&plan, &Plain, &costly(0.0)).unwrap();
    assert_eq!((run.end, run.seconds, run.held_seconds, run.log.len()), (End::WallClockSpent, 3.0, 6.0, 0));
}

#[test]
fn nothing_begins_that_the_budget_would_cut_off() {
    for seconds in 10..600 {
        let limit = Some(Duration::from_secs(seconds));
        for budget in [Budget { wall_clock: limit, ..Budget::default() }, Budget { accelerator: limit, ..Budget::default() }] {
            let plan = Plan { budget, ..plan(&(0..90).collect::<Vec<_>>(), 1) };
            let run = simulate(&plan, &Plain, &costly(0.0)).unwrap();
            assert_eq!(run.held_seconds, run.trained_seconds, "{seconds}");
            let spent = if budget.accelerator.is_some() { End::AcceleratorTimeSpent } else { End::WallClockSpent };
            assert_eq!(run.end, spent, "{seconds}");
        }
    }
}

#[test]
fn the_end_of_a_budget_goes_to_trials_that_can_reach_the_leaders() {
    // The later a trial, the better it is.
    let mut plan = plan(&(0..90).collect::<Vec<_>>(), 1);
    plan.budget.accelerator = Some(Duration::from_secs(330));
    let run = simulate(&plan, &Plain, &costly(0.0)).unwrap();
    // Two trials were trained in full, as many as may be; there are 6 steps left when trial 6 is the best of rung 0. It cannot come so far
    // any more, but trial 3, which waits at rung 1, can.
    assert_eq!(log(&run)[10..], [(200.0, 5, 1), (260.0, 5, 2), (270.0, 6, 0), (330.0, 3, 2)]);
}

#[test]
fn what_cannot_be_trained_is_infeasible_after_its_start_up() {
    let run = simulate(&plan(&[-1, 5], 1), &Plain, &costly(3.0)).unwrap();
    assert_eq!(log(&run), [(3.0, 0, 0), (16.0, 1, 0)]);
    assert_eq!(run.log[0].outcome, Outcome::Infeasible);
}

#[test]
fn failed_attempts_hold_their_slot_and_are_tried_again() {
    let configurations: Vec<i64> = (0..100).collect();
    let conditions = Conditions { failure_probability: 0.3, ..costly(1.0) };
    let run = simulate(&plan(&configurations, 4), &Plain, &conditions).unwrap();
    assert_eq!(log(&run), log(&simulate(&plan(&configurations, 4), &Plain, &conditions).unwrap()));
    assert_ne!(log(&run), log(&simulate(&plan(&configurations, 4), &Plain, &Conditions { seed: 1, ..conditions }).unwrap()));
    // Failures follow each other with probability 0.3: on the average 0.3 / 0.7 for each segment that ends well.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = run.failed_attempts as f64 / run.log.len() as f64;
    assert!((share - 3.0 / 7.0).abs() < 0.1, "{share}");
    assert!(run.held_seconds > run.trained_seconds + 150.0);
}

#[test]
fn a_trial_whose_attempts_all_fail_has_failed() {
    let mut plan = plan(&[1, 2, 3, 4], 2);
    plan.max_failed_trials = Some(2);
    let conditions = Conditions { failure_probability: 1.0, attempts: 3, ..Conditions::default() };
    let run = simulate(&plan, &Plain, &conditions).unwrap();
    assert!(run.log.iter().all(|event| event.outcome == Outcome::Failed));
    assert_eq!((run.end, run.log.len(), run.trained_seconds), (End::TooManyFailed { failed: 3 }, 3, 0.0));
}

#[test]
fn a_target_ends_the_search_at_once() {
    let mut plan = plan(&(1..=20).collect::<Vec<_>>(), 1);
    // Every trial reaches it, but only full training counts.
    plan.target = Some(10.0);
    let run = simulate(&plan, &Plain, &costly(0.0)).unwrap();
    assert!(matches!(run.end, End::TargetReached { .. }));
    assert_eq!(run.full, 1);
}

#[test]
fn a_rung_that_is_not_recorded_ends_the_simulation_with_an_error() {
    let table = nas_simulation::data::nb101().unwrap();
    let mut plan = plan(&[5], 1);
    plan.sampler = Sampler::Listed(vec![table.assignment(5).unwrap()]);
    assert!(matches!(simulate(&plan, &table, &costly(0.0)), Err(LandscapeError::NoLevel { step: 1, .. })));
    assert!(matches!(
        simulate(&Plan { sampler: Sampler::Listed(vec![Assignment::new()]), ..plan }, &table, &costly(0.0)),
        Err(LandscapeError::Unknown(_))
    ));
}

#[test]
fn the_incumbent_is_the_best_seen_up_to_then() {
    let plan = plan(&[7, 6, 8], 1);
    let run = simulate(&plan, &Plain, &costly(0.0)).unwrap();
    assert_eq!(log(&run), [(10.0, 0, 0), (20.0, 1, 0), (30.0, 2, 0), (50.0, 2, 1)]);
    let at = |direction| {
        let standings = trajectory(&run, direction, &Plain, &[9.0, 10.0, 25.0, 30.0, 99.0]).unwrap();
        standings.into_iter().map(|standing| standing.map(|at| (at.trial, at.observed, at.truth))).collect::<Vec<_>>()
    };
    let (first, last) = (Some((0, 8.0, 700.0)), Some((2, 11.0, 800.0)));
    assert_eq!(at(Direction::Maximize), [None, first, first, Some((2, 9.0, 800.0)), last]);
    let second = Some((1, 7.0, 600.0));
    assert_eq!(at(Direction::Minimize), [None, first, second, second, second]);
}
