//! Prepared statements and pipelines: whatever a client prepared is there, wherever it goes.

use std::num::NonZeroU32;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{frontend as f, tags};

use crate::fixture::{Gate, MODES, Plan, error_in, values};

/// Bind, Describe, Execute and Sync of a statement without parameters.
fn run(statement: &str) -> Vec<Vec<u8>> {
    vec![f::bind("", statement, &[]), f::execute("", 0), f::sync()]
}

fn prepare(name: &str, sql: &str) -> Vec<Vec<u8>> {
    vec![f::parse(name, sql), f::describe_statement(name), f::sync()]
}

#[tokio::test]
async fn a_named_statement_follows_its_client_from_one_server_connection_to_another() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.pipeline(&prepare("mine", "select pg_backend_pid()"))
        .await;
    let first = values(&one.pipeline(&run("mine")).await);

    // Another client takes that very server connection and keeps it in a transaction.
    two.query("begin").await;
    let mut held = two.value("select pg_backend_pid()").await;
    while held != first[0] {
        let mut three = gate.client().await;
        three.query("begin").await;
        two.query("commit").await;
        held = three.value("select pg_backend_pid()").await;
        two = three;
    }
    let second = values(&one.pipeline(&run("mine")).await);

    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
}

#[tokio::test]
async fn an_unnamed_statement_is_its_clients_own_across_transactions() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);

    // As lib/pq does: the parse in one batch, its use in another.
    for round in 0..3 {
        let (a, b) = (
            format!("select 'one {round}'"),
            format!("select 'two {round}'"),
        );
        assert_eq!(tags(&one.pipeline(&prepare("", &a)).await), "1tTZ");
        assert_eq!(tags(&two.pipeline(&prepare("", &b)).await), "1tTZ");
        let of_one = values(&one.pipeline(&run("")).await);
        let of_two = values(&two.pipeline(&run("")).await);

        assert_eq!(of_one, [format!("one {round}")]);
        assert_eq!(of_two, [format!("two {round}")]);
    }
}

#[tokio::test]
async fn an_unnamed_statement_that_another_client_left_cannot_be_used() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.pipeline(&prepare("", "select 'secret'")).await;

    let answer = two.pipeline(&run("")).await;

    assert_eq!(tags(&answer), "EZ");
    assert_eq!(error_in(&answer).sqlstate(), "26000");
    assert_eq!(two.value("select 1").await, "1");
}

#[tokio::test]
async fn equal_names_of_two_clients_are_two_statements() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.pipeline(&prepare("s", "select 'one'")).await;
    two.pipeline(&prepare("s", "select 'two'")).await;

    for _ in 0..3 {
        assert_eq!(values(&one.pipeline(&run("s")).await), ["one"]);
        assert_eq!(values(&two.pipeline(&run("s")).await), ["two"]);
    }
}

#[tokio::test]
async fn a_name_can_be_used_again_after_close_and_not_before() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client().await;
        client.pipeline(&prepare("s", "select 'old'")).await;

        let twice = client.pipeline(&prepare("s", "select 'new'")).await;
        assert_eq!(error_in(&twice).sqlstate(), "42P05", "{mode:?}");
        assert_eq!(
            error_in(&twice).text(),
            "prepared statement \"s\" already exists"
        );
        let closed = client
            .pipeline(&[
                f::close_statement("s"),
                f::parse("s", "select 'new'"),
                f::sync(),
            ])
            .await;

        assert_eq!(tags(&closed), "31Z", "{mode:?}");
        assert_eq!(values(&client.pipeline(&run("s")).await), ["new"]);
    }
}

#[tokio::test]
async fn a_closed_or_unknown_statement_does_not_exist_for_the_client() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client().await;
        client.pipeline(&prepare("s", "select 1")).await;
        client.pipeline(&[f::close_statement("s"), f::sync()]).await;

        for name in ["s", "never", "pgmoor_1"] {
            let answer = client.pipeline(&run(name)).await;

            assert_eq!(tags(&answer), "EZ", "{mode:?} {name}");
            assert_eq!(error_in(&answer).sqlstate(), "26000");
        }
        let none = client
            .pipeline(&[f::close_statement("never"), f::sync()])
            .await;
        assert_eq!(tags(&none), "3Z", "{mode:?}");
    }
}

