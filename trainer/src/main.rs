//! The program `nas-trainer`.

use std::{
    any::Any,
    env,
    io::{self, Write},
    os::unix::process::CommandExt,
    panic,
    process::{self, Command},
    sync::{Arc, atomic::AtomicBool},
};

use clap::{Parser, Subcommand};
use nas_api::contract::Exit;
use nas_trainer::{
    checkpoint::{Remove, remove},
    crash::read_panic,
    fetch::{Fetch, fetch_known},
    inspect::{Inspect, inspect},
    session,
};
use signal_hook::{consts::TERM_SIGNALS, flag};

/// Trains one segment of one trial of a neural architecture search.
///
/// Everything about the segment comes from environment variables (`NAS_TRIAL_NAME`, `NAS_PARAMETERS`, `NAS_TARGET_STEP`, ...) that the
/// operator or `nasctl run` sets. The report is written to `NAS_TERMINATION_LOG`.
#[derive(Parser)]
#[command(
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("NAS_COMMIT"), ")"),
    after_help = "Examples:\n  nas-trainer data fetch cifar10 --dir datasets\n  nas-trainer data inspect datasets/cifar10\n  \
        nasctl run configs/quickstart.yaml               # starts it for each segment\n\nExit codes: 0 reported, 64 environment, 65 data, 70 a newer attempt runs, 71 out of memory,\n75 temporary (full disk), 78 configuration, 143 stopped after a checkpoint."
)]
struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Check the environment, hyperparameters, data set and checkpoint folder; train nothing.
    #[command(
        after_help = "It reads the environment of a segment (docs/trainer-contract.md). `nasctl run` asks it before it trains.\n\n\
        Examples:\n  nas-trainer check\n  nasctl conform --params point.json -- nas-trainer   # sets the environment, and asks it too"
    )]
    Check,
    /// Fetch data sets and look into them.
    #[command(subcommand)]
    Data(Data),
    /// Care for folders of checkpoints.
    #[command(subcommand)]
    Checkpoints(Checkpoints),
}

#[derive(Subcommand)]
enum Checkpoints {
    /// Remove the checkpoints of trials that never go on.
    Remove(Remove),
}

#[derive(Subcommand)]
enum Data {
    /// Say what a data set holds: counts, classes, size, mean and deviation.
    Inspect(Inspect),
    /// Bring a published data set to a folder.
    Fetch(Fetch),
}

fn main() {
    let arguments = Arguments::try_parse().unwrap_or_else(|said| {
        // Help and version are such an answer, too. With clap's own code for a mistake, 2, a pod would be tried again.
        let _ = said.print();
        process::exit(if said.use_stderr() { Exit::Usage } else { Exit::Reported }.code());
    });
    settle_process();
    let exit = panic::catch_unwind(|| match arguments.action {
        None => session::run(&stop_on_signals()),
        Some(Action::Check) => tell(session::check().map_err(|error| (error.to_string(), error.exit()))),
        Some(Action::Data(Data::Inspect(arguments))) => {
            tell(inspect(&arguments).map_err(|error| (error.to_string(), error.exit())))
        }
        Some(Action::Checkpoints(Checkpoints::Remove(arguments))) => {
            tell(remove(&arguments).map_err(|error| (error.to_string(), error.exit())))
        }
        Some(Action::Data(Data::Fetch(arguments))) => {
            end_on_signals();
            tell(fetch_known(&arguments).map_err(|error| (error.to_string(), error.exit())))
        }
    });
    process::exit(exit.unwrap_or_else(|panic| exit_of_panic(words(&*panic))).code());
}

/// Becomes true when the process is asked to end. Only a training asks it: every other command just ends.
fn stop_on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in TERM_SIGNALS {
        if let Err(error) = flag::register(*signal, Arc::clone(&stop)) {
            eprintln!("warning: signal {signal} will not be heard: {error}");
        }
    }
    stop
}

/// Ends the process when it is asked to: as the first process of a container it would not be by itself.
fn end_on_signals() {
    for signal in TERM_SIGNALS {
        let always = Arc::new(AtomicBool::new(true));
        if let Err(error) = flag::register_conditional_shutdown(*signal, Exit::Stopped.code(), always) {
            eprintln!("warning: signal {signal} will not be heard: {error}");
        }
    }
}

/// Prints what came of a command.
fn tell(result: Result<String, (String, Exit)>) -> Exit {
    match result {
        Ok(text) => {
            // A reader that has seen enough is no error.
            let _ = writeln!(io::stdout(), "{text}");
            Exit::Reported
        }
        Err((error, exit)) => {
            eprintln!("nas-trainer: {error}");
            exit
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied())
}

/// Says what a panic means, and leaves it where the report would stand.
fn exit_of_panic(message: Option<&str>) -> Exit {
    let (exit, message) = read_panic(message);
    eprintln!("nas-trainer: {message}");
    let _ = std::fs::write(session::termination_log(), message);
    exit
}

/// What GNU's OpenMP and the C library read when they are loaded, so that the program starts itself anew with it.
///
/// Threads of OpenMP spin while they wait, which beside a busy neighbour makes training many times slower; a thousand rounds (some
/// microseconds) cost a neighbour nothing, and save most of the naps between short operations. And memory of freed
/// tensors, given back to the kernel, is asked for again in the next step: keeping it saves a sixth of the time of small networks.
const PROCESS_SETTINGS: [(&str, &str); 3] =
    [("GOMP_SPINCOUNT", "1000"), ("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "1073741824")];

fn settle_process() {
    let missing: Vec<_> = PROCESS_SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none()).collect();
    let Ok(program) = env::current_exe() else { return };
    if !missing.is_empty() {
        let error = Command::new(program).args(env::args_os().skip(1)).envs(missing).exec();
        eprintln!("warning: cannot restart with the settings for libtorch: {error}");
    }
}
