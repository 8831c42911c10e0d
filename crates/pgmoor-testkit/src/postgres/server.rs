//! The server process: start, readiness, the ways to stop it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::binaries::Binaries;
use crate::host::Account;
use crate::process::{Signal, children_of, is_running, signal, wait_exit, wait_gone};

/// How long a start may take; crash recovery on a busy machine included.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Waits until all clients have gone (SIGTERM).
    Smart,
    /// Ends all connections and shuts down cleanly (SIGINT).
    Fast,
    /// Ends without a checkpoint; the next start recovers (SIGQUIT).
    Immediate,
    /// Kills every process of the server at once, as a power cut does.
    Kill9,
}

/// One server's processes and files.
pub(super) struct Server {
    pub(super) binaries: Binaries,
    pub(super) account: Option<Account>,
    pub(super) dir: PathBuf,
    pub(super) child: Option<Child>,
    /// Processes of a killed server that have not gone yet.
    pub(super) dying: Vec<u32>,
}

impl Server {
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn log(&self) -> String {
        fs::read(self.dir.join("server.log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    pub(super) fn ask_to_stop(&mut self, how: Stop) {
        let Some(pid) = self.pid() else { return };
        match how {
            Stop::Smart => signal(pid, Signal::TERM),
            Stop::Fast => signal(pid, Signal::INT),
            Stop::Immediate => signal(pid, Signal::QUIT),
            Stop::Kill9 => {
                self.dying = children_of(pid);
                signal(pid, Signal::KILL);
                self.dying.iter().for_each(|pid| signal(*pid, Signal::KILL));
            }
        }
    }

    pub(super) fn has_stopped(&mut self) -> bool {
        let exited = match &mut self.child {
            None => true,
            Some(child) => matches!(child.try_wait(), Ok(Some(_)) | Err(_)),
        };
        if exited {
            self.child = None;
            self.dying.retain(|pid| is_running(*pid));
        }
        exited && self.dying.is_empty()
    }

    /// Ends everything now, for a test that is over.
    pub(super) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let children = children_of(child.id());
        for child in &children {
            signal(*child, Signal::CONT);
        }
        signal(child.id(), Signal::QUIT);
        if !wait_exit(&mut child, Duration::from_secs(5)) {
            signal(child.id(), Signal::KILL);
            wait_exit(&mut child, Duration::from_secs(5));
        }
        for child in &children {
            signal(*child, Signal::KILL);
        }
        wait_gone(&children, Duration::from_secs(5));
    }

    fn spawn(&mut self) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("server.log"))
            .expect("open the server's log");
        let mut command = Command::new(self.binaries.program("postgres"));
        command
            .arg("-D")
            .arg(self.dir.join("data"))
            .current_dir("/")
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(File::try_clone(&log).expect("second handle of the log"))
            .stderr(log)
            .process_group(0);
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        self.child = Some(command.spawn().expect("start postgres"));
    }

    /// What PostgreSQL itself notes for pg_ctl: the eighth line of this file.
    fn is_ready(&self) -> bool {
        let note = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap_or_default();
        let mut lines = note.lines();
        let pid = lines.next().and_then(|line| line.parse().ok());
        pid.is_some() && pid == self.pid() && lines.nth(6).is_some_and(|l| l.trim() == "ready")
    }
}

/// Starts the server and waits until it accepts connections; returns its log if it does not.
pub(super) async fn start(server: &Mutex<Server>) -> Result<(), String> {
    let lock = || {
        server
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    lock().spawn();
    let end = Instant::now() + START_DEADLINE;
    loop {
        {
            let mut server = lock();
            if server.is_ready() {
                return Ok(());
            }
            if server.has_stopped() {
                return Err(server.log());
            }
            if Instant::now() > end {
                return Err(format!("not ready in {START_DEADLINE:?}\n{}", server.log()));
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
