//! tokio-postgres uses the address it is given as if it were PostgreSQL.
//!
//! PGMOOR_TEST_URL, PGMOOR_TEST_SSLROOTCERT, PGMOOR_TEST_POOL_MODE and PGMOOR_TEST_SCHEMA say which.

mod link;

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, SinkExt, TryStreamExt};
use link::{Link, config, schema, tls};
use tokio_postgres::AsyncMessage;
use tokio_postgres::types::{ToSql, Type};

/// More than the pool of the gateway under test has.
const CONNECTIONS: i32 = 10;

type Fact = fn() -> BoxFuture<'static, ()>;

async fn connects() {
    let link = Link::new().await;
    let user: String = link.value("select current_user", &[]).await;
    assert_eq!(Some(user.as_str()), config().get_user());
}

async fn keeps_types() {
    let link = Link::new().await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_micros(1_709_209_801_000_005);
    macro_rules! same {
        ($($sent:expr => $sql:literal as $type:ty),+ $(,)?) => {
            $(let seen: $type = link.value($sql, &[&$sent]).await;
            assert_eq!(seen, $sent);)+
        };
    }
    same! {
        true => "select $1::bool" as bool,
        7_i32 => "select $1::int4" as i32,
        1_i64 << 40 => "select $1::int8" as i64,
        1.5_f64 => "select $1::float8" as f64,
        "naïve '\\ text" => "select $1::text" as String,
        None::<String> => "select $1::text" as Option<String>,
        vec![0_u8, 255] => "select $1::bytea" as Vec<u8>,
        vec![Some(1_i32), None] => "select $1::int4[]" as Vec<Option<i32>>,
        now => "select $1::timestamptz" as SystemTime,
    }
}

async fn repeats_prepared_statements() {
    let work = |number: i32| async move {
        let link = Link::new().await;
        // The driver counts: s0 means another statement on another connection.
        let sql = format!("select $1::int4 + {number}");
        let again = link.prepare(&sql).await.expect("prepare");
        for i in 0..60_i32 {
            let row = link.query_one(&again, &[&i]).await.expect("execute");
            assert_eq!(row.get::<_, i32>(0), i + number);
            let text: String = link.value("select $1::text || $2", &[&"a", &"b"]).await;
            assert_eq!(text, "ab");
        }
    };
    for done in join_all((0..CONNECTIONS).map(|n| tokio::spawn(work(n)))).await {
        done.expect("one connection");
    }
}

async fn takes_turns() {
    let mode = std::env::var("PGMOOR_TEST_POOL_MODE").unwrap_or_default();
    let count = if mode == "session" { 3 } else { CONNECTIONS };
    let links = join_all((0..count).map(|_| Link::new())).await;
    let mut prepared = Vec::new();
    for (number, link) in links.iter().enumerate() {
        let sql = format!("select $1::int4 * {number}");
        prepared.push(link.prepare(&sql).await.expect("prepare"));
    }
    let mut servers = BTreeSet::new();
    for i in 0..10_i32 {
        for (number, link) in (0..).zip(&links) {
            let again = &prepared[number as usize];
            let row = link.query_one(again, &[&i]).await.expect("execute");
            assert_eq!(row.get::<_, i32>(0), i * number);
            servers.insert(link.value::<i32>("select pg_backend_pid()", &[]).await);
        }
    }
    let servers = servers.len() as i32;
    match mode.as_str() {
        "transaction" => assert!(servers < CONNECTIONS, "{servers} server connections"),
        _ => assert_eq!(servers, count),
    }
}

async fn runs_without_preparing() {
    let link = Link::new().await;
    for i in 0..10_i32 {
        let rows = link.query_typed("select $1 + 1", &[(&i, Type::INT4)]).await;
        assert_eq!(rows.expect("query")[0].get::<_, i32>(0), i + 1);
    }
}

async fn commits_or_rolls_back() {
    let table = format!("{}.tx", schema());
    let mut link = Link::new().await;
    link.run(&format!("create table {table} (a int)")).await;
    let insert = format!("insert into {table} values ($1)");
    let mut transaction = link.transaction().await.expect("begin");
    transaction.execute(&insert, &[&1]).await.expect("insert");
    let nested = transaction.transaction().await.expect("savepoint");
    nested.execute(&insert, &[&2]).await.expect("insert");
    nested.rollback().await.expect("rollback to savepoint");
    transaction.commit().await.expect("commit");
    let transaction = link.transaction().await.expect("begin");
    transaction.execute(&insert, &[&3]).await.expect("insert");
    // It is rolled back by being dropped.
    drop(transaction);
    let sum: i64 = link
        .value(&format!("select sum(a) from {table}"), &[])
        .await;
    assert_eq!(sum, 1);
}

