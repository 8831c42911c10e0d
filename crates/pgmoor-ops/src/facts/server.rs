//! What the server is: version, role, settings.

use std::time::{Duration, SystemTime};

use tokio_postgres::Client;

/// What the server is.
#[derive(Debug, Clone)]
pub struct Server {
    /// As PostgreSQL counts: `150004` is 15.4.
    pub version: u32,
    /// `server_version` as it stands: `15.4 (Debian 15.4-1)`.
    pub version_text: String,
    /// Whether it is a standby.
    pub is_standby: bool,
    /// The process that serves the session.
    pub pid: i32,
    /// How far the server's clock is ahead of ours, in seconds, and by how much that may be wrong.
    pub clock: Clock,
}

/// The server's clock against ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// How far the server's is ahead, in seconds; negative when it is behind.
    pub ahead: f64,
    /// By how much that may be wrong, in seconds: half a round trip.
    pub error: f64,
}

/// Reads it.
pub(super) async fn read(client: &Client) -> Result<Server, tokio_postgres::Error> {
    let asked = SystemTime::now();
    let row = client
        .query_typed(
            "select extract(epoch from clock_timestamp())::float8,
                    current_setting('server_version_num')::int4,
                    current_setting('server_version'),
                    pg_is_in_recovery(),
                    pg_backend_pid()",
            &[],
        )
        .await?;
    let answered = SystemTime::now();
    let row = row.first().expect("a select without from gives one row");
    Ok(Server {
        clock: Clock::between(asked, answered, row.get(0)),
        version: u32::try_from(row.get::<_, i32>(1)).unwrap_or(0),
        version_text: row.get(2),
        is_standby: row.get(3),
        pid: row.get(4),
    })
}

impl Clock {
    /// From when we asked and were answered, and what the server's clock said in between.
    fn between(asked: SystemTime, answered: SystemTime, server: f64) -> Self {
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or(Duration::ZERO)
                .as_secs_f64()
        };
        let (asked, answered) = (seconds(asked), seconds(answered));
        Self {
            ahead: server - (asked + answered) / 2.0,
            error: (answered - asked).abs() / 2.0,
        }
    }
}
