//! `nasctl simulate` as a program: what a user types, and what comes out.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod rig;

use std::{fs, path::Path};

use serde_json::Value;

/// Runs it: its exit code, stdout and stderr.
fn simulate(arguments: &[&str]) -> (i32, String, String) {
    rig::ended(rig::nasctl().arg("simulate").args(arguments))
}

fn config(name: &str) -> String {
    format!("{}/../configs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A search of one number on curves of one's own.
const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: own}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.01, max: 1.0}}, {name: layers, constant: 3}]}
  objective: {metric: loss, direction: Minimize}
  scheduler: {asha: {eta: 2, rungs: [5, 10, 20]}}
  resource: {unit: epochs, max: 20}
  maxTrials: 8
  parallelTrials: 2
  trial: {data: {name: cifar10}, accelerator: {count: 2}}
";

/// Trials whose loss falls from 2 to their number, evenly over 40 steps of a second.
fn lines(numbers: impl Iterator<Item = u32>) -> String {
    let line = |number: u32| {
        let rate = f64::from(number) / 10.0;
        format!(
            r#"{{"assignment": {{"learning_rate": {rate}}}, "seconds_per_step": 1, "curve": [{{"step": 8, "value": 2}}, {{"step": 40, "value": {rate}}}]}}"#
        )
    };
    numbers.map(|number| line(number) + "\n").collect()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn what_is_typed_wrong_ends_with_64_and_help_with_0() {
    for (typed, code, words) in [(&["--curve", "nb301"][..], 64, "--curves"), (&[], 64, "<FILE>"), (&["--help"], 0, "Examples:")]
    {
        let (ended, told, said) = simulate(typed);
        assert!(ended == code && (told + &said).contains(words), "{typed:?}: {ended}, {said}");
    }
}

#[test]
fn a_search_of_a_thousand_trials_takes_a_moment() {
    let file = config("adaptive-experiment.yaml");
    let (code, told, said) = simulate(&[&file, "--curves", "nb301", "--output", "json"]);
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_str(&told).unwrap();
    let run = &report["runs"][0];
    assert_eq!((run["seed"].as_u64(), run["end"].as_str(), run["trials"].as_u64()), (Some(42), Some("Completed"), Some(1000)));
    let results: Vec<u64> = run["rungs"].as_array().unwrap().iter().map(|rung| rung["results"].as_u64().unwrap()).collect();
    assert!(results[0] == 1000 && results[1] >= 250 && results[2] >= 62 && results[3] >= 15, "{results:?}");
    // A fraction, as experiments show it.
    let best = run["best"]["truth"].as_f64().unwrap();
    assert!((0.95..0.97).contains(&best), "{best}");
    assert_eq!(run["best"]["assignment"]["layers"], 20);
    let seen: Vec<f64> = run["incumbents"].as_array().unwrap().iter().map(|one| one["value"].as_f64().unwrap()).collect();
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");

    let (_, again, _) = simulate(&[&file, "--curves", "nb301", "--output", "json"]);
    assert_eq!(told, again, "the same command says the same");
    let (_, told, _) = simulate(&[&file, "--curves", "nb301"]);
    for words in ["accelerator hours", "rungs [4, 18, 75, 300] are at 1, 5, 24, 98", "times as much", "normal cell"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn more_workers_take_less_time_and_repeats_have_errors() {
    let file = config("adaptive-experiment.yaml");
    let run = |more: &[&str]| {
        let (code, told, said) = simulate(&[&[&*file, "--curves", "nb301", "--output", "json"], more].concat());
        assert_eq!(code, 0, "{said}");
        serde_json::from_str::<Value>(&told).unwrap()
    };
    let hours = |report: &Value, field: &str| report["runs"][0][field].as_f64().unwrap();
    let [few, many] = [run(&["--workers", "8"]), run(&["--workers", "64"])];
    assert!(hours(&few, "wallClockHours") > 3.0 * hours(&many, "wallClockHours"));
    let slow = run(&["--startup", "10m", "--failures", "0.1", "--workers", "8"]);
    assert!(hours(&slow, "acceleratorHours") > hours(&few, "acceleratorHours") + 1000.0 / 6.0);
    assert!(slow["runs"][0]["failedAttempts"].as_u64().unwrap() > 50);
    let scaled = run(&["--workers", "8", "--full-hours", "16.45"]);
    assert!(hours(&scaled, "wallClockHours") > 9.0 * hours(&few, "wallClockHours"));
    let repeated = run(&["--repeat", "3", "--seed", "5"]);
    let seeds: Vec<u64> = repeated["runs"].as_array().unwrap().iter().map(|run| run["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [5, 6, 7]);
    assert!(repeated["mean"]["truth"]["error"].as_f64().unwrap() > 0.0);
}

#[test]
fn curves_of_ones_own_are_searched_in_the_order_of_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "own.yaml", EXPERIMENT);
    // The last is outside the space.
    let curves = write(folder.path(), "own.jsonl", &lines(1..=11));
    let (code, told, said) = simulate(&[&file, "--curves", &curves, "--output", "json"]);
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_str(&told).unwrap();
    let run = &report["runs"][0];
    assert_eq!((run["end"].as_str(), run["trials"].as_u64()), (Some("Completed"), Some(8)));
    // The best of those that were tried is found: their order is the same at each length. Two accelerators for each trial.
    let best = run["best"]["value"].as_f64().unwrap();
    assert!((0.1..=0.3).contains(&best), "{best}");
    assert!(run["acceleratorHours"].as_f64().unwrap() > 2.0 * (8.0 * 10.0 / 3600.0));
    let notes = report["notes"].to_string();
    for words in ["10 of 11 fit", "rungs [5, 10, 20] are at 10.0, 20.0, 40.0", "play no part: layers"] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
}

#[test]
fn what_does_not_go_together_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let own = write(folder.path(), "own.yaml", EXPERIMENT);
    let early = write(folder.path(), "early.yaml", &EXPERIMENT.replace("[5, 10, 20]", "[1, 10, 20]"));
    let good = write(folder.path(), "good.jsonl", &lines(1..=9));
    let other = write(folder.path(), "other.jsonl", &lines(1..=9).replace("learning_rate", "rate"));
    let wrong = write(folder.path(), "wrong.jsonl", &lines(1..=9).replace("\"value\": 0.4", "\"value\": null"));
    let accuracy =
        write(folder.path(), "acc.yaml", &EXPERIMENT.replace("{metric: loss, direction: Minimize}", "{metric: accuracy}"));
    let (quickstart, adaptive) = (config("quickstart.yaml"), config("adaptive-experiment.yaml"));
    let text = fs::read_to_string(&adaptive).unwrap();
    let with_none = write(folder.path(), "none.yaml", &text.replace("operations: [", "operations: [none, "));
    for (file, curves, words) in [
        (&quickstart, "nb301", "searches learning_rate"),
        (&own, "nb301", "spec.objective.metric is loss"),
        (&accuracy, "nb301", "searches learning_rate"),
        (&adaptive, "nb101", "the experiment searches normal_node1_edge1"),
        (&with_none, "nb301", "may be none, of which there are no curves: use max_pool_3x3, avg_pool_3x3"),
        (&own, &other, "line 1 has no learning_rate in its assignment"),
        (&own, &wrong, "line 4: curve[1].value must be a number"),
        (&early, &good, "line 1: curve begins at step 8, but rung 0 (1) is at 2.0"),
        (&own, "no/such.jsonl", "no/such.jsonl: No such file"),
    ] {
        let (code, _, said) = simulate(&[file, "--curves", curves]);
        assert!(code == 65 && said.contains(words), "{file} {curves} {code}: {said}");
    }
}

#[test]
fn a_warm_start_that_is_not_simulated_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(config("adaptive-experiment.yaml")).unwrap();
    let warm = text.replacen("  sampler: {random: {}}", "  sampler: {guided: {}}\n  warmStart: {experiments: [earlier]}", 1);
    assert_ne!(warm, text);
    let (code, told, said) = simulate(&[&write(folder.path(), "warm.yaml", &warm), "--curves", "nb301"]);
    assert!(code == 0 && told.contains("spec.warmStart plays no part"), "{said}{told}");
}

#[test]
fn the_page_of_a_simulated_search_says_that_nothing_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "own.yaml", EXPERIMENT);
    let curves = write(folder.path(), "own.jsonl", &lines(1..=11));
    let page = folder.path().join("own.html").display().to_string();
    let (code, told, said) = simulate(&[&file, "--curves", &curves, "--report", &page, "--output", "json"]);
    assert!(code == 0 && said.contains("The report of 8 trials is in"), "{said}");
    let run: Value = serde_json::from_str(&told).unwrap();
    let page = fs::read_to_string(&page).unwrap();
    let json = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(json).unwrap();
    assert!(data["simulated"].as_str().unwrap().contains("nothing was trained"), "{}", data["simulated"]);
    assert_eq!(data["best"]["value"], run["runs"][0]["best"]["value"]);
    assert_eq!(data["end"]["reason"], "Completed");
    let results = |rungs: &Value, name: &str| rungs.as_array().unwrap().iter().map(|rung| rung[name].clone()).collect::<Vec<_>>();
    assert_eq!(results(&data["rungs"], "entries"), results(&run["runs"][0]["rungs"], "results"));
    // Every result has its time, and the segments are all that was spent.
    let hours = [&data["spent"]["hours"], &run["runs"][0]["acceleratorHours"]].map(|hours| hours.as_f64().unwrap());
    assert!((hours[0] - hours[1]).abs() < 1e-3 * hours[1], "{hours:?}");
    assert!(data["progress"]["wallClock"].as_array().unwrap().iter().all(Value::is_number));
}

