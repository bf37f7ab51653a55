//! Runs all searches on all cores, and what their incumbents were worth.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use nas_search::{Budget, Plan};
use nas_simulation::{Conditions, LandscapeError, Standing, simulate, trajectory};

use crate::policies::{Benchmark, Policy};

/// Times of the tables, in mean full trainings.
pub(crate) const TIMES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// How long each search runs.
pub(crate) const HORIZON: f64 = 4.0;

/// Points of a curve for each doubling of the time, and doublings.
const POINTS: u32 = 8;
const DOUBLINGS: u32 = 6;

/// One search.
struct Search {
    /// The incumbent at each of `TIMES`, then at each of [`curve_times`].
    standings: Vec<Option<Standing>>,
    trials: u64,
    full: usize,
}

/// What a policy does on the average of its seeds.
pub(crate) struct Measured {
    /// The policy.
    pub(crate) name: &'static str,
    /// At each of [`TIMES`]; `None`: some search has observed nothing yet.
    pub(crate) at: Vec<Option<Point>>,
    /// Time and mean true accuracy, where every search has observed something.
    pub(crate) curve: Vec<(f64, f64)>,
    /// Trials that a search started.
    pub(crate) trials: f64,
    /// Trials that it trained in full.
    pub(crate) full: f64,
    /// What was won over the first policy at each of [`TIMES`], with the standard error of the differences at equal seeds.
    pub(crate) gain: Vec<Option<(f64, f64)>>,
}

/// Incumbents at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// The mean of what was observed of them.
    pub(crate) observed: f64,
    /// The mean of what they are worth.
    pub(crate) truth: f64,
    /// Its standard error.
    pub(crate) error: f64,
}

/// Times of a curve, ascending to the horizon.
fn curve_times() -> impl Iterator<Item = f64> {
    (0..=POINTS * DOUBLINGS).rev().map(|point| HORIZON * libm::exp2(-f64::from(point) / f64::from(POINTS)))
}

/// Every policy of every benchmark, over seeds from 0 on.
pub(crate) fn measure(benchmarks: &[Benchmark], seeds: usize) -> Result<Vec<Vec<Measured>>, LandscapeError> {
    let policies: Vec<(&Benchmark, &Policy)> =
        benchmarks.iter().flat_map(|benchmark| benchmark.policies.iter().map(move |policy| (benchmark, policy))).collect();
    let searches = on_all_cores(policies.len() * seeds, |job| {
        let (benchmark, policy) = policies[job / seeds];
        if job.is_multiple_of(seeds) {
            eprintln!("{}: {}", benchmark.id, policy.name);
        }
        search(benchmark, policy, (job % seeds) as u64)
    });
    let searches = searches.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut rest = searches.as_slice();
    Ok(benchmarks
        .iter()
        .map(|benchmark| {
            let (own, others) = rest.split_at(seeds * benchmark.policies.len());
            rest = others;
            let policies = benchmark.policies.iter().zip(own.chunks(seeds));
            policies.map(|(policy, searches)| summary(policy, searches, &own[..seeds])).collect()
        })
        .collect())
}

/// The results of so many jobs, in their order.
pub(crate) fn on_all_cores<T: Send>(jobs: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= jobs {
                return done;
            }
            done.push((at, job(at)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut results = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect::<Vec<_>>()
    });
    // The order in which cores were free must not show.
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn search(benchmark: &Benchmark, policy: &Policy, seed: u64) -> Result<Search, LandscapeError> {
    let plan = (policy.plan)(seed);
    let landscape = (policy.landscape)(seed);
    let unit = (benchmark.unit)(seed);
    let conditions = Conditions { until: HORIZON * unit, ..Conditions::default() };
    let run = simulate(&plan, landscape.as_ref(), &conditions)?;
    let at = |times: Vec<f64>| {
        let seconds: Vec<f64> = times.into_iter().map(|time| time * unit).collect();
        trajectory(&run, plan.direction, landscape.as_ref(), &seconds)
    };
    let mut standings = at(TIMES.to_vec())?;
    if policy.knows_its_end {
        for (standing, time) in standings.iter_mut().zip(TIMES) {
            let budget = Budget { wall_clock: Some(Duration::from_secs_f64(time * unit)), ..Budget::default() };
            let plan = Plan { budget, ..(policy.plan)(seed) };
            let run = simulate(&plan, landscape.as_ref(), &Conditions::default())?;
            *standing = trajectory(&run, plan.direction, landscape.as_ref(), &[time * unit])?[0];
        }
    }
    standings.extend(at(curve_times().collect())?);
    Ok(Search { standings, trials: run.index.created(), full: run.full })
}

fn summary(policy: &Policy, searches: &[Search], base: &[Search]) -> Measured {
    let standings = |at: usize| searches.iter().map(|search| search.standings[at]).collect::<Option<Vec<Standing>>>();
    let point = |at: usize| {
        let standings = standings(at)?;
        let (observed, _) = mean(standings.iter().map(|standing| standing.observed));
        let (truth, error) = mean(standings.iter().map(|standing| standing.truth));
        Some(Point { observed, truth, error })
    };
    let gain = |at: usize| {
        let pairs = searches.iter().zip(base);
        let differences = pairs.map(|(own, base)| Some(own.standings[at]?.truth - base.standings[at]?.truth));
        differences.collect::<Option<Vec<f64>>>().map(|differences| mean(differences.into_iter()))
    };
    let curve = curve_times().enumerate().filter_map(|(place, time)| Some((time, point(TIMES.len() + place)?.truth)));
    Measured {
        name: policy.name,
        at: (0..TIMES.len()).map(point).collect(),
        curve: curve.collect(),
        trials: mean(searches.iter().map(|search| real(usize::try_from(search.trials).unwrap_or(usize::MAX)))).0,
        full: mean(searches.iter().map(|search| real(search.full))).0,
        gain: (0..TIMES.len()).map(gain).collect(),
    }
}

/// Mean and standard error.
pub(crate) fn mean(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = real(values.clone().count());
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0).max(1.0) / count).sqrt())
}

/// A count as a number.
pub(crate) fn real(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
