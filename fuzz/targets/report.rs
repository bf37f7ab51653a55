//! However a trainer ends and whatever it leaves as its report: what is concluded fits the process, a report reads back as itself, and
//! `status.reported` hides nothing of its trial.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use nas_api::{
    Conclusion, MAX_ATTEMPTS, Process,
    contract::{Exit, MAX_MESSAGE_BYTES, Report},
    objects::{NasTrialStatus, ReportedStatus},
};
use nas_search::Outcome;
use serde_json::{Value, json};

const ATTEMPT: u32 = 2;
const RUNGS: u8 = 16;

/// The rung to reach, rungs recorded, ends counted and the exit code, each a byte, and then the message.
fn seeds() -> impl Iterator<Item = Vec<u8>> {
    let result = |rung: usize, outcome: &str| json!({"rung": rung, "outcome": outcome, "message": "words"});
    let value =
        |rung: usize| json!({"rung": rung, "outcome": "Value", "value": 0.625, "metrics": {"loss": 1.5, "top5_accuracy": 0.9}});
    let report = |results: Vec<Value>| {
        let curve: Vec<Value> = (1..4).map(|step| json!({"step": f64::from(step) * 12.5, "value": 0.5})).collect();
        json!({"attempt": ATTEMPT, "seq": 7, "step": 180, "results": results, "curve": curve}).to_string()
    };
    let messages = [
        report(vec![value(0)]),
        report((0..4).map(value).collect()),
        report(vec![value(0), result(1, "Diverged")]),
        report(vec![result(0, "Infeasible")]),
        "CUDA error: out of memory".to_owned(),
        String::new(),
    ];
    let heads = [[0, 0, 0, 0], [3, 1, 0, 0], [3, 0, 4, 0], [1, 1, 0, 71], [1, 0, 4, 1], [0, 0, 0, 65], [0, 0, 0, 143]];
    messages.into_iter().flat_map(move |message| heads.map(|head| [&head[..], message.as_bytes()].concat()))
}

fuzz_target!(init: nas_fuzz::seeds(seeds()), |bytes: &[u8]| -> Corpus {
    let [target, recorded, counted, exit, message @ ..] = bytes else { return Corpus::Reject };
    let Ok(message) = str::from_utf8(message) else { return Corpus::Reject };
    let target_rung = usize::from(target % RUNGS);
    let recorded = usize::from(*recorded).min(target_rung);
    let process = Process { attempt: ATTEMPT, target_rung, recorded, counted: usize::from(*counted) % MAX_ATTEMPTS };
    let exit = Exit::from_code(i32::from(*exit));
    let concluded = process.conclude(exit, message);
    fits(&process, &concluded.conclusion);
    assert!(concluded.report.is_none() || exit == Exit::Reported);
    if let Some(report) = concluded.report {
        reads_back(&report, target_rung);
        is_within_the_schema(report.into());
    }
    if let Ok(reported) = serde_json::from_str::<Value>(message) {
        hides_nothing(reported);
    }
    Corpus::Keep
});

fn fits(process: &Process, conclusion: &Conclusion) {
    let words = conclusion.message();
    assert!(words.lines().count() <= 1, "{words:?}");
    match conclusion {
        Conclusion::Record { ends, .. } => {
            assert!(ends.iter().map(|end| end.rung).eq(process.recorded..process.recorded + ends.len()), "{ends:?}");
            let (last, earlier) = ends.split_last().expect("what is recorded ends somewhere");
            assert!(last.rung <= process.target_rung, "{ends:?}");
            assert!(earlier.iter().all(|end| matches!(end.outcome, Outcome::Value(_))), "{ends:?}");
            assert!(!ends.iter().any(|end| matches!(end.outcome, Outcome::Value(value) if !value.is_finite())), "{ends:?}");
        }
        Conclusion::Again { counted, .. } => assert!(!counted || process.counted + 1 < MAX_ATTEMPTS, "it would go on for ever"),
    }
}

/// Its results do, and the rest once it is as short as a message must be.
fn reads_back(report: &Report, target_rung: usize) {
    let read = |message: &str| Report::from_message(message, ATTEMPT, target_rung).expect("a report that was written");
    let message = report.to_message();
    assert!(message.len() <= MAX_MESSAGE_BYTES, "{} bytes", message.len());
    let again = read(&message);
    let results =
        |report: &Report| report.results.iter().map(|result| (result.rung, result.outcome, result.value)).collect::<Vec<_>>();
    assert_eq!(results(&again), results(report));
    assert_eq!((again.seq, again.step), (report.seq, report.step));
    assert_eq!(again.to_message(), message);
    assert_eq!(read(&again.to_message()), again);
}

fn is_within_the_schema(reported: ReportedStatus) {
    assert!(reported.results.len() <= usize::from(RUNGS) && reported.curve.len() <= 32);
    assert!(reported.results.iter().all(|result| result.metrics.len() <= 32));
    assert!([reported.seq, reported.step].iter().all(|number| (0..=1 << 53).contains(number)));
    let written = serde_json::to_string(&reported).expect("a status can be written");
    assert_eq!(serde_json::from_str::<ReportedStatus>(&written).expect("a status that was written"), reported);
}

fn hides_nothing(reported: Value) {
    let rung = json!({"rung": 0, "outcome": "Value", "value": 0.5, "decisionSeq": 1});
    let status: NasTrialStatus =
        serde_json::from_value(json!({"reported": reported, "rungs": [rung]})).expect("a trial that can be read");
    assert_eq!(status.rungs.len(), 1);
}
