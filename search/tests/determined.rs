//! The compatibility mode against recorded traces of the original's searcher (`golden/`: made by an independent implementation of its
//! rules, which agrees with the expectations of the original's own tests).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, VecDeque};

use nas_search::determined::{
    Action, AdaptiveAsha, AshaSettings, EarlyExit, Mode, PromotionAsha, RandomState, StoppingAsha, preview,
};
use serde_json::{Value, json};

fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn settings(config: &Value) -> AshaSettings {
    let number = |names: &[&str]| names.iter().find_map(|name| config[*name].as_u64()).unwrap();
    AshaSettings {
        rungs: number(&["num_rungs"]) as usize,
        max_trials: number(&["max_trials"]),
        divisor: config["divisor"].as_f64().unwrap(),
        max_length: number(&["max_time", "max_length"]),
        max_concurrent_trials: number(&["max_concurrent_trials"]),
        smaller_is_better: config["smaller_is_better"].as_bool().unwrap(),
    }
}

#[test]
fn the_generator_is_numpys() {
    let golden = golden("nprand.json");
    let from = |seed| RandomState::new(seed);
    let list = |draw: &mut dyn FnMut() -> Value, name: &str| {
        let expected = golden[name].as_array().unwrap();
        let drawn: Vec<Value> = expected.iter().map(|_| draw()).collect();
        assert_eq!(&drawn, expected, "{name}");
    };
    let mut random = from(42);
    list(&mut || json!(random.bits32()), "bits32");
    let mut random = from(42);
    list(&mut || json!(random.bounded(9)), "intn10");
    let mut random = from(42);
    list(&mut || json!(random.unit()), "unit");
    let mut random = from(42);
    list(&mut || json!(random.uniform(-1.0, 3.0)), "uniform_-1_3");
    let mut random = from(42);
    list(&mut || json!([random.request_id(), random.bounded((1 << 31) - 1)]), "request_id_then_seed");
    let mut random = from(42);
    assert_eq!(json!([random.bounded(0), random.bits32()]), golden["intn1_consumes_nothing"]);
    let mut random = from(42);
    list(&mut || json!(random.bounded((1 << 60) - 11)), "int64_below_2^60-10");
    let mut random = from(999);
    assert_eq!([(); 3].map(|()| random.bounded((1 << 31) - 1)), [1_303_213_504, 648_491_356, 118_207_333]);
    assert_eq!(from(1).unit(), 0.417_022_004_702_574);
    let mut random = from(0);
    list(&mut || json!(random.bits32()), "seed0_bits32");
}

#[test]
fn brackets_and_previews_are_the_originals() {
    for case in golden("searcher_traces.json")["brackets"].as_array().unwrap() {
        let number = |name: &str| case[name].as_u64().unwrap();
        let adaptive = AdaptiveAsha {
            mode: match case["mode"].as_str().unwrap() {
                "aggressive" => Mode::Aggressive,
                "standard" => Mode::Standard,
                _ => Mode::Conservative,
            },
            max_rungs: number("max_rungs") as usize,
            divisor: case["divisor"].as_f64().unwrap(),
            max_trials: number("max_trials"),
            max_length: number("max_time"),
            max_concurrent_trials: number("max_concurrent_trials"),
            smaller_is_better: true,
        };
        let brackets = adaptive.brackets();
        let found: Vec<Value> = brackets
            .iter()
            .map(|bracket| {
                json!({
                    "num_rungs": bracket.rungs, "max_trials": bracket.max_trials,
                    "max_concurrent_trials": bracket.max_concurrent_trials, "rung_units": bracket.lengths(),
                })
            })
            .collect();
        assert_eq!(json!(found), case["brackets"], "{case}");
        let ends: BTreeMap<String, u64> =
            preview(&brackets).into_iter().map(|(length, trials)| (length.to_string(), trials)).collect();
        assert_eq!(json!(ends), case["preview"], "{case}");
    }
}

/// Actions as the traces write them.
fn written(actions: &[Action]) -> Value {
    let write = |action: &Action| match action {
        Action::Create(trial) => json!(["create", trial]),
        Action::ValidateAfter(trial, length) => json!(["validate_after", trial, length]),
        Action::Stop(trial) => json!(["stop", trial]),
        Action::Close(trial) => json!(["close", trial]),
    };
    actions.iter().map(write).collect()
}

fn exit(word: &Value) -> EarlyExit {
    if word == "INVALID_HP" { EarlyExit::InvalidHp } else { EarlyExit::Other }
}

