//! `nasctl convert`: experiments of other tools become experiments of this one.

mod darts;
mod determined;
mod domain;
mod draft;
mod katib;
mod ladder;
mod notes;
mod optimizationjob;
mod optuna;
mod pod;
mod ray;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use nas_api::read_experiment;
use serde_json::Value;

use self::notes::{Fate, Notes, commented};
use crate::failure::Failure;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl convert katib.yaml                       # the experiment to stdout, what is lost to stderr\n  \
    nasctl convert determined.yaml -o experiment.yaml\n  nasctl convert study.json --from optuna -o experiment.yaml\n\n\
    What files of Ray Tune and Optuna look like: docs/from-ray-tune.md, docs/from-optuna.md.\n\n\
    Exit codes: 0 a valid experiment was written, 1 it was written, but its notes say what must be mended before `nasctl validate` passes, \
    64 the file is of no known kind, 65 it cannot be read or written."
)]
pub(crate) struct Arguments {
    /// File of another tool.
    file: PathBuf,
    /// Which tool it is of [default: told by the file].
    #[arg(long, value_enum)]
    from: Option<Kind>,
    /// File to write the experiment to [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Katib,
    #[value(name = "optimizationjob")]
    OptimizationJob,
    Determined,
    Ray,
    Optuna,
}

impl Kind {
    const fn of(self) -> &'static str {
        match self {
            Self::Katib => "an Experiment of Katib",
            Self::OptimizationJob => "an OptimizationJob of Kubeflow",
            Self::Determined => "an experiment of Determined",
            Self::Ray => "a space of Ray Tune",
            Self::Optuna => "a study of Optuna",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.file;
    let text = fs::read_to_string(path).map_err(Failure::io(path))?;
    let told = |message: String| Failure::Usage(format!("{}: {message}", path.display()));
    let (kind, source, notes) = read(&text, arguments.from, path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (yaml, notes) = convert(kind, source, notes, &name).map_err(told)?;
    match &arguments.output {
        Some(output) => fs::write(output, yaml).map_err(Failure::io(output))?,
        None => print!("{yaml}"),
    }
    eprint!("{notes}");
    if notes.is_open() { Err(Failure::Open) } else { Ok(()) }
}

/// The file's content and kind, and what was to be said at once.
fn read(text: &str, from: Option<Kind>, path: &Path) -> Result<(Kind, Value, Notes), Failure> {
    let mut notes = Notes::default();
    if optuna::is_journal(text) && from.is_none_or(|kind| kind == Kind::Optuna) {
        let value = optuna::of_journal(text, &mut notes);
        return Ok((Kind::Optuna, value, notes));
    }
    let value: Value = serde_yaml::from_str(text).map_err(|error| Failure::Unreadable {
        path: path.to_owned(),
        message: error.to_string().lines().next().unwrap_or_default().to_owned(),
    })?;
    let told = |message: String| Failure::Usage(format!("{}: {message}", path.display()));
    let kind = match from {
        Some(kind) => kind,
        None => recognise(&value).map_err(told)?,
    };
    Ok((kind, value, notes))
}

/// Whose file this is, or what to say where it is nobody's.
fn recognise(value: &Value) -> Result<Kind, String> {
    let Some(fields) = value.as_object() else { return Err("is no map: give the whole file".to_owned()) };
    let word = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    match (word("apiVersion").split('/').next().unwrap_or_default(), word("kind")) {
        ("nas-operator.dev", _) => return Err("is an experiment of nas-operator already".to_owned()),
        ("kubeflow.org", "Experiment") => return Ok(Kind::Katib),
        (_, "OptimizationJob") => return Ok(Kind::OptimizationJob),
        _ => {}
    }
    if fields.contains_key("searcher") {
        Ok(Kind::Determined)
    } else if fields.contains_key("param_space") {
        Ok(Kind::Ray)
    } else if fields.contains_key("distributions") || optuna::are_distributions(fields) {
        Ok(Kind::Optuna)
    } else {
        Err("is of no known kind. Known are Experiment (Katib), OptimizationJob, a file with `searcher` (Determined), with `param_space` (Ray Tune), \
             with `distributions` or of distributions alone (Optuna), and a journal of Optuna; --from says which it is"
            .to_owned())
    }
}

/// The experiment with its notes as comments, and the notes: what is wrong with the experiment is among them.
fn convert(kind: Kind, source: Value, mut notes: Notes, name: &str) -> Result<(String, Notes), String> {
    let mut draft = match kind {
        Kind::Katib => katib::convert(source, &mut notes),
        Kind::OptimizationJob => optimizationjob::convert(source, &mut notes),
        Kind::Determined => determined::convert(source, &mut notes),
        Kind::Ray => ray::convert(source, &mut notes),
        Kind::Optuna => optuna::convert(source, &mut notes),
    };
    draft.complete(&mut notes);
    let yaml = draft.to_yaml()?;
    if let Err(problems) = read_experiment(&yaml) {
        for problem in problems {
            let path = if problem.path.is_empty() { "the file" } else { &problem.path };
            notes.push(Fate::Open, path, problem.message);
        }
    }
    let head = format!("Made by `nasctl convert` from {name}, {}.\n", kind.of());
    Ok((commented(&format!("{head}{notes}")) + &yaml, notes))
}
