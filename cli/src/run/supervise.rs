//! A trainer must not outlive the runner that decides about it: between both stands this program for the moment of the start.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::{CommandExt, parent_id},
    path::Path,
    process::Command,
};

use clap::Args;
use nas_api::contract::Segment;
use nix::sys::{prctl, signal::Signal};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Process id of the starter.
    #[arg(long)]
    parent: u32,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    program: Vec<OsString>,
}

/// A program (and its first arguments) that ends with this process.
pub(crate) fn bound(itself: &Path, program: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(itself);
    command.args(["supervise", "--parent", &std::process::id().to_string(), "--"]).args(program);
    command
}

/// A program (and its first arguments) that is to run a segment, and that ends with this process.
pub(crate) fn supervised(itself: &Path, segment: &Segment, program: &[impl AsRef<OsStr>]) -> Command {
    let mut command = bound(itself, program);
    command.envs(segment.to_env()).env("NAS_METRICS_LISTEN", "127.0.0.1:0");
    command
}

/// Asks the kernel for SIGTERM at the starter's death, then becomes the program. Returns only if that fails.
pub(crate) fn run(arguments: &Arguments) -> Failure {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGTERM) {
        eprintln!("warning: the trainer may outlive nasctl: {error}");
    }
    if parent_id() != arguments.parent {
        return Failure::Interrupted;
    }
    let [program, rest @ ..] = arguments.program.as_slice() else { return Failure::Interrupted };
    let error = Command::new(program).args(rest).exec();
    Failure::io(program)(error)
}
