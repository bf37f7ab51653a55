//! The definitions on a real API server: what it refuses, what it lets through, and what people see.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[path = "../../api/tests/bad/mod.rs"]
mod bad;
mod rig;

use std::{fs, path::Path, process::Command};

use kube::{
    Api, Error,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use nas_api::{
    objects::{NasExperiment, NasTrial},
    read_experiment,
};
use nas_testkit::{Cluster, Programs, eventually};
use rig::Rig;
use serde_json::{Value, json};

const QUICKSTART: &str = include_str!("../../configs/quickstart.yaml");

fn configs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// `kubectl` with these arguments in a namespace; its output, whatever the exit code.
fn kubectl(rig: &Rig, arguments: &[&str], input: Option<&str>) -> (bool, String) {
    let mut command = Command::new(Programs::find().unwrap().path("kubectl"));
    command.arg("--kubeconfig").arg(Cluster::shared().kubeconfig()).args(["--namespace", &rig.namespace.name]).args(arguments);
    let file = tempfile(input.unwrap_or_default());
    if input.is_some() {
        command.args(["-f", &file]);
    }
    let output = command.output().unwrap();
    let _ = fs::remove_file(file);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn tempfile(text: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("nas-definitions-{}-{}.yaml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn the_experiments_that_come_along_are_accepted_by_the_server_as_by_nasctl() {
    let rig = Rig::new("configs").await;
    for (path, text) in configs() {
        let here = read_experiment(&text).unwrap().experiment;
        let (accepted, said) = kubectl(&rig, &["apply"], Some(&text));
        assert!(accepted, "{path}: {said}");
        let there: NasExperiment = rig.namespace.api().get(here.metadata.name.as_ref().unwrap()).await.unwrap();
        assert_eq!(there.spec, here.spec, "{path}: the server defaults as nasctl does");
        assert!(there.validate().is_ok(), "{path}");
        // Once more: nothing has changed.
        assert!(kubectl(&rig, &["apply"], Some(&text)).1.contains("unchanged"), "{path}");
    }
}

#[tokio::test]
async fn each_bad_file_is_refused_by_the_server_or_by_the_operator() {
    let rig = Rig::new("bad").await;
    let operator = rig.operator();
    let resource = ApiResource::erase::<NasExperiment>(&());
    let raw: Api<DynamicObject> = Api::namespaced_with(rig.namespace.client.clone(), &rig.namespace.name, &resource);
    let mut by_server = 0;
    for (what, from, to, path, _) in bad::BAD {
        if *what == "YAML 1.1" {
            // kubectl reads `no` as false, which is what its author meant; nasctl asks for clear words.
            continue;
        }
        let text = QUICKSTART.replacen(from, to, 1);
        let (accepted, said) = kubectl(&rig, &["create"], Some(&text));
        if !accepted {
            by_server += 1;
            continue;
        }
        let message = eventually(&format!("{what}: {said}"), || async {
            let object = raw.get("quickstart").await.unwrap();
            let conditions = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
            let refused = conditions.as_array().into_iter().flatten().find(|c| c["type"] == "Accepted" && c["status"] == "False");
            refused.map(|condition| condition["message"].as_str().unwrap().to_owned()).ok_or(object)
        })
        .await;
        assert!(message.contains(path) || message.contains("cannot read it"), "{what}: {message}");
        raw.delete("quickstart", &kube::api::DeleteParams::default()).await.unwrap();
        eventually("it is gone", || async { raw.get_opt("quickstart").await.unwrap().map_or(Ok(()), Err) }).await;
    }
    assert!(by_server >= 18, "{by_server}");
    operator.stop().await;
}

#[tokio::test]
async fn an_experiment_may_change_only_where_a_search_can_follow() {
    let rig = Rig::new("edits").await;
    rig.create(rig::EXPERIMENT).await;
    let api = rig.namespace.api::<NasExperiment>();
    let edit = async |spec: Value| {
        api.patch("small", &PatchParams::default(), &Patch::Merge(json!({"spec": spec}))).await.map_err(|error| error.to_string())
    };
    for allowed in [
        json!({"parallelTrials": 4}),
        json!({"budget": {"gpuHours": 7, "wallClock": "2h"}}),
        json!({"target": 0.9}),
        json!({"suspend": true}),
        json!({"maxFailedTrials": 3}),
        json!({"maxTrials": 5}),
        json!({"retention": {"checkpoints": "Best"}}),
    ] {
        assert!(edit(allowed.clone()).await.is_ok(), "{allowed}");
    }
    for refused in [
        json!({"seed": 8}),
        json!({"objective": {"metric": "loss"}}),
        json!({"space": {"parameters": [{"name": "layers", "constant": 3}]}}),
        json!({"scheduler": {"asha": {"eta": 3}}}),
        json!({"resource": {"max": 8}}),
        json!({"trial": {"data": {"name": "cifar100"}}}),
        json!({"trial": {"timeLimit": "1h"}}),
        json!({"constraints": [{"rule": "hp.layers == 2"}]}),
        json!({"confirm": {"topK": 1, "seeds": 3}}),
        json!({"sampler": {"random": null, "grid": {}}}),
        json!({"warmStart": {"experiments": ["earlier"]}}),
        json!({"maxInfeasibleTrials": 7}),
    ] {
        let said = edit(refused.clone()).await.unwrap_err();
        assert!(said.contains("create a new experiment"), "{refused}: {said}");
    }
    // What is created counts; a status write that leaves maxTrials alone passes.
    let status = json!({"status": {"trials": {"created": 4, "running": 0, "completed": 0, "retired": 0, "infeasible": 1, "diverged": 0,
        "outOfMemory": 0, "failed": 0, "misconfigured": 0, "cancelled": 0}}});
    api.patch_status("small", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    assert!(edit(json!({"maxTrials": 3})).await.is_ok());
    assert!(edit(json!({"maxTrials": 2})).await.unwrap_err().contains("maxTrials must not go below"));
    // A point of a grid that turns out infeasible is not replaced, and counts.
    let grid = rig::EXPERIMENT
        .replace("name: small", "name: points")
        .replace("sampler: {random: {}}", "sampler: {grid: {}}")
        .replace("scale: Log}", "scale: Log, count: 5}");
    rig.create(&grid).await;
    api.patch_status("points", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    let lower = Patch::Merge(json!({"spec": {"maxTrials": 3}}));
    let said = api.patch("points", &PatchParams::default(), &lower).await.unwrap_err().to_string();
    assert!(said.contains("maxTrials must not go below"), "{said}");
}

#[tokio::test]
async fn what_was_decided_and_recorded_about_a_trial_cannot_be_taken_back() {
    let rig = Rig::new("facts").await;
    let trial = json!({
        "apiVersion": "nas-operator.dev/v1alpha1", "kind": "NasTrial", "metadata": {"name": "small-0"},
        "spec": {"experiment": "small", "number": 0, "assignment": {"a": 1, "b": 0.5, "c": "x", "d": true}, "seed": 1, "bracket": 0, "attempt": 1,
            "targetRung": 0, "grants": [{"rung": 0, "view": {"decisionSeq": 0, "count": 0, "digest": "0000000000000000"}, "reason": "new"}],
            "stopped": [], "retired": []},
    });
    let resource = ApiResource::erase::<NasTrial>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(rig.namespace.client.clone(), &rig.namespace.name, &resource);
    api.create(&PostParams::default(), &serde_json::from_value(trial).unwrap()).await.unwrap();
    let spec = async |change: Value| {
        let patch = Patch::Merge(json!({"spec": change}));
        api.patch("small-0", &PatchParams::default(), &patch).await.map_err(|error| error.to_string())
    };
    let status = async |change: Value| {
        let patch = Patch::Merge(json!({"status": change}));
        api.patch_status("small-0", &PatchParams::default(), &patch).await.map_err(|error| error.to_string())
    };
    let view = json!({"decisionSeq": 1, "count": 1, "digest": "0123456789abcdef"});
    spec(json!({"targetRung": 1, "attempt": 2, "retired": [view]})).await.unwrap();
    for (change, word) in [
        (json!({"targetRung": 0}), "cannot be taken back"),
        (json!({"attempt": 1}), "only grows"),
        (json!({"retired": []}), "cannot be taken back"),
        (json!({"grants": []}), "append-only"),
        (json!({"experiment": "other"}), "immutable"),
        (json!({"number": 1}), "immutable"),
        (json!({"seed": 2}), "immutable"),
        (json!({"assignment": {"b": 0.25}}), "immutable"),
        (json!({"bracket": 1}), "immutable"),
        (json!({"confirms": "small-1"}), "immutable"),
    ] {
        let said = spec(change.clone()).await.unwrap_err();
        assert!(said.contains(word), "{change}: {said}");
    }

    let value = json!({"rung": 0, "outcome": "Value", "value": 0.5, "decisionSeq": 1});
    let diverged = json!({"rung": 1, "outcome": "Diverged", "decisionSeq": 2});
    let reported = |attempt: i64, seq: i64| json!({"reported": {"attempt": attempt, "seq": seq, "step": 1, "results": []}});
    assert!(
        status(json!({"rungs": [{"rung": 0, "outcome": "Value", "decisionSeq": 1}]})).await.unwrap_err().contains("has a value")
    );
    assert!(status(json!({"rungs": [{"rung": 0, "outcome": "Failed", "value": 1.0, "decisionSeq": 1}]})).await.is_err());
    status(json!({"rungs": [value]})).await.unwrap();
    status(json!({"rungs": [value, diverged]})).await.unwrap();
    for change in [
        json!({"rungs": [value]}),
        json!({"rungs": []}),
        json!({"rungs": null}),
        json!({"rungs": [{"rung": 0, "outcome": "Value", "value": 0.75, "decisionSeq": 1}, diverged]}),
    ] {
        let said = status(change.clone()).await.unwrap_err();
        assert!(said.contains("append-only"), "{change}: {said}");
    }
    status(reported(2, 5)).await.unwrap();
    assert!(status(reported(2, 4)).await.unwrap_err().contains("must not go back"));
    assert!(status(reported(1, 9)).await.unwrap_err().contains("must not go back"));
    assert!(status(reported(3, 1)).await.unwrap_err().contains("never started"));
}

#[tokio::test]
async fn the_server_knows_what_one_object_alone_shows_to_be_wrong() {
    let rig = Rig::new("rules").await;
    let resource = ApiResource::erase::<NasExperiment>(&());
    let raw: Api<DynamicObject> = Api::namespaced_with(rig.namespace.client.clone(), &rig.namespace.name, &resource);
    let good = serde_json::to_value(read_experiment(rig::EXPERIMENT).unwrap().experiment).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let verdict = async |pointer: &str, value: Value| {
        let mut object = good.clone();
        *object.pointer_mut(pointer).unwrap() = value;
        match raw.create(&dry, &serde_json::from_value(object).unwrap()).await {
            Ok(_) => Ok(()),
            Err(Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("{error}"),
        }
    };
    let learning_rate = "/spec/space/parameters/1/double";
    for (pointer, value) in [
        ("/metadata/name", json!("a")),
        (learning_rate, json!({"min": 1, "max": 2, "scale": "Linear"})),
        ("/spec/scheduler", json!({"asha": {"eta": 4, "maxRungs": 5}})),
        ("/spec/scheduler", json!({"fullLength": {}})),
        ("/spec/trial/data", json!({"name": "mnist", "claim": "datasets", "fetch": {}})),
        ("/spec/trial", json!({"data": {"name": "mnist"}, "timeLimit": "10s"})),
        ("/spec/trial", json!({"data": {"name": "mnist"}, "timeLimit": "1h30m"})),
        ("/spec/trial/data", json!({"name": "mnist", "claim": "datasets", "fetch": {"url": "https://mirror:8443/sets/x%20y/"}})),
    ] {
        verdict(pointer, value.clone()).await.unwrap_or_else(|said| panic!("{pointer} {value}: {said}"));
    }
    for (pointer, value, word) in [
        ("/metadata/name", json!("x".repeat(41)), "at most 40"),
        ("/metadata/name", json!("a.b"), "lower-case"),
        ("/metadata/name", json!("a-confirm"), "must not end in -confirm"),
        (learning_rate, json!({"min": 1, "max": 1}), "less than max"),
        (learning_rate, json!({"min": 0, "max": 1, "scale": "Log"}), "above 0"),
        (learning_rate, json!({"min": 0, "max": 1, "scale": "Exp"}), "Unsupported value"),
        ("/spec/scheduler", json!({"asha": {"rungs": [1, 4], "maxRungs": 2}}), "not both"),
        ("/spec/scheduler", json!({"asha": {"rungs": [1, 5]}}), "beyond resource.max"),
        ("/spec/scheduler", json!({"hyperband": {"rungs": [1, 5]}}), "beyond resource.max"),
        ("/spec/scheduler", json!({"progressive": {"rungs": [1, 5]}}), "beyond resource.max"),
        ("/spec/scheduler", json!({"hyperband": {"rungs": [1, 4], "maxRungs": 2}}), "not both"),
        ("/spec/scheduler", json!({"asha": {"type": "Halting"}}), "Unsupported value"),
        ("/spec/scheduler", json!({"asha": {"eta": 1}}), "greater than or equal to 2"),
        ("/spec/scheduler", json!({}), "one"),
        ("/spec/maxTrials", json!(0), "greater than or equal to 1"),
        ("/spec/maxTrials", json!("4"), "must be of type integer"),
        ("/spec/trial/cpu", json!(0), "greater than or equal to 1"),
        ("/spec/trial", json!({"data": {"name": "mnist"}, "timeLimit": "9s"}), "at least 10s"),
        ("/spec/trial", json!({"data": {"name": "mnist"}, "timeLimit": "-1h"}), "at least 10s"),
        ("/spec/trial", json!({"data": {"name": "mnist"}, "timeLimit": "soon"}), "spec.trial.timeLimit"),
        ("/spec/trial/data", json!({"name": "mnist", "fetch": {}}), "needs trial.data.claim"),
        (
            "/spec/trial/data",
            json!({"name": "ours", "claim": "datasets", "fetch": {}}),
            "knows cifar10, cifar100, mnist, fashion-mnist",
        ),
        ("/spec/trial/data", json!({"name": "mnist", "claim": "datasets", "fetch": {"url": "ftp://mirror"}}), "http or https"),
        ("/spec/trial/data", json!({"name": "mnist", "claim": "datasets", "fetch": {"url": "http://a b"}}), "http or https"),
        (
            "/spec/trial/data",
            json!({"name": "mnist", "claim": "datasets", "fetch": {"url": "http://mirror/?set="}}),
            "http or https",
        ),
    ] {
        let said = verdict(pointer, value.clone()).await.expect_err(pointer);
        assert!(said.contains(word), "{pointer} {value}: {said}");
    }
}

#[tokio::test]
async fn people_see_columns_and_explanations() {
    let rig = Rig::new("columns").await;
    rig.create(rig::EXPERIMENT).await;
    let operator = rig.operator();
    let started = rig.next_pod().await;
    rig.report(&started, |_, _| 0.25).await;
    rig.next_pod().await;
    eventually("the table", || async {
        let (_, table) = kubectl(&rig, &["get", "nasexp,nast"], None);
        let words = ["FINISHED", "TRIALS", "RUNNING", "BEST", "RUNG", "OUTCOME", "VALUE", "False", "0.25", "small-0", "Value"];
        if words.iter().all(|word| table.contains(word)) { Ok(()) } else { Err(table) }
    })
    .await;
    let (_, explained) = kubectl(&rig, &["explain", "nasexperiment.spec.scheduler.asha.eta"], None);
    assert!(explained.contains("One in `eta` trials goes on"), "{explained}");
    let (_, explained) = kubectl(&rig, &["explain", "nasexperiment.spec.trial.data.fetch.url"], None);
    assert!(explained.contains("a mirror that the cluster reaches"), "{explained}");
    let (_, explained) = kubectl(&rig, &["explain", "nastrial.status.rungs"], None);
    assert!(explained.contains("facts that decisions rest on"), "{explained}");
    let (_, events) = kubectl(&rig, &["events"], None);
    assert!(events.contains("Accepted"), "{events}");
    operator.stop().await;
}

#[tokio::test]
async fn what_a_search_was_fixed_to_and_how_it_ended_cannot_be_taken_back() {
    let rig = Rig::new("wiped").await;
    rig.create(rig::EXPERIMENT).await;
    let api = rig.namespace.api::<NasExperiment>();
    let write = async |status: Value| {
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status("small", &PatchParams::default(), &patch).await.map(drop).map_err(|error| error.to_string())
    };
    let rung = |step: i64, running: i64| json!({"step": step, "running": running, "entries": 0, "promoted": 0});
    write(json!({"rungs": [rung(2, 1), rung(4, 0)]})).await.unwrap();
    write(json!({"rungs": [rung(2, 0), rung(4, 1)]})).await.expect("counts move");
    let view = json!({"decisionSeq": 1, "count": 1, "digest": "0123456789abcdef"});
    let end = |reason: &str| json!({"reason": reason, "message": "all trials went as far as they could", "succeeded": true, "view": view});
    for (change, word) in [
        (Value::Null, "status.rungs"),
        (json!({"rungs": null}), "status.rungs"),
        (json!({"rungs": [rung(2, 0)]}), "status.rungs"),
        (json!({"rungs": [rung(1, 0), rung(2, 0), rung(4, 0)]}), "status.rungs"),
    ] {
        let said = write(change.clone()).await.expect_err("the rungs are fixed");
        assert!(said.contains(word), "{change}: {said}");
    }
    write(json!({"end": end("Completed")})).await.unwrap();
    let confirm = |trial: &str, done: i64| json!([{"trial": trial, "searchValue": 0.5, "seeds": 2, "started": 2, "done": done, "failed": 0, "values": []}]);
    write(json!({"confirm": confirm("small-1", 0)})).await.unwrap();
    write(json!({"confirm": confirm("small-1", 1)})).await.expect("counts move");
    for (change, word) in [
        (json!({"end": null}), "status.end"),
        (json!({"end": end("TargetReached")}), "status.end"),
        (json!({"confirm": null}), "status.confirm"),
        (json!({"confirm": confirm("small-2", 1)}), "status.confirm"),
    ] {
        let said = write(change.clone()).await.expect_err("it is for good");
        assert!(said.contains(word), "{change}: {said}");
    }
}