#[test]
fn several_objectives_end_in_a_front() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(config("constrained-adaptive-experiment.yaml")).unwrap();
    let with = |metric: &str| {
        let objective = format!("  objective: {{additional: [{{metric: {metric}, direction: Minimize}}]}}\n  maxTrials: 200 #");
        assert!(text.contains("  maxTrials:"));
        write(folder.path(), &format!("{metric}.yaml"), &text.replacen("  maxTrials:", &objective, 1))
    };
    let (code, told, said) = simulate(&[&with("params"), "--curves", "nb301"]);
    assert_eq!(code, 0, "{said}");
    let mut rows = told.lines().skip_while(|line| !line.contains("The best trade-offs")).skip(2);
    let row = |line: &str| -> Option<(f64, f64)> {
        let numbers: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        (numbers.len() == 3).then(|| (numbers[1], numbers[2]))
    };
    let mut front: Vec<(f64, f64)> = rows.by_ref().map_while(row).collect();
    assert!(front.len() > 2, "{told}");
    // Whoever is better has more parameters.
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(front.windows(2).all(|pair| pair[0].1 < pair[1].1), "{told}");
    let (code, _, said) = simulate(&[&with("latency"), "--curves", "nb301"]);
    assert!(code != 0 && said.contains("latency") && said.contains("additional"), "{said}");
}
