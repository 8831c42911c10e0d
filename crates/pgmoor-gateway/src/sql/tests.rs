//! What texts leave behind, by their words alone.

use super::{Effect, LOOKED_AT, PinReason, bytes_read, effects, effects::read, skim::is_plain};
use proptest::prelude::*;

fn of(sql: &str) -> Vec<Effect> {
    effects(sql.as_bytes()).list
}

fn set(name: &str, value: &str) -> Effect {
    Effect::Set {
        name: name.into(),
        value: value.into(),
    }
}

#[test]
fn ordinary_statements_leave_nothing_behind() {
    for sql in [
        "",
        ";",
        "select 1",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 17;",
        "begin; update t set a = 1; commit",
        "insert into t values ('listen x; set y = 1')",
        "select $$ ; listen x $$, $tag$ set a=b $tag$, $1",
        "-- set x = 1\nselect 1 /* ; listen /* nested */ x */",
        "select E'it\\'s; listen x'",
        "prepare transaction 'x'",
        "set local work_mem = 1",
        "set transaction read only",
        "set constraints all deferred",
        "declare c cursor for select 1",
        "create table t (a int)",
        "create index on t (a)",
        "select pg_advisory_xact_lock(1)",
        "select set_config('search_path', $1, true)",
        "select \"listen\" from t",
        "update t set role = 'x' where set_config = 1",
        "discard plans",
        "reset role",
        "create function f() returns int set search_path = pg_catalog, pg_temp return 1",
        "create or replace procedure p() language sql SET search_path TO app, \"pg_temp\" as ''",
        "alter function f() set search_path to pg_catalog,pg_temp",
        "set local search_path = pg_catalog, pg_temp",
        "select nextval('s'), currval('s')",
        "insert into t default values returning lastval()",
        "select currval from t",
    ] {
        assert_eq!(of(sql), [], "{sql}");
    }
}

#[test]
fn settings_are_read_with_their_values_as_written() {
    assert_eq!(
        of("SET search_path TO a, \"B c\", 'd;e' ; select 1"),
        [set("search_path", "a, \"B c\", 'd;e'")]
    );
    assert_eq!(
        of("set session statement_timeout = '5s'"),
        [set("statement_timeout", "'5s'")]
    );
    assert_eq!(of("SET MyApp.User = 7"), [set("myapp.user", "7")]);
    assert_eq!(of("set schema 'x'"), [set("search_path", "'x'")]);
    assert_eq!(
        of("set lock_timeout to default; reset work_mem; reset all"),
        [
            Effect::Reset {
                name: "lock_timeout".into()
            },
            Effect::Reset {
                name: "work_mem".into()
            },
            Effect::ResetAll
        ]
    );
    assert_eq!(of("set time zone 'UTC'"), [set("timezone", "'UTC'")]);
    for sql in [
        "reset time zone",
        "set time zone local",
        "set time zone default",
    ] {
        let name = "timezone".into();
        assert_eq!(of(sql), [Effect::Reset { name }], "{sql}");
    }
    let name = "client_encoding".into();
    assert_eq!(of("set names"), [Effect::Reset { name }]);
    assert_eq!(of("set names 'utf8'"), [set("client_encoding", "'utf8'")]);
}

#[test]
fn what_lives_in_the_server_process_pins() {
    for (sql, reason) in [
        ("listen x", PinReason::Listen),
        ("select 1; LISTEN x", PinReason::Listen),
        ("/* c */ create temp table t()", PinReason::TemporaryTable),
        (
            "create or replace temporary view v as select 1",
            PinReason::TemporaryTable,
        ),
        ("create local temp table t()", PinReason::TemporaryTable),
        ("select 1 into temp t", PinReason::TemporaryTable),
        ("create table pg_temp.t (a int)", PinReason::TemporaryTable),
        (
            "create function pg_temp.f() returns int set search_path = pg_temp return 1",
            PinReason::TemporaryTable,
        ),
        (
            "declare c cursor with hold for select 1",
            PinReason::HoldCursor,
        ),
        (
            "select pg_catalog.pg_advisory_lock(1)",
            PinReason::AdvisoryLock,
        ),
        (
            "with x as (select pg_try_advisory_lock_shared(1)) select 1",
            PinReason::AdvisoryLock,
        ),
        ("prepare p as select 1", PinReason::Prepare),
        ("set role x", PinReason::Role),
        ("set role = x", PinReason::Role),
        ("set session authorization x", PinReason::Role),
        (
            "set session characteristics as transaction read only",
            PinReason::Setting,
        ),
        ("load 'x'", PinReason::Load),
    ] {
        assert_eq!(of(sql), [Effect::Pin(reason)], "{sql}");
    }
}

