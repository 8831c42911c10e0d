//! `pgmoor completions`.

use clap::CommandFactory;

use crate::args::{Cli, CompletionShell};
use crate::exit::Exit;
use crate::output::{Failure, Output};

/// Prints them.
pub(super) fn run(shell: CompletionShell, output: Output) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    match shell.known_to_clap() {
        Some(shell) => clap_complete::generate(shell, &mut command, "pgmoor", &mut script),
        None => clap_complete::generate(
            clap_complete_nushell::Nushell,
            &mut command,
            "pgmoor",
            &mut script,
        ),
    }
    output.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Ok)
}
