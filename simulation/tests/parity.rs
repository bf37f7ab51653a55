//! The product's decisions under the virtual clock are those of the reference, event by event.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails by panicking, and equal means equal to the bit"
)]

use nas_search::{End, Outcome, Rungs};
use nas_simulation::{Conditions, Run, Table, data, simulate};
use reference::{Entry, Promotion, Random};
use searches::{NB101_ETA_3, NB301_ETA_3, NB301_ETA_4, WORKERS, asha, order, plan};

mod reference;
mod searches;

/// The log of a run in the reference's form; these runs have no ends without values.
fn entries(run: &Run) -> Vec<Entry> {
    let entry = |event: &nas_simulation::Event| {
        let Outcome::Value(value) = event.outcome else { panic!("{event:?}") };
        Entry { seconds: event.seconds, trial: usize::try_from(event.trial).unwrap(), step: event.step, value }
    };
    run.log.iter().map(entry).collect()
}

/// Compares both for a seed until `end` times full training, and says how many events there were.
fn compare(table: &Table, seed: u64, steps: &[u64], eta: usize, startup_seconds: f64, end: f64) -> usize {
    let seconds = end * table.full_training_seconds();
    let rows = order(table, seed, 2000);
    let conditions = Conditions { startup_seconds, until: seconds, ..Conditions::default() };
    let rungs = if eta == 1 { Rungs::full_length(table.full_length()) } else { asha(steps, eta as u64) };
    let run = simulate(&plan(table, &rows, rungs), table, &conditions).unwrap();
    let expected = if eta == 1 {
        let mut policy = Random { rows, started: 0, full: table.full_length() };
        reference::run(&mut policy, table, WORKERS, startup_seconds, seconds)
    } else {
        reference::run(&mut Promotion::new(rows, steps, eta), table, WORKERS, startup_seconds, seconds)
    };
    let found = entries(&run);
    let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    assert_eq!(differs, None, "seed {seed} eta {eta}: event {differs:?}");
    assert_eq!(found.len(), expected.len());
    assert_eq!(run.end, End::WallClockSpent);
    found.len()
}

#[test]
fn promotion_on_nb301_is_the_reference_event_by_event() {
    let table = data::nb301().unwrap();
    for seed in [0, 1, 29] {
        assert!(compare(&table, seed, NB301_ETA_3, 3, 0.0, 1.0) > 400);
        assert!(compare(&table, seed, NB301_ETA_4, 4, 0.0, 1.0) > 400);
    }
    compare(&table, 2, NB301_ETA_3, 3, 30.5, 1.0);
}

#[test]
fn promotion_on_nb101_is_the_reference_event_by_event() {
    let table = data::nb101().unwrap();
    for seed in [0, 7, 29] {
        assert!(compare(&table, seed, NB101_ETA_3, 3, 0.0, 1.0) > 100);
    }
}

#[test]
fn random_search_is_the_reference_event_by_event() {
    let [nb301, nb101] = [data::nb301().unwrap(), data::nb101().unwrap()];
    for seed in [0, 3] {
        assert!(compare(&nb301, seed, &[], 1, 0.0, 4.0) > 40);
        assert!(compare(&nb101, seed, &[], 1, 0.0, 4.0) > 40);
    }
}

/// Seed, eta, number of events and digest of logs until one full training. The original, in which they were computed, is an event
/// simulation in Python.
const NB301_DIGESTS: [(u64, u64, usize, u64); 9] = [
    (0, 3, 563, 6_673_868_929_088_887_110),
    (1, 3, 632, 7_468_299_293_556_763_977),
    (29, 3, 596, 1_008_910_456_251_077_916),
    (0, 4, 595, 3_494_234_779_739_746_080),
    (1, 4, 634, 10_210_325_363_396_766_350),
    (29, 4, 637, 11_500_044_905_163_785_350),
    (0, 1, 10, 11_125_640_984_821_462_914),
    (1, 1, 7, 12_703_216_461_638_242_405),
    (29, 1, 8, 10_869_559_586_469_851_392),
];
const NB101_DIGESTS: [(u64, u64, usize, u64); 6] = [
    (0, 3, 252, 10_946_297_682_852_994_772),
    (1, 3, 248, 7_564_639_557_985_533_110),
    (29, 3, 218, 11_872_827_055_076_103_036),
    (0, 1, 7, 7_386_545_805_363_689_637),
    (1, 1, 10, 13_638_584_385_686_928_929),
    (29, 1, 10, 9_662_401_643_327_700_752),
];

/// A polynomial over each event's time, trial, row, step and value.
fn digest(run: &Run, rows: &[usize]) -> u64 {
    let words = entries(run).into_iter().flat_map(|entry| {
        let [trial, row] = [entry.trial, rows[entry.trial]].map(|number| number as u64);
        [entry.seconds.to_bits(), trial, row, entry.step, entry.value.to_bits()]
    });
    words.fold(0, |hash, word| hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(word).wrapping_add(1))
}

#[test]
fn logs_are_those_of_the_original_to_the_last_bit() {
    let (nb301, nb101) = (data::nb301().unwrap(), data::nb101().unwrap());
    let cases = NB301_DIGESTS.map(|case| (&nb301, case)).into_iter().chain(NB101_DIGESTS.map(|case| (&nb101, case)));
    for (table, (seed, eta, events, expected)) in cases {
        let rungs = match (eta, table.full_length()) {
            (1, full) => Rungs::full_length(full),
            (3, 98) => asha(NB301_ETA_3, 3),
            (4, 98) => asha(NB301_ETA_4, 4),
            _ => asha(NB101_ETA_3, 3),
        };
        let rows = order(table, seed, 2000);
        let conditions = Conditions { until: table.full_training_seconds(), ..Conditions::default() };
        let run = simulate(&plan(table, &rows, rungs), table, &conditions).unwrap();
        assert_eq!((run.log.len(), digest(&run, &rows)), (events, expected), "seed {seed}, eta {eta}");
    }
}
