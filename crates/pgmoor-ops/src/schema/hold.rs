//! The right to run migrations: an advisory lock of the session, so that it ends with whoever has it.
//!
//! It is asked for again and again, and never waited for in the server: a session that waits there has
//! a snapshot, and `CREATE INDEX CONCURRENTLY` waits for that, so that both would wait for ever.

use std::time::{Duration, Instant};

use super::error::SchemaError;
use super::event::{Event, Tell};
use super::history::{ask, text};
use super::stop::Stop;
use crate::error::Error;
use crate::session::Session;

/// "pgmo": nobody else's, with luck.
const CLASS: u32 = 0x7067_6d6f;
/// Between two questions: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));
/// How often it is said that somebody waits.
const SAY: Duration = Duration::from_secs(10);

/// The wait for whoever has the lock.
#[derive(Debug)]
pub(super) struct Patience {
    begun: Instant,
    limit: Duration,
    pause: Duration,
    said: Option<Instant>,
}

impl Patience {
    /// At most `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            begun: Instant::now(),
            limit,
            pause: PAUSE.0,
            said: None,
        }
    }

    /// How long it was so far.
    pub(super) fn waited(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits for a moment, and now and then says for whom.
    ///
    /// # Errors
    /// [`SchemaError::Busy`], [`SchemaError::Stopped`].
    pub(super) async fn wait(
        &mut self,
        hold: Hold,
        session: &Session,
        stop: &mut Stop,
        tell: Tell<'_>,
    ) -> Result<(), SchemaError> {
        let waited = self.waited();
        let is_over = waited >= self.limit;
        if is_over || self.said.is_none_or(|said| said.elapsed() >= SAY) {
            let holder = hold.holder(session).await?;
            if is_over {
                return Err(SchemaError::Busy { holder, waited });
            }
            self.said = Some(Instant::now());
            tell(Event::Waits { holder, waited });
        }
        tokio::select! {
            () = stop.wished() => return Err(SchemaError::Stopped),
            () = tokio::time::sleep(self.pause) => {}
        }
        self.pause = (self.pause * 2).min(PAUSE.1);
        Ok(())
    }
}

/// The lock of one history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    object: u32,
}

impl Hold {
    /// The lock of this history; others of the same database have other locks.
    pub(super) fn of(table: &str) -> Self {
        // FNV-1a: the same at every process and release.
        let object = table.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self { object }
    }

    fn arguments(self) -> String {
        format!("{}, {}", CLASS.cast_signed(), self.object.cast_signed())
    }

    /// What says whether this session has it.
    fn condition(self) -> String {
        format!(
            "locktype = 'advisory' and classid = {CLASS} and objid = {} and objsubid = 2 \
             and database = (select oid from pg_database where datname = current_database()) and granted",
            self.object
        )
    }

    /// Takes the right to run migrations, unless another session has it.
    ///
    /// # Errors
    /// The server's.
    pub(super) async fn take(self, session: &Session) -> Result<bool, Error> {
        let sql = format!("select pg_try_advisory_lock({})", self.arguments());
        let rows = ask(session, "ask for the right to run migrations", &sql).await?;
        Ok(rows.first().is_some_and(|row| text(row, 0) == "t"))
    }

    /// Who has it.
    ///
    /// # Errors
    /// The server's.
    pub(super) async fn holder(self, session: &Session) -> Result<String, Error> {
        let sql = format!(
            "select format('process %s of the server, %s%s%s', a.pid, coalesce(a.usename, '?'), \
             ' from ' || coalesce(host(a.client_addr), 'its own host'), \
             ', ' || nullif(a.application_name, '')) \
             from pg_locks l join pg_stat_activity a on a.pid = l.pid where {}",
            self.condition()
        );
        let rows = ask(session, "see who runs migrations", &sql).await?;
        // It may just have ended.
        Ok(rows
            .first()
            .map_or_else(|| "one that just ended".to_owned(), |row| text(row, 0)))
    }

    /// The statement that says whether the server process that runs it has the lock.
    pub(super) fn question(self) -> String {
        format!(
            "select count(*) > 0 from pg_locks where pid = pg_backend_pid() and {}",
            self.condition()
        )
    }

    /// Gives it back; it ends with the session in any case.
    pub(super) async fn release(self, session: &Session) {
        let sql = format!("select pg_advisory_unlock({})", self.arguments());
        let _ = ask(session, "give back the right to run migrations", &sql).await;
    }
}