async fn survives_errors() {
    let mut link = Link::new().await;
    link.refuses("22012", "select 1/$1::int4", &[&0]).await;
    link.refuses("42601", "selec", &[]).await;
    let transaction = link.transaction().await.expect("begin");
    let refusals = [("select * from nowhere", "42P01"), ("select 1", "25P02")];
    for (sql, sqlstate) in refusals {
        let error = transaction.simple_query(sql).await.expect_err(sql);
        assert_eq!(error.code().expect("from the server").code(), sqlstate);
    }
    transaction.rollback().await.expect("rollback");
    assert_eq!(link.value::<i32>("select 1", &[]).await, 1);
}

/// The driver sends what is asked for at the same time without waiting, each with its own Sync.
async fn pipelines() {
    let link = Link::new().await;
    let divide = link.prepare("select 8/$1::int4").await.expect("prepare");
    let divisors = [1_i32, 0, 2, 0, 4];
    let queries = divisors.iter().map(|divisor| {
        let (link, divide) = (&link, &divide);
        async move {
            let parameters: [&(dyn ToSql + Sync); 1] = [divisor];
            link.query_one(divide, &parameters).await
        }
    });
    let seen: Vec<Option<i32>> = join_all(queries)
        .await
        .into_iter()
        .map(|result| result.ok().map(|row| row.get(0)))
        .collect();
    assert_eq!(seen, [Some(8), None, Some(4), None, Some(2)]);
    let batch = link
        .batch_execute("create temp table b (a int); select 1/0")
        .await;
    assert!(batch.is_err());
    let none: Option<String> = link.value("select to_regclass('b')::text", &[]).await;
    assert_eq!(none, None);
}

async fn copies() {
    let table = format!("{}.cp", schema());
    let link = Link::new().await;
    link.run(&format!("create table {table} (a int, b text)"))
        .await;
    let into = format!("copy {table} from stdin");
    let lines: String = (0..10_000).map(|i| format!("{i}\trow {i}\n")).collect();

    let mut sink = pin!(link.copy_in(&into).await.expect("start COPY"));
    for piece in lines.as_bytes().chunks(1000) {
        sink.send(Bytes::copy_from_slice(piece))
            .await
            .expect("send");
    }
    assert_eq!(sink.finish().await.expect("finish COPY"), 10_000);

    let mut wrong = pin!(link.copy_in::<_, Bytes>(&into).await.expect("start COPY"));
    wrong
        .send(Bytes::from("no number\tx\n"))
        .await
        .expect("send");
    let refusal = wrong.finish().await.expect_err("it is wrong");
    assert_eq!(refusal.code().expect("from the server").code(), "22P02");

    {
        let mut given_up = Box::pin(link.copy_in::<_, Bytes>(&into).await.expect("start COPY"));
        given_up
            .send(Bytes::from("1\tnever\n"))
            .await
            .expect("send");
    }
    let out = link.copy_out(&format!("copy {table} to stdout")).await;
    let pieces: Vec<Bytes> = out.expect("start COPY").try_collect().await.expect("read");
    assert_eq!(pieces.concat(), lines.as_bytes());
}

async fn reads_many_rows() {
    let link = Link::new().await;
    let sql = "select g, 'row ' || g from generate_series(1, 200000) g";
    let none: [&str; 0] = [];
    let mut rows = pin!(link.query_raw(sql, none).await.expect("query"));
    let mut sum = 0;
    while let Some(row) = rows.try_next().await.expect("read") {
        sum += i64::from(row.get::<_, i32>(0));
    }
    assert_eq!(sum, 20_000_100_000);
}

async fn sends_and_reads_a_large_value() {
    let sent: Vec<u8> = (0..16_u32 << 20)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    let link = Link::new().await;
    let seen: Vec<u8> = link.value("select $1::bytea", &[&sent]).await;
    assert!(seen == sent);
}

async fn fetches_from_a_portal() {
    let mut link = Link::new().await;
    let transaction = link.transaction().await.expect("begin");
    let portal = transaction
        .bind("select generate_series(1, 1000)", &[])
        .await;
    let portal = portal.expect("bind");
    let (mut sum, mut portions) = (0, 0);
    loop {
        let rows = transaction.query_portal(&portal, 100).await.expect("fetch");
        if rows.is_empty() {
            break;
        }
        portions += 1;
        sum += rows.iter().map(|row| row.get::<_, i32>(0)).sum::<i32>();
    }
    assert_eq!((sum, portions), (500_500, 10));
}

async fn delivers_notices() {
    let mut link = Link::new().await;
    link.run("do $$ begin raise notice 'hello %', 7; end $$")
        .await;
    match link.next_message().await {
        AsyncMessage::Notice(notice) => assert_eq!(notice.message(), "hello 7"),
        other => panic!("{other:?} came"),
    }
}

