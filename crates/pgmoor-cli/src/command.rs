//! The commands, one file each.

mod explain;

mod check;
mod completions;
mod config;
mod docs;
mod import;
mod live_move;
mod login;
mod man;
mod provision;
mod psql;
mod render;
mod run;
mod schema;
mod status;
mod traffic;
mod up;
mod url;
mod version;
mod wait;

use pgmoor::settings::Seen;

use crate::args::{Cli, Command, Global};
use crate::config::load::{Loaded, load, load_noting};
use crate::config::surroundings::Surroundings;
use crate::exit::Exit;
use crate::log;
use crate::output::{Failure, Form, Output};

/// Runs the command.
pub(crate) fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    let global = cli.global;
    if global.output == Form::Html && !matches!(cli.command, Command::Check(_)) {
        return Err(Failure::new(Exit::Usage, "there is no HTML of that")
            .hint("use --output text or json; html is for pgmoor check"));
    }
    match cli.command {
        Command::Up(arguments) => up::run(&global, &arguments, output),
        Command::Run(arguments) => run::run(&global, &arguments),
        Command::Url(arguments) => url::run(&global, &arguments, output),
        Command::Psql(arguments) => psql::run(&global, &arguments),
        Command::Wait(arguments) => wait::run(&global, &arguments, output),
        Command::Login { command } => login::run(&global, &command, output),
        Command::Check(arguments) => check::run(&global, &arguments, output),
        Command::Explain { id } => explain::run(id, output),
        Command::Status => status::run(&global, output),
        Command::Pause(arguments) => traffic::pause(&global, &arguments, output),
        Command::Resume(arguments) => traffic::resume(&global, &arguments, output),
        Command::Switch(arguments) => traffic::switch(&global, &arguments, output),
        Command::Reload => traffic::reload(&global, output),
        Command::Provision { command } => provision::run(&global, &command, output),
        Command::Move { command } => live_move::run(&global, &command, output),
        Command::Schema { command } => schema::run(&global, &command, output),
        Command::Import(arguments) => import::run(&arguments, output),
        Command::Render(arguments) => render::run(&global, &arguments, output),
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
    let loaded = load_configuration(global)?;
    start_log(&loaded)?;
    Ok(loaded)
}

/// As [`configuration`]; also gives the files that it was made of.
fn watched_configuration(global: &Global) -> Result<(Loaded, Vec<Seen>), Failure> {
    let mut files = Vec::new();
    let loaded = load_noting(
        global.config.as_deref(),
        &Surroundings::of_process(),
        &mut files,
    )?;
    start_log(&loaded)?;
    Ok((loaded, files))
}

fn load_configuration(global: &Global) -> Result<Loaded, Failure> {
    Ok(load(global.config.as_deref(), &Surroundings::of_process())?)
}

fn start_log(loaded: &Loaded) -> Result<(), Failure> {
    log::start(
        &loaded.settings.log,
        std::env::var(log::VARIABLE).ok().as_deref(),
    )
}

/// A runtime for commands that wait for one thing at a time.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
}