#[tokio::test]
async fn parse_and_close_without_sync_shift_no_answer() {
    // Batches like these made PgBouncer give clients the answers of others.
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        for round in 0..5 {
            let name = format!("s{round}");
            one.send(
                &[
                    f::parse(&name, "select 'one'"),
                    f::close_statement(&name),
                    f::parse(&name, "select 'mine'"),
                    f::flush(),
                ]
                .concat(),
            )
            .await;
            assert_eq!(one.expect_any().await.tag, b'1');
            assert_eq!(one.expect_any().await.tag, b'3');
            assert_eq!(one.expect_any().await.tag, b'1');
            one.send(&f::close_statement(&name)).await;
            let rest = one.pipeline(&[f::sync()]).await;
            assert_eq!(tags(&rest), "3Z", "{mode:?}");

            if mode == PoolMode::Transaction {
                assert_eq!(two.value("select 'two'").await, "two");
            }
            assert_eq!(one.value("select 'one'").await, "one");
        }
    }
}

#[tokio::test]
async fn a_partial_batch_keeps_its_server_connection_until_sync() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.send(&[f::parse("", "select 'one'"), f::flush()].concat())
        .await;
    one.expect(b'1').await;

    two.send(&f::query("select 'two'")).await;
    one.send(&[f::bind("p", "", &[]), f::flush()].concat())
        .await;
    one.expect(b'2').await;
    let rest = one.pipeline(&[f::execute("p", 0), f::sync()]).await;

    assert_eq!(values(&rest), ["one"]);
    assert_eq!(values(&two.read_until_ready().await), ["two"]);
}

#[tokio::test]
async fn an_error_in_a_pipeline_skips_to_sync_and_the_next_batch_runs() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client().await;
        client
            .send(
                &[
                    f::parse("good", "select 1"),
                    f::bind("", "good", &[]),
                    f::execute("", 0),
                    f::parse("bad", "select nonsense"),
                    f::bind("", "bad", &[]),
                    f::execute("", 0),
                    f::parse("skipped", "select 2"),
                    f::close_statement("good"),
                    f::sync(),
                    f::query("select 3"),
                ]
                .concat(),
            )
            .await;

        let first = client.read_until_ready().await;
        let next = client.read_until_ready().await;
        let second = client.pipeline(&run("good")).await;

        assert_eq!(tags(&first), "12DCEZ", "{mode:?}");
        assert_eq!(error_in(&first).sqlstate(), "42703");
        assert_eq!(values(&next), ["3"], "{mode:?}");
        // The Close was skipped with the rest: the statement is still there.
        assert_eq!(tags(&second), "2DCZ", "{mode:?}");
        for name in ["bad", "skipped"] {
            let answer = client.pipeline(&run(name)).await;
            assert_eq!(error_in(&answer).sqlstate(), "26000", "{mode:?} {name}");
        }
    }
}

#[tokio::test]
async fn many_batches_in_one_piece_are_each_answered() {
    for mode in MODES {
        let gate = Gate::start(mode, 2).await;
        let mut client = gate.client().await;
        let mut bytes = Vec::new();
        for round in 0..50 {
            bytes.extend(f::parse("", &format!("select {round}")));
            bytes.extend([f::bind("", "", &[]), f::execute("", 0), f::sync()].concat());
            bytes.extend(f::query(&format!("select {round}; select 'x'")));
        }

        client.send(&bytes).await;

        for round in 0..50 {
            let extended = client.read_until_ready().await;
            let simple = client.read_until_ready().await;
            assert_eq!(values(&extended), [round.to_string()], "{mode:?}");
            assert_eq!(values(&simple), [round.to_string(), "x".to_owned()]);
        }
    }
}

