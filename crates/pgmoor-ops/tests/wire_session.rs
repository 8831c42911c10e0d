//! Sessions that speak messages themselves, against a real PostgreSQL.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::wire_session::{WireError, WireSession};
use pgmoor_testkit::{Postgres, wait_for};
use pgmoor_wire::replication::ReplicationMessage;
use pgmoor_wire::{frontend, tag};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(30);

async fn open_with(postgres: &Postgres, parameters: &[(String, String)]) -> WireSession {
    let text = format!(
        "host=127.0.0.1 port={} user=postgres dbname=app password={}",
        postgres.port(),
        postgres.admin_password()
    );
    let endpoint = Endpoint::parse(&text).unwrap();
    let connector = Connector::with_home(endpoint, Arc::new(NoCredential), None).unwrap();
    let deadline = Instant::now() + LIMIT;
    let session = WireSession::open(&connector, "primary", None, parameters, deadline).await;
    session.unwrap()
}

async fn open(postgres: &Postgres) -> WireSession {
    open_with(postgres, &[]).await
}

#[tokio::test]
async fn several_statements_give_an_answer_each() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres).await;

    let sql = "select 7, null, 't'::bool; create table t (a int); insert into t values (1), (2); ;";
    let answers = session.query(sql).await.unwrap();

    assert_eq!(answers.len(), 3, "{answers:?}");
    let row = &answers[0].rows[0];
    assert_eq!(
        (row.parse(0), row.text(1), row.flag(2)),
        (Some(7), None, Some(true))
    );
    assert_eq!(answers[1].tag, "CREATE TABLE");
    assert_eq!(answers[2].count(), 2);
    session.query("set timezone = 'Asia/Tokyo'").await.unwrap();
    assert_eq!(session.parameter("TimeZone"), Some("Asia/Tokyo"));
}

#[tokio::test]
async fn a_refusal_is_told_in_full_and_the_session_goes_on() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres).await;
    session
        .query("create table t (a int primary key); insert into t values (1)")
        .await
        .unwrap();

    let error = session
        .query("do $$ begin insert into t values (1); end $$")
        .await
        .unwrap_err();

    assert_eq!(error.sqlstate().unwrap().as_str(), "23505");
    let WireError::Server(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.detail.as_deref(), Some("Key (a)=(1) already exists."));
    assert!(
        error.context.as_deref().unwrap().contains("PL/pgSQL"),
        "{error:?}"
    );
    assert_eq!(session.row("select 1").await.unwrap().parse(0), Some(1));
}

#[tokio::test]
async fn rows_pass_from_table_to_table_a_large_one_in_parts() {
    let postgres = Postgres::start().await;
    let (mut from, mut to) = (open(&postgres).await, open(&postgres).await);
    let make = "create table a (id int, value bytea); create table b (like a);
        alter table a alter value set storage external;
        insert into a select i, null from generate_series(1, 1000) i;
        insert into a values (0, decode(repeat('0123456789abcdef', 2000000), 'hex')), (-1, '')";
    from.query(make).await.unwrap();

    let mut rows = from
        .copy_out("copy a to stdout (format binary)")
        .await
        .unwrap();
    let mut into = to
        .copy_in("copy b from stdin (format binary)")
        .await
        .unwrap();
    assert!(rows.is_binary());
    let (mut messages, mut largest, mut bytes) = (0, 0, 0);
    while let Some(run) = rows.next().await.unwrap() {
        into.write(&run).await.unwrap();
        largest = largest.max(run.bytes().len());
        for piece in run.pieces() {
            messages += u64::from(piece.is_last);
            bytes += piece.bytes.len();
        }
    }
    let taken = into.finish().await.unwrap();

    assert_eq!((rows.rows(), taken), (Some(1002), 1002));
    // The end of the binary form is a message of its own.
    assert_eq!(messages, 1003);
    assert!(bytes > 16_000_000, "{bytes}");
    assert!(largest <= 256 * 1024, "{largest}");
    let same =
        "select count(*) from a join b using (id) where a.value is not distinct from b.value";
    assert_eq!(from.row(same).await.unwrap().parse(0), Some(1002));
}

