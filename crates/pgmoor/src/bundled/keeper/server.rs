//! The server's process, as its parent sees it: files written, process started, ready, ended.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::sync::mpsc::UnboundedSender;

use super::super::child;
use super::super::conf;
use super::super::layout::write_private;
use super::super::pidfile::{self, PidFile};
use super::super::protocol::Plan;
use super::log::Log;
use super::machine::{Event, Shutdown};

/// How often the server's own record is read while it starts.
const POLL: Duration = Duration::from_millis(15);
/// How long killed processes may take to end.
const STRAGGLERS: Duration = Duration::from_secs(10);
/// How long the last words of a server that ended are waited for; its children may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Removes what a killed server left, and stops one that lost its keeper.
pub(super) async fn clear_the_way(plan: &Plan, log: &Log) -> io::Result<()> {
    if let Some(file) = PidFile::read(&plan.data_dir) {
        if let Some(orphan) = file.server(&plan.data_dir) {
            log.line(
                format!(
                    "pgmoor: stopping the server {} that lost its keeper",
                    file.pid
                )
                .as_bytes(),
            );
            stop_orphan(&file, orphan, plan).await?;
        }
        // The number in it may by now be any process's, and PostgreSQL would not start then. Its
        // shared memory still tells it when an old server's processes are there.
        remove(&plan.data_dir.join(pidfile::FILE))?;
    }
    let socket = plan.socket_dir.join(format!(".s.PGSQL.{}", plan.port));
    remove(&socket)?;
    remove(&socket.with_file_name(format!(".s.PGSQL.{}.lock", plan.port)))
}

async fn stop_orphan(file: &PidFile, pid: Pid, plan: &Plan) -> io::Result<()> {
    let steps = [
        (Signal::INT, Duration::from_millis(plan.stop_timeout_ms)),
        (Signal::QUIT, Duration::from_secs(5)),
        (Signal::KILL, Duration::from_secs(5)),
    ];
    for (signal, patience) in steps {
        // It is gone, or goes: the loop sees.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if file.server(&plan.data_dir).is_none() {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Err(io::Error::other(format!(
        "the server {} that lost its keeper does not end",
        file.pid
    )))
}

/// Ends what a killed server left: a session that computes does not notice that its server died.
async fn end_stragglers(plan: &Plan, log: &Log) -> io::Result<()> {
    let deadline = Instant::now() + STRAGGLERS;
    loop {
        let left = pidfile::processes(&plan.data_dir);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let message = "processes of a killed server do not end";
            return Err(io::Error::other(message));
        }
        for pid in left {
            // Without their server they can only do harm; what was committed is in the log.
            let number = pid.as_raw_nonzero();
            log.line(format!("pgmoor: ending the process {number} of a killed server").as_bytes());
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A started server; its end and its readiness come as events.
pub(super) struct Server {
    pid: Pid,
}

impl Server {
    pub(super) async fn start(
        plan: &Plan,
        log: &Log,
        events: &UnboundedSender<Event>,
    ) -> io::Result<Self> {
        for (name, content) in &plan.files {
            let path = plan.data_dir.join(name);
            if std::fs::read(&path).ok().as_deref() != Some(content.as_bytes()) {
                write_private(&path, content.as_bytes())?;
            }
        }
        end_stragglers(plan, log).await?;
        log.forget();
        let mut child = spawn(plan).await?;
        let number = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let pid = number.ok_or_else(|| io::Error::other("the server ended at once"))?;
        let stderr = child
            .stderr
            .take()
            .ok_or_else(|| io::Error::other("no pipe"))?;
        let follow = tokio::spawn(log.clone().follow(stderr));
        let (data_dir, log, events) = (plan.data_dir.clone(), log.clone(), events.clone());
        tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                () = ready(&data_dir, pid) => {
                    let _ = events.send(Event::Ready { pid: pid.as_raw_nonzero().get().unsigned_abs() });
                    child.wait().await
                }
            };
            let _ = tokio::time::timeout(LAST_WORDS, follow).await;
            let how = status.map_or_else(|error| error.to_string(), describe);
            let _ = events.send(Event::Exited {
                how,
                log: log.tail(),
            });
        });
        Ok(Self { pid })
    }

    pub(super) fn signal(&self, shutdown: Shutdown) {
        let signal = match shutdown {
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
            Shutdown::Kill => Signal::KILL,
        };
        // An ended process is known by its event.
        let _ = kill_process(self.pid, signal);
    }
}

async fn spawn(plan: &Plan) -> io::Result<Child> {
    let program = plan.bin_dir.join("postgres");
    let args = conf::server_args(&plan.data_dir, &plan.socket_dir, plan.port, plan.tcp);
    child::spawn(&plan.command, program, args, |command| {
        command
            .current_dir(&plan.data_dir)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
    })
    .await
}

async fn ready(data_dir: &Path, pid: Pid) {
    loop {
        let file = PidFile::read(data_dir);
        if file.is_some_and(|file| file.pid == pid.as_raw_nonzero().get() && file.is_ready()) {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;

    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("the server was killed by signal {signal}"),
        (None, Some(0)) => "the server was shut down by someone else".to_owned(),
        (None, code) => format!("the server ended with status {}", code.unwrap_or(-1)),
    }
}
