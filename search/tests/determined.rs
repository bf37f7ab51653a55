//! The compatibility mode against recorded traces of the original's searcher, draw by draw and event by event.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use nas_search::determined::{Action, AdaptiveAsha, EarlyExit, Mode, PromotionAsha, RandomState, StoppingAsha, preview};
use serde_json::{Value, json};

mod traces;

use traces::{golden, settings};

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
