//! The `pgmoor` command: arguments, then configuration, then one file a command, then the exit code.
//!
//! Only this crate reads arguments and the environment, prints, and exits.

mod exit;
mod output;

mod args;

mod config;
mod log;
mod memory;
mod notify;

mod address;
mod admin;
mod endpoints;
mod confirm;
mod migrations;
mod serve;
mod traffic;

mod command;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::output::{Failure, Format, Output};

/// Many small things of a client live as long as it, among many that its login needs for a moment:
/// with the C library's allocator the gaps of the latter stay.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memory::hide();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Err(failure) = refuse_passwords(&arguments) {
        Output {
            format: Format::Text,
        }
        .failure(&failure);
        return failure.exit.into();
    }
    let cli = Cli::parse_from(arguments);
    if matches!(cli.command, Command::Keeper { .. }) {
        // Before anything else: it must be the only thread, and it gets its work by standard input.
        return pgmoor::bundled::keeper::main();
    }
    cli.global.color.apply();
    let output = Output {
        format: cli.global.output.plain(),
    };
    let ended = command::run(cli, output);
    log::finish();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

/// Arguments can be read by every user of the machine, so a password has no place in them. What
/// `run` is to run is the user's own affair.
fn refuse_passwords(arguments: &[OsString]) -> Result<(), Failure> {
    let is_run = arguments
        .iter()
        .skip(1)
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "run");
    let ours = arguments
        .iter()
        .skip(1)
        .take_while(|argument| !(is_run && *argument == "--"));
    let mut is_url = false;
    for argument in ours.filter_map(|argument| argument.to_str()) {
        let address = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| argument.find(scheme))
            .map(|at| &argument[at..]);
        // An address after --url may be in any form.
        let url = match argument.strip_prefix("--url=") {
            Some(url) => Some(url),
            None if is_url => Some(argument),
            None => None,
        };
        is_url = argument == "--url";
        let address =
            address.or(url.filter(|url| !url.starts_with("env:") && !url.starts_with("file:")));
        let has_password = argument.starts_with("--password=")
            || address.is_some_and(|address| pgmoor::settings::mask(address) != address)
            || argument
                .split_whitespace()
                .any(|word| word.len() > "password=".len() && word.starts_with("password="));
        if has_password {
            return Err(
                Failure::new(Exit::Usage, "a password on the command line is refused")
                    .cause("every user of this machine can read a process's arguments")
                    .hint(
                        "put it into the configuration as ${VAR} or file:PATH, or use PGPASSFILE; --url takes env:NAME and file:PATH",
                    ),
            );
        }
    }
    Ok(())
}
