//! sqlx uses the address it is given as if it were PostgreSQL.
//!
//! PGMOOR_TEST_URL, PGMOOR_TEST_SSLROOTCERT, PGMOOR_TEST_POOL_MODE and PGMOOR_TEST_SCHEMA say which.

mod link;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, TryStreamExt};
use link::{connect, options, run, schema, sqlstate, text};
use sqlx::postgres::{PgListener, PgPoolCopyExt, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error, Row};

/// More than the pool of the gateway under test has.
const CONNECTIONS: i32 = 10;

type Fact = fn() -> BoxFuture<'static, Result<(), Error>>;

async fn connects() -> Result<(), Error> {
    let mut connection = connect().await?;
    let user = text(&mut connection, "select current_user::text").await?;
    assert_eq!(user, options().get_username());
    connection.ping().await?;
    connection.close().await
}

async fn keeps_types() -> Result<(), Error> {
    let mut connection = connect().await?;
    macro_rules! same {
        ($($sql:literal, $sent:expr => $type:ty);+ $(;)?) => {
            $(let seen: $type = sqlx::query_scalar($sql)
                .bind($sent)
                .fetch_one(&mut connection)
                .await?;
            assert_eq!(seen, $sent);)+
        };
    }
    same! {
        "select $1::bool", true => bool;
        "select $1::int4", 7_i32 => i32;
        "select $1::int8", 1_i64 << 40 => i64;
        "select $1::float8", 1.5_f64 => f64;
        "select $1::text", "naïve '\\ text" => String;
        "select $1::text", None::<String> => Option<String>;
        "select $1::bytea", vec![0_u8, 255] => Vec<u8>;
        "select $1::int4[]", vec![Some(1_i32), None] => Vec<Option<i32>>;
    }
    connection.close().await
}

async fn repeats_prepared_statements() -> Result<(), Error> {
    let work = |number: i32| async move {
        let mut connection = connect().await?;
        // The driver counts: sqlx_s_1 means another statement on another connection.
        let again = format!("select $1::int4 + {number}");
        for i in 0..60 {
            let query = sqlx::query_scalar::<_, i32>(AssertSqlSafe(again.as_str()));
            assert_eq!(query.bind(i).fetch_one(&mut connection).await?, i + number);
            let joined = sqlx::query_scalar::<_, String>("select $1::text || $2::text");
            let joined = joined
                .bind("a")
                .bind("b")
                .fetch_one(&mut connection)
                .await?;
            assert_eq!(joined, "ab");
        }
        connection.clear_cached_statements().await?;
        connection.close().await
    };
    let all = join_all((0..CONNECTIONS).map(|number| tokio::spawn(work(number)))).await;
    all.into_iter()
        .try_for_each(|done| done.expect("one connection"))
}

async fn takes_turns() -> Result<(), Error> {
    let mode = std::env::var("PGMOOR_TEST_POOL_MODE").unwrap_or_default();
    let count = if mode == "session" { 3 } else { CONNECTIONS };
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(connect().await?);
    }
    let mut servers = BTreeSet::new();
    for i in 0..10 {
        for (number, connection) in (0..).zip(&mut open) {
            let sql = format!("select $1::int4 * {number}");
            let query = sqlx::query_scalar::<_, i32>(AssertSqlSafe(sql)).bind(i);
            assert_eq!(query.fetch_one(&mut *connection).await?, i * number);
            servers.insert(text(connection, "select pg_backend_pid()::text").await?);
        }
    }
    let servers = servers.len() as i32;
    match mode.as_str() {
        "transaction" => assert!(servers < CONNECTIONS, "{servers} server connections"),
        _ => assert_eq!(servers, count),
    }
    for connection in open {
        connection.close().await?;
    }
    Ok(())
}

async fn forgets_statements_when_its_cache_is_full() -> Result<(), Error> {
    let mut connection = options().statement_cache_capacity(3).connect().await?;
    for i in 0..30 {
        let sql = format!("select {} + $1::int4", i % 7);
        let query = sqlx::query_scalar::<_, i32>(AssertSqlSafe(sql));
        assert_eq!(query.bind(1).fetch_one(&mut connection).await?, i % 7 + 1);
    }
    connection.close().await
}

