//! `nasctl run` where the experiment asks for its data set to be fetched; the trainer is a script that tells what it was asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: tiny}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  scheduler: {fullLength: {}}
  resource: {unit: epochs, max: 1}
  maxTrials: 1
  trial: {data: {name: mnist, fetch: {url: 'http://mirror/mnist'}}, env: {NO_PROXY: '*'}}
";

struct Run {
    root: TempDir,
}

impl Run {
    /// With a trainer that keeps its arguments, does this for `data fetch` (with DIR as `$dir`), and refuses everything else.
    fn new(fetch: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("tiny.yaml"), EXPERIMENT).unwrap();
        let calls = root.path().join("calls");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >>'{}'\nif [ \"$1\" = data ]; then dir=$5; {fetch}; exit; fi\necho 'no such parameter' >&2; exit 78\n",
            calls.display()
        );
        let trainer = root.path().join("trainer");
        fs::write(&trainer, script).unwrap();
        fs::set_permissions(&trainer, fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nasctl"));
        command.arg("run").arg(self.path("tiny.yaml")).arg("--dir").arg(self.path("run"));
        command.arg("--data-dir").arg(self.path("sets")).arg("--trainer").arg(self.path("trainer"));
        command
    }

    fn run(&self) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.command().output().unwrap();
        (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
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
    let run = Run::new("echo receiving; mkdir \"$dir/mnist\"; echo x >\"$dir/mnist/images\"");
    let (code, said) = run.run();
    assert!(code == Some(78) && said.contains("receiving") && said.contains("no such parameter"), "{code:?}: {said}");
    assert_eq!(run.calls(), [run.fetch_call(), "check".to_owned()]);
    run.run();
    assert_eq!(run.calls()[2..], ["check"], "it is there");
}

#[test]
fn the_environment_of_the_experiment_is_that_of_the_fetch_and_of_the_trainer() {
    let run = Run::new("echo fetches past \"$NO_PROXY\"; mkdir \"$dir/mnist\"; echo x >\"$dir/mnist/images\"");
    let script = fs::read_to_string(run.path("trainer")).unwrap().replace("'no such parameter'", "\"trains past $NO_PROXY\"");
    fs::write(run.path("trainer"), script).unwrap();
    let (_, said) = run.run();
    assert!(said.contains("fetches past *") && said.contains("trains past *"), "{said}");
}

#[test]
fn a_trainer_that_cannot_fetch_is_asked_only_where_the_data_is_missing() {
    let run = Run::new("echo 'unrecognized arguments: fetch' >&2; exit 2");
    let (code, said) = run.run();
    assert_eq!(code, Some(78), "{said}");
    for word in ["unrecognized arguments", "mnist is not in", "exit code 2", "a trainer of your own", "nas-trainer data fetch"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert_eq!(run.calls(), [run.fetch_call()], "no trial was begun");
    fs::create_dir(run.path("sets/mnist")).unwrap();
    fs::write(run.path("sets/mnist/images"), "x").unwrap();
    run.run();
    assert_eq!(run.calls()[1..], ["check"]);
}

#[test]
fn the_exit_code_of_a_fetch_is_that_of_the_command() {
    for (fetch, code, words) in [
        ("echo 'it answers 404' >&2; exit 65", 65, "spec.trial.data.fetch.url"),
        ("echo 'cannot write' >&2; exit 75", 75, "same command"),
        ("true", 78, "a trainer of your own"),
    ] {
        let (found, said) = Run::new(fetch).run();
        assert!(found == Some(code) && said.contains(words), "{found:?}: {said}");
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
    let run = Run::new("true");
    fs::write(run.path("tiny.yaml"), EXPERIMENT.replace("http://mirror/mnist", &url)).unwrap();
    let trainer = Path::new(env!("CARGO_BIN_EXE_nasctl")).with_file_name("nas-trainer");
    assert!(trainer.exists(), "{} is missing: run the tests of the whole workspace (make test)", trainer.display());
    fs::remove_file(run.path("trainer")).unwrap();
    std::os::unix::fs::symlink(trainer, run.path("trainer")).unwrap();
    let (code, said) = run.run();
    let words = format!("{url}/train-images-idx3-ubyte.gz answers 404");
    assert!(code == Some(65) && said.contains(&words) && said.contains("spec.trial.data.fetch.url"), "{code:?}: {said}");
    assert!(!run.path("sets/mnist").exists());
}

#[test]
fn a_signal_ends_the_fetch_and_the_command() {
    let run = Run::new("echo $$ >\"$dir/pid\"; exec sleep 600");
    let mut nasctl = run.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let pid = loop {
        if let Ok(pid) = fs::read_to_string(run.path("sets/pid")).unwrap_or_default().trim().parse() {
            break Pid::from_raw(pid);
        }
        assert!(Instant::now() < deadline, "the fetch did not begin");
        thread::yield_now();
    };
    kill(Pid::from_raw(i32::try_from(nasctl.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(nasctl.wait().unwrap().code(), Some(130));
    assert!(kill(pid, None).is_err(), "the fetch goes on without its starter");
}

#[test]
fn validate_says_what_a_cluster_needs() {
    let run = Run::new("true");
    let output = Command::new(env!("CARGO_BIN_EXE_nasctl")).arg("validate").arg(run.path("tiny.yaml")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("spec.trial.data.claim: is needed on a cluster"), "{said}");
}
