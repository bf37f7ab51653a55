//! `nasctl convert`, on files of each tool in their documented forms: the experiment beside each is what must come out, to the letter.
//! `NAS_GOLDEN=write cargo test -p nasctl --test convert` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod rig;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use nas_api::{
    objects::{DomainSpec, NasExperiment, ParameterSpec},
    read_experiment,
};
use serde_json::Value;

/// Ends the name of what a file must become.
const EXPECTED: &str = ".expected.yaml";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert")
}

/// All files to convert, by tool.
fn inputs() -> Vec<PathBuf> {
    let tools = fs::read_dir(folder()).unwrap().map(|tool| tool.unwrap().path());
    let mut files: Vec<PathBuf> = tools.flat_map(|tool| fs::read_dir(tool).unwrap().map(|file| file.unwrap().path())).collect();
    files.retain(|file| !file.to_string_lossy().ends_with(EXPECTED));
    files.sort();
    files
}

/// Converts a file: the exit code, the experiment and what was told.
fn convert(file: &Path, more: &[&str]) -> (i32, String, String) {
    rig::ended(rig::nasctl().arg("convert").arg(file).args(more))
}

#[test]
fn each_file_becomes_the_experiment_beside_it() {
    let inputs = inputs();
    assert!(inputs.len() >= 15, "{inputs:?}");
    let mut wrong = Vec::new();
    for file in inputs {
        let (code, experiment, said) = convert(&file, &[]);
        let expected = file.with_extension("").to_string_lossy().into_owned() + EXPECTED;
        if env::var_os("NAS_GOLDEN").is_some() {
            fs::write(&expected, &experiment).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != experiment {
            wrong.push(format!("{}: became\n{experiment}", file.display()));
        }
        // It is valid, or the reason why not is told, and the exit code says so.
        let problems = read_experiment(&experiment).err().unwrap_or_default();
        let open = said.contains("To be mended before this is a valid experiment:");
        assert_eq!((code, open), if problems.is_empty() { (0, false) } else { (1, true) }, "{said}");
        for problem in problems {
            assert!(said.contains(&problem.message), "{}: says nothing of {problem}", file.display());
        }
        // What is told stands in the file, too.
        for line in said.lines().filter(|line| !line.starts_with("nasctl:")) {
            assert!(experiment.contains(&format!("# {line}\n")), "{}: {line}", file.display());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Adds a field that no tool knows to each map of a file, one at a time, and says where.
fn with_strangers(value: &Value, at: &str, all: &mut Vec<(String, Value)>, rebuild: &dyn Fn(Value) -> Value) {
    match value {
        Value::Object(fields) => {
            let mut more = fields.clone();
            more.insert("stranger".to_owned(), Value::from("here"));
            let path = if at.is_empty() { "stranger".to_owned() } else { format!("{at}.stranger") };
            all.push((path, rebuild(Value::Object(more))));
            for (name, below) in fields {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                let inside = |changed: Value| {
                    let mut copy = fields.clone();
                    copy.insert(name.clone(), changed);
                    rebuild(Value::Object(copy))
                };
                with_strangers(below, &at, all, &inside);
            }
        }
        Value::Array(items) => {
            for (index, below) in items.iter().enumerate() {
                let inside = |changed: Value| {
                    let mut copy = items.clone();
                    copy[index] = changed;
                    rebuild(Value::Array(copy))
                };
                with_strangers(below, &format!("{at}[{index}]"), all, &inside);
            }
        }
        _ => {}
    }
}

/// Whether notes speak of this path, of one around it, or of the value itself; or the experiment has it.
fn is_told(path: &str, output: &str) -> bool {
    let around = |mut path: &str| {
        loop {
            if output.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{path}: "))) {
                return true;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return false,
            }
        }
    };
    around(path) || output.lines().any(|line| !line.starts_with('#') && line.contains("stranger"))
}

#[test]
fn nothing_is_dropped_silently() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("changed.json");
    let mut tried = 0;
    for input in inputs() {
        if input.extension().is_some_and(|end| end == "log") {
            continue;
        }
        let tool = input.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let value: Value = serde_yaml::from_str(&fs::read_to_string(&input).unwrap()).unwrap();
        let mut all = Vec::new();
        with_strangers(&value, "", &mut all, &|changed| changed);
        // The 32 choices of the DARTS space are 32 times the same.
        all.retain(|(path, _)| !path.contains("_node") || path.contains("normal_node2_edge1"));
        for (path, changed) in all {
            fs::write(&file, changed.to_string()).unwrap();
            let (code, experiment, said) = convert(&file, &["--from", tool]);
            assert!(matches!(code, 0 | 1), "{}: {path}: {said}", input.display());
            assert!(is_told(&path, &experiment), "{}: {path} was dropped silently\n{experiment}", input.display());
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

/// One of the four experiments of the DARTS benchmark: Determined's file, ours, and what stands there otherwise on purpose.
fn benchmark(name: &str, ours: &str, differences: impl FnOnce(&mut NasExperiment)) {
    let (_, converted, _) = convert(&folder().join(format!("determined/{name}.yaml")), &[]);
    let mut converted = read_experiment(&converted).unwrap().experiment;
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/{ours}-experiment.yaml"));
    let mut ours = read_experiment(&fs::read_to_string(ours).unwrap()).unwrap().experiment;
    // Lengths are told in batches there, 521 to the epoch, and in epochs here; the seed was drawn at submission.
    assert_eq!(converted.spec.resource.max, ours.spec.resource.max * 156_200 / 300);
    converted.spec.resource = ours.spec.resource.clone();
    converted.spec.seed = ours.spec.seed;
    converted.metadata.name.clone_from(&ours.metadata.name);
    differences(&mut ours);
    for experiment in [&mut converted, &mut ours] {
        experiment.spec.space.parameters.sort_by(|a, b| a.name.cmp(&b.name));
    }
    assert_eq!(converted, ours, "{name}");
}

#[test]
fn the_four_experiments_of_the_darts_benchmark_become_those_that_come_along() {
    benchmark("adaptive", "adaptive", |_| {});
    // Confirmation is ours alone.
    benchmark("constrained_adaptive", "constrained-adaptive", |ours| ours.spec.confirm = None);
    benchmark("constrained_random", "constrained-random", |ours| ours.spec.confirm = None);
    // Images are held out unless the file says otherwise; ours is the final number of one architecture.
    benchmark("const", "const", |ours| ours.spec.trial.data.validation = nas_api::objects::ValidationSpec::Heldout);
}

#[test]
fn a_logarithmic_hyperparameter_is_a_range_of_powers() {
    let (_, converted, _) = convert(&folder().join("determined/new.yaml"), &[]);
    let converted = read_experiment(&converted).unwrap().experiment;
    let rate = converted.spec.space.parameters.iter().find(|parameter| parameter.name == "learning_rate");
    let Some(ParameterSpec { domain: DomainSpec::Double(range), .. }) = rate else { panic!("{rate:?}") };
    assert_eq!((range.min.to_string(), range.max.to_string()), ("0.0001".to_owned(), "0.1".to_owned()));
}

#[test]
fn files_of_no_kind_are_refused_with_what_is_known() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file.yaml");
    let said = |content: &str| {
        fs::write(&file, content).unwrap();
        let (code, experiment, said) = convert(&file, &[]);
        assert_eq!(experiment, "");
        (code, said)
    };
    for (content, code, words) in [
        ("a: 1", 64, "Known are Experiment (Katib)"),
        ("7", 64, "is no map"),
        ("apiVersion: nas-operator.dev/v1alpha1\nkind: NasExperiment", 64, "already"),
        ("a: [1", 65, "not valid YAML"),
    ] {
        let (got, message) = said(content);
        assert_eq!(got, code, "{message}");
        assert!(message.contains(words), "{message}");
    }
    let (code, _, message) = convert(&scratch.path().join("absent.yaml"), &[]);
    assert_eq!(code, 65, "{message}");
    assert!(message.contains("absent.yaml"), "{message}");
}

#[test]
fn the_experiment_goes_to_a_file_where_one_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let output = scratch.path().join("experiment.yaml");
    let input = folder().join("katib/hyperband.yaml");
    let (code, experiment, said) = convert(&input, &["-o", output.to_str().unwrap()]);
    assert_eq!((code, experiment.as_str()), (0, ""), "{said}");
    assert_eq!(fs::read_to_string(output).unwrap(), convert(&input, &[]).1);
}

/// The indented blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        let last = blocks.last_mut().unwrap();
        match line.strip_prefix("    ") {
            Some(code) => last.extend([code, "\n"]),
            None if line.is_empty() && !last.is_empty() => last.push('\n'),
            None => blocks.push(String::new()),
        }
    }
    blocks.into_iter().map(|block| format!("{}\n", block.trim_end())).filter(|block| block.len() > 1).collect()
}

#[test]
fn the_pages_show_what_becomes_of_the_files_that_they_show() {
    let scratch = tempfile::tempdir().unwrap();
    for page in ["from-katib", "from-kubeflow-optimizationjob", "from-ray-tune", "from-optuna", "determined"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{page}.md"))).unwrap();
        let blocks = blocks(&text);
        let made = blocks.iter().find(|block| block.starts_with("# Made by `nasctl convert` from ")).unwrap();
        let name = made.trim_start_matches("# Made by `nasctl convert` from ").split(',').next().unwrap();
        let file = scratch.path().join(name);
        let results = blocks.iter().map(|block| {
            fs::write(&file, block).unwrap();
            convert(&file, &[]).1
        });
        assert!(results.into_iter().any(|result| result == *made), "docs/{page}.md: no block of it becomes\n{made}");
    }
}
