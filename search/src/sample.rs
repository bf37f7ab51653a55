//! Sampling: the next configuration, as a function of the seed and the trial's number.

use std::collections::BTreeMap;

use crate::{Assignment, Plan, Sampler, Verdict, random::Words};

/// Rejected draws after which a space counts as empty: a space of which less is allowed than 1 in 100,000 is not one to search at random.
pub const MAX_DRAWS: u32 = 100_000;

/// Draws that only repeat earlier trials, after which a repeat is taken: what is left of the space is too small to be found.
const MAX_REPEATS: u32 = 1000;

/// A configuration for a new trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The configuration.
    pub assignment: Assignment,
    /// Draws that a rule rejected before it.
    pub rejected: u32,
    /// Draws that repeated an earlier trial before it.
    pub repeats: u32,
}

/// No configuration was found: which rule rejected how many draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSample {
    /// Draws made.
    pub draws: u32,
    /// Rejected draws by rule.
    pub rejected: BTreeMap<usize, u32>,
    /// The first rule that could not be evaluated, and why.
    pub broken: Option<(usize, String)>,
}

impl NoSample {
    /// The rule that rejected most.
    pub fn worst_rule(&self) -> Option<usize> {
        self.rejected.iter().max_by_key(|(rule, count)| (**count, std::cmp::Reverse(**rule))).map(|(rule, _)| *rule)
    }
}

/// The configuration of trial `number`. On a grid or a list: the point of that number. At random: the first draw `(seed, number, retry)` that
/// satisfies all rules and that `is_taken` does not know, for retry 0, 1, 2, ...
///
/// `distinct` is the number of different configurations that are taken: where that is the whole space, repeats are allowed.
pub fn sample(plan: &Plan, number: u64, distinct: usize, is_taken: impl Fn(&Assignment) -> bool) -> Result<Sample, NoSample> {
    let given = |found: Option<Assignment>| {
        let sample = found.map(|assignment| Sample { assignment, rejected: 0, repeats: 0 });
        sample.ok_or(NoSample { draws: 0, rejected: BTreeMap::new(), broken: None })
    };
    match &plan.sampler {
        Sampler::Random => {}
        Sampler::Grid(grid) => return given(grid.assignment(&plan.space, number)),
        Sampler::Listed(list) => return given(usize::try_from(number).ok().and_then(|number| list.get(number)).cloned()),
    }
    let checker = plan.constraints.checker();
    let exhausted = plan.space.cardinality().is_some_and(|cardinality| cardinality <= distinct as u64);
    let mut failure = NoSample { draws: 0, rejected: BTreeMap::new(), broken: None };
    let mut rejected = 0;
    let mut repeats = 0;
    let mut repeat = None;
    for retry in 0..MAX_DRAWS {
        let assignment = plan.space.draw(&mut Words::of_draw(plan.seed, number, retry));
        failure.draws += 1;
        match checker.check(&assignment) {
            Verdict::Satisfied if exhausted || !is_taken(&assignment) => return Ok(Sample { assignment, rejected, repeats }),
            Verdict::Satisfied => {
                repeats += 1;
                repeat.get_or_insert(assignment);
                if repeats == MAX_REPEATS {
                    break;
                }
            }
            Verdict::Violated(rule) => {
                rejected += 1;
                *failure.rejected.entry(rule).or_default() += 1;
            }
            Verdict::Broken(rule, reason) => {
                rejected += 1;
                *failure.rejected.entry(rule).or_default() += 1;
                failure.broken.get_or_insert((rule, reason));
            }
        }
    }
    match repeat {
        Some(assignment) => Ok(Sample { assignment, rejected, repeats }),
        None => Err(failure),
    }
}

/// How many of `draws` draws each rule rejects first, by rule.
///
/// # Errors
///
/// The first rule that cannot be evaluated, with the reason.
pub fn rejections(plan: &Plan, draws: u32) -> Result<Vec<u32>, (usize, String)> {
    let checker = plan.constraints.checker();
    let mut rejected = vec![0; plan.constraints.len()];
    for retry in 0..draws {
        // Draws of a trial that no search creates: statistics of a space never show a trial of it.
        let assignment = plan.space.draw(&mut Words::of_draw(plan.seed, u64::MAX, retry));
        match checker.check(&assignment) {
            Verdict::Satisfied => {}
            Verdict::Violated(rule) => rejected[rule] += 1,
            Verdict::Broken(rule, reason) => return Err((rule, reason)),
        }
    }
    Ok(rejected)
}
