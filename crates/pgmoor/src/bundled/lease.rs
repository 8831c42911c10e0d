//! A hold on a running server: where it is, how it is, and letting go.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pgmoor_wire::Secret;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::endpoint::{Endpoint, Host};

use super::conf::SUPERUSER;
use super::error::BundledError;
use super::launch::{self, Control, Opened};
use super::protocol::{Report, Request, ServerState, receive, send};
use super::roles;
use super::settings::BundledSettings;

/// Between attempts to start a server whose keeper was lost.
const RETRY: Duration = Duration::from_secs(1);

/// Where a bundled server takes connections, and as whom.
#[derive(Debug, Clone)]
pub struct BundledAddress {
    /// The directory of its Unix socket; only the server's user and root may enter it.
    pub socket_dir: PathBuf,
    /// The port, which is also part of the socket's name.
    pub port: u16,
    /// Whether it listens on that port of localhost too.
    pub tcp: bool,
    /// The application's database.
    pub database: String,
    /// The application's role.
    pub role: String,
    /// The role's password, for SCRAM.
    pub password: Secret<String>,
    /// The file that holds the password.
    pub password_file: PathBuf,
}

impl BundledAddress {
    /// The superuser, for pgmoor's own work: it logs in over the socket, without a password, when
    /// the process runs as the server's user or as root.
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// The application's database, as the application's role.
    pub fn endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::new(Host::socket(&self.socket_dir, self.port));
        endpoint.user = Some(self.role.clone());
        endpoint.password = Some(self.password.clone());
        endpoint.dbname = Some(self.database.clone());
        endpoint
    }

    /// The application's database, as the [`superuser`](Self::superuser).
    pub fn superuser_endpoint(&self) -> Endpoint {
        let mut endpoint = self.endpoint();
        endpoint.user = Some(SUPERUSER.to_owned());
        endpoint.password = None;
        endpoint
    }

    /// The socket itself.
    pub fn socket(&self) -> PathBuf {
        self.socket_dir.join(format!(".s.PGSQL.{}", self.port))
    }
}

/// How [`Lease::stop`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopOutcome {
    /// The server has shut down.
    Stopped,
    /// Other gateways hold it; it goes on.
    KeptByOthers {
        /// How many.
        leases: usize,
    },
}

/// Holds a bundled server up; dropping it lets go.
///
/// After the last lease of all processes the server is shut down: at once by [`Lease::stop`],
/// else when the settings' `linger` is over.
#[derive(Debug)]
pub struct Lease {
    address: BundledAddress,
    keeper_pid: u32,
    state: watch::Receiver<ServerState>,
    stop: mpsc::Sender<oneshot::Sender<StopOutcome>>,
    task: JoinHandle<()>,
}

impl Lease {
    pub(crate) fn new(
        settings: Arc<BundledSettings>,
        opened: Opened,
    ) -> Result<Self, BundledError> {
        let password_file = roles::password_file(&settings.state_dir, &settings.role);
        let address = BundledAddress {
            socket_dir: opened.hello.socket_dir,
            port: opened.hello.port,
            tcp: opened.hello.tcp,
            database: settings.database.clone(),
            role: settings.role.clone(),
            password: roles::password(&password_file)?,
            password_file,
        };
        let keeper_pid = opened.hello.keeper_pid;
        let (tell, state) = watch::channel(ServerState::Ready { pid: opened.pid });
        let (stop, stops) = mpsc::channel(1);
        let task = tokio::spawn(hold(settings, opened.control, tell, stops));
        Ok(Self {
            address,
            keeper_pid,
            state,
            stop,
            task,
        })
    }

    /// Where the server is.
    pub fn address(&self) -> &BundledAddress {
        &self.address
    }

    /// The process that keeps the server, at the time of the start.
    pub fn keeper_pid(&self) -> u32 {
        self.keeper_pid
    }

    /// How the server is now.
    pub fn state(&self) -> ServerState {
        self.state.borrow().clone()
    }

