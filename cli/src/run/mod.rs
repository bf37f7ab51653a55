//! `nasctl run`: the search on this machine, with trainers as local processes.

mod confirm;
mod fetch;
mod journal;
mod process;
mod runner;
pub(crate) mod supervise;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicUsize},
    thread,
};

use clap::Args;
use nas_api::{
    SourceFile,
    objects::{EndStatus, ValidationSpec},
};
use signal_hook::{consts::TERM_SIGNALS, low_level};

use self::{journal::Journal, process::Launcher, runner::Runner};
use crate::{failure::Failure, file, table, validate::unit};

pub(crate) use journal::{FILE as JOURNAL_FILE, State};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Experiment file.
    file: PathBuf,
    /// Folder for the journal, checkpoints and result [default: runs/<name of the experiment>].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Folder that holds data sets, each in a folder of its name; what `spec.trial.data.fetch` asks for is brought there.
    #[arg(long, env = "NAS_DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
    /// CPU threads of each trainer [default: the machine's, divided among the trials that run at the same time].
    #[arg(long)]
    threads: Option<u16>,
    /// The trainer [default: nas-trainer beside this program, else on the PATH].
    #[arg(long, env = "NAS_TRAINER")]
    trainer: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = file::read(&arguments.file)?;
    let name = source.experiment.metadata.name.clone().unwrap_or_default();
    let folder = arguments.dir.clone().unwrap_or_else(|| Path::new("runs").join(name));
    if source.experiment.spec.trial.data.fetch.is_some() {
        fs::create_dir_all(&arguments.data_dir).map_err(Failure::io(&arguments.data_dir))?;
    }
    let data_dir = fs::canonicalize(&arguments.data_dir).map_err(Failure::io(&arguments.data_dir))?;
    let launcher = Launcher::new(
        arguments.trainer.clone().unwrap_or_else(default_trainer),
        data_dir,
        arguments.threads.unwrap_or_else(|| threads_of_a_slot(&source)),
        source.experiment.spec.trial.env.clone(),
    )?;
    let stops = hear_stops()?;
    let (journal, source) = Journal::open(&folder, source)?;
    let mut runner = Runner::new(source, journal, launcher, stops);
    let end = runner.search()?;
    show(&runner, &end, &folder)?;
    if let Some(mut confirming) = runner.confirming(&end)? {
        let list = confirming.confirm()?;
        println!("\n{}", table::confirmation(&confirming.source().experiment, &list));
    }
    if end.succeeded { Ok(()) } else { Err(Failure::Unsuccessful(end.message)) }
}

fn show(runner: &Runner, end: &EndStatus, folder: &Path) -> Result<(), Failure> {
    let text = table::result(
        runner.index(),
        runner.plan(),
        unit(runner.source()),
        runner.metric(),
        judged_by(runner.source()),
        Some(end),
    );
    println!("{text}");
    if let Some(drawing) = runner.drawing() {
        let path = folder.join("best.svg");
        fs::write(&path, drawing).map_err(Failure::io(&path))?;
        println!(
            "The cells are drawn in {}; `nasctl describe {folder}` shows this again, `nasctl report {folder}` all of it as a page.",
            path.display(),
            folder = folder.display()
        );
    }
    Ok(())
}

/// Which images the value of a trial speaks of.
pub(crate) fn judged_by(source: &SourceFile) -> &'static str {
    match source.experiment.spec.trial.data.validation {
        ValidationSpec::Heldout => "held-out images",
        ValidationSpec::TestSet | ValidationSpec::Final => "the test images",
    }
}

fn default_trainer() -> PathBuf {
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.join("nas-trainer")));
    beside.filter(|program| program.exists()).unwrap_or_else(|| "nas-trainer".into())
}

fn threads_of_a_slot(source: &SourceFile) -> u16 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(cores / source.plan.parallel_trials.max(1)).unwrap_or(1).max(1)
}

/// Counts stop signals: the first stops with checkpoints, a second at once.
fn hear_stops() -> Result<Arc<AtomicUsize>, Failure> {
    let stops = Arc::new(AtomicUsize::new(0));
    for signal in TERM_SIGNALS {
        let mut signals = signal_hook::iterator::Signals::new([*signal]).map_err(Failure::io("signals"))?;
        let stops = Arc::clone(&stops);
        thread::spawn(move || {
            for signal in signals.forever() {
                if stops.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 1 {
                    // A third: the person means it.
                    let _ = low_level::emulate_default_handler(signal);
                }
            }
        });
    }
    Ok(stops)
}
