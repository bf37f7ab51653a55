//! A search of real trainers, followed while it runs.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{opened, server::Server};

/// A search of seconds: 6 trials of tiny networks, rungs of 2, 4 and 6 batches.
const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: tiny}
spec:
  space:
    darts: {operations: [skip_connect, max_pool_3x3, sep_conv_3x3]}
    parameters:
      - {name: init_channels, constant: 4}
      - {name: layers, constant: 2}
      - {name: auxiliary, constant: false}
      - {name: global_batch_size, constant: 32}
  sampler: {random: {}}
  scheduler: {asha: {eta: 2, rungs: [2, 4, 6]}}
  resource: {unit: batches, max: 6}
  maxTrials: 6
  parallelTrials: 1
  seed: 3
  trial: {data: {name: fashion-mnist}}
";

fn recorded(folder: &Path) -> Vec<Value> {
    let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let mut trials = vec![Value::Null; 6];
    for line in journal.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        if let Some(number) = entry["trial"]["spec"]["number"].as_u64() {
            trials[number as usize] = entry["trial"].clone();
        }
    }
    trials
}

#[test]
fn a_search_is_followed_to_its_end_and_every_value_is_the_recorded_one() {
    let root = tempfile::tempdir().unwrap();
    let (file, folder) = (root.path().join("tiny.yaml"), root.path().join("run"));
    fs::write(&file, EXPERIMENT).unwrap();
    let trainer = Path::new(env!("CARGO_BIN_EXE_nasctl")).with_file_name("nas-trainer");
    assert!(trainer.exists(), "{} is missing: run the tests of the whole workspace (make test)", trainer.display());
    let run = |trials: usize| {
        fs::write(&file, EXPERIMENT.replace("maxTrials: 6", &format!("maxTrials: {trials}"))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nasctl"));
        command.arg("run").arg(&file).arg("--dir").arg(&folder).arg("--trainer").arg(&trainer);
        let output = command.args(["--data-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/../data"), "--threads", "1"]).output();
        output.unwrap()
    };
    // A folder that holds no search yet is none.
    fs::create_dir(&folder).unwrap();
    let early = Command::new(env!("CARGO_BIN_EXE_nasctl")).arg("ui").arg(&folder).output().unwrap();
    assert!(!early.status.success() && String::from_utf8_lossy(&early.stderr).contains("holds no search"), "{early:?}");

    let search = std::thread::scope(|scope| {
        let search = scope.spawn(|| run(6));
        while !fs::read_to_string(folder.join("journal.jsonl")).is_ok_and(|journal| journal.contains("\"trial\"")) {
            std::thread::yield_now();
        }
        let server = Server::start(&[folder.to_str().unwrap()], "/nonexistent");
        let mut browser = opened(&server);
        // It began without an end, and comes to it by itself.
        browser.until("document.querySelector('#end').textContent.startsWith('The search ended: ')");
        browser.until("document.querySelector('#live').textContent.startsWith('The search has ended')");
        let trials = recorded(&folder);
        let shown = browser.table("#trials-list");
        assert_eq!(shown.len(), 6, "{shown:?}");
        for row in &shown {
            let trial = &trials[row[1].parse::<usize>().unwrap()];
            let last = trial["status"]["rungs"].as_array().unwrap().last().unwrap().clone();
            let steps = [2, 4, 6][last["rung"].as_u64().unwrap() as usize].to_string();
            let value = format!("{:.4}", last["value"].as_f64().unwrap());
            assert_eq!([&row[3], &row[4]], [&steps, &value], "{row:?}");
        }

        // The first of the list is the best: all about it.
        let number: usize = shown[0][1].parse().unwrap();
        let name = trials[number]["metadata"]["name"].as_str().unwrap().to_owned();
        browser.click(&format!("[data-open='{number}']"));
        browser.until(&format!("document.querySelector('#detail').dataset.trial === '{number}'"));
        assert_eq!(browser.texts("#detail [data-fact='name']"), [name.as_str()]);
        assert_eq!(browser.value("document.querySelectorAll('#detail .nas-cells').length"), 2);
        let told = Command::new(env!("CARGO_BIN_EXE_nasctl"))
            .args(["explain", folder.to_str().unwrap(), &number.to_string(), "--output", "json"])
            .output()
            .unwrap();
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let story = browser.table("#trial-story");
        assert!(!story.is_empty() && story.len() == told["events"].as_array().unwrap().len());
        for (row, event) in story.iter().zip(told["events"].as_array().unwrap()) {
            assert_eq!(
                [row[0].clone(), row[1].clone()],
                [event["outcomesSeen"].to_string(), event["what"].as_str().unwrap().into()]
            );
        }
        let segments = browser.table("#trial-segments");
        assert_eq!(segments.len(), trials[number]["status"]["segments"].as_array().unwrap().len());
        assert!(segments.iter().all(|row| row[3].ends_with('Z')), "when they ended: {segments:?}");
        // The chart was drawn of the points that the trainer wrote.
        browser.until("document.querySelector('#trial-curve').dataset.points > 0");
        let points: usize = browser.text("document.querySelector('#trial-curve').dataset.points").parse().unwrap();
        assert!(points >= 3, "{points}");
        browser.click("#read-log");
        browser.until("!document.querySelector('#trial-log pre').hidden");
        let log = fs::read_to_string(folder.join("trials").join(&name).join("trainer.log")).unwrap();
        assert_eq!(browser.text("document.querySelector('#trial-log pre').textContent"), log);
        assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
        assert_eq!(server.end(), Some(0));
        browser.until("document.querySelector('#live').textContent.includes('does not answer')");
        search.join().unwrap()
    });
    assert!(search.status.success(), "{}", String::from_utf8_lossy(&search.stderr));
}
