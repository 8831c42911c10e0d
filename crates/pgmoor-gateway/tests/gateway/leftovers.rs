//! State that cannot follow a client: kept for it, or refused; and gone for the next one.

use pgmoor_gateway::settings::{PoolMode, SessionState};
use pgmoor_testkit::{Message, frontend as f, tags};

use crate::fixture::{Gate, MODES, Plan, both_ways, error_in, values};

/// The transaction status that the last message tells.
fn status(messages: &[Message]) -> char {
    messages
        .last()
        .map_or('?', |ready| char::from(ready.body[0]))
}

/// What cannot follow a client to another server connection: a statement, and what shows that it
/// is still there.
const KEPT: [(&str, &str, &str); 7] = [
    ("listen news", "select pg_listening_channels()", "news"),
    (
        "select pg_advisory_lock(42)",
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
        "1",
    ),
    (
        "create temp table mine as select 1 as a",
        "select a from mine",
        "1",
    ),
    (
        "declare c cursor with hold for select 5",
        "select count(*) from pg_cursors where name = 'c'",
        "1",
    ),
    ("prepare p as select 6", "execute p", "6"),
    ("set role pg_monitor", "select current_user", "pg_monitor"),
    ("select 1 as a into temp mine", "select a from mine", "1"),
];

#[tokio::test]
async fn pin_keeps_the_server_connection_of_a_client_with_session_state() {
    for (sql, look, wanted) in KEPT {
        let gate = Gate::start(PoolMode::Transaction, 2).await;
        gate.postgres.psql("grant pg_monitor to app").await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        let answer = one.query(sql).await;
        assert!(answer.iter().all(|m| m.tag != b'E'), "{sql}: {answer:?}");

        for _ in 0..3 {
            two.query("select 1").await;
            assert_eq!(one.value(look).await, wanted, "{sql}");
        }
        one.terminate().await;
        for _ in 0..3 {
            let mut next = gate.client().await;
            let shown = next.query(look).await;
            assert!(
                values(&shown).iter().all(|value| value != wanted),
                "{sql} leaked: {shown:?}"
            );
        }
    }
}