    /// A view of the server's state, to wait for changes.
    pub fn watch(&self) -> watch::Receiver<ServerState> {
        self.state.clone()
    }

    /// Lets go; returns when the server is down, or known to go on for others.
    pub async fn stop(self) -> StopOutcome {
        let (reply, outcome) = oneshot::channel();
        if self.stop.send(reply).await.is_err() {
            return StopOutcome::Stopped;
        }
        outcome.await.unwrap_or(StopOutcome::Stopped)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The task owns the connection, which is the lease.
        self.task.abort();
    }
}

/// Follows the server's state, and starts a server again whose keeper was lost.
async fn hold(
    settings: Arc<BundledSettings>,
    mut control: Control,
    tell: watch::Sender<ServerState>,
    mut stops: mpsc::Receiver<oneshot::Sender<StopOutcome>>,
) {
    loop {
        let Control { from, to } = control;
        let (reports, mut reported) = mpsc::channel(16);
        // Reading is not cancel safe, so it has a task of its own.
        let reader = AbortOnDrop(tokio::spawn(async move {
            let mut from = from;
            while let Ok(Some(report)) = receive::<Report>(&mut from).await {
                if reports.send(report).await.is_err() {
                    return;
                }
            }
        }));
        tokio::select! {
            ended = follow(&mut reported, &tell, &settings.data_dir) => match ended {
                Ended::Stopped => {
                    // Who stops a server that has stopped is answered.
                    if let Some(reply) = stops.recv().await {
                        let _ = reply.send(StopOutcome::Stopped);
                    }
                    return;
                }
                Ended::Lost => {}
            },
            Some(reply) = stops.recv() => {
                let outcome = release(to, &mut reported).await;
                let _ = reply.send(outcome);
                return;
            }
        }
        drop(reader);
        let restart = start_again(&settings, &tell);
        control = tokio::select! {
            control = restart => control,
            Some(reply) = stops.recv() => {
                let _ = reply.send(StopOutcome::Stopped);
                return;
            }
        };
    }
}

enum Ended {
    Stopped,
    Lost,
}

async fn follow(
    reported: &mut mpsc::Receiver<Report>,
    tell: &watch::Sender<ServerState>,
    data_dir: &Path,
) -> Ended {
    while let Some(report) = reported.recv().await {
        let Report::State(state) = report else {
            continue;
        };
        let data_dir = data_dir.display();
        match &state {
            ServerState::Ready { pid } => info!(%data_dir, pid, "bundled server is ready"),
            ServerState::Recovering { reason, .. } => {
                warn!(%data_dir, reason, "bundled server broke off and is started again");
            }
            ServerState::Stopped { reason, .. } => {
                warn!(%data_dir, reason, "bundled server has stopped");
            }
            ServerState::Starting | ServerState::Stopping => {}
        }
        let stopped = matches!(state, ServerState::Stopped { .. });
        tell.send_replace(state);
        if stopped {
            return Ended::Stopped;
        }
    }
    Ended::Lost
}

async fn start_again(settings: &BundledSettings, tell: &watch::Sender<ServerState>) -> Control {
    let mut reason = "its keeper process was killed".to_owned();
    loop {
        let data_dir = settings.data_dir.display();
        warn!(%data_dir, reason, "bundled server was lost and is started again");
        tell.send_replace(ServerState::Recovering {
            reason,
            log: Vec::new(),
        });
        match launch::open(settings, &mut |_| {}).await {
            Ok(Opened { control, pid, .. }) => {
                tell.send_replace(ServerState::Ready { pid });
                return control;
            }
            Err(error) => reason = error.to_string(),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn release(
    mut to: tokio::net::unix::OwnedWriteHalf,
    reported: &mut mpsc::Receiver<Report>,
) -> StopOutcome {
    if send(&mut to, &Request::Release).await.is_ok() {
        while let Some(report) = reported.recv().await {
            if let Report::Kept { leases } = report {
                return StopOutcome::KeptByOthers { leases };
            }
        }
    }
    StopOutcome::Stopped
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
