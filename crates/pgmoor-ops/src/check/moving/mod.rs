//! Whether the database can be moved while it is used.

checks!(
    wal_level,
    slots,
    senders,
    replication,
    publication,
    identity,
    unlogged,
    foreign_tables,
    materialized_views,
    event_triggers,
    publications,
    row_security,
    unreadable,
    prepared_transactions,
    collations,
    large_objects,
    open_transaction,
    size,
    target_reached,
    target_version,
    target_extensions,
    target_encoding,
    target_collation,
    target_empty,
);

use super::verdict::{fail, pass, skip};
use super::{Ground, Outcome};

/// What a move takes: one to follow, and one for the initial copy of a table that is taken again.
const WANTED: i64 = 2;

/// Whether of what this setting limits, so many of which are in use, enough is left for a move.
fn room(on: Ground<'_>, setting: &str, used: i64) -> Outcome {
    let server = on.server()?;
    let Some(most) = server.number(setting) else {
        return skip(format!("{setting} is not shown"));
    };
    let seen = format!("{used} of {most} ({setting}) are in use");
    if most - used >= WANTED {
        return Ok(pass(seen));
    }
    let enough = used + WANTED + 2;
    let hint = match server.vendor.is_managed() {
        true => format!(
            "set {setting} to {enough} in the parameters of the instance, which restarts it"
        ),
        false => format!("ALTER SYSTEM SET {setting} = {enough}, and restart the server"),
    };
    Ok(fail(format!("{seen}; a move takes {WANTED}")).hint(hint))
}
