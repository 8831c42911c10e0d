//! How sessions for a copy are opened, and stopped.

use std::time::Duration;

use pgmoor::connector::CancelTarget;
use tokio::time::Instant;

use super::error::CopyError;
use crate::live_move::side::Side;
use crate::wire_session::WireSession;

/// What sessions that copy call themselves.
pub(crate) const COPYING: &str = "pgmoor move copy";

/// How long a server may take for what is not the copy of rows or the making of an index.
pub(crate) const STATEMENT: Duration = Duration::from_secs(300);

/// How long a server may be silent while it makes an index, checks a constraint, or looks for the first row: only what
/// hangs takes so long.
pub(crate) const WORK: Duration = Duration::from_secs(24 * 60 * 60);

/// A session that rows pass through.
pub(crate) async fn wire(side: &Side) -> Result<WireSession, CopyError> {
    let mut session = side.wire("copy").await?;
    session.patience(STATEMENT);
    let told = CopyError::wire(|| format!("prepare a session on {}", side.endpoint));
    let money = session.query("set lc_monetary = 'C'");
    money.await.map_err(told)?;
    Ok(session)
}

/// Asks servers to cancel what these sessions run, all at once; whether they had something to cancel does not matter.
pub(crate) async fn cancel(all: &[CancelTarget]) {
    const WITHIN: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + WITHIN;
    let requests = all.iter().map(|target| target.cancel(deadline));
    futures_util::future::join_all(requests).await;
}
