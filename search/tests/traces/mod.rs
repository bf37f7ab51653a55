//! The recorded traces of the original's searcher (`golden/`: made by an independent implementation of its rules, which agrees with the
//! expectations of the original's own tests).

use nas_search::determined::AshaSettings;
use serde_json::Value;

/// A golden file.
pub(crate) fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The settings of a search in it.
pub(crate) fn settings(config: &Value) -> AshaSettings {
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
