//! `nasctl ui`: a search in the browser, while it runs.

use std::{
    env,
    io::{ErrorKind, IsTerminal, stdout},
    net::Ipv4Addr,
    process::{Command, Stdio},
    sync::Arc,
};

use clap::Args;
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
};

use crate::{cluster::ClusterError, failure::Failure, records::Target};

mod board;
mod detail;
mod guard;
mod logs;
mod mirror;
mod page;
mod serve;
mod source;

use board::Board;
use guard::{Guard, Key};
use source::Source;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl ui runs/quickstart\n  nasctl ui constrained-adaptive --namespace research   # with your own kubeconfig\n  \
    nasctl ui runs/quickstart --port 8123 --no-open        # on another machine: ssh -L 8123:127.0.0.1:8123 MACHINE\n\n\
    Shows, and changes nothing. It listens on 127.0.0.1 alone and answers only those who have the whole address that it prints.\n\
    Exit codes: 0 ended by Ctrl-C, 64 there is no such search or the port is taken, 65 the journal cannot be read, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Port on 127.0.0.1 [default: a free one].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Do not open a browser; without a terminal or a desktop none is opened anyway.
    #[arg(long)]
    no_open: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(ClusterError::Runtime)?;
    runtime.block_on(show(arguments))
}

async fn show(arguments: &Arguments) -> Result<(), Failure> {
    let board = Board::open(Source::open(&arguments.target).await?).await?;
    let port = arguments.port;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Failure::Usage(format!("port {port} is taken: name another, or leave out --port")),
        _ => Failure::Usage(format!("cannot listen on 127.0.0.1:{port}: {error}")),
    })?;
    let port = listener.local_addr().map_err(ClusterError::Runtime)?.port();
    let key = Key::new().map_err(|error| ClusterError::Runtime(error.into()))?;
    let address = format!("http://127.0.0.1:{port}/#{key}");
    let snapshot = board.snapshot();
    let name = snapshot.records.source.experiment.metadata.name.as_deref().unwrap_or_default();
    println!("{name}, {} trials so far:\n\n  {address}\n\nCtrl-C ends it.", snapshot.records.trials.len());
    if !arguments.no_open && stdout().is_terminal() {
        open(&address);
    }
    let mut terminated = signal(SignalKind::terminate()).map_err(ClusterError::Runtime)?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    };
    let served = axum::serve(listener, serve::routes(Arc::new(board), Guard { port, key })).with_graceful_shutdown(stop);
    served.await.map_err(|error| ClusterError::Runtime(error).into())
}

/// Opens a browser where there is a desktop. The address was printed: nothing is lost if this fails.
fn open(address: &str) {
    let program = match () {
        () if cfg!(target_os = "macos") => "open",
        () if env::var_os("DISPLAY").or_else(|| env::var_os("WAYLAND_DISPLAY")).is_some() => "xdg-open",
        () => return,
    };
    let _ = Command::new(program).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}
