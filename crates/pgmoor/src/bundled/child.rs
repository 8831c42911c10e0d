//! Starts a program that does not outlive us.
//!
//! On Linux the kernel can tell a process that its parent has died, if the process asks for it. So
//! the hidden command is started, asks, and then becomes the program. Elsewhere the program is
//! started as it is, and what was orphaned is found at the next start.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::protocol::{Become, Work, send};
use super::settings::KeeperCommand;

/// Starts `program`, by way of the hidden command `via` where that helps, in a clean environment.
pub(crate) async fn spawn(
    via: &KeeperCommand,
    program: PathBuf,
    args: Vec<String>,
    set_up: impl FnOnce(&mut Command),
) -> io::Result<Child> {
    let by_command = cfg!(target_os = "linux");
    let mut command = if by_command {
        let mut command = Command::new(&via.program);
        command.args(&via.args).stdin(Stdio::piped());
        command
    } else {
        let mut command = Command::new(&program);
        command.args(&args).stdin(Stdio::null());
        command
    };
    clean(&mut command);
    set_up(&mut command);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let parent = std::process::id();
        // It may end before it reads; its exit tells.
        let _ = send(
            &mut stdin,
            &Work::Become(Become {
                program,
                args,
                parent,
            }),
        )
        .await;
    }
    Ok(child)
}

/// No secret or setting of ours reaches a child by its environment.
pub(crate) fn clean(command: &mut Command) {
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin");
}
