//! Whether the server has a connection left.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-003",
    layer: Layer::Login,
    title: "the server has a connection left for us",
    why: "A server that is full refuses everybody but superusers, whoever it is that holds the connections.",
    needs: "a connection to a PostgreSQL server",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::Full,
        |session| { let _ = session; "it had one".to_owned() },
        |error, user| fail(format!("no connection for \"{user}\": {}", refusal::said(error))).hint_text("see who holds them: select usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 order by 4 desc; lower pools, or raise max_connections (or ALTER ROLE … CONNECTION LIMIT, ALTER DATABASE … CONNECTION LIMIT)"),
    )
}
