//! `nasctl get`: which searches there are, and where each stands.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use kube::ResourceExt;
use nas_api::objects::{NasExperiment, NasTrial};
use serde::Serialize;

use crate::{cluster, failure::Failure, out, plugin, records::Records, run::JOURNAL_FILE};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl get                              # the runs in ./runs\n  nasctl get experiments/runs --output json\n  \
    nasctl get --namespace research         # of a cluster\n  nasctl get --all-namespaces --output wide\n\n\
    Exit codes: 0 shown, 64 there is no such folder, 65 a journal is damaged, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    /// Folder of runs; each is a folder that `nasctl run` made [default: runs; as a plugin of kubectl: the namespace of the kubeconfig].
    #[arg(conflicts_with_all = ["namespace", "context", "all_namespaces"])]
    folder: Option<PathBuf>,
    /// Show the experiments of this namespace of the cluster.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Context of the kubeconfig [default: the present one]; shows the experiments of a cluster.
    #[arg(long)]
    context: Option<String>,
    /// Show the experiments of all namespaces of the cluster.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How it is written.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table.
    Text,
    /// A table with why each has ended, or what holds it up.
    Wide,
    Json,
    Yaml,
    /// Names, as the other commands take them.
    Name,
}

/// A search in one line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// As the other commands take it.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// Running, or why it has ended.
    state: String,
    trials: u64,
    max_trials: u64,
    running: u64,
    metric: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_trial: Option<String>,
    /// Why it has ended, in words.
    message: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let names_cluster = arguments.namespace.is_some() || arguments.context.is_some() || arguments.all_namespaces;
    let asks_for_cluster = names_cluster || plugin::is_called() && arguments.folder.is_none();
    let found: Vec<Found> = if asks_for_cluster {
        let all = cluster::list(arguments.namespace.as_deref(), arguments.context.as_deref(), arguments.all_namespaces)?;
        all.iter().map(of_cluster).collect()
    } else {
        of_folder(arguments.folder.as_deref().unwrap_or(Path::new("runs")))?
    };
    match arguments.output {
        Form::Json => out::json(&found)?,
        Form::Yaml => out::yaml(&found)?,
        Form::Name => found.iter().for_each(|search| println!("{}", search.name)),
        Form::Text | Form::Wide => print!("{}", table(&found, arguments.output == Form::Wide)),
    }
    Ok(())
}

/// The runs in a folder, by name.
fn of_folder(folder: &Path) -> Result<Vec<Found>, Failure> {
    let missing =
        |_| Failure::Usage(format!("there is no folder {} of runs here: name one, or give --namespace", folder.display()));
    let entries = fs::read_dir(folder).map_err(missing)?;
    let mut runs: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join(JOURNAL_FILE).is_file()).collect();
    runs.sort();
    runs.iter().map(|run| Ok(of_run(&run.display().to_string(), &Records::of_folder(run)?))).collect()
}

fn of_run(name: &str, records: &Records) -> Found {
    let index = records.index();
    let best = index.incumbent();
    let experiment = &records.source.experiment;
    Found {
        name: name.to_owned(),
        namespace: None,
        // Who holds the journal open cannot be seen from here: a run that was stopped looks the same.
        state: records.end.as_ref().map_or_else(|| "NotEnded".to_owned(), |end| end.reason.clone()),
        trials: index.created(),
        max_trials: records.source.plan.max_trials,
        running: index.running() as u64,
        metric: experiment.spec.objective.metric.clone(),
        best: best.map(|best| best.value),
        best_trial: best.map(|best| NasTrial::name_of(&experiment.name_any(), best.trial)),
        message: records.end.as_ref().map(|end| end.message.clone()).unwrap_or_default(),
    }
}

fn of_cluster(experiment: &NasExperiment) -> Found {
    let status = experiment.status.clone().unwrap_or_default();
    let counts = status.trials.unwrap_or_default();
    let whole = |number: i64| u64::try_from(number).unwrap_or_default();
    let foremost = status.foremost();
    let best = status.best.first();
    Found {
        name: experiment.metadata.name.clone().unwrap_or_default(),
        namespace: experiment.metadata.namespace.clone(),
        state: status
            .end
            .as_ref()
            .map(|end| end.reason.clone())
            .or_else(|| foremost.map(|condition| condition.reason.clone()))
            .unwrap_or("NotSeen".to_owned()),
        trials: whole(counts.created),
        max_trials: whole(experiment.spec.max_trials),
        running: whole(counts.running),
        metric: experiment.spec.objective.metric.clone(),
        best: best.map(|best| best.value),
        best_trial: best.map(|best| best.trial.clone()),
        message: status
            .end
            .as_ref()
            .map(|end| &end.message)
            .or_else(|| foremost.map(|at| &at.message))
            .cloned()
            .unwrap_or_default(),
    }
}

/// One line for each, aligned.
fn table(found: &[Found], wide: bool) -> String {
    if found.is_empty() {
        return "There are no searches here.\n".to_owned();
    }
    let several = found.iter().any(|search| search.namespace != found[0].namespace);
    let mut rows = vec![["NAMESPACE", "NAME", "STATE", "TRIALS", "RUNNING", "BEST", "TRIAL", "WHY"].map(str::to_owned)];
    rows.extend(found.iter().map(|search| {
        [
            search.namespace.clone().unwrap_or_default(),
            search.name.clone(),
            search.state.clone(),
            format!("{} of {}", search.trials, search.max_trials),
            search.running.to_string(),
            search.best.map_or_else(|| "-".to_owned(), |best| format!("{} {best:.4}", search.metric)),
            search.best_trial.clone().unwrap_or_else(|| "-".to_owned()),
            search.message.clone(),
        ]
    }));
    let columns: Vec<usize> = (0..8).filter(|column| (*column > 0 || several) && (*column < 7 || wide)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = columns.iter().map(|column| width(*column)).collect();
    let line = |row: &[String; 8]| {
        let cells: Vec<String> = columns.iter().zip(&widths).map(|(column, width)| format!("{:width$}", row[*column])).collect();
        format!("{}\n", cells.join("   ").trim_end())
    };
    rows.iter().map(line).collect()
}
