//! How a move stands, as both sides say it.

use super::error::MoveError;
use super::fence::{self, Standing};
use super::journal::{self, Phase, STATEMENT};
use super::mover::Move;
use super::names;
use super::outgoing;
use crate::session::Session;
use crate::sql::literal;

/// How a move stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it is; none when none is under way.
    pub phase: Option<Phase>,
    /// Bytes of log that are still to be done.
    pub lag: Option<u64>,
    /// Bytes of log that are kept for it.
    pub kept: Option<u64>,
    /// Whether somebody does the changes.
    pub is_followed: bool,
    /// What a fence at the source says.
    pub fence: Option<String>,
}

impl Status {
    /// The endpoint where clients belong.
    pub fn serves<'a>(&self, it: &'a Move) -> &'a str {
        let is_at_target = match self.phase {
            Some(phase) => phase.is_at_target(),
            None => self.fence.is_some(),
        };
        match is_at_target {
            true => &it.target.endpoint,
            false => &it.source.endpoint,
        }
    }
}

impl Move {
    /// Asks both sides how the move stands; nothing is changed.
    ///
    /// # Errors
    /// A side cannot be asked.
    pub async fn status(&self) -> Result<Status, MoveError> {
        let source = self.source.session().await?;
        let target = self.target.session().await?;
        let entry = journal::read(&target)
            .await?
            .filter(|entry| !entry.is_source);
        let fence = match fence::read(&source).await? {
            Standing::Fenced(text) => Some(text),
            Standing::Open(_) => None,
        };
        let phase = entry.map(|entry| entry.phase);
        let sender = match phase.is_some_and(Phase::is_at_target) {
            true => &target,
            false => &source,
        };
        let slot = slot(sender).await?;
        let status = Status {
            phase,
            lag: slot.as_ref().map(|slot| slot.lag),
            kept: match &slot {
                Some(_) => outgoing::kept(sender, &names::outgoing(&sender.database)).await?,
                None => None,
            },
            is_followed: slot.is_some_and(|slot| slot.is_read),
            fence,
        };
        source.close().await;
        target.close().await;
        Ok(status)
    }
}

struct Slot {
    lag: u64,
    is_read: bool,
}

async fn slot(session: &Session) -> Result<Option<Slot>, MoveError> {
    let sql = format!(
        "select greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::int8, active
         from pg_replication_slots where slot_name = {}",
        literal(&names::outgoing(&session.database))
    );
    let rows = session.client().query_typed(&sql, &[]);
    let rows = session.within("look at the slot", STATEMENT, rows).await?;
    Ok(rows.first().map(|row| {
        let lag: Option<i64> = row.get(0);
        Slot {
            lag: u64::try_from(lag.unwrap_or_default()).unwrap_or_default(),
            is_read: row.get(1),
        }
    }))
}