#[test]
fn a_value_that_a_sequence_gave_before_is_told_from_one_that_it_gives_now() {
    for sql in [
        "select lastval()",
        "SELECT pg_catalog.CURRVAL('s'), currval('t')",
        "insert2; select lastval ()",
    ] {
        assert_eq!(of(sql), [Effect::Sequence], "{sql}");
    }
}

#[test]
fn set_config_is_named_when_it_may_stay() {
    let named = |name: Option<&str>| {
        [Effect::SetConfig {
            name: name.map(str::to_owned),
        }]
    };
    assert_eq!(
        of("select set_config('TimeZone', 'UTC', false)"),
        named(Some("timezone"))
    );
    assert_eq!(
        of("select pg_catalog.set_config($1, f(a, 'true'), $2)"),
        named(None)
    );
    // What only begins or ends like a literal is none.
    assert_eq!(
        of("select set_config('TimeZone', 'UTC', not true)"),
        named(Some("timezone"))
    );
    assert_eq!(
        of("select set_config('search_path' || 'TimeZone', 'UTC', f(true))"),
        named(None)
    );
}

#[test]
fn calls_within_calls_do_not_make_it_slow() {
    let calls = "set_config(".repeat(LOOKED_AT / 11);

    let before = bytes_read();
    effects(calls.as_bytes());

    let read = bytes_read() - before;
    assert!(read < 20 * LOOKED_AT, "{read} bytes read of {LOOKED_AT}");
}

#[test]
fn deallocate_and_discard_are_told_apart() {
    let deallocate = |name: &str| [Effect::Deallocate { name: name.into() }];
    assert_eq!(of("DEALLOCATE ALL"), [Effect::DeallocateAll]);
    assert_eq!(of("deallocate PREPARE all;"), [Effect::DeallocateAll]);
    assert_eq!(of("deallocate Ab ;"), deallocate("ab"));
    assert_eq!(of("deallocate \"A\"\"b\""), deallocate("A\"b"));
    assert_eq!(of("DISCARD ALL"), [Effect::DiscardAll]);
}

#[test]
fn one_statement_is_told_from_several() {
    assert!(effects(b"deallocate a ; ;").single);
    assert!(!effects(b"deallocate a; select 1").single);
}

#[test]
fn what_applications_ask_is_known_to_be_plain_at_a_glance() {
    for sql in [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 17;",
        "select 1",
        "BEGIN;",
        "commit",
        "  insert into t (a, b) values ($1, 'x') on conflict do nothing ;\n",
        "update t set a = 1 where b in (1, 2, 3)",
    ] {
        assert!(is_plain(sql.as_bytes()), "{sql}");
    }
}

proptest! {
    #[test]
    fn what_looks_plain_at_a_glance_has_no_effects_when_read(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "select", "SET", "set_config('a', 'b', false)", "pg_advisory_lock(1)", "PG_TRY_ADVISORY_LOCK", "into", "Temp",
            "temporary", "pg_temp.x", "pg_Temp", ";", " ; ", "listen", "create", "with", "1", "'", "\"", "$$", "--", "\n", "/*",
            "*/", "a_long_name_of_something", "(", ")", "discard all", "declare c cursor with hold for",
            "reset", "insert", "x", "_", "local",
        ]), 0..14), separator in proptest::sample::select(vec!["", " ", "\t"])) {
        let sql = words.join(separator);
        if is_plain(sql.as_bytes()) {
            let read = read(sql.as_bytes());
            prop_assert!(read.list.is_empty() && read.single, "{sql}: {read:?}");
        }
    }

    #[test]
    fn no_text_makes_it_panic_or_hang(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        effects(&text);
    }

    #[test]
    fn no_statement_soup_makes_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "set", "local", "session", "'", "\"", "$$", "$a$", "/*", "*/", "--", "\n", ";", "(", ")", ",", "=",
            "to", "default", "listen", "create", "temp", "with", "hold", "set_config", "deallocate", "all", "E'", "\\",
        ]), 0..40)) {
        effects(words.join(" ").as_bytes());
        effects(words.concat().as_bytes());
    }
}
