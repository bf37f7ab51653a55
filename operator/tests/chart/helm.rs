//! Helm, and what it renders.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use nas_testkit::{Cluster, Programs, made_ready};
use serde_json::Value;

/// The namespace of the releases that are only rendered.
pub(crate) const NAMESPACE: &str = "nas-system";

/// Kinds of the Prometheus operator's definitions in the cache.
pub(crate) const MONITORING: [&str; 3] = ["podmonitors", "servicemonitors", "prometheusrules"];

pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

pub(crate) fn chart() -> PathBuf {
    root().join("charts/nas-operator")
}

/// The cases of the matrix: files with values.
pub(crate) fn cases() -> Vec<PathBuf> {
    let files = std::fs::read_dir(chart().join("ci")).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with("-values.yaml")).collect();
    cases.sort();
    assert!(cases.len() >= 4, "{cases:?}");
    cases
}

/// Helm 4, then Helm 3.
pub(crate) fn helms() -> [PathBuf; 2] {
    [Programs::find().unwrap().path("helm"), made_ready("go-tools.sh", &["helm3"]).join("helm")]
}

/// Runs a program as an administrator of the tests' cluster.
pub(crate) fn run(program: &Path, arguments: &[impl AsRef<OsStr>]) -> Output {
    let mut command = Command::new(program);
    let folder = std::env::temp_dir().join(format!("nas-helm-{}", std::process::id()));
    command.env("HELM_CACHE_HOME", folder.join("cache")).env("HELM_CONFIG_HOME", folder.join("config"));
    command.env("HELM_DATA_HOME", folder.join("data")).env("KUBECONFIG", Cluster::shared().kubeconfig());
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What it prints; it must succeed.
pub(crate) fn said(program: &Path, arguments: &[impl AsRef<OsStr>]) -> String {
    let output = run(program, arguments);
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    assert!(output.status.success(), "{} {words:?}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What it complains of; it must fail.
pub(crate) fn refusal(program: &Path, arguments: &[impl AsRef<OsStr>]) -> String {
    let output = run(program, arguments);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// The manifests of a case; the definitions too, where it asks for them.
pub(crate) fn render(helm: &Path, values: &Path, more: &[&str]) -> Vec<Value> {
    let chart = chart();
    let mut arguments: Vec<&OsStr> = ["template", "nas-operator"].map(OsStr::new).to_vec();
    arguments.extend([chart.as_os_str(), "--namespace".as_ref(), NAMESPACE.as_ref(), "--values".as_ref(), values.as_os_str()]);
    arguments.extend(more.iter().map(OsStr::new));
    documents(&said(helm, &arguments))
}

pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_yaml::from_multiple(text).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}
