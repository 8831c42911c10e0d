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

use std::time::Duration;

use super::verdict::{pass, warn};
use super::words::duration;
use super::{Ground, Outcome};
use crate::facts::server::Server;
use crate::sql::identifier;

/// What to type so that sessions like this one start with another value.
fn undo(server: &Server, on: Ground<'_>, name: &str, value: &str) -> String {
    let Ok(session) = on.session() else {
        return format!("SET {name} = {value}");
    };
    if server
        .settings
        .get(name)
        .is_some_and(|setting| setting.source == "client")
    {
        return format!(
            "it comes from the address or from PGOPTIONS: take {name} out of \"options\" there"
        );
    }
    // As PostgreSQL has it: what is said of both wins over the role's, and that over the database's.
    let said = server
        .overrides
        .iter()
        .filter(|said| {
            let set = said.setting.split('=').next();
            set.is_some_and(|set| set.eq_ignore_ascii_case(name))
        })
        .max_by_key(|said| (said.is_of_role, said.is_of_database));
    match said {
        Some(said) => said.reset(&session.database, &session.user),
        None => format!(
            "ALTER ROLE {} IN DATABASE {} SET {name} = {value}",
            identifier(&session.user),
            identifier(&session.database)
        ),
    }
}

/// Whether a timeout is off, or not shorter than that; else what comes of it.
fn not_shorter(on: Ground<'_>, name: &str, least: Duration, consequence: &str) -> Outcome {
    let server = on.server()?;
    Ok(match server.time(name) {
        None => pass(format!("{name} is off")),
        Some(limit) if limit >= least => pass(format!("{name} is {}", duration(limit))),
        Some(limit) => warn(format!("{name} is {}: {consequence}", duration(limit)))
            .hint(undo(server, on, name, "0")),
    })
}