#[tokio::test]
async fn refuse_tells_what_is_refused_why_and_what_to_do() {
    let plan =
        Plan::new(PoolMode::Transaction, 1).pool(|pool| pool.session_state = SessionState::Refuse);
    let gate = plan.start().await;
    let mut client = gate.client().await;
    for (sql, _, _) in KEPT {
        for answer in both_ways(&mut client, sql).await {
            let error = error_in(&answer);
            assert_eq!(tags(&answer), "EZ", "{sql}");
            assert_eq!(error.sqlstate(), "0A000", "{sql}");
            assert_eq!(
                error.hint(),
                "set pool.mode to \"session\" for this database, or pool.session_state to \"pin\""
            );
            assert_eq!(status(&answer), 'I');
        }
    }
    let text = client.query("listen news").await;
    assert_eq!(
        error_in(&text).text(),
        "LISTEN cannot be used in transaction pooling"
    );
    assert_eq!(
        client
            .value("select count(*) from pg_listening_channels()")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_refusal_in_a_transaction_fails_the_transaction() {
    let plan =
        Plan::new(PoolMode::Transaction, 1).pool(|pool| pool.session_state = SessionState::Refuse);
    let gate = plan.start().await;
    let mut client = gate.client().await;

    for extended in [false, true] {
        client.query("begin").await;
        let refused = if extended {
            let named = [f::parse("s", "listen news"), f::sync()];
            client.pipeline(&named).await
        } else {
            client.query("listen news").await
        };

        assert_eq!(error_in(&refused).sqlstate(), "0A000");
        assert_eq!(status(&refused), 'E');
        let next = client.query("select 1").await;
        assert_eq!(error_in(&next).sqlstate(), "25P02");
        assert_eq!(status(&client.query("rollback").await), 'I');
    }
    assert_eq!(client.value("select 1").await, "1");
}

#[tokio::test]
async fn what_is_allowed_for_a_transaction_is_not_refused() {
    let plan =
        Plan::new(PoolMode::Transaction, 1).pool(|pool| pool.session_state = SessionState::Refuse);
    let gate = plan.start().await;
    let mut client = gate.client().await;

    for sql in [
        "select pg_advisory_xact_lock(1)",
        "begin; set local work_mem to '5MB'; declare c cursor for select 1; fetch c; commit",
        "select 'listen to pg_advisory_lock(1)' /* create temp table */ -- prepare",
        "notify news",
        "set work_mem to '5MB'",
        "select lo_unlink(lo_create(0))",
    ] {
        let answer = client.query(sql).await;
        assert!(answer.iter().all(|m| m.tag != b'E'), "{sql}: {answer:?}");
    }
}

#[tokio::test]
async fn nothing_of_a_client_is_left_for_the_next_one() {
    for mode in MODES {
        for leave in ["terminate", "reset", "in transaction", "discarded"] {
            let gate = Gate::start(mode, 1).await;
            gate.postgres.psql("grant pg_monitor to app").await;
            let mut client = gate.client_with(&[("search_path", "mine")]).await;
            for (sql, _, _) in &KEPT[..6] {
                client.query(sql).await;
            }
            client.query("set work_mem to '11MB'").await;
            client.query("set session my.own to 'secret'").await;
            client
                .pipeline(&[f::parse("named", "select 'named'"), f::sync()])
                .await;
            match leave {
                "terminate" => client.terminate().await,
                "reset" => client.reset(),
                "in transaction" => {
                    client.query("begin; select 1").await;
                    client.query("set local lock_timeout to '5s'").await;
                    client.terminate().await;
                }
                _ => {
                    client.query("discard all").await;
                    client.terminate().await;
                }
            }

            let mut next = gate.client().await;
            for (sql, wanted) in [
                ("select current_user || session_user", "appapp"),
                ("show search_path", "\"$user\", public"),
                ("show work_mem", "4MB"),
                ("show lock_timeout", "0"),
                ("select coalesce(current_setting('my.own', true), '')", ""),
                ("select count(*) from pg_listening_channels()", "0"),
                (
                    "select count(*) from pg_locks where locktype = 'advisory'",
                    "0",
                ),
                ("select count(*) from pg_cursors where name = 'c'", "0"),
                ("select count(*) from pg_class where relname = 'mine'", "0"),
                (
                    "select count(*) from pg_prepared_statements where name in ('p', 'named')",
                    "0",
                ),
            ] {
                assert_eq!(next.value(sql).await, wanted, "{mode:?} {leave}: {sql}");
            }
        }
    }
}

#[tokio::test]
async fn what_code_inside_a_statement_leaves_behind_is_gone_for_the_next_client() {
    for sql in [
        "do $$ begin perform set_config('work_mem', '11MB', false); end $$",
        "do $$ begin perform pg_advisory_lock(7); end $$",
        "do $$ begin create temp table mine (a int); end $$",
        "call meddle()",
        "create table pg_temp.mine (a int)",
    ] {
        for extended in [false, true] {
            let gate = Gate::start(PoolMode::Transaction, 1).await;
            let mut client = gate.client().await;
            client
                .query(
                    "create procedure meddle() language plpgsql as \
                     $$ begin perform set_config('work_mem', '11MB', false); end $$",
                )
                .await;
            let answer = if extended {
                let run = [
                    f::parse("", sql),
                    f::bind("", "", &[]),
                    f::execute("", 0),
                    f::sync(),
                ];
                client.pipeline(&run).await
            } else {
                client.query(sql).await
            };
            assert!(answer.iter().all(|m| m.tag != b'E'), "{sql}: {answer:?}");
            if sql.contains("pg_temp") {
                client.terminate().await;
            }

            let mut next = gate.client().await;
            for (look, wanted) in [
                ("show work_mem", "4MB"),
                (
                    "select count(*) from pg_locks where locktype = 'advisory'",
                    "0",
                ),
                ("select count(*) from pg_class where relname = 'mine'", "0"),
            ] {
                assert_eq!(next.value(look).await, wanted, "{sql}");
            }
        }
    }
}