/// The rungs, where trials are and the progress, as the traces have them.
fn state(rungs: &Value, rung_of: &BTreeMap<u64, usize>, progress: f64) -> Value {
    let rung_of: BTreeMap<String, usize> = rung_of.iter().map(|(trial, rung)| (trial.to_string(), *rung)).collect();
    json!({"rungs": rungs, "trial_rungs": rung_of, "progress": progress})
}

fn expected(step: &Value) -> Value {
    let after = &step["after"];
    json!({"rungs": after["rungs"], "trial_rungs": after["trial_rungs"], "progress": after["progress"]})
}

#[test]
fn the_scripted_trace_of_stopping_is_followed() {
    let script = &golden("searcher_traces.json")["scripted"]["head_stopping"];
    let mut search = StoppingAsha::new(settings(&script["config"]));
    let steps = script["steps"].as_array().unwrap();
    let (last, steps) = steps.split_last().unwrap();
    let mut take = |step: &Value| {
        let event = &step["event"];
        let trial = event[1].as_u64().unwrap_or_default();
        let actions = match event[0].as_str().unwrap() {
            "initial" => search.begin(),
            "validation" => search.validated(trial, event[2].as_u64().unwrap(), event[3].as_f64().unwrap()),
            "exited_early" => search.exited_early(trial, exit(&event[2])),
            _ => {
                search.exited();
                Vec::new()
            }
        };
        (written(&actions), state(&json!(search.rungs()), search.rung_of(), search.progress()))
    };
    let mut before = Value::Null;
    for step in steps {
        let (actions, after) = take(step);
        assert_eq!((&actions, &after), (&step["actions"], &expected(step)), "{}", step["event"]);
        before = after;
    }
    // The last step is a report of a trial that was stopped. The original takes it in again and creates one trial more; here it is ignored.
    assert_eq!(last["actions"], json!([["stop", 4], ["create", 8]]));
    assert_eq!(take(last), (json!([]), before));
}

#[test]
fn the_scripted_trace_of_promotion_is_followed() {
    let script = &golden("searcher_traces.json")["scripted"]["legacy_promotion"];
    let mut search = PromotionAsha::new(settings(&script["config"]));
    for step in script["steps"].as_array().unwrap() {
        let event = &step["event"];
        let trial = event[1].as_u64().unwrap_or_default();
        let actions = match event[0].as_str().unwrap() {
            "initial" => search.begin(),
            "validation" => search.validated(trial, event[2].as_f64().unwrap()),
            "exited_early" => search.exited_early(trial, exit(&event[2])),
            _ => {
                search.exited();
                Vec::new()
            }
        };
        let entries = |rung: &[nas_search::determined::Entry]| -> Value {
            rung.iter().map(|entry| json!([entry.trial, entry.metric, entry.promoted])).collect()
        };
        let rungs: Value = search.rungs().map(entries).collect();
        let after = state(&rungs, search.rung_of(), search.progress());
        assert_eq!((&written(&actions), &after), (&step["actions"], &expected(step)), "{event}");
    }
}

/// The metric of a trial in the simulations: uniform in [-1, 1), by a hash.
fn metric(trial: u64) -> f64 {
    let mut z = ((9 << 32) | trial).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / 9_007_199_254_740_992.0 * 2.0 - 1.0
}

/// What a simulation ended with, as the golden file has it.
fn outcome(lengths: &[u64], trained: &BTreeMap<u64, u64>, sizes: &[usize], progress: f64) -> Value {
    let mut ends: BTreeMap<String, u64> = lengths.iter().map(|length| (length.to_string(), 0)).collect();
    for length in trained.values() {
        *ends.get_mut(&length.to_string()).unwrap() += 1;
    }
    ends.retain(|_, trials| *trials > 0);
    json!({"trials": trained.len(), "final_length_counts": ends, "rung_sizes": sizes, "progress": progress})
}

fn stopping(settings: AshaSettings) -> Value {
    let mut search = StoppingAsha::new(settings);
    let lengths = settings.lengths();
    let mut trained = BTreeMap::new();
    let created = |actions: Vec<Action>| {
        actions.into_iter().filter_map(|action| if let Action::Create(trial) = action { Some(trial) } else { None })
    };
    let mut running: VecDeque<u64> = created(search.begin()).collect();
    while let Some(trial) = running.pop_front() {
        let length = lengths[search.rung_of()[&trial]];
        trained.insert(trial, length);
        let actions = search.validated(trial, length, metric(trial));
        if actions.contains(&Action::Stop(trial)) {
            search.exited();
        } else {
            running.push_back(trial);
        }
        running.extend(created(actions));
    }
    let sizes: Vec<usize> = search.rungs().iter().map(Vec::len).collect();
    outcome(&lengths, &trained, &sizes, search.progress())
}