#[tokio::test]
async fn what_a_copy_refuses_is_told_while_rows_still_come() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres).await;
    session
        .query("create table t (a int check (a > 0))")
        .await
        .unwrap();

    let mut into = session.copy_in("copy t from stdin").await.unwrap();
    let mut outcome = Ok(());
    let begin = Instant::now();
    while outcome.is_ok() && begin.elapsed() < LIMIT {
        outcome = into.write_data(b"1\n-1\n").await;
    }

    assert_eq!(outcome.unwrap_err().sqlstate().unwrap().as_str(), "23514");
    let error = session.query("select 1").await.unwrap_err();
    assert!(matches!(error, WireError::Unfinished { .. }), "{error}");
}

#[tokio::test]
async fn a_copy_that_is_aborted_takes_no_row() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres).await;
    session.query("create table t (a int)").await.unwrap();

    let mut into = session.copy_in("copy t from stdin").await.unwrap();
    into.write_data(b"1\n").await.unwrap();
    into.abort("not wanted").await.unwrap();

    assert_eq!(
        session
            .row("select count(*) from t")
            .await
            .unwrap()
            .parse(0),
        Some(0)
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_asked_to_cancel() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres).await;

    let limit = Duration::from_millis(200);
    let error = session
        .query_within(limit, "select pg_sleep(600)")
        .await
        .unwrap_err();

    assert!(matches!(error, WireError::Timeout { .. }), "{error}");
    let admin = postgres.connect_admin().await;
    wait_for("nobody to sleep", LIMIT, async || {
        let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        admin.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_ended_says_why() {
    let postgres = Postgres::start().await;
    let (mut session, mut other) = (open(&postgres).await, open(&postgres).await);
    let end = format!("select pg_terminate_backend({})", session.pid.unwrap());
    other.query(&end).await.unwrap();

    let begin = Instant::now();
    let mut outcome = Ok(Vec::new());
    while outcome.is_ok() && begin.elapsed() < LIMIT {
        outcome = session.query("select 1").await;
    }

    assert_eq!(outcome.unwrap_err().sqlstate().unwrap().as_str(), "57P01");
}

#[tokio::test]
async fn much_that_is_sent_at_once_is_answered_without_a_standstill() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres).await;
    let (mut bytes, count) = (Vec::new(), 40_000);
    frontend::write_parse(&mut bytes, b"s", b"select 1", &[]).unwrap();
    for _ in 0..count {
        frontend::write_bind_text::<&[u8]>(&mut bytes, b"", b"s", &[]).unwrap();
        frontend::write_execute(&mut bytes, b"", 0).unwrap();
    }
    frontend::write_sync(&mut bytes);

    session.send(&bytes).await.unwrap();

    let mut rows = 0;
    loop {
        match session.next_message().await.unwrap().tag {
            tag::DATA_ROW => rows += 1,
            tag::ERROR_RESPONSE => panic!("refused"),
            tag::READY_FOR_QUERY => break,
            _ => {}
        }
    }
    assert_eq!(rows, count);
}

#[tokio::test]
async fn the_log_is_followed_by_messages() {
    let builder = Postgres::builder().conf("wal_level", "logical");
    let postgres = builder.start().await;
    let parameters = [("replication".to_owned(), "database".to_owned())];
    let (mut session, mut plain) = (
        open_with(&postgres, &parameters).await,
        open(&postgres).await,
    );
    plain
        .query("create table t (a int); create publication p for table t")
        .await
        .unwrap();
    session
        .query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput")
        .await
        .unwrap();
    plain.query("insert into t values (1)").await.unwrap();

    let mut start = Vec::new();
    let sql = "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')";
    frontend::write_query(&mut start, sql).unwrap();
    session.send(&start).await.unwrap();

    assert_eq!(
        session.next_message().await.unwrap().tag,
        tag::COPY_BOTH_RESPONSE
    );
    let mut kinds = Vec::new();
    while kinds.last() != Some(&b'C') {
        let message = session.next_message().await.unwrap();
        if let ReplicationMessage::XLogData { data, .. } =
            ReplicationMessage::decode(message.body).unwrap()
        {
            kinds.push(data[0]);
        }
    }
    assert_eq!(kinds, b"BRIC");
    while let Some(message) = session.next_message_until(Instant::now()).await.unwrap() {
        let message = ReplicationMessage::decode(message.body).unwrap();
        assert!(
            matches!(message, ReplicationMessage::Keepalive { .. }),
            "{message:?}"
        );
    }
}
