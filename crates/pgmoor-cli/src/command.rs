//! The commands, one file each.

mod completions;
mod config;
mod docs;
mod man;
mod psql;
mod status;
mod url;
mod version;
mod wait;

use crate::args::{Cli, Command, Global};
use crate::config::load::{Loaded, Surroundings, load};
use crate::exit::Exit;
use crate::log;
use crate::output::{Failure, Output};

/// Runs the command.
pub(crate) fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Url(arguments) => url::run(&global, &arguments, output),
        Command::Psql(arguments) => psql::run(&global, &arguments),
        Command::Wait(arguments) => wait::run(&global, &arguments, output),
        Command::Status => status::run(&global, output),
        Command::Config { command } => config::run(&global, &command, output),
        Command::Version => version::run(output),
        Command::Completions { shell } => completions::run(shell, output),
        Command::Man { directory } => man::run(directory.as_deref(), output),
        Command::Docs { directory, check } => docs::run(&directory, check, output),
        Command::Keeper { .. } => unreachable!("main goes there before anything else"),
    }
}

/// Loads the configuration that the arguments name, and starts logging as it says.
fn configuration(global: &Global) -> Result<Loaded, Failure> {
    let surroundings = Surroundings::of_process();
    let loaded = load(global.config.as_deref(), &surroundings)?;
    log::start(
        &loaded.settings.log,
        surroundings.get(log::VARIABLE).as_deref(),
    )?;
    Ok(loaded)
}

/// A runtime for commands that wait for one thing at a time.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
}