async fn runs_without_named_statements() -> Result<(), Error> {
    let mut connection = options().statement_cache_capacity(0).connect().await?;
    for i in 0..10 {
        let query = sqlx::query_scalar::<_, i32>("select $1::int4").persistent(false);
        assert_eq!(query.bind(i).fetch_one(&mut connection).await?, i);
    }
    connection.close().await
}

async fn commits_or_rolls_back() -> Result<(), Error> {
    let table = format!("{}.tx", schema());
    let insert = |a: i32| format!("insert into {table} values ({a})");
    let mut connection = connect().await?;
    run(&mut connection, &format!("create table {table} (a int)")).await?;
    let mut transaction = connection.begin().await?;
    run(&mut transaction, &insert(1)).await?;
    let mut nested = transaction.begin().await?;
    run(&mut nested, &insert(2)).await?;
    nested.rollback().await?;
    transaction.commit().await?;
    let mut transaction = connection.begin().await?;
    run(&mut transaction, &insert(3)).await?;
    // It is rolled back by being dropped, before the next use of the connection.
    drop(transaction);
    let sum = format!("select sum(a)::text from {table}");
    assert_eq!(text(&mut connection, &sum).await?, "1");
    connection.close().await
}

async fn survives_errors() -> Result<(), Error> {
    let mut connection = connect().await?;
    let divide = sqlx::query("select 1/$1::int4").bind(0);
    assert_eq!(sqlstate(divide.execute(&mut connection).await), "22012");
    assert_eq!(sqlstate(run(&mut connection, "selec").await), "42601");
    assert_eq!(
        sqlstate(text(&mut connection, "select from where").await),
        "42601"
    );
    let mut transaction = connection.begin().await?;
    let nowhere = text(&mut transaction, "select a from nowhere").await;
    assert_eq!(sqlstate(nowhere), "42P01");
    assert_eq!(
        sqlstate(text(&mut transaction, "select 'x'").await),
        "25P02"
    );
    transaction.rollback().await?;
    assert_eq!(text(&mut connection, "select 'y'").await?, "y");
    connection.close().await
}

async fn batch_fails_as_a_whole() -> Result<(), Error> {
    let mut connection = connect().await?;
    let table = format!("{}.batch", schema());
    run(&mut connection, &format!("create table {table} (a int)")).await?;
    let batch = format!("insert into {table} values (1); select 1/0");
    assert_eq!(sqlstate(run(&mut connection, &batch).await), "22012");
    let count = format!("select count(*)::text from {table}");
    assert_eq!(text(&mut connection, &count).await?, "0");
    connection.close().await
}

async fn copies() -> Result<(), Error> {
    let table = format!("{}.cp", schema());
    let mut connection = connect().await?;
    run(
        &mut connection,
        &format!("create table {table} (a int, b text)"),
    )
    .await?;
    connection.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options())
        .await?;
    let into = format!("copy {table} from stdin");
    let lines: String = (0..10_000).map(|i| format!("{i}\trow {i}\n")).collect();

    let mut copy = pool.copy_in_raw(&into).await?;
    for piece in lines.as_bytes().chunks(1000) {
        copy.send(piece).await?;
    }
    assert_eq!(copy.finish().await?, 10_000);
    let mut wrong = pool.copy_in_raw(&into).await?;
    wrong.send(&b"no number\tx\n"[..]).await?;
    assert_eq!(sqlstate(wrong.finish().await), "22P02");
    let mut given_up = pool.copy_in_raw(&into).await?;
    given_up.send(&b"1\tnever\n"[..]).await?;
    given_up.abort("given up").await?;

    let out = pool
        .copy_out_raw(&format!("copy {table} to stdout"))
        .await?;
    let pieces: Vec<_> = out.try_collect().await?;
    assert_eq!(pieces.concat(), lines.as_bytes());
    pool.close().await;
    Ok(())
}