async fn cancels() {
    let link = Link::new().await;
    let token = link.cancel_token();
    let started = Instant::now();
    let sleep = format!("select pg_sleep(30), '{}'", schema());
    let cancel = async {
        Link::new().await.wait_until_running(&sleep).await;
        token.cancel_query(tls()).await.expect("cancel");
    };
    let (refusal, ()) = tokio::join!(link.batch_execute(&sleep), cancel);
    let refusal = refusal.expect_err("it is cancelled");
    assert_eq!(refusal.code().expect("from the server").code(), "57014");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(link.value::<i32>("select 1", &[]).await, 1);
}

async fn listens() {
    let mut listener = Link::new().await;
    let sender = Link::new().await;
    listener.run("listen driver_news").await;
    let server: i32 = listener.value("select pg_backend_pid()", &[]).await;
    for payload in ["1", "2", "3"] {
        sender
            .run(&format!("notify driver_news, '{payload}'"))
            .await;
        match listener.next_message().await {
            AsyncMessage::Notification(note) => assert_eq!(note.payload(), payload),
            other => panic!("{other:?} came"),
        }
    }
    let same: i32 = listener.value("select pg_backend_pid()", &[]).await;
    assert_eq!(same, server);
}

async fn reconnects() {
    for _ in 0..6 {
        let link = Link::new().await;
        let ended = link.batch_execute("select pg_terminate_backend(pg_backend_pid())");
        assert!(ended.await.is_err());
    }
    assert_eq!(Link::new().await.value::<i32>("select 1", &[]).await, 1);
}

async fn keeps_startup_parameters() {
    let mut settings = config();
    let options = format!(
        "-c search_path={} -c statement_timeout=54321 -c work_mem=5MB",
        schema()
    );
    settings.application_name("driver suite").options(options);
    let special = Link::with(settings).await;
    let plain = Link::new().await;
    let other = plain.show("work_mem").await;
    assert_ne!(other, "5MB");
    for _ in 0..10 {
        assert_eq!(special.show("search_path").await, schema());
        assert_eq!(special.show("statement_timeout").await, "54321ms");
        assert_eq!(special.show("work_mem").await, "5MB");
        assert_eq!(special.show("application_name").await, "driver suite");
        assert_eq!(plain.show("work_mem").await, other);
        assert_eq!(plain.show("statement_timeout").await, "0");
    }
}

async fn keeps_what_set_has_set() {
    let link = Link::new().await;
    let other = Link::new().await;
    link.run("set work_mem = '6MB'").await;
    for _ in 0..5 {
        assert_eq!(link.show("work_mem").await, "6MB");
        assert_ne!(other.show("work_mem").await, "6MB");
    }
}

fn facts() -> Vec<(&'static str, Fact)> {
    vec![
        ("it connects, and with TLS if asked", || connects().boxed()),
        ("parameters and results keep their types", || {
            keeps_types().boxed()
        }),
        (
            "prepared statements are repeated on more connections than the pool has",
            || repeats_prepared_statements().boxed(),
        ),
        (
            "connections that are open at the same time take turns",
            || takes_turns().boxed(),
        ),
        ("a query with types needs no named statement", || {
            runs_without_preparing().boxed()
        }),
        ("a transaction commits or rolls back as a whole", || {
            commits_or_rolls_back().boxed()
        }),
        ("an error leaves the connection usable", || {
            survives_errors().boxed()
        }),
        (
            "an error among pipelined queries fails that one only",
            || pipelines().boxed(),
        ),
        ("COPY goes in and out and can be given up", || {
            copies().boxed()
        }),
        ("a result of 200000 rows arrives whole", || {
            reads_many_rows().boxed()
        }),
        ("a value of 16 MB goes there and back", || {
            sends_and_reads_a_large_value().boxed()
        }),
        ("a portal is fetched by portions in a transaction", || {
            fetches_from_a_portal().boxed()
        }),
        ("a notice is delivered", || delivers_notices().boxed()),
        ("a running query is ended by a cancel request", || {
            cancels().boxed()
        }),
        (
            "a listener is notified and keeps its server connection",
            || listens().boxed(),
        ),
        (
            "the server may end a connection and the next one works",
            || reconnects().boxed(),
        ),
        ("startup parameters hold for their connection only", || {
            keeps_startup_parameters().boxed()
        }),
        ("what SET has set stays for the session", || {
            keeps_what_set_has_set().boxed()
        }),
    ]
}

#[tokio::main]
async fn main() {
    let schema = schema();
    let make = format!("drop schema if exists {schema} cascade; create schema {schema}");
    Link::new().await.run(&make).await;
    let facts = facts();
    let mut held = 0;
    for (sentence, hold) in &facts {
        // A task of its own, so that a panic is that fact's failure and no more.
        match tokio::spawn(hold()).await {
            Ok(()) => {
                held += 1;
                println!("ok    {sentence}");
            }
            Err(failure) => println!("FAIL  {sentence}\n{failure}"),
        }
    }
    println!("tokio-postgres: {held} of {} facts hold", facts.len());
    std::process::exit(i32::from(held < facts.len()));
}
