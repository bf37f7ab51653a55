//! The JSON schema of a report and what the starter reads agree: no document that the schema refuses counts as a report.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use boon::{Compiler, Schemas};
use nas_api::contract::Report;
use schemars::schema_for;
use serde_json::{Value, json};

/// Whether the schema accepts each document.
fn accepted(documents: &[Value]) -> Vec<bool> {
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource("report", schema_for!(Report).to_value()).unwrap();
    let schema = compiler.compile("report", &mut schemas).unwrap();
    documents.iter().map(|document| schemas.validate(document, schema).is_ok()).collect()
}

/// Whether the starter takes each document as the report of attempt 2 to rung 0.
fn read(documents: &[Value]) -> Vec<bool> {
    documents.iter().map(|document| Report::from_message(&document.to_string(), 2, 0).is_ok()).collect()
}

#[test]
fn a_report_is_one_for_both() {
    let good = [
        json!({"attempt": 2, "seq": 1, "step": 20, "results": [{"rung": 0, "outcome": "Value", "value": 0.5}]}),
        json!({"attempt": 2, "seq": 1, "step": 20, "results": [{"rung": 0, "outcome": "Value", "value": 1}], "curve": []}),
        json!({"attempt": 2, "seq": 1, "step": 20, "curve": [{"step": 2.5, "value": 0.25}],
            "results": [{"rung": 0, "outcome": "Value", "value": 0.5, "metrics": {"loss": 1.25}, "message": "fine"}]}),
        json!({"attempt": 2, "seq": 1, "step": 3, "results": [{"rung": 0, "outcome": "Diverged", "message": "the loss is NaN"}]}),
        json!({"attempt": 2, "seq": 1, "step": 0, "results": [{"rung": 0, "outcome": "Infeasible", "value": null}]}),
        // What a trainer adds for itself disturbs nobody.
        json!({"attempt": 2, "seq": 1, "step": 20, "results": [{"rung": 0, "outcome": "Value", "value": 0.5}], "host": "a"}),
    ];
    assert_eq!(accepted(&good), [true; 6]);
    assert_eq!(read(&good), [true; 6]);
}

#[test]
fn what_the_schema_refuses_is_no_report() {
    let result = |result: Value| json!({"attempt": 2, "seq": 1, "step": 20, "results": [result]});
    let value = json!({"rung": 0, "outcome": "Value", "value": 0.5});
    let bad = [
        json!("done"),
        json!([]),
        json!({}),
        json!({"seq": 1, "step": 20, "results": [value]}),
        json!({"attempt": 2, "step": 20, "results": [value]}),
        json!({"attempt": 2, "seq": 1, "results": [value]}),
        json!({"attempt": 2, "seq": 1, "step": 20}),
        json!({"attempt": 2, "seq": 1, "step": 20, "results": []}),
        json!({"attempt": "2", "seq": 1, "step": 20, "results": [value]}),
        json!({"attempt": 2, "seq": -1, "step": 20, "results": [value]}),
        json!({"attempt": 2, "seq": 1, "step": 20.5, "results": [value]}),
        json!({"attempt": 2, "seq": 1, "step": 20, "results": {"0": 0.5}}),
        json!({"attempt": 2, "seq": 1, "step": 20, "results": [value], "curve": [0.5]}),
        json!({"attempt": 2, "seq": 1, "step": 20, "results": [value], "curve": [{"step": 20}]}),
        // Serde would read these four.
        json!([2, 1, 20, [value]]),
        json!({"attempt": 2, "seq": 1, "step": 20, "results": [value], "curve": [[20, 0.5]]}),
        result(json!([0, "Value", 0.5])),
        result(json!({"rung": 0, "outcome": {"Value": null}, "value": 0.5})),
        result(json!({"outcome": "Value", "value": 0.5})),
        result(json!({"rung": 0, "value": 0.5})),
        result(json!({"rung": 0, "outcome": "value", "value": 0.5})),
        result(json!({"rung": 0, "outcome": "Value"})),
        result(json!({"rung": 0, "outcome": "Value", "value": null})),
        result(json!({"rung": 0, "outcome": "Value", "value": "0.5"})),
        result(json!({"rung": 0, "outcome": "Diverged", "value": 0.5})),
        result(json!({"rung": 0, "outcome": "Failed"})),
        result(json!({"rung": 0, "outcome": "Value", "value": 0.5, "metrics": {"loss": "low"}})),
        result(json!({"rung": 0, "outcome": "Value", "value": 0.5, "message": 7})),
    ];
    assert_eq!(accepted(&bad), [false; 28]);
    assert_eq!(read(&bad), [false; 28]);
}
