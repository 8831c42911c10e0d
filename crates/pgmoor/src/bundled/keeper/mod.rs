//! The keeper: a small process that owns the server, so that the server neither survives its
//! gateways by accident nor dies in a rolling restart of them.
//!
//! It is the same program, started again with a hidden command. It runs as the server's user,
//! listens on a socket in the server's private directory, and counts leases: a lease is a
//! connection, so it ends when its gateway ends, by whatever signal. It has no configuration of
//! its own and opens no port.

mod machine;

mod log;

mod server;

mod control;

use std::io::{self, BufRead, Read};
use std::os::fd::AsFd;
use std::process::ExitCode;

use super::protocol::{Become, Plan, Work};

/// What the hidden command runs; it gets its work over standard input.
///
/// Call it first thing in the process: before threads, logging and an async runtime.
pub fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is keeper.log, or the server's log.
            eprintln!("pgmoor keeper: {error}");
            ExitCode::from(127)
        }
    }
}

fn work() -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let mut line = String::new();
    // Byte by byte would be slow and a buffer would take what follows; nothing follows this line
    // until it is answered.
    (&mut stdin).take(1 << 20).read_line(&mut line)?;
    let work = serde_json::from_str(&line).map_err(|_| {
        let usage = "this command is pgmoor's own; it is started by: pgmoor up";
        io::Error::new(io::ErrorKind::InvalidInput, usage)
    })?;
    drop(stdin);
    match work {
        Work::Become(work) => Err(become_program(&work)),
        Work::Keep(plan) => keep(*plan),
    }
}

/// Turns this process into the server, which is told to shut down when the keeper is killed.
fn become_program(work: &Become) -> io::Error {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};

        if let Err(error) = set_parent_process_death_signal(Some(Signal::INT)) {
            return error.into();
        }
        // The keeper may have gone before the line above.
        let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
        if parent != Some(work.parent) {
            return io::Error::other("the keeper has gone");
        }
    }
    let error = Command::new(&work.program)
        .args(&work.args)
        .stdin(Stdio::null())
        .exec();
    io::Error::new(
        error.kind(),
        format!("cannot run \"{}\": {error}", work.program.display()),
    )
}

fn keep(plan: Plan) -> io::Result<()> {
    // Away from the gateway's terminal and process group: Ctrl-C is the gateway's to answer. It
    // fails when we lead a group already, which serves as well.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"pgmoor-keeper");
    let first = io::stdin().as_fd().try_clone_to_owned()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(control::run(plan, first.into()))
}
