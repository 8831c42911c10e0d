//! A server program that runs as long as we hold it, under an unprivileged user when we are root.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use xtask::failure::{Context, Failure};
use xtask::host;

/// How long a server may take until it serves.
const START: Duration = Duration::from_secs(30);

pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, which writes its log to `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Process, Failure> {
        let file = File::create(log).context(|| format!("cannot write \"{}\"", log.display()))?;
        let errors = file
            .try_clone()
            .context(|| format!("cannot write \"{}\"", log.display()))?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        if let Some((user, group)) = host::account_for_servers() {
            command.uid(user).gid(group);
        }
        let child = command.spawn().context(|| format!("cannot start {name}"))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_ready` succeeds, or the process has ended, or has had its time.
    pub(crate) fn wait_until_ready(
        &mut self,
        mut is_ready: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let end = Instant::now() + START;
        loop {
            let ended = self
                .child
                .try_wait()
                .context(|| format!("cannot watch {}", self.name))?;
            if let Some(status) = ended {
                let what = format!("{} has ended: {status}", self.name);
                return Err(Failure::new(what).because(self.log_tail()));
            }
            match is_ready() {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                Err(failure) => {
                    let what = format!("{} does not serve after {START:?}", self.name);
                    return Err(
                        Failure::new(what).because(format!("{failure}\n{}", self.log_tail()))
                    );
                }
            }
        }
    }

    /// The last lines of its log.
    fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing that it holds is worth a graceful stop.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Writes a file that the server's user alone can read.
pub(crate) fn write_for_server(path: &Path, content: &str) -> Result<(), Failure> {
    pgmoor_testkit::write_private(path, content);
    give_to_server(path)
}

/// Gives a file or directory to the user that servers run under.
pub(crate) fn give_to_server(path: &Path) -> Result<(), Failure> {
    let Some((user, group)) = host::account_for_servers() else {
        return Ok(());
    };
    chown(path, Some(user), Some(group))
        .context(|| format!("cannot give \"{}\" to the server's user", path.display()))
}
