//! `nasctl conform`: whether a program is a trainer by the contract.

mod judge;
mod observe;
mod process;
mod seen;
mod setting;

use std::{
    ffi::OsString,
    fs,
    path::{self, PathBuf},
    thread,
    time::Duration,
};

use clap::Args;
use nas_api::contract::StepUnit;
use nas_search::{Assignment, MAX_RUNGS, Scalar};
use serde_json::json;

use self::{
    judge::{Check, Verdict, judge},
    observe::Observer,
    process::Starter,
    setting::Setting,
};
use crate::{failure::Failure, out, seconds::seconds};

const EXAMPLES: &str = "Examples:
  nasctl conform --param learning_rate=0.01 -- python3 examples/pytorch/trainer.py
  nasctl conform --unit batches --rungs 20,60,400 --param layers=3 --param op=relu -- ./trainer
  nasctl conform --params point.json --output json -- nas-trainer

What is checked, and what a trainer reads, writes and ends with, is in docs/trainer-contract.md.

Exit codes: 0 it keeps the contract, 1 it does not, or a check could not be tried, 64 usage.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder that holds data sets, each in a folder of its name.
    #[arg(long, env = "NAS_DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Name of the data set.
    #[arg(long, value_name = "NAME", default_value = "fashion-mnist")]
    data_name: String,
    /// Metric that the trainer reports.
    #[arg(long, value_name = "NAME", default_value = "accuracy")]
    metric: String,
    /// A parameter and its value in JSON (what is not JSON is text); repeatable. The first number is also tried with a value of the wrong type.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, Scalar)>,
    /// File with further parameters: a JSON object.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// A parameter's value that the trainer should report as infeasible.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    infeasible: Option<(String, Scalar)>,
    /// Step of every rung, ascending, at least two. The last rung must be long enough to be stopped in its middle.
    #[arg(long, value_name = "STEPS", value_delimiter = ',', default_value = "1,2,4")]
    rungs: Vec<u64>,
    /// What a step is: epochs or batches.
    #[arg(long, value_name = "UNIT", default_value = "epochs", value_parser = str::parse::<StepUnit>)]
    unit: StepUnit,
    /// Time that a process may take for each rung that it is to reach, such as 45s or 10m.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = seconds)]
    timeout: f64,
    /// Print JSON.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
    /// The trainer and its arguments.
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let steps = &arguments.rungs;
    if steps.len() < 2 || steps.len() > MAX_RUNGS || steps[0] == 0 || steps.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Failure::Usage(format!("--rungs must be 2 to {MAX_RUNGS} steps, positive and ascending, such as 1,2,4")));
    }
    if arguments.timeout <= 0.0 {
        return Err(Failure::Usage("--timeout must be longer than nothing, such as 45s".to_owned()));
    }
    let timeout = Duration::try_from_secs_f64(arguments.timeout).unwrap_or(Duration::MAX);
    let folder =
        tempfile::Builder::new().prefix("nasctl-conform-").tempdir().map_err(Failure::io("the folder for temporary files"))?;
    let setting = Setting {
        folder: folder.path().to_owned(),
        data_dir: path::absolute(&arguments.data_dir).map_err(Failure::io(&arguments.data_dir))?,
        data_name: arguments.data_name.clone(),
        metric: arguments.metric.clone(),
        rungs: steps.clone(),
        unit: arguments.unit,
        parameters: parameters(arguments)?,
        threads: thread::available_parallelism().ok().and_then(|cores| u16::try_from(cores.get()).ok()).unwrap_or(1),
    };
    let starter = Starter::new(arguments.command.clone(), timeout)?;
    starter.hear_stops(folder.path().to_owned())?;
    let observed = Observer { setting, starter, infeasible: arguments.infeasible.clone() }.observe()?;
    let checks = judge(&observed);
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Failed).count();
    if arguments.output.is_some() {
        out::json(&json!({ "conforms": failed == 0, "checks": checks }))?;
    } else {
        for check in &checks {
            println!("{}", line(check));
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Nonconforming { failed, folder: folder.keep() }) }
}

fn line(check: &Check) -> String {
    let verdict = match check.verdict {
        Verdict::Passed => "pass",
        Verdict::Failed => "FAIL",
        Verdict::Told => "told",
    };
    format!("{verdict}  {:<12} {}", check.name, check.why)
}

fn parameters(arguments: &Arguments) -> Result<Assignment, Failure> {
    let mut parameters = Assignment::new();
    if let Some(path) = &arguments.params {
        let text = fs::read_to_string(path).map_err(Failure::io(path))?;
        parameters = serde_json::from_str(&text).map_err(|error| {
            Failure::Usage(format!("{} is not a JSON object of numbers, texts, true and false: {error}", path.display()))
        })?;
    }
    Ok(parameters.with(arguments.parameters.iter().map(|(name, value)| (name.as_str().into(), value.clone()))))
}

/// NAME=VALUE, with a value in JSON, or text.
fn parameter(text: &str) -> Result<(String, Scalar), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("must be NAME=VALUE")?;
    let value = match serde_json::from_str::<serde_json::Value>(value) {
        Ok(json) => serde_json::from_value(json).map_err(|_| "the value must be a number, a text, true or false")?,
        Err(_) => Scalar::from(value),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_parameters_are_json_or_text() {
        let value = |text: &str| parameter(text).map(|(_, value)| value);
        assert_eq!(parameter("layers=3"), Ok(("layers".to_owned(), Scalar::Int(3))));
        assert_eq!(value("a=2.5e-1"), Ok(Scalar::Float(0.25)));
        assert_eq!(value("a=true"), Ok(Scalar::Bool(true)));
        assert_eq!(value("a=relu"), Ok(Scalar::from("relu")));
        assert_eq!(value("a=\"3\""), Ok(Scalar::from("3")));
        assert_eq!(value("a=x=y"), Ok(Scalar::from("x=y")));
        assert_eq!(value("a="), Ok(Scalar::from("")));
        assert!(value("layers").is_err() && value("=3").is_err() && value("a=[1]").is_err() && value("a=null").is_err());
    }
}
