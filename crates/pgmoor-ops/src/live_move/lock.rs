//! Who does a move: one session at a time, told by PostgreSQL's advisory locks.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::MoveError;
use super::journal::STATEMENT;
use crate::wire_session::WireSession;

/// The advisory lock that whoever does the move holds at the target. Two numbers: "pgmo", "move".
pub(super) const MOVER: Lock = Lock(0x7067_6d6f, 0x6d6f_7665);
/// The one that whoever does the changes holds where they are done: "pgmo", "appl".
pub(super) const APPLIER: Lock = Lock(0x7067_6d6f, 0x6170_706c);

/// An advisory lock by which one session at a time is told from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock(i32, i32);

/// Takes a lock for this session: nobody else has it as long as the session lives.
///
/// Whoever had it is ended, which is what they are made for: all that they did is committed or undone.
///
/// # Errors
/// They do not end.
pub(super) async fn take(session: &mut WireSession, lock: Lock) -> Result<(), MoveError> {
    seize(session, lock, "true").await
}

/// Takes a lock again that another session of this process had, which was lost and may not have ended yet.
///
/// # Errors
/// [`MoveError::TakenOver`] when somebody else has it by now.
pub(super) async fn take_back(
    session: &mut WireSession,
    lock: Lock,
    lost: Option<i32>,
) -> Result<(), MoveError> {
    let ours = format!("pid = {}", lost.unwrap_or_default());
    match seize(session, lock, &ours).await {
        Err(MoveError::NotNow { .. }) => Err(MoveError::TakenOver),
        other => other,
    }
}

/// Each try is two round trips to a server, which ends its sessions within milliseconds.
async fn seize(session: &mut WireSession, lock: Lock, whom: &str) -> Result<(), MoveError> {
    let Lock(one, two) = lock;
    let take = format!("select pg_try_advisory_lock({one}, {two})");
    let end = format!(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
            and classid = {one} and objid = {two} and pid <> pg_backend_pid() and {whom}
            and database = (select oid from pg_database where datname = current_database())"
    );
    let deadline = Instant::now() + STATEMENT;
    while Instant::now() < deadline {
        let row = session.row(&take).await?;
        if row.flag(0) == Some(true) {
            return Ok(());
        }
        if session.rows(&end).await?.is_empty() && whom != "true" {
            break;
        }
        sleep(BETWEEN).await;
    }
    Err(MoveError::NotNow {
        verb: "take the move over",
        why: "another pgmoor does it and does not end".into(),
        hint: "look at pg_stat_activity there for \"pgmoor move\"".into(),
    })
}

/// The time between two tries to take a lock.
const BETWEEN: Duration = Duration::from_millis(20);
