//! `nasctl run` where the experiment asks for its data set to be fetched; the trainer is a script that tells what it was asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rig;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use rig::{NUMBER, Run, ended, nasctl, told};

fn experiment() -> String {
    NUMBER.replace("{data: {name: mnist}}", "{data: {name: mnist, fetch: {url: 'http://mirror/mnist'}}, env: {NO_PROXY: '*'}}")
}

/// A trainer that keeps its arguments, does this for `data fetch` (with DIR as `$dir`), and refuses everything else.
fn script(fetch: &str) -> String {
    format!(
        r#"#!/bin/sh
echo "$*" >>"$(dirname "$0")/calls"
if [ "$1" = data ]; then dir=$5; {fetch}; exit; fi
echo 'no such parameter' >&2; exit 78
"#
    )
}

/// The data sets are in a folder that is not there yet.
fn into_sets(mut run: Run) -> Run {
    run.data = run.path("sets");
    run
}

fn fetching(fetch: &str) -> Run {
    into_sets(Run::scripted(&experiment(), &script(fetch)))
}

impl Run {
    fn told(&self) -> (i32, String) {
        told(&mut self.command(&[]))
    }

    /// What the trainer was asked for, in order.
    fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn fetch_call(&self) -> String {
        let sets = fs::canonicalize(self.path("sets")).unwrap();
        format!("data fetch mnist --dir {} --url http://mirror/mnist", sets.display())
    }
}

#[test]
fn what_is_not_there_is_fetched_once_before_the_first_trial() {
    let run = fetching("echo receiving; mkdir \"$dir/mnist\"; echo x >\"$dir/mnist/images\"");
    let (code, said) = run.told();
    assert!(code == 78 && said.contains("receiving") && said.contains("no such parameter"), "{code}: {said}");
    assert_eq!(run.calls(), [run.fetch_call(), "check".to_owned()]);
    run.told();
    assert_eq!(run.calls()[2..], ["check"], "it is there");
}

#[test]
fn the_environment_of_the_experiment_is_that_of_the_fetch_and_of_the_trainer() {
    let script = script("echo fetches past \"$NO_PROXY\"; mkdir \"$dir/mnist\"; echo x >\"$dir/mnist/images\"");
    let run = into_sets(Run::scripted(&experiment(), &script.replace("'no such parameter'", "\"trains past $NO_PROXY\"")));
    let (_, said) = run.told();
    assert!(said.contains("fetches past *") && said.contains("trains past *"), "{said}");
}

#[test]
fn a_trainer_that_cannot_fetch_is_asked_only_where_the_data_is_missing() {
    let run = fetching("echo 'unrecognized arguments: fetch' >&2; exit 2");
    let (code, said) = run.told();
    assert_eq!(code, 78, "{said}");
    for word in ["unrecognized arguments", "mnist is not in", "exit code 2", "a trainer of your own", "nas-trainer data fetch"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert_eq!(run.calls(), [run.fetch_call()], "no trial was begun");
    fs::create_dir(run.path("sets/mnist")).unwrap();
    fs::write(run.path("sets/mnist/images"), "x").unwrap();
    run.told();
    assert_eq!(run.calls()[1..], ["check"]);
}

#[test]
fn the_exit_code_of_a_fetch_is_that_of_the_command() {
    for (fetch, code, words) in [
        ("echo 'it answers 404' >&2; exit 65", 65, "spec.trial.data.fetch.url"),
        ("echo 'cannot write' >&2; exit 75", 75, "same command"),
        ("true", 78, "a trainer of your own"),
    ] {
        let (found, said) = fetching(fetch).told();
        assert!(found == code && said.contains(words), "{found}: {said}");
    }
}

#[test]
fn the_trainer_that_comes_along_says_what_the_server_lacks() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mnist", server.local_addr().unwrap());
    thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            // Who asked may be gone.
            let _ = stream.write_all(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let run = into_sets(Run::trained(&experiment().replace("http://mirror/mnist", &url)));
    let (code, said) = run.told();
    let words = format!("{url}/train-images-idx3-ubyte.gz answers 404");
    assert!(code == 65 && said.contains(&words) && said.contains("spec.trial.data.fetch.url"), "{code}: {said}");
    assert!(!run.path("sets/mnist").exists());
}

#[test]
fn a_signal_ends_the_fetch_and_the_command() {
    let run = fetching("echo $$ >\"$dir/pid\"; exec sleep 600");
    let mut runner = run.spawn(&[]);
    let pid = || -> Option<i32> { fs::read_to_string(run.path("sets/pid")).ok()?.trim().parse().ok() };
    run.until("the fetch", |_| pid().is_some());
    let pid = Pid::from_raw(pid().unwrap());
    assert_eq!(runner.end(Signal::SIGTERM), Some(130));
    assert!(kill(pid, None).is_err(), "the fetch goes on without its starter");
}

#[test]
fn validate_says_what_a_cluster_needs() {
    let run = fetching("true");
    let (code, said, _) = ended(nasctl().arg("validate").arg(run.path("tiny.yaml")));
    assert!(code == 0 && said.contains("spec.trial.data.claim: is needed on a cluster"), "{said}");
}
