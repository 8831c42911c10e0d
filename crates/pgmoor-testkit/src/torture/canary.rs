//! What a session can find that another one left behind, and how to leave it.

use super::link::application_name;

/// One row with everything in it that a session inherits from its server process.
pub(super) const LOOK: &str = "select current_setting('lock_timeout'), \
    current_setting('statement_timeout'), current_setting('search_path'), \
    current_setting('application_name'), current_setting('default_transaction_isolation'), \
    coalesce(nullif(current_setting('torture.canary', true), ''), 'none'), \
    current_user, session_user, \
    (select count(*) from pg_prepared_statements where from_sql), \
    (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), \
    (select count(*) from pg_listening_channels()), \
    (select count(*) from pg_class where relnamespace = pg_my_temp_schema()), \
    (select count(*) from pg_cursors where name = 'canary')";

/// What [`LOOK`] shows in a session that has set nothing but `lock_timeout`.
pub(super) fn clean(client: u32, user: &str, lock_timeout: &str) -> Vec<String> {
    let name = application_name(client);
    [
        lock_timeout,
        "0",
        "\"$user\", public",
        &name,
        "read committed",
        "none",
        user,
        user,
        "0",
        "0",
        "0",
        "0",
        "0",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The role that canaries are set to; `app` is a member.
pub(super) const OTHER_ROLE: &str = "torture_other";

/// Something that is left behind.
pub(super) struct Canary {
    /// What leaves it.
    pub(super) sql: &'static str,
    /// The column of [`LOOK`] that shows it.
    pub(super) column: usize,
    /// What it shows.
    pub(super) value: &'static str,
}

const fn canary(sql: &'static str, column: usize, value: &'static str) -> Canary {
    Canary { sql, column, value }
}

/// One of each kind, and no way to give a session state that is not among them.
pub(super) const CANARIES: &[Canary] = &[
    canary("set statement_timeout to '17min'", 1, "17min"),
    canary(
        "set search_path to pg_catalog, public",
        2,
        "pg_catalog, public",
    ),
    canary("set application_name to canary", 3, "canary"),
    canary(
        "set session characteristics as transaction isolation level serializable",
        4,
        "serializable",
    ),
    canary("set torture.canary to 'left'", 5, "left"),
    canary(
        "select set_config('torture.canary', 'left', false)",
        5,
        "left",
    ),
    canary("set role torture_other", 6, OTHER_ROLE),
    canary("prepare canary as select 'canary'", 8, "1"),
    canary("select pg_advisory_lock_shared(4711)", 9, "1"),
    canary("select pg_try_advisory_lock_shared(4711, 1)", 9, "1"),
    canary("listen canary", 10, "1"),
    canary("create temp table canary (a text)", 11, "1"),
    canary("select 'canary' as a into temp canary", 11, "1"),
    canary(
        "declare canary cursor with hold for select 'canary'",
        12,
        "1",
    ),
];
