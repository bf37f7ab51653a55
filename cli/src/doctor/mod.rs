//! `nasctl doctor`: whether a search can run here, or on a cluster, before one is begun.

use std::path::PathBuf;

use clap::Args;
use nas_api::SourceFile;
use serde_json::json;

use self::finding::Level;
use crate::{failure::Failure, file, out, table::counted};

mod cluster;
mod finding;
mod laptop;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl doctor                                   # this machine\n  nasctl doctor --file experiment.yaml            # for this experiment\n  \
    nasctl doctor --cluster                         # the cluster and namespace of the kubeconfig\n  nasctl doctor --namespace research --file configs/adaptive-experiment.yaml\n  \
    nasctl doctor --namespace research --output json\n\n\
    Nothing is changed. What cannot be seen with your rights is a warning that says so; what the operator may do is told by `helm test`.\n\
    Exit codes: 0 no problem was found, 1 there are problems, 64 usage, 65 the file is wrong, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    /// Experiment file: whether what it asks for is there.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Look at a cluster instead of this machine.
    #[arg(long)]
    cluster: bool,
    /// Namespace of the cluster in which experiments are to run [default: that of the kubeconfig]; looks at a cluster.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Context of the kubeconfig [default: the present one]; looks at a cluster.
    #[arg(long)]
    context: Option<String>,
    /// On this machine: folder that holds data sets, each in a folder of its name.
    #[arg(long, env = "NAS_DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
    /// On this machine: the trainer [default: nas-trainer beside this program, else on the PATH].
    #[arg(long, env = "NAS_TRAINER")]
    trainer: Option<PathBuf>,
    /// Print JSON.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source: Option<SourceFile> = arguments.file.as_deref().map(file::read).transpose()?;
    let asks_for_cluster = arguments.cluster || arguments.namespace.is_some() || arguments.context.is_some();
    let (place, findings) = if asks_for_cluster {
        let facts = cluster::observe(arguments.namespace.as_deref(), arguments.context.as_deref(), source.as_ref())?;
        (format!("namespace {} of the cluster", facts.namespace), cluster::judge(&facts, source.as_ref()))
    } else {
        let facts = laptop::observe(arguments.trainer.as_deref(), &arguments.data_dir);
        ("this machine".to_owned(), laptop::judge(&facts, source.as_ref()))
    };
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    if arguments.output.is_some() {
        let document = json!({"ready": problems == 0, "problems": problems, "warnings": warnings, "findings": findings});
        out::json(&document)?;
    } else {
        print!("{}", finding::text(&findings));
        let whom = source.as_ref().and_then(|source| source.experiment.metadata.name.as_deref());
        let whom = whom.map_or_else(|| "a search".to_owned(), |name| format!("the search {name}"));
        let verdict = if problems == 0 { "can run" } else { "can not run yet" };
        let (problems, warnings) = (counted(problems as u64, "problem"), counted(warnings as u64, "warning"));
        println!("\n{whom} {verdict} on {place}: {problems}, {warnings}");
    }
    if problems == 0 { Ok(()) } else { Err(Failure::NotReady(problems)) }
}
