//! `nas-operator`.

use std::{process::ExitCode, thread};

use clap::Parser;
use nas_operator::{Config, Error, Metrics, Telemetry, check, client, run};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("NAS_COMMIT"), ")"),
    about,
    after_help = "Examples:\n  nas-operator --check                             # may it do all that it does, with this kubeconfig?\n  \
        nas-operator --watch-namespace research --listen 127.0.0.1:8080\n\n\
        Exit codes: 0 told to stop, or --check found nothing, 1 it could not begin or go on, or --check found what it may not do, 2 usage."
)]
struct Command {
    #[command(flatten)]
    config: Config,
    /// Say whether this account may do everything that the operator does, change nothing, and end: with 1 where it may not.
    #[arg(long)]
    check: bool,
}

/// Workers at least, however few cores there are: a decision that computes for seconds must not hold up the lease.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let command = Command::parse();
    let workers = thread::available_parallelism().map_or(WORKERS, |cores| cores.get().max(WORKERS));
    match runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build() {
        Ok(runtime) => runtime.block_on(operate(command)),
        Err(error) => {
            eprintln!("nas-operator: cannot start its threads: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn operate(Command { config, check }: Command) -> ExitCode {
    let telemetry = match Telemetry::start(&config) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("nas-operator: {}", error.chain());
            return ExitCode::FAILURE;
        }
    };
    let ended = if check { say_checked(&config).await } else { work(config).await.map(|()| ExitCode::SUCCESS) };
    let code = ended.unwrap_or_else(|error| {
        tracing::error!(error = error.chain(), "ended");
        ExitCode::FAILURE
    });
    telemetry.end().await;
    code
}

async fn say_checked(config: &Config) -> Result<ExitCode, Error> {
    let client = client(&Metrics::new()?).await?;
    let mut refused = 0;
    for checked in check(config, &client).await? {
        match checked.problem {
            None => println!("yes  {}", checked.what),
            Some(problem) => {
                refused += 1;
                println!("NO   {}: {problem}", checked.what);
            }
        }
    }
    if refused == 0 {
        println!("the operator may do everything that it does");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{refused} of these are refused: install the chart's roles (charts/nas-operator/templates/rbac.yaml), or see what refuses them"
    );
    Ok(ExitCode::FAILURE)
}

async fn work(config: Config) -> Result<(), Error> {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    let metrics = Metrics::new()?;
    let client = client(&metrics).await?;
    run(config, client, metrics, stop).await
}
