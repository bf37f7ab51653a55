//! `nasctl report`: a search as one page that needs no server, no network and no login.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    failure::Failure,
    records::{Records, Target},
    table::counted,
};

mod columns;
mod configuration;
mod curves;
mod data;
mod decisions;
mod effects;
mod failures;
mod front;
mod page;
mod spent;

pub(crate) use configuration::Configuration;
pub(crate) use curves::{Curve, curve, of_the_best};
pub(crate) use data::ReportData;
pub(crate) use page::{DRAWING, ECHARTS, STYLE};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl report runs/quickstart                        # writes runs/quickstart/report.html\n  \
    nasctl report runs/quickstart --output quickstart.html\n  \
    nasctl report constrained-adaptive --namespace research   # of a cluster: writes constrained-adaptive.html\n  \
    nasctl report runs/quickstart --output json          # prints what the page shows, as data\n\n\
    The page is one file without any reference to another: open it in a browser, mail it, keep it. The same records give the same bytes.\n\
    Exit codes: 0 written, 64 there is no such search, 65 a file cannot be read or written, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// File to write, or `json` to print the data [default: report.html in a run's folder, NAME.html of an experiment on a cluster].
    #[arg(short, long, value_name = "FILE.html")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let records = Records::read(&arguments.target)?;
    if arguments.output.as_ref().is_some_and(|output| output.as_os_str() == "json") {
        println!("{}", serde_json::to_string(&data(&records)).map_err(malformed)?);
        return Ok(());
    }
    let path = arguments.output.clone().unwrap_or_else(|| {
        let name = records.source.experiment.metadata.name.as_deref().unwrap_or("report");
        records.folder.as_ref().map_or_else(|| format!("{name}.html").into(), |folder| folder.join("report.html"))
    });
    println!("{}", write(&records, &path)?);
    Ok(())
}

fn data(records: &Records) -> ReportData {
    ReportData::new(records, of_the_best(records, &records.index()))
}

#[expect(clippy::needless_pass_by_value, reason = "where errors are mapped")]
fn malformed(error: serde_json::Error) -> Failure {
    Failure::Folder(format!("these records cannot be written as JSON: {error}"))
}

/// Writes the page; returns what is told of it.
pub(crate) fn write(records: &Records, path: &Path) -> Result<String, Failure> {
    let page = page::page(&data(records)).map_err(malformed)?;
    fs::write(path, &page).map_err(Failure::io(path))?;
    Ok(format!(
        "The report of {} is in {} ({:.1} MB): open it in a browser.",
        counted(records.trials.len() as u64, "trial"),
        path.display(),
        megabytes(page.len())
    ))
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
