//! `nasctl run`: the search on this machine, with trainers as local processes.

mod confirm;
mod display;
mod early;
mod fetch;
pub(crate) mod gpus;
mod holder;
mod journal;
mod ledger;
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
use nas_api::{SourceFile, genotype, objects::EndStatus};
use signal_hook::{consts::TERM_SIGNALS, low_level};

use self::{gpus::Gpus, journal::Journal, ledger::Ledger, process::Launcher, runner::Runner};
use crate::{
    failure::Failure,
    file,
    table::{self, judged_by, unit},
};

pub(crate) use early::end_early;
pub(crate) use holder::holder;
pub(crate) use journal::{FILE as JOURNAL_FILE, State, trial_folder};
pub(crate) use process::{HEADING, LOG};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl run configs/quickstart.yaml\n  nasctl run experiment.yaml --dir runs/second --data-dir /data\n  \
    nasctl run experiment.yaml --gpus 0,1 --slots-per-gpu 2   # four trials at a time, two on each GPU\n  \
    nasctl run experiment.yaml --trainer ./my-trainer         # a program of your own: docs/trainer-contract.md\n\n\
    Exit codes: 0 the search succeeded, 1 it ended without success, 64 the folder is another search's or in use, 65 the file or the data is \
    wrong, 75 temporary (full disk), 78 the trainer refuses what it is given, 130 stopped after checkpoints (the same command goes on)."
)]
pub(crate) struct Arguments {
    /// Experiment file.
    file: PathBuf,
    /// Folder for the journal, checkpoints and result [default: the name of the experiment, in runs/].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Folder that holds data sets, each in a folder of its name; what `spec.trial.data.fetch` asks for is brought there.
    #[arg(long, env = "NAS_DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
    /// CPU threads of each trainer [default: the machine's, divided among the trials that run at the same time].
    #[arg(long)]
    threads: Option<u16>,
    /// GPUs that trials share, such as 0,1: each trial is told its own by `CUDA_VISIBLE_DEVICES`. `none`: each uses what it finds [default:
    /// `CUDA_VISIBLE_DEVICES` where it is set, else all of the machine if the trainer can use them].
    #[arg(long, value_name = "LIST")]
    gpus: Option<String>,
    /// Trials that train on one GPU at the same time; so many times the GPUs bounds spec.parallelTrials.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    slots_per_gpu: u16,
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
    let gpus = gpus(arguments, &source)?;
    let slots = gpus.capacity().unwrap_or(usize::MAX);
    let launcher = Launcher::new(
        arguments.trainer.clone().unwrap_or_else(default_trainer),
        data_dir,
        arguments.threads.unwrap_or_else(|| threads_of_a_slot(source.plan.parallel_trials.min(slots))),
        source.experiment.spec.trial.env.clone(),
    )?;
    let stops = hear_stops()?;
    let (journal, mut source) = Journal::open(&folder, source)?;
    if let Some(words) = gpus.words(source.plan.parallel_trials).filter(|_| journal.state.end.is_none()) {
        println!("{words}");
    }
    source.plan.parallel_trials = source.plan.parallel_trials.min(slots);
    let mut runner = Runner::new(Ledger::new(source, journal), launcher, gpus, stops);
    let end = runner.search()?;
    show(&runner.ledger, &end, &folder)?;
    if let Some(mut confirming) = runner.confirming(&end)? {
        let list = confirming.confirm()?;
        println!("\n{}", table::confirmation(&confirming.ledger.source.experiment, &list));
    }
    if end.succeeded { Ok(()) } else { Err(Failure::Unsuccessful(end.message)) }
}

fn show(ledger: &Ledger, end: &EndStatus, folder: &Path) -> Result<(), Failure> {
    let (source, index) = (&ledger.source, &ledger.index);
    let metric = &source.experiment.spec.objective.metric;
    println!("{}", table::result(index, &source.plan, unit(source), metric, judged_by(source), Some(end)));
    let best = index.incumbent().and_then(|best| index.trial(best.trial));
    if let Some(cells) = best.and_then(|best| genotype(&best.assignment).ok()) {
        let path = folder.join("best.svg");
        fs::write(&path, cells.to_svg()).map_err(Failure::io(&path))?;
        println!(
            "The cells are drawn in {}; `nasctl describe {folder}` shows this again, `nasctl report {folder}` all of it as a page.",
            path.display(),
            folder = folder.display()
        );
    }
    Ok(())
}

/// The trainer that comes along.
pub(crate) fn default_trainer() -> PathBuf {
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.join("nas-trainer")));
    beside.filter(|program| program.exists()).unwrap_or_else(|| "nas-trainer".into())
}

/// The GPUs that this search may use, and how trials share them.
fn gpus(arguments: &Arguments, source: &SourceFile) -> Result<Gpus, Failure> {
    let template = &source.experiment.spec.trial;
    let may_use = arguments.trainer.is_some() || gpus::libtorch_has_cuda(&default_trainer());
    let names = gpus::meant(arguments.gpus.as_deref(), &template.env, may_use);
    let each = template.accelerator.as_ref().map_or(1, |accelerator| usize::try_from(accelerator.count).unwrap_or(1));
    Gpus::new(names, arguments.slots_per_gpu.into(), each)
}

fn threads_of_a_slot(slots: usize) -> u16 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(cores / slots.max(1)).unwrap_or(1).max(1)
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
