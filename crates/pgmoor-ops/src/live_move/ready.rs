//! What both servers have to allow before a move is begun, asked without changing anything.

use std::time::Duration;

use super::error::MoveError;
use super::hindrance::Hindrance;
use crate::session::Session;

/// How long a server may take to answer.
const ASK: Duration = Duration::from_secs(30);

/// What a side does in a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Sends changes first.
    Source,
    /// Receives them first.
    Target,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    version: u32,
    user: String,
    wal_level: String,
    is_standby: bool,
    may_replicate: bool,
    free_slots: i64,
    free_senders: i64,
    prepared: i64,
    may_set_role: bool,
    owns_database: bool,
}

/// Asks one side.
///
/// # Errors
/// [`MoveError::Server`].
pub(super) async fn hindrances(
    session: &Session,
    part: Part,
    follows: bool,
) -> Result<Vec<Hindrance>, MoveError> {
    let client = session.client();
    let rows = session
        .within(
            "ask what the server allows",
            ASK,
            client.query_typed(SAYS, &[]),
        )
        .await?;
    let row = &rows[0];
    // It is given to others by name from 15 on, and by vendors to roles of their own: who may is who can.
    let replica =
        client.batch_execute("begin; set local session_replication_role = replica; rollback");
    let may_set_role = match session
        .within("ask what the server allows", ASK, replica)
        .await
    {
        Ok(()) => true,
        Err(error)
            if error
                .sqlstate()
                .is_some_and(|code| code.as_str() == "42501") =>
        {
            let rollback = client.batch_execute("rollback");
            session
                .within("ask what the server allows", ASK, rollback)
                .await?;
            false
        }
        Err(error) => return Err(error.into()),
    };
    let said = Said {
        version: session.server_version,
        user: session.user.clone(),
        wal_level: row.get(0),
        is_standby: row.get(1),
        may_replicate: row.get(2),
        free_slots: row.get(3),
        free_senders: row.get(4),
        prepared: row.get(5),
        owns_database: row.get(6),
        may_set_role,
    };
    Ok(judge(&said, part, follows))
}

const SAYS: &str = "select current_setting('wal_level'), pg_is_in_recovery(),
    exists (select from pg_roles where rolname = current_user and (rolsuper or rolreplication))
        or exists (select from pg_roles where rolname in ('rds_replication', 'rds_superuser')
            and pg_has_role(current_user, oid, 'MEMBER')),
    current_setting('max_replication_slots')::int8 - (select count(*) from pg_replication_slots),
    current_setting('max_wal_senders')::int8 - (select count(*) from pg_stat_replication),
    (select count(*) from pg_prepared_xacts where database = current_database()),
    (select pg_has_role(current_user, datdba, 'USAGE') from pg_database where datname = current_database())";

/// `follows` is whether changes are to be followed.
fn judge(said: &Said, part: Part, follows: bool) -> Vec<Hindrance> {
    let name = part.name();
    let mut found = Vec::new();
    let mut note = |what: String, hint: String| found.push(Hindrance { what, hint });
    if said.is_standby {
        note(
            format!("the {name} is a standby"),
            "name the primary".into(),
        );
    }
    if follows && said.wal_level != "logical" {
        note(
            format!("wal_level of the {name} is {}", said.wal_level),
            "ALTER SYSTEM SET wal_level = logical, and restart that server; or --offline".into(),
        );
    }
    if follows && !said.may_replicate {
        note(
            format!("{} may not replicate at the {name}", said.user),
            format!(
                "ALTER ROLE {} REPLICATION, or name another login",
                said.user
            ),
        );
    }
    if !said.may_set_role {
        let hint = match said.version >= 150_000 {
            true => format!(
                "GRANT SET ON PARAMETER session_replication_role TO {}, or name another login",
                said.user
            ),
            false => "name a superuser's login".into(),
        };
        note(
            format!(
                "{} may not keep triggers from firing twice at the {name}",
                said.user
            ),
            hint,
        );
    }
    if !said.owns_database {
        note(
            format!("{} does not own the database at the {name}", said.user),
            "a cutover fences the old side, which its owner may: name another login".into(),
        );
    }
    // One for the changes, one for a snapshot to compare rows of.
    for (free, setting) in [
        (said.free_slots, "max_replication_slots"),
        (said.free_senders, "max_wal_senders"),
    ] {
        if follows && free < 2 {
            note(
                format!("the {name} has {free} of {setting} free, and 2 are needed"),
                format!("raise {setting}, and restart that server"),
            );
        }
    }
    if said.prepared > 0 && part == Part::Source {
        note(
            format!(
                "{} transactions are prepared at the source and not ended",
                said.prepared
            ),
            "COMMIT PREPARED or ROLLBACK PREPARED each of pg_prepared_xacts".into(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        Said {
            version: 150_000,
            user: "app".into(),
            wal_level: "logical".into(),
            is_standby: false,
            may_replicate: true,
            free_slots: 10,
            free_senders: 10,
            prepared: 0,
            may_set_role: true,
            owns_database: true,
        }
    }

    #[test]
    fn a_server_that_allows_all_of_it_hinders_nothing() {
        assert_eq!(judge(&said(), Part::Source, true), []);
        assert_eq!(judge(&said(), Part::Target, true), []);
    }

    #[test]
    fn each_thing_that_is_missing_is_named_with_what_to_type() {
        let bad = Said {
            wal_level: "replica".into(),
            is_standby: true,
            may_replicate: false,
            free_slots: 1,
            free_senders: 0,
            prepared: 3,
            may_set_role: false,
            owns_database: false,
            ..said()
        };

        let found = judge(&bad, Part::Source, true);

        assert_eq!(found.len(), 8);
        assert!(found.iter().all(|one| !one.hint.is_empty()));
        assert_eq!(
            judge(&bad, Part::Source, false).len(),
            4,
            "what changes need counts no more"
        );
        assert!(found[3].hint.starts_with("GRANT SET ON PARAMETER"));
    }
}