fn promotion(settings: AshaSettings) -> Value {
    let mut search = PromotionAsha::new(settings);
    let mut trained = BTreeMap::new();
    let mut operations: VecDeque<Action> = search.begin().into();
    while let Some(operation) = operations.pop_front() {
        match operation {
            Action::ValidateAfter(trial, length) => {
                trained.insert(trial, length);
                operations.extend(search.validated(trial, metric(trial)));
            }
            Action::Close(_) => search.exited(),
            Action::Create(_) | Action::Stop(_) => {}
        }
    }
    let sizes: Vec<usize> = search.rungs().map(<[_]>::len).collect();
    outcome(&settings.lengths(), &trained, &sizes, search.progress())
}

#[test]
fn whole_searches_end_as_the_originals_did() {
    let sorted = |value: &Value| {
        let mut value = value.clone();
        value["final_length_counts"].as_object_mut().unwrap().retain(|_, trials| trials != 0);
        value
    };
    for case in golden("searcher_traces.json")["full_simulations"].as_array().unwrap() {
        let settings = settings(case);
        assert_eq!(json!(settings.lengths()), case["rung_units"]);
        let stopped = stopping(settings);
        assert_eq!(stopped, sorted(&case["head_stopping"]), "stopping: {case}");
        // The option `stop_once` of the versions before counts the same.
        assert_eq!(stopped, sorted(&case["legacy_stop_once"]), "stop_once: {case}");
        assert_eq!(promotion(settings), sorted(&case["legacy_promotion"]), "promotion: {case}");
    }
}

/// What each trial is trained to, in order; `true`: its process ends early on the last of them.
type Trained = (Vec<u64>, bool);

/// A search: what it shows, whether smaller is better, the metric of each trial, who ends early on which of its lengths, what each trains.
type Case<'a> = (&'a str, bool, &'a [f64], &'a [(u64, usize)], &'a [Vec<u64>]);

/// Promotion with fixed metrics, as the original's own tests drive it: operations one after the other, first come first served.
fn promotion_by_values(settings: AshaSettings, values: &[f64], early: &[(u64, usize)]) -> Vec<Trained> {
    let mut search = PromotionAsha::new(settings);
    let mut trained = vec![(Vec::new(), false); values.len()];
    let mut operations: VecDeque<Action> = search.begin().into();
    while let Some(operation) = operations.pop_front() {
        match operation {
            Action::ValidateAfter(trial, length) => {
                let (lengths, ended) = &mut trained[trial as usize];
                lengths.push(length);
                *ended = early.contains(&(trial, lengths.len()));
                let next = if *ended {
                    search.exited();
                    search.exited_early(trial, EarlyExit::Other)
                } else {
                    search.validated(trial, values[trial as usize])
                };
                operations.extend(next);
            }
            Action::Close(_) => search.exited(),
            Action::Create(_) | Action::Stop(_) => {}
        }
    }
    assert_eq!(search.progress(), 1.0);
    trained
}