async fn reads_many_rows() -> Result<(), Error> {
    let mut connection = connect().await?;
    let sql = "select g, 'row ' || g from generate_series(1, 200000) g";
    let mut sum = 0;
    {
        let mut rows = sqlx::query(sql).fetch(&mut connection);
        while let Some(row) = rows.try_next().await? {
            sum += i64::from(row.get::<i32, _>(0));
        }
    }
    assert_eq!(sum, 20_000_100_000);
    connection.close().await
}

async fn sends_and_reads_a_large_value() -> Result<(), Error> {
    let sent: Vec<u8> = (0..16_u32 << 20)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    let mut connection = connect().await?;
    let query = sqlx::query_scalar::<_, Vec<u8>>("select $1::bytea").bind(&sent);
    assert!(query.fetch_one(&mut connection).await? == sent);
    connection.close().await
}

async fn fetches_from_a_cursor() -> Result<(), Error> {
    let mut connection = connect().await?;
    let mut transaction = connection.begin().await?;
    let declare = "declare portions cursor for select generate_series(1, 1000)";
    run(&mut transaction, declare).await?;
    let (mut sum, mut portions) = (0, 0);
    loop {
        let fetch = sqlx::query_scalar::<_, i32>("fetch 100 from portions");
        let numbers = fetch.fetch_all(&mut *transaction).await?;
        if numbers.is_empty() {
            break;
        }
        portions += 1;
        sum += numbers.iter().sum::<i32>();
    }
    transaction.commit().await?;
    assert_eq!((sum, portions), (500_500, 10));
    connection.close().await
}

/// The driver stops to read a result and throws the rest away before its next query.
async fn leaves_a_result_half_read() -> Result<(), Error> {
    let mut connection = connect().await?;
    for _ in 0..3 {
        let mut rows = sqlx::query("select generate_series(1, 5000)").fetch(&mut connection);
        rows.try_next().await?;
        drop(rows);
        assert_eq!(text(&mut connection, "select 'next'").await?, "next");
    }
    connection.close().await
}

/// The driver only logs notices: what is seen here is that they disturb nothing.
async fn goes_on_after_notices() -> Result<(), Error> {
    let mut connection = connect().await?;
    run(
        &mut connection,
        "do $$ begin raise notice 'hello %', 7; end $$",
    )
    .await?;
    assert_eq!(text(&mut connection, "select 'next'").await?, "next");
    connection.close().await
}

async fn times_out() -> Result<(), Error> {
    let mut connection = connect().await?;
    let started = Instant::now();
    let mut transaction = connection.begin().await?;
    run(&mut transaction, "set local statement_timeout = 50").await?;
    let slept = run(&mut transaction, "select pg_sleep(30)").await;
    assert_eq!(sqlstate(slept), "57014");
    transaction.rollback().await?;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(text(&mut connection, "select 'next'").await?, "next");
    connection.close().await
}

async fn listens() -> Result<(), Error> {
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_with(options())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("driver_news").await?;
    for payload in ["1", "2", "3"] {
        let send = sqlx::query("select pg_notify('driver_news', $1)").bind(payload);
        send.execute(&pool).await?;
        let note = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await;
        assert_eq!(
            note.expect("a notification in ten seconds")?.payload(),
            payload
        );
    }
    drop(listener);
    pool.close().await;
    Ok(())
}

async fn reconnects() -> Result<(), Error> {
    for _ in 0..6 {
        let mut connection = connect().await?;
        let ended = run(
            &mut connection,
            "select pg_terminate_backend(pg_backend_pid())",
        );
        assert!(ended.await.is_err());
    }
    assert_eq!(text(&mut connect().await?, "select 'next'").await?, "next");
    Ok(())
}

async fn serves_the_pool_of_the_driver() -> Result<(), Error> {
    let pool = PgPoolOptions::new()
        .max_connections(3)
        .connect_with(options())
        .await?;
    let queries = (0..100).map(|i| {
        let pool = pool.clone();
        async move {
            let query = sqlx::query_scalar::<_, i32>("select $1::int4").bind(i);
            query.fetch_one(&pool).await
        }
    });
    for (i, seen) in join_all(queries).await.into_iter().enumerate() {
        assert_eq!(seen?, i as i32);
    }
    pool.close().await;
    Ok(())
}

