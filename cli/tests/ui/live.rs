//! A search of real trainers, followed while it runs.

use std::fs;

use serde_json::Value;

use crate::{
    opened,
    rig::{NETWORKS, Run, ended, nasctl, told},
    server::Server,
};

#[test]
fn a_search_is_followed_to_its_end_and_every_value_is_the_recorded_one() {
    let run = Run::trained(&NETWORKS.replace(", evaluateEvery: 0", ""));
    let folder = run.path("run");
    // A folder that holds no search yet is none.
    fs::create_dir(&folder).unwrap();
    let (code, said) = told(&mut run.verb("ui", &[]));
    assert!(code != 0 && said.contains("holds no search"), "{code}: {said}");

    let mut search = run.spawn(&[]);
    run.until("the first trial", |run| !run.trials().is_empty());
    let server = Server::start(&[folder.to_str().unwrap()], "/nonexistent");
    let mut browser = opened(&server);
    // It began without an end, and comes to it by itself.
    browser.until("document.querySelector('#end').textContent.startsWith('The search ended: ')");
    browser.until("document.querySelector('#live').textContent.startsWith('The search has ended')");
    let trials = run.trials();
    let shown = browser.table("#trials-list");
    assert_eq!(shown.len(), 6, "{shown:?}");
    for row in &shown {
        let trial = &trials[&format!("tiny-{}", row[1])];
        let last = trial["status"]["rungs"].as_array().unwrap().last().unwrap().clone();
        let steps = [2, 4, 6][last["rung"].as_u64().unwrap() as usize].to_string();
        let value = format!("{:.4}", last["value"].as_f64().unwrap());
        assert_eq!([&row[3], &row[4]], [&steps, &value], "{row:?}");
    }

    // The first of the list is the best: all about it.
    let number = &shown[0][1];
    let name = format!("tiny-{number}");
    browser.click(&format!("[data-open='{number}']"));
    browser.until(&format!("document.querySelector('#detail').dataset.trial === '{number}'"));
    assert_eq!(browser.texts("#detail [data-fact='name']"), [name.as_str()]);
    assert_eq!(browser.value("document.querySelectorAll('#detail .nas-cells').length"), 2);
    let (_, told, _) = ended(nasctl().arg("explain").arg(&folder).args([number.as_str(), "--output", "json"]));
    let told: Value = serde_json::from_str(&told).unwrap();
    let story = browser.table("#trial-story");
    assert!(!story.is_empty() && story.len() == told["events"].as_array().unwrap().len());
    for (row, event) in story.iter().zip(told["events"].as_array().unwrap()) {
        assert_eq!([row[0].clone(), row[1].clone()], [event["outcomesSeen"].to_string(), event["what"].as_str().unwrap().into()]);
    }
    let segments = browser.table("#trial-segments");
    assert_eq!(segments.len(), trials[&name]["status"]["segments"].as_array().unwrap().len());
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
    assert!(search.wait().unwrap().success(), "{}", fs::read_to_string(run.path("said")).unwrap());
}