#[test]
fn promotion_trains_what_the_originals_own_tests_expect() {
    let settings = |smaller_is_better| AshaSettings {
        rungs: 3,
        max_trials: 12,
        divisor: 3.0,
        max_length: 9000,
        max_concurrent_trials: 16,
        smaller_is_better,
    };
    let all = [1000, 3000, 9000];
    let list = |rungs: &[usize]| -> Vec<Vec<u64>> { rungs.iter().map(|rungs| all[..*rungs].to_vec()).collect() };
    let rising: Vec<f64> = (1..=12).map(|number| f64::from(number) / 100.0).collect();
    let falling: Vec<f64> = rising.iter().rev().copied().collect();
    let late = [0.10, 0.11, 0.12, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09];
    let best_first = list(&[3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
    let best_late = list(&[2, 1, 1, 3, 2, 2, 2, 1, 1, 1, 1, 1]);
    let cases: [Case<'_>; 5] = [
        ("smaller", true, &rising, &[], &best_first),
        ("smaller, one ends early", true, &rising, &[(2, 2)], &best_first),
        ("larger", false, &falling, &[], &best_first),
        ("larger, one ends early", false, &falling, &[(2, 2)], &best_first),
        ("the best come late", true, &late, &[(2, 1)], &best_late),
    ];
    for (name, smaller, values, early, expected) in cases {
        let trained = promotion_by_values(settings(smaller), values, early);
        let lengths: Vec<_> = trained.iter().map(|(lengths, _)| lengths.clone()).collect();
        assert_eq!(lengths, expected, "{name}");
        for (trial, (_, ended)) in trained.iter().enumerate() {
            assert_eq!(*ended, early.iter().any(|(early, _)| *early == trial as u64), "{name}, trial {trial}");
        }
    }
    let one_rung = AshaSettings { rungs: 1, max_trials: 4, ..settings(true) };
    let trained = promotion_by_values(one_rung, &[0.05, 0.06, 0.07, 0.08], &[]);
    assert!(trained.iter().all(|(lengths, _)| lengths == &[9000]));
}

#[test]
fn stopping_trains_what_the_originals_own_tests_expect() {
    let settings = AshaSettings {
        rungs: 3,
        max_trials: 10,
        divisor: 3.0,
        max_length: 900,
        max_concurrent_trials: 3,
        smaller_is_better: true,
    };
    // Trials in the order of their creation, each validated every 100 until it is stopped; the metric is a counter.
    let run = |sign: f64| {
        let mut search = StoppingAsha::new(settings);
        let mut waiting: VecDeque<Action> = search.begin().into();
        let (mut counter, mut ends) = (0.0, BTreeMap::<u64, u32>::new());
        while let Some(Action::Create(trial)) = waiting.pop_front() {
            for length in (0..=900).step_by(100) {
                counter += sign;
                let actions = search.validated(trial, length, counter);
                waiting.extend(actions.iter().filter(|action| matches!(action, Action::Create(_))));
                if actions.contains(&Action::Stop(trial)) {
                    *ends.entry(length).or_default() += 1;
                    break;
                }
            }
            search.exited();
        }
        ends
    };
    assert_eq!(run(1.0), BTreeMap::from([(100, 9), (900, 1)]));
    assert_eq!(run(-1.0), BTreeMap::from([(900, 10)]));

    let first = |metric: f64| {
        let mut search = StoppingAsha::new(AshaSettings { max_length: 9, ..settings });
        search.begin();
        assert_eq!(search.validated(0, 1, 0.5), []);
        (search.validated(1, 1, metric), search.rungs()[0].clone(), search.rung_of()[&1])
    };
    assert_eq!(first(0.4), (vec![], vec![(1, 0.4), (0, 0.5)], 1));
    assert_eq!(first(0.6), (vec![Action::Stop(1), Action::Create(3)], vec![(0, 0.5), (1, 0.6)], 0));
    // What is no number is the worst, and does not disturb the order.
    assert_eq!(first(f64::NAN).1, [(0, 0.5), (1, f64::MAX)]);
}

#[test]
fn trials_and_slots_are_split_as_in_the_originals_own_tests() {
    let adaptive = |mode, max_trials, divisor, max_rungs, max_length, slots| {
        let adaptive = AdaptiveAsha {
            mode,
            max_rungs,
            divisor,
            max_trials,
            max_length,
            max_concurrent_trials: slots,
            smaller_is_better: true,
        };
        let brackets = adaptive.brackets();
        brackets.iter().map(|bracket| (bracket.rungs, bracket.max_trials, bracket.max_concurrent_trials)).collect::<Vec<_>>()
    };
    assert_eq!(adaptive(Mode::Standard, 10, 4.0, 5, 100, 2), [(2, 7, 1), (1, 3, 1)]);
    assert_eq!(adaptive(Mode::Conservative, 10, 3.0, 5, 1000, 5), [(3, 7, 2), (2, 2, 2), (1, 1, 1)]);
    assert_eq!(adaptive(Mode::Conservative, 20, 3.0, 3, 1000, 11), [(3, 12, 4), (2, 5, 4), (1, 3, 3)]);
    assert_eq!(adaptive(Mode::Standard, 1, 4.0, 5, 100, 16), [(1, 1, 16)]);
    let sizes = |mode, rungs: usize| adaptive(mode, 1 << 20, 2.0, rungs, 1 << 20, 0).iter().map(|b| b.0).collect::<Vec<_>>();
    assert_eq!(
        [1, 2, 3, 4, 5].map(|rungs| sizes(Mode::Standard, rungs)),
        [vec![1], vec![2, 1], vec![3, 2], vec![4, 3, 2], vec![5, 4, 3]]
    );
    assert_eq!(sizes(Mode::Conservative, 4), [4, 3, 2, 1]);
    assert_eq!(sizes(Mode::Aggressive, 4), [4]);
}
