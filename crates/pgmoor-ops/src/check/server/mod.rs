//! What the server is and how it is set.

checks!(
    version,
    end_of_life,
    primary,
    writable,
    encoding,
    collation_version,
    statement_timeout,
    idle_in_transaction,
    idle_session,
    transaction_timeout,
    lock_timeout,
    durability,
    isolation,
    time_zone,
);

use super::Ground;
use crate::facts::server::Server;
use crate::sql::identifier;

/// What to type so that sessions like this one start with another value.
fn undo(server: &Server, on: Ground<'_>, name: &str, value: &str) -> String {
    let Ok(session) = on.session() else {
        return format!("SET {name} = {value}");
    };
    let said = server.overrides.iter().find(|said| {
        said.setting
            .split('=')
            .next()
            .is_some_and(|set| set.eq_ignore_ascii_case(name))
    });
    match said {
        Some(said) => said.reset(&session.database, &session.user),
        None => format!(
            "ALTER ROLE {} IN DATABASE {} SET {name} = {value}",
            identifier(&session.user),
            identifier(&session.database)
        ),
    }
}