#[tokio::test]
async fn statements_beyond_the_limit_are_closed_on_the_server_and_prepared_again() {
    let plan = Plan::new(PoolMode::Transaction, 1)
        .pool(|pool| pool.prepared_statements = NonZeroU32::new(2).expect("two"));
    let gate = plan.start().await;
    let mut client = gate.client().await;
    for number in 0..5 {
        let sql = format!("select {number}");
        client.pipeline(&prepare(&format!("s{number}"), &sql)).await;
    }

    for number in [0, 4, 2, 0, 1, 3] {
        let answer = client.pipeline(&run(&format!("s{number}"))).await;
        assert_eq!(values(&answer), [number.to_string()]);
        assert_eq!(tags(&answer), "2DCZ");
    }

    let held = client
        .value("select count(*) from pg_prepared_statements where name <> ''")
        .await;
    assert_eq!(held, "2");
}

#[tokio::test]
async fn more_statements_in_one_batch_than_the_limit_all_work() {
    let plan = Plan::new(PoolMode::Transaction, 1)
        .pool(|pool| pool.prepared_statements = NonZeroU32::new(2).expect("two"));
    let gate = plan.start().await;
    let mut client = gate.client().await;
    let mut batch = Vec::new();
    for number in 0..6 {
        let name = format!("s{number}");
        batch.push(f::parse(&name, &format!("select {number}")));
        batch.push(f::bind("", &name, &[]));
        batch.push(f::execute("", 0));
    }
    batch.push(f::sync());

    let answer = client.pipeline(&batch).await;

    assert_eq!(values(&answer), ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn deallocate_of_one_statement_works_in_both_protocols() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = gate.client().await;
    for extended in [false, true] {
        client.pipeline(&prepare("Mine", "select 1")).await;

        let answer = if extended {
            let mut batch = vec![f::parse("", "deallocate \"Mine\"")];
            batch.extend(run(""));
            client.pipeline(&batch).await
        } else {
            client.query("DEALLOCATE PREPARE \"Mine\"").await
        };

        let wanted = if extended { "12CZ" } else { "CZ" };
        assert_eq!(tags(&answer), wanted);
        let gone = client.pipeline(&run("Mine")).await;
        assert_eq!(error_in(&gone).sqlstate(), "26000");
    }
    let never = client.query("deallocate never").await;
    assert_eq!(error_in(&never).sqlstate(), "26000");
    assert_eq!(
        error_in(&never).text(),
        "prepared statement \"never\" does not exist"
    );
}

#[tokio::test]
async fn deallocate_in_a_pipeline_tells_the_transaction_status_of_its_turn() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = gate.client().await;
    client.pipeline(&prepare("s", "select 1")).await;

    client
        .send(
            &[
                f::query("begin"),
                f::query("deallocate s"),
                f::query("commit"),
            ]
            .concat(),
        )
        .await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = client.read_until_ready().await;
        statuses.extend(answer.last().map(|ready| char::from(ready.body[0])));
    }

    assert_eq!(statuses, ['T', 'T', 'I']);
}

#[tokio::test]
async fn deallocate_all_and_discard_all_forget_the_clients_statements_only() {
    for forget in ["deallocate all", "discard all"] {
        let gate = Gate::start(PoolMode::Transaction, 1).await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        one.pipeline(&prepare("s", "select 'same'")).await;
        two.pipeline(&prepare("s", "select 'same'")).await;

        one.query(forget).await;

        let gone = one.pipeline(&run("s")).await;
        assert_eq!(error_in(&gone).sqlstate(), "26000", "{forget}");
        assert_eq!(values(&two.pipeline(&run("s")).await), ["same"], "{forget}");
        assert_eq!(
            tags(&one.pipeline(&prepare("s", "select 2")).await),
            "1tTZ",
            "{forget}"
        );
    }
}

#[tokio::test]
async fn portals_give_their_rows_in_portions_inside_a_transaction() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client().await;
        client.query("begin").await;
        let first = client
            .pipeline(&[
                f::parse("", "select generate_series(1, 5)"),
                f::bind("p", "", &[]),
                f::execute("p", 2),
                f::sync(),
            ])
            .await;
        let second = client.pipeline(&[f::execute("p", 2), f::sync()]).await;
        let last = client.pipeline(&[f::execute("p", 2), f::sync()]).await;
        client.query("commit").await;
        let after = client.pipeline(&[f::execute("p", 2), f::sync()]).await;

        assert_eq!(tags(&first), "12DDsZ", "{mode:?}");
        assert_eq!(tags(&second), "DDsZ", "{mode:?}");
        assert_eq!(tags(&last), "DCZ", "{mode:?}");
        assert_eq!(error_in(&after).sqlstate(), "34000", "{mode:?}");
    }
}

