//! Configurations at random, as a function of the seed and the trial's number.

use super::{NoSample, Sample};
use crate::{Assignment, Checker, Plan, Verdict, random::RandomStream};

/// Rejected draws after which a space counts as empty: a space of which less is allowed than 1 in 100,000 is not one to search at random.
pub const MAX_DRAWS: u32 = 100_000;

/// Draws that only repeat earlier trials, after which a repeat is taken: what is left of the space is too small to be found.
const MAX_REPEATS: u32 = 1000;

/// The first draw `(seed, number, retry)` that satisfies all rules and that `is_taken` does not know, for retry 0, 1, 2, ...
///
/// `distinct` is the number of different configurations that are taken: where that is the whole space, repeats are allowed.
pub(crate) fn draw(
    plan: &Plan,
    checker: &Checker<'_>,
    number: u64,
    distinct: usize,
    is_taken: impl Fn(&Assignment) -> bool,
) -> Result<Sample, NoSample> {
    draw_while(plan, checker, number, distinct, is_taken, || true)
}

/// The first trial's draw where nothing is known yet, as long as `may_go_on` says so: slow rules must not hold up whoever asks whether a space is
/// empty.
///
/// # Errors
///
/// Which rule rejected how many of the draws that were made.
pub fn first_draw(plan: &Plan, may_go_on: impl FnMut() -> bool) -> Result<Sample, NoSample> {
    draw_while(plan, &plan.constraints.checker(), 0, 0, |_| false, may_go_on)
}

fn draw_while(
    plan: &Plan,
    checker: &Checker<'_>,
    number: u64,
    distinct: usize,
    is_taken: impl Fn(&Assignment) -> bool,
    mut may_go_on: impl FnMut() -> bool,
) -> Result<Sample, NoSample> {
    let exhausted = plan.space.cardinality().is_some_and(|cardinality| cardinality <= distinct as u64);
    let mut failure = NoSample::default();
    let mut rejected = 0;
    let mut repeats = 0;
    let mut repeat = None;
    for retry in 0..MAX_DRAWS {
        if !may_go_on() {
            break;
        }
        let assignment = plan.space.draw(&mut RandomStream::of_draw(plan.seed, number, retry));
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
            Verdict::Violated(rule) | Verdict::Broken(rule, _) => {
                rejected += 1;
                *failure.rejected.entry(rule).or_default() += 1;
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
        let assignment = plan.space.draw(&mut RandomStream::of_draw(plan.seed, u64::MAX, retry));
        match checker.check(&assignment) {
            Verdict::Satisfied => {}
            Verdict::Violated(rule) => rejected[rule] += 1,
            Verdict::Broken(rule, reason) => return Err((rule, reason)),
        }
    }
    Ok(rejected)
}
