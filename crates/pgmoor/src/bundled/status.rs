//! How a bundled server is, asked from any process that may enter its directories; changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cluster;
use super::error::BundledError;
use super::launch::Control;
use super::layout::Layout;
use super::pidfile::PidFile;
use super::protocol::{Hello, Report, Request, ServerState};

/// A keeper that does not answer within this time hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known about the server of a data directory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Status {
    /// There is no cluster yet.
    Absent,
    /// There is one, and nothing runs.
    Down {
        /// Its major version.
        major: u16,
    },
    /// A server runs that has lost its keeper; the next start stops it first.
    Orphaned {
        /// The process id of its main process.
        pid: u32,
    },
    /// A keeper has it.
    Kept {
        /// How the server is.
        state: ServerState,
        /// How many gateways hold it.
        leases: usize,
        /// The keeper's process id.
        keeper_pid: u32,
        /// The directory of its Unix socket.
        socket_dir: PathBuf,
        /// Its port.
        port: u16,
    },
}

/// Asks how the server of `data_dir` is.
///
/// # Errors
/// Something else than a data directory is there, or it cannot be read, or the keeper hangs.
pub async fn status(data_dir: &Path) -> Result<Status, BundledError> {
    let layout = Layout::of(data_dir)?;
    let asked = tokio::time::timeout(PATIENCE, ask(&layout))
        .await
        .map_err(|_| {
            let what = format!(
                "the keeper of \"{}\" does not answer",
                layout.data_dir.display()
            );
            BundledError::Timeout {
                what,
                seconds: PATIENCE.as_secs(),
            }
        })?;
    if let Some((hello, state)) = asked {
        let Hello {
            keeper_pid,
            socket_dir,
            port,
            leases,
            ..
        } = hello;
        return Ok(Status::Kept {
            state,
            leases,
            keeper_pid,
            socket_dir,
            port,
        });
    }
    let Some(major) = cluster::major_version(&layout.data_dir)? else {
        return Ok(Status::Absent);
    };
    let orphan = PidFile::read(&layout.data_dir).and_then(|file| file.server(&layout.data_dir));
    Ok(
        orphan.map_or(Status::Down { major }, |pid| Status::Orphaned {
            pid: pid.as_raw_nonzero().get().unsigned_abs(),
        }),
    )
}

async fn ask(layout: &Layout) -> Option<(Hello, ServerState)> {
    let mut control = Control::connect(layout, &Request::Status).await?;
    let Some(Report::Hello(hello)) = control.next().await else {
        return None;
    };
    let Some(Report::State(state)) = control.next().await else {
        return None;
    };
    Some((hello, state))
}
