//! `nasctl completion`: what a shell completes.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::Failure;

#[derive(Args)]
#[command(after_help = "Examples:\n  source <(nasctl completion bash)\n  nasctl completion zsh > ~/.zfunc/_nasctl\n  \
    nasctl completion fish > ~/.config/fish/completions/nasctl.fish\n\n\
    Exit codes: 0 written, 64 usage.")]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "as every verb")]
pub(crate) fn run(arguments: &Arguments, command: &mut Command) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    // Not to standard output itself, whose reader may go away.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, name, &mut script);
    print!("{}", String::from_utf8_lossy(&script));
    Ok(())
}
