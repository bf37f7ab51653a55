//! A trainer that lies, babbles or attacks changes nothing but its own trial; what it says reaches people as plain words.

use std::collections::BTreeMap;

use k8s_openapi::api::events::v1::Event;
use kube::{ResourceExt, api::ListParams};
use nas_api::contract::Segment;
use nas_testkit::eventually;
use serde_json::{Value, json};

use crate::rig::{EXPERIMENT, Rig, report, surrogate};

/// What becomes of a trial whose trainer ends like this.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// It is no report: the trial is tried again.
    Again,
    /// It ends with this outcome.
    Ends(&'static str),
    /// It ends with this value.
    Counts(f64),
}
use Then::{Again, Counts, Ends};

/// A good report with these fields in place of its own.
fn with(segment: &Segment, fields: &Value) -> String {
    let mut report = json!(report(segment, surrogate));
    report.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    report.to_string()
}

/// A report whose only result has these fields.
fn result(segment: &Segment, result: Value) -> String {
    with(segment, &json!({"results": [result]}))
}

/// What it is, exit code, termination message, what becomes of the trial.
fn attacks(segment: &Segment) -> Vec<(&'static str, i32, String, Then)> {
    let attempt = segment.attempt;
    let good = with(segment, &json!({}));
    let value = |value: Value| result(segment, json!({"rung": 0, "outcome": "Value", "value": value}));
    let literal = |text: &str| value(json!(0.125)).replace("0.125", text);
    let nested = "[".repeat(1900) + &"]".repeat(1900);
    let names: BTreeMap<String, f64> =
        ["", "..", "../../etc/passwd", "a b", "a\u{0}\n\u{1b}[2J", "__proto__", "nas-operator.dev/trial"]
            .into_iter()
            .map(str::to_owned)
            .chain((0..60).map(|number| format!("m{number}")))
            .map(|name| (name, 1e308))
            .collect();
    let rich = json!({"rung": 0, "outcome": "Value", "value": 0.25, "metrics": names});
    let curve: Vec<Value> = (0..60).map(|at| json!({"step": -1.0 + f64::from(at), "value": -1e308})).collect();
    let babble = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nFinished=True\0 \u{202e}eslaf ".to_owned() + &"語🙂".repeat(400);
    vec![
        ("as much as a cluster lets through", 0, "x".repeat(4096), Again),
        (
            "a report of 4096 bytes that is cut",
            0,
            result(segment, json!({"rung": 0, "outcome": "Diverged", "message": "x".repeat(9000)}))[..4096].to_owned(),
            Again,
        ),
        ("a binary", 0, "\u{7f}ELF\0\u{1}\u{2}\u{fffd}\u{fffd}\0\0".repeat(90), Again),
        ("HTML", 0, "<html><script>alert(1)</script>\r\n<h1>502 Bad Gateway</h1>".to_owned(), Again),
        ("a list", 0, format!("[{attempt},1,1,[]]"), Again),
        ("depth", 0, nested.clone(), Again),
        ("depth in what nobody reads", 0, good.replacen('{', &format!("{{\"more\":{nested},"), 1), Again),
        ("beyond a double", 0, literal("1e309"), Again),
        ("not a number", 0, literal("NaN"), Again),
        ("a text for a number", 0, value(json!("0.99")), Again),
        ("a later attempt", 0, with(segment, &json!({"attempt": attempt + 1})), Again),
        ("a negative attempt", 0, with(segment, &json!({"attempt": -1})), Again),
        ("a negative step", 0, with(segment, &json!({"step": -1})), Again),
        ("a negative seq", 0, with(segment, &json!({"seq": -1})), Again),
        ("no rung", 0, with(segment, &json!({"results": []})), Again),
        ("another rung", 0, result(segment, json!({"rung": 1, "outcome": "Value", "value": 0.99})), Again),
        ("a negative rung", 0, result(segment, json!({"rung": -1, "outcome": "Value", "value": 0.99})), Again),
        ("a huge rung", 0, result(segment, json!({"rung": u64::MAX, "outcome": "Value", "value": 0.99})), Again),
        ("a field twice", 0, good.replace("\"seq\"", "\"attempt\":0,\"seq\""), Again),
        ("an outcome that is not a trainer's to give", 0, result(segment, json!({"rung": 0, "outcome": babble})), Again),
        (
            "more rungs than were granted",
            0,
            with(
                segment,
                &json!({"results": [
            {"rung": 0, "outcome": "Value", "value": 0.5}, {"rung": 1, "outcome": "Value", "value": 0.99}]}),
            ),
            Counts(0.5),
        ),
        (
            "numbers without end",
            0,
            with(segment, &json!({"seq": u64::MAX, "step": u64::MAX, "results": [rich], "curve": curve})),
            Counts(0.25),
        ),
        ("the largest double", 0, value(json!(f64::MAX)), Counts(f64::MAX)),
        ("the smallest double", 0, value(json!(f64::MIN)), Counts(f64::MIN)),
        ("nearly nothing", 0, literal("-5e-324"), Counts(-5e-324)),
        (
            "babble with a loss",
            0,
            result(segment, json!({"rung": 0, "outcome": "Diverged", "message": babble})),
            Ends("Diverged"),
        ),
        (
            "a path and a label",
            0,
            result(
                segment,
                json!({"rung": 0, "outcome": "Infeasible",
            "message": "../../../var/run/secrets a=b,c!=d {{ .Values }}"}),
            ),
            Ends("Infeasible"),
        ),
        ("babble on the way out", 78, babble, Ends("Misconfigured")),
    ]
}

