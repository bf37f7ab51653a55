//! What could be reached on the landscape with interactions, if more were known than can be: `docs/results/ceiling.md`, by `make ceiling`.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use nas_search::{
    Assignment, Budget, Direction, EarlierTrial, Guided, GuidedSettings, Index, Plan, Sampler, Scalar, Trial, best_estimate,
    sample,
};
use nas_simulation::{Conditions, Field, Interactions, Landscape, LandscapeError, Pairs, Run, Surrogate, simulate, trajectory};

use crate::{
    measure::{HORIZON, mean, on_all_cores, real},
    policies::{EPOCHS, learning, reseeded},
};

/// Shares of the variance that stay additive.
const SHARES: [f64; 2] = [0.4, 0.2];
/// Each seed has a field of its own, from this on: nothing was chosen with them.
const FIRST: u64 = 300;
/// When the incumbents are looked at, in mean full trainings.
const AT: f64 = 1.0;
/// Configurations on whose mean curve, and whose sum of parts, an oracle rests; and how many of them it is told as evidence.
const TYPICAL: usize = 200;
const PARTS: u64 = 2000;
const TOLD: usize = 300;
/// Rounds of fitting the parts one after the other.
const ROUNDS: usize = 30;

/// What a training shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// A run with its noise.
    Run,
    /// The mean of many runs.
    Mean,
    /// At each length the mean curve of all, shifted by what this one is worth at the end.
    End,
}

/// How a row searches.
struct Row {
    name: &'static str,
    sampler: fn() -> Sampler,
    /// The place of the first rung.
    first: usize,
    shows: Shows,
    /// The sum of parts that fits the end best is known before the search.
    knows_parts: bool,
    knows_its_end: bool,
    /// When it is looked at.
    at: f64,
}

fn guided(vary: fn(GuidedSettings) -> GuidedSettings) -> Sampler {
    Sampler::Guided(Guided { settings: vary(GuidedSettings::default()), ..Guided::default() })
}

/// What others are measured against, then what can be done, then what cannot.
fn rows() -> [Row; 12] {
    let row =
        |name, sampler| Row { name, sampler, first: 1, shows: Shows::Run, knows_parts: false, knows_its_end: false, at: AT };
    let product = || guided(|product| product);
    let quota = || guided(|product| GuidedSettings { quota: 200, ..product });
    [
        row("the product's settings, rungs from 3", product),
        row("a quota of 2 / eta", quota),
        Row { knows_its_end: true, ..row("it knows when it ends", product) },
        Row {
            first: 0,
            ..row("rungs from 1, begins there", || guided(|product| GuidedSettings { learned_first_rung: false, ..product }))
        },
        Row { shows: Shows::Mean, ..row("oracle: trainings have no noise", product) },
        Row { shows: Shows::Mean, ..row("oracle: trainings have no noise; a quota of 2 / eta", quota) },
        Row { knows_parts: true, ..row("oracle: the additive part is known before", product) },
        Row { knows_parts: true, ..row("oracle: the additive part is known before; a quota of 2 / eta", quota) },
        Row { shows: Shows::End, ..row("oracle: short trainings show the end", product) },
        Row { shows: Shows::End, knows_parts: true, ..row("oracle: both", product) },
        Row { first: 0, at: HORIZON, ..row("ASHA, rungs from 1, at 4 T_R", || Sampler::Random) },
        Row { at: HORIZON, ..row("ASHA, rungs from 3, at 4 T_R", || Sampler::Random) },
    ]
}

/// An architecture as an oracle shows it.
struct Shown<'a> {
    of: &'a Interactions<'a>,
    shows: Shows,
    typical: &'a BTreeMap<u64, f64>,
}

impl Landscape for Shown<'_> {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        match self.shows {
            Shows::Run => self.of.observed(assignment, step),
            Shows::Mean => self.of.expected(assignment, step),
            Shows::End => {
                let typical = |step| self.typical.get(&step).copied().unwrap_or_default();
                Ok(typical(step) - typical(EPOCHS[EPOCHS.len() - 1]) + self.of.truth(assignment)?)
            }
        }
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        self.of.seconds(assignment, from, to)
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        self.of.truth(assignment)
    }
}

/// What all searches of a seed share: the landscape, and what oracles tell of it.
struct Made {
    seed: u64,
    field: Field,
    /// The mean curve.
    typical: BTreeMap<u64, f64>,
    /// Earlier trials that follow the sum of parts.
    told: Vec<EarlierTrial>,
}