async fn keeps_startup_parameters() -> Result<(), Error> {
    let schema = schema();
    let parameters = [
        ("search_path", schema.as_str()),
        ("statement_timeout", "54321"),
        ("work_mem", "5MB"),
    ];
    let special = options()
        .application_name("driver suite")
        .options(parameters);
    let mut special = special.connect().await?;
    let mut plain = connect().await?;
    let other = text(&mut plain, "show work_mem").await?;
    assert_ne!(other, "5MB");
    for _ in 0..10 {
        assert_eq!(text(&mut special, "show search_path").await?, schema);
        assert_eq!(
            text(&mut special, "show statement_timeout").await?,
            "54321ms"
        );
        assert_eq!(text(&mut special, "show work_mem").await?, "5MB");
        assert_eq!(
            text(&mut special, "show application_name").await?,
            "driver suite"
        );
        assert_eq!(text(&mut plain, "show work_mem").await?, other);
        assert_eq!(text(&mut plain, "show statement_timeout").await?, "0");
    }
    special.close().await?;
    plain.close().await
}

async fn keeps_what_set_has_set() -> Result<(), Error> {
    let mut connection = connect().await?;
    let mut other = connect().await?;
    run(&mut connection, "set work_mem = '6MB'").await?;
    for _ in 0..5 {
        assert_eq!(text(&mut connection, "show work_mem").await?, "6MB");
        assert_ne!(text(&mut other, "show work_mem").await?, "6MB");
    }
    connection.close().await?;
    other.close().await
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
            "statements are prepared again when the driver's cache is full",
            || forgets_statements_when_its_cache_is_full().boxed(),
        ),
        (
            "connections that are open at the same time take turns",
            || takes_turns().boxed(),
        ),
        ("queries need no named statement", || {
            runs_without_named_statements().boxed()
        }),
        ("a transaction commits or rolls back as a whole", || {
            commits_or_rolls_back().boxed()
        }),
        ("an error leaves the connection usable", || {
            survives_errors().boxed()
        }),
        ("an error in a batch fails the batch as a whole", || {
            batch_fails_as_a_whole().boxed()
        }),
        ("COPY goes in and out and can be given up", || {
            copies().boxed()
        }),
        ("a result of 200000 rows arrives whole", || {
            reads_many_rows().boxed()
        }),
        ("a value of 16 MB goes there and back", || {
            sends_and_reads_a_large_value().boxed()
        }),
        ("a cursor fetches by portions in a transaction", || {
            fetches_from_a_cursor().boxed()
        }),
        ("a result may be left half read", || {
            leaves_a_result_half_read().boxed()
        }),
        ("a notice disturbs nothing", || {
            goes_on_after_notices().boxed()
        }),
        ("a running query is ended by its timeout", || {
            times_out().boxed()
        }),
        ("a listener is notified", || listens().boxed()),
        (
            "the server may end a connection and the next one works",
            || reconnects().boxed(),
        ),
        ("a pool of the driver gets what it asks for", || {
            serves_the_pool_of_the_driver().boxed()
        }),
        ("startup parameters hold for their connection only", || {
            keeps_startup_parameters().boxed()
        }),
        ("what SET has set stays for the session", || {
            keeps_what_set_has_set().boxed()
        }),
    ]
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let schema = schema();
    let make = format!("drop schema if exists {schema} cascade; create schema {schema}");
    run(&mut connect().await?, &make).await?;
    let facts = facts();
    let mut held = 0;
    for (sentence, hold) in &facts {
        // A task of its own, so that a panic is that fact's failure and no more.
        match tokio::spawn(hold()).await {
            Ok(Ok(())) => {
                held += 1;
                println!("ok    {sentence}");
            }
            Ok(Err(failure)) => println!("FAIL  {sentence}\n{failure:?}"),
            Err(failure) => println!("FAIL  {sentence}\n{failure}"),
        }
    }
    println!("sqlx: {held} of {} facts hold", facts.len());
    std::process::exit(i32::from(held < facts.len()));
}
