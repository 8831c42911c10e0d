//! `pgmoor run -- COMMAND`: serves the databases while a command runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitStatus;

use pgmoor_gateway::handover::Inheritance;
use rustix::process::{Pid, Signal as UnixSignal, kill_process};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

use super::psql::exit_of;
use crate::address::Address;
use crate::args::{Global, Run};
use crate::config::load::Loaded;
use crate::config::settings::LogLevel;
use crate::config::surroundings::Surroundings;
use crate::exit::Exit;
use crate::output::Failure;
use crate::serve::{Serving, Stand};

/// Starts, runs the command, stops, and ends with the command's code.
pub(super) fn run(global: &Global, arguments: &Run) -> Result<Exit, Failure> {
    let mut loaded = super::load_configuration(global)?;
    make_quiet(&mut loaded);
    super::start_log(&loaded)?;
    stay_out_of_the_way(&mut loaded);
    super::runtime().block_on(async {
        let serving =
            Serving::start(loaded.settings, Surroundings::of_process(), Stand::Beside).await?;
        let outcome = run_command(&serving, arguments).await;
        // The command has ended: whatever it left open has nobody to finish it.
        serving.stop_now().await;
        outcome.map(exit_of)
    })
}

/// The output is the command's; of pgmoor only what went wrong is wanted, unless it says otherwise.
fn make_quiet(loaded: &mut Loaded) {
    if loaded.tree.at(&["log", "level"]).is_none() {
        loaded.settings.log.level = LogLevel::Warn;
    }
}

/// Addresses that nobody asked for, and those that an `up` serves, are replaced by one of its own: it
/// runs beside that one.
fn stay_out_of_the_way(loaded: &mut Loaded) {
    let is_beside = Inheritance::is_there(&loaded.settings.gateway.state_dir);
    let is_set = |key: &str| !is_beside && loaded.tree.at(&["gateway", key]).is_some();
    let (listens, sockets, admin) = (is_set("listen"), is_set("unix_sockets"), is_set("admin"));
    let gateway = &mut loaded.settings.gateway;
    if !listens {
        gateway.listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    }
    if !sockets {
        gateway.unix_sockets.clear();
    }
    if !admin {
        gateway.admin = None;
    }
}

async fn run_command(serving: &Serving, arguments: &Run) -> Result<ExitStatus, Failure> {
    let address = Address::of(serving.settings(), arguments.database.as_deref())?;
    let [program, rest @ ..] = arguments.command.as_slice() else {
        return Err(Failure::new(Exit::Usage, "there is no command to run"));
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args(rest)
        .env("DATABASE_URL", address.url(true))
        .envs(address.variables());
    if let Some(password) = &address.password {
        command.env("PGPASSWORD", password.expose());
    }
    let child = command.spawn().map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot run {}", program.display()))
            .because(&error)
            .hint("the command is run as it is, without a shell; for one write: pgmoor run -- sh -c '…'")
    })?;
    wait_for(child).await
}

/// Waits for the command. Signals are its own: a terminal sends Ctrl-C to it anyway, and TERM is
/// passed on.
async fn wait_for(mut child: Child) -> Result<ExitStatus, Failure> {
    let bug = |error: std::io::Error| {
        Failure::new(Exit::Bug, "cannot wait for the command").because(&error)
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(bug)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(bug)?;
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(bug),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                let process = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
                if let Some(process) = process {
                    // It may have ended this very moment; then there is nothing to tell it.
                    let _ = kill_process(process, UnixSignal::TERM);
                }
            }
        }
    }
}