impl Made {
    fn new(surrogate: &Surrogate, seed: u64, share: f64) -> Result<Self, LandscapeError> {
        let field = Field::new(surrogate, seed, share)?;
        let landscape = Interactions::new(reseeded(surrogate, seed), &field);
        let some = drawn(PARTS)?;
        let mut typical = BTreeMap::new();
        for epoch in EPOCHS {
            let shown = some[..TYPICAL].iter().map(|one| landscape.expected(one, epoch)).collect::<Result<Vec<f64>, _>>()?;
            typical.insert(epoch, mean(shown.into_iter()).0);
        }
        let told = parts(&some, &landscape)?;
        Ok(Self { seed, field, typical, told })
    }
}

/// What came of one search.
struct Found {
    /// True accuracy of the trial with the best value so far, of the one that the model names, of the best with 81 epochs, and of the best of all.
    incumbent: f64,
    named: Option<f64>,
    deep: Option<f64>,
    any: f64,
    /// Trials with a result, with 27 and with 81 epochs.
    trials: usize,
    of_27: usize,
    of_81: usize,
    /// Mean length of a full training of its trials, in mean full trainings of the table.
    length: f64,
}

fn search(row: &Row, made: &Made, surrogate: &Surrogate) -> Result<Found, LandscapeError> {
    let unit = surrogate.table().full_training_seconds();
    let mut plan = learning(made.seed, Pairs::space(), (row.sampler)(), &EPOCHS[row.first..]);
    if row.knows_its_end {
        plan.budget = Budget { wall_clock: Some(Duration::from_secs_f64(row.at * unit)), ..Budget::default() };
    }
    if row.knows_parts {
        plan.learn_from(&made.told);
    }
    let of = Interactions::new(reseeded(surrogate, made.seed), &made.field);
    let landscape = Shown { of: &of, shows: row.shows, typical: &made.typical };
    let run = simulate(&plan, &landscape, &Conditions { until: row.at * unit, ..Conditions::default() })?;
    found(&plan, &run, &landscape, row.at, unit)
}

fn found(plan: &Plan, run: &Run, landscape: &Shown<'_>, at: f64, unit: f64) -> Result<Found, LandscapeError> {
    let standing = trajectory(run, Direction::Maximize, landscape, &[at * unit])?;
    let reached = |epochs: u64| {
        let has = move |trial: &&Trial| trial.recorded.last().is_some_and(|last| plan.rungs.steps()[last.rung] >= epochs);
        run.index.trials().filter(has).map(|trial| landscape.truth(&trial.assignment)).collect::<Result<Vec<f64>, _>>()
    };
    let best = |truths: &[f64]| truths.iter().copied().reduce(f64::max);
    let named = best_estimate(plan, &run.index).and_then(|estimate| run.index.trial(estimate.trial));
    let (all, of_27, of_81) = (reached(0)?, reached(27)?, reached(81)?);
    let full = EPOCHS[EPOCHS.len() - 1];
    let lengths =
        run.index.trials().map(|trial| landscape.seconds(&trial.assignment, 0, full)).collect::<Result<Vec<f64>, _>>()?;
    Ok(Found {
        incumbent: standing.first().copied().flatten().map_or(f64::NAN, |standing| standing.truth),
        named: named.map(|trial| landscape.truth(&trial.assignment)).transpose()?,
        deep: best(&of_81),
        any: best(&all).unwrap_or(f64::NAN),
        trials: all.len(),
        of_27: of_27.len(),
        of_81: of_81.len(),
        length: mean(lengths.into_iter()).0 / unit,
    })
}

/// Configurations at random, the same for all searches.
fn drawn(count: u64) -> Result<Vec<Assignment>, LandscapeError> {
    let plan = learning(u64::MAX, Pairs::space(), Sampler::Random, &EPOCHS);
    let index = Index::new(plan.direction, &plan.rungs);
    let draw = |number| sample(&plan, &index, &[], number).map(|sample| sample.assignment);
    (0..count).map(|number| draw(number).map_err(|_| LandscapeError::Unknown(Assignment::new()))).collect()
}