#[tokio::test]
async fn a_statement_whose_result_changed_fails_for_its_client_as_at_the_server() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    gate.postgres
        .psql("create table t as select 1 as a; grant all on t to app; alter table t owner to app")
        .await;
    let mut client = gate.client().await;
    client.pipeline(&prepare("s", "select * from t")).await;
    client.query("alter table t add b int").await;

    let stale = client.pipeline(&run("s")).await;
    assert_eq!(error_in(&stale).sqlstate(), "0A000");
    client.pipeline(&[f::close_statement("s"), f::sync()]).await;
    client.pipeline(&prepare("s", "select * from t")).await;
    let answer = client.pipeline(&run("s")).await;

    assert_eq!(tags(&answer), "2DCZ");
}

#[tokio::test]
async fn what_is_prepared_after_a_change_of_the_schema_is_not_the_statement_of_before() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let mut one = gate.client().await;
    one.query("create type mood as enum ('calm')").await;
    one.query("create table t (a int)").await;
    let insert = "insert into t values ($1)";
    one.pipeline(&prepare("mood", "select 'calm'::mood")).await;
    one.pipeline(&run("mood")).await;
    one.pipeline(&prepare("insert", insert)).await;
    one.query("drop type mood; create type mood as enum ('calm', 'rough')")
        .await;
    one.query("alter table t alter a type boolean using true")
        .await;

    let mut two = gate.client().await;
    let prepared = two.pipeline(&prepare("m", "select 'calm'::mood")).await;
    assert_eq!(tags(&prepared), "1tTZ");
    assert_eq!(values(&two.pipeline(&run("m")).await), ["calm"]);
    let prepared = two.pipeline(&prepare("i", insert)).await;

    let types = prepared.iter().find(|message| message.tag == b't');
    // Of one parameter, which is a boolean.
    assert_eq!(types.expect("types").body, [0, 1, 0, 0, 0, 16]);
}

#[tokio::test]
async fn a_statement_that_failed_and_is_prepared_again_is_a_new_one_wherever_it_runs() {
    let gate = Gate::start(PoolMode::Transaction, 2).await;
    let owner = "create type mood as enum ('calm')";
    gate.postgres.psql(owner).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    let text = "select 'calm'::mood";
    for client in [&mut one, &mut two] {
        client.query("begin").await;
    }
    for client in [&mut one, &mut two] {
        client.pipeline(&prepare("mood", text)).await;
        client.pipeline(&run("mood")).await;
        client.query("commit").await;
    }
    // By somebody whom the gateway does not see.
    gate.postgres
        .psql(&format!("drop type mood; {owner}"))
        .await;

    let stale = one.pipeline(&run("mood")).await;
    assert_eq!(error_in(&stale).sqlstate(), "XX000");
    one.pipeline(&[f::close_statement("mood"), f::sync()]).await;
    one.query("begin").await;
    two.query("begin").await;
    for client in [&mut one, &mut two] {
        let prepared = client.pipeline(&prepare("again", text)).await;
        let answer = client.pipeline(&run("again")).await;
        assert_eq!(values(&answer), ["calm"], "{prepared:?} {answer:?}");
        client.query("commit").await;
    }
}

#[tokio::test]
async fn empty_and_several_statements_in_one_query_are_answered_in_full() {
    for mode in MODES {
        let gate = Gate::start(mode, 1).await;
        let mut client = gate.client().await;

        assert_eq!(tags(&client.query("").await), "IZ", "{mode:?}");
        assert_eq!(tags(&client.query(";;").await), "IZ", "{mode:?}");
        assert_eq!(
            tags(
                &client
                    .query("select 1; select 2 where false; begin; commit")
                    .await
            ),
            "TDCTCCCZ",
            "{mode:?}"
        );
        assert_eq!(
            tags(&client.query("select 1; select 1/0; select 2").await),
            "TDCEZ",
            "{mode:?}"
        );
    }
}
