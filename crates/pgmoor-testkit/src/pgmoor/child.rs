//! The process itself: started, looked at, replaced, ended.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process::{Guard, Signal, signal, wait_exit};

/// What is needed to start the same thing again.
pub(super) struct Launch {
    pub(super) binary: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) log_file: PathBuf,
    pub(super) under: Vec<String>,
    pub(super) dir: PathBuf,
}

impl Launch {
    pub(super) fn spawn(&self, more: &[&str]) -> Process {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log_file)
            .expect("open the log");
        let mut command = self.command(more);
        let child = command
            .stdin(Stdio::null())
            .stdout(File::try_clone(&log).expect("second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.binary.display()));
        let guard = Guard::new("kill -KILL \"$1\"", &child.id().to_string());
        Process { child, guard }
    }

    pub(super) fn command(&self, more: &[&str]) -> Command {
        let mut words = self
            .under
            .iter()
            .map(OsStr::new)
            .chain([self.binary.as_os_str()]);
        let mut command = Command::new(words.next().expect("the binary at least"));
        command.args(words);
        let kept = ["PATH", "HOME"];
        let kept = kept.iter().filter_map(|n| Some((*n, std::env::var_os(n)?)));
        command
            .args(&self.arguments)
            .args(more)
            .current_dir(&self.dir)
            .env_clear()
            .envs(kept)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .process_group(0);
        command
    }
}

pub(super) struct Process {
    pub(super) child: Child,
    guard: Guard,
}

impl Process {
    pub(super) fn has_exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = &mut self.child;
        if matches!(child.try_wait(), Ok(None)) {
            // SIGTERM first: a bundled server is stopped by it, too.
            signal(child.id(), Signal::TERM);
            if !wait_exit(child, Duration::from_secs(5)) {
                signal(child.id(), Signal::KILL);
                wait_exit(child, Duration::from_secs(5));
            }
        }
        self.guard.dismiss();
    }
}

/// A process whose place another one has taken. It serves the clients it has and ends with the last
/// of them; it is killed when this is dropped.
pub struct Replaced(pub(super) Mutex<Process>);

impl Replaced {
    /// Waits for the end.
    pub async fn exited(&self, deadline: Duration) -> ExitStatus {
        let look = async || lock(&self.0).has_exited();
        crate::wait_for_some("the process before to end", deadline, look).await
    }
}

pub(super) fn lock(process: &Mutex<Process>) -> MutexGuard<'_, Process> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}