/// What the sum of parts that fits the truth best says of some of these configurations: the same after each length.
fn parts(some: &[Assignment], landscape: &impl Landscape) -> Result<Vec<EarlierTrial>, LandscapeError> {
    let mut members: BTreeMap<(&str, String), Vec<usize>> = BTreeMap::new();
    for (at, assignment) in some.iter().enumerate() {
        for (name, value) in assignment {
            let value = if let Scalar::Text(text) = value { text.to_string() } else { format!("{value:?}") };
            members.entry((&**name, value)).or_default().push(at);
        }
    }
    let truths = some.iter().map(|one| landscape.truth(one)).collect::<Result<Vec<f64>, _>>()?;
    let centre = mean(truths.iter().copied()).0;
    let mut left: Vec<f64> = truths.iter().map(|truth| truth - centre).collect();
    for _ in 0..ROUNDS {
        for part in members.values() {
            let effect = part.iter().map(|at| left[*at]).sum::<f64>() / real(part.len());
            for at in part {
                left[*at] -= effect;
            }
        }
    }
    let shares = EPOCHS.map(|epochs| real(usize::try_from(epochs).unwrap_or_default()) / real(98));
    let told = truths.iter().zip(left).zip(some).take(TOLD);
    Ok(told
        .map(|((truth, left), assignment)| EarlierTrial {
            assignment: assignment.clone(),
            curve: shares.map(|share| (share, Some(truth - left))).to_vec(),
        })
        .collect())
}

/// The whole page.
pub(crate) fn page(surrogate: &Surrogate, seeds: usize) -> Result<String, LandscapeError> {
    let mut text = format!(
        "# What could be reached where parts interact\n\n\
        Made by `make ceiling`, which writes the same bytes each time; [search.md](search.md) says how searches are simulated and what the interactions are.\n\
        Seeds {FIRST} to {}, each with a field and noise of its own; nothing was chosen with them. Rungs begin at 3 epochs where a row does not say otherwise.\n\n\
        A cell is the mean true accuracy in percent ± its standard error, at one full training of time (`T_R`): of the incumbent (the best value so far, at whatever rung), of\n\
        the trial that the model names, of the best trial that was trained for 81 epochs or more, and of the best of all trials that have a result. The last two are what a\n\
        perfect judge would name (-: some seed has no such trial). What is won is won by the incumbent, seed by seed. *Length* is the mean full training of the trials, in `T_R`: a trial\n\
        that has come to 81 epochs by then was begun in about the first quarter of the time.\n\n\
        An oracle is told what nobody can know: the mean of many trainings instead of one; the sum of parts that fits the true accuracies best ({TOLD} made-up earlier trials that\n\
        follow it); or, after each length, what an architecture is worth in the end.\n",
        FIRST + seeds as u64 - 1
    );
    for share in SHARES {
        let made = on_all_cores(seeds, |seed| Made::new(surrogate, FIRST + seed as u64, share));
        let made = made.into_iter().collect::<Result<Vec<Made>, _>>()?;
        let rows = rows();
        let found = on_all_cores(rows.len() * seeds, |job| {
            if job.is_multiple_of(seeds) {
                eprintln!("{share}: {}", rows[job / seeds].name);
            }
            search(&rows[job / seeds], &made[job % seeds], surrogate)
        });
        let found = found.into_iter().collect::<Result<Vec<Found>, _>>()?;
        let _ = write!(
            text,
            "\n## A share of {share} is additive\n\n\
            | search | incumbent | won | named by the model | best with 81 epochs | best of all | trials | 27 epochs | 81 epochs | length |\n\
            |---|---|---|---|---|---|---|---|---|---|\n"
        );
        for (row, own) in rows.iter().zip(found.chunks(seeds)) {
            let _ = writeln!(text, "{}", line(row, own, &found[..seeds]));
        }
    }
    Ok(text)
}

fn line(row: &Row, own: &[Found], base: &[Found]) -> String {
    let cell = |truths: Vec<Option<f64>>| {
        // A mean over some of the seeds would be of the better ones.
        let all: Option<Vec<f64>> = truths.into_iter().collect();
        let (mean, error) = all.map_or((f64::NAN, 0.0), |all| mean(all.into_iter()));
        if mean.is_nan() { "-".to_owned() } else { format!("{mean:.3} ± {error:.3}") }
    };
    let count = |of: fn(&Found) -> usize| mean(own.iter().map(|found| real(of(found)))).0;
    let (gain, error) = mean(own.iter().zip(base).map(|(own, base)| own.incumbent - base.incumbent));
    let won = if std::ptr::eq(own, base) { "-".to_owned() } else { format!("{gain:+.3} ± {error:.3}") };
    format!(
        "| {} | {} | {won} | {} | {} | {} | {:.0} | {:.0} | {:.1} | {:.2} |",
        row.name,
        cell(own.iter().map(|found| Some(found.incumbent)).collect()),
        cell(own.iter().map(|found| found.named).collect()),
        cell(own.iter().map(|found| found.deep).collect()),
        cell(own.iter().map(|found| Some(found.any)).collect()),
        count(|found| found.trials),
        count(|found| found.of_27),
        count(|found| found.of_81),
        mean(own.iter().map(|found| found.length)).0,
    )
}