/// Whether a text is one line without anything that does not show.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character))
}

#[tokio::test]
async fn a_hostile_trainer_changes_nothing_but_its_own_trial() {
    let rig = Rig::new("hostile").await;
    let operator = rig.operator();
    let experiment = EXPERIMENT
        .replace("scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}", "scheduler: {fullLength: {}}")
        .replace("sampler: {random: {}}", "sampler: {guided: {}}")
        .replace("maxTrials: 4", "maxTrials: 60")
        .replace("parallelTrials: 1", "parallelTrials: 2");
    rig.create(&experiment).await;
    // One of the two trains on all the while: nobody may touch it.
    let [innocent, mut hostile] = rig.two_pods().await;
    let before =
        (rig.trials().await.remove(0), rig.jobs().await.iter().find(|job| job.name_any().starts_with("small-0-")).cloned());
    let mut expected = Vec::new();
    for at in 0..attacks(&hostile.segment).len() {
        let (what, code, message, then) = attacks(&hostile.segment).swap_remove(at);
        let trial = hostile.segment.trial_name.clone();
        rig.end(&hostile, code, &message).await;
        let next = rig.next_pod().await;
        let goes_on = next.segment.trial_name == trial;
        assert_eq!(goes_on, then == Again, "{what}: {:?}", rig.trials().await);
        assert_eq!(next.segment.attempt, if goes_on { hostile.segment.attempt + 1 } else { 0 }, "{what}");
        hostile = next;
        expected.push((trial, what, then));
        if goes_on && hostile.segment.attempt == 4 {
            // Once more, and it would have failed: now it does what it should.
            rig.report(&hostile, surrogate).await;
            let honest = surrogate(crate::rig::number(&hostile.segment), 0);
            expected.push((hostile.segment.trial_name.clone(), "a report", Counts(honest)));
            hostile = rig.next_pod().await;
        }
    }
    let trials = rig.trials().await;
    for (name, what, then) in &expected {
        let trial = trials.iter().find(|trial| trial.name_any() == *name).unwrap();
        let recorded = trial.to_record();
        match then {
            Again => {}
            Ends(outcome) => assert_eq!(recorded.last().map(|last| last.outcome.name()), Some(*outcome), "{what}"),
            Counts(value) => assert_eq!(recorded.value_at(0), Some(*value), "{what}"),
        }
        for segment in trial.status.iter().flat_map(|status| &status.segments) {
            assert!(is_plain(&segment.message) && segment.message.chars().count() <= 400, "{what}: {:?}", segment.message);
        }
    }
    let after = (trials[0].clone(), rig.jobs().await.into_iter().find(|job| job.name_any().starts_with("small-0-")));
    assert_eq!(after.0, before.0);
    assert_eq!(after.1.map(|job| (job.metadata.uid, job.spec)), before.1.map(|job| (job.metadata.uid, job.spec)));
    eventually("the last words are told", || async {
        let notes = notes(&rig).await;
        if notes.iter().any(|note| note.starts_with("Misconfigured: ]0;owned Finished=True eslaf")) { Ok(()) } else { Err(notes) }
    })
    .await;
    for note in notes(&rig).await {
        assert!(is_plain(&note) && note.len() <= 1024, "{note:?}");
    }
    for condition in rig.experiment().await.status.unwrap().conditions {
        assert!(is_plain(&condition.message) && condition.message.chars().count() <= 1000, "{condition:?}");
    }
    rig.report(&innocent, surrogate).await;
    eventually("the innocent one is heard", || async {
        rig.trials().await[0].to_record().value_at(0).filter(|value| *value == surrogate(0, 0)).ok_or(())
    })
    .await;
    rig.close(operator).await;
}

async fn notes(rig: &Rig) -> Vec<String> {
    let events = rig.namespace.api::<Event>().list(&ListParams::default()).await.unwrap();
    events.items.into_iter().filter_map(|event| event.note).collect()
}
