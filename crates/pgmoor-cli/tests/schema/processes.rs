//! Many processes at once, and processes that die.

use std::time::Instant;

use pgmoor_testkit::{Signal, signal, wait_for};

use crate::site::{PATIENCE, Site};

#[tokio::test]
async fn twenty_processes_that_start_at_once_run_each_migration_once() {
    let site = Site::new(&[
        (
            "V1__a.sql",
            "create table count (n int); insert into count values (1)",
        ),
        (
            "V2__b.sql",
            "update count set n = n + 1; select pg_sleep(2)",
        ),
        (
            "V3__i.sql",
            "-- no-transaction\ncreate index concurrently i on count (n)",
        ),
        ("V4__c.sql", "update count set n = n * 10"),
    ])
    .await;

    let started: Vec<_> = (0..20)
        .map(|_| site.schema(&["up", "-o", "json"]).spawn().unwrap())
        .collect();
    let (mut applied, mut waited) = (0, 0);
    for child in started {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["current"], "V4__c");
        applied += report["applied"].as_array().unwrap().len();
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        waited += usize::from(talk.contains("waits for another process that runs migrations"));
    }

    assert_eq!(applied, 4);
    assert_eq!(site.postgres.psql("select n from count").await, "20");
    assert!(waited > 0, "those that wait say so");
}

#[tokio::test]
async fn a_process_that_is_killed_in_a_migration_leaves_nothing_and_the_next_one_goes_on() {
    let site = Site::new(&[
        ("V1__a.sql", "create table a ()"),
        ("V2__b.sql", "create table b (); select pg_sleep(600)"),
    ])
    .await;
    let mut victim = site.schema(&["up"]).spawn().unwrap();
    let admin = site.postgres.connect_admin().await;
    let at_work = async || {
        let sql = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    wait_for("the migration to run", PATIENCE, async || {
        at_work().await == 1
    })
    .await;

    signal(victim.id(), Signal::KILL);
    victim.wait().unwrap();

    let begun = Instant::now();
    site.write("V2__b.sql", "create table b ()");
    let (code, out, err) = site.run(&["up"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "ok: app: 1 migration applied, now at V2__b\n");
    assert!(err.contains("waits for another process"), "{err}");
    // The server looks every five seconds whether we live; it does not sleep to the end.
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(at_work().await, 0);
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_builds_an_index_is_repaired_by_the_next() {
    let site = Site::new(&[(
        "V1__i.sql",
        "-- no-transaction\ncreate index concurrently i on t (a)",
    )])
    .await;
    site.postgres
        .psql("create table t (a int); alter table t owner to app")
        .await;
    let user = site.postgres.connect().await;
    user.batch_execute("begin; insert into t values (1)")
        .await
        .unwrap();
    let mut victim = site.schema(&["up"]).spawn().unwrap();
    let admin = site.postgres.connect_admin().await;
    let building = async || {
        let sql = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%concurrently i%'";
        admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1
    };
    wait_for("the index to be built", PATIENCE, building).await;

    signal(victim.id(), Signal::KILL);
    victim.wait().unwrap();
    wait_for("the server to notice", PATIENCE, async || !building().await).await;
    user.batch_execute("commit").await.unwrap();

    let (code, _, err) = site.run(&["up"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("V1__i did not end the last time: dropped i, which was not valid"),
        "{err}"
    );
    let valid = "select indisvalid from pg_index where indexrelid = 'i'::regclass";
    assert_eq!(site.postgres.psql(valid).await, "t");
}

#[tokio::test]
async fn a_signal_cancels_what_runs_and_says_that_it_can_be_resumed() {
    let site = Site::new(&[("V1__long.sql", "create table a (); select pg_sleep(600)")]).await;
    let child = site.schema(&["up"]).spawn().unwrap();
    let admin = site.postgres.connect_admin().await;
    wait_for("the migration to run", PATIENCE, async || {
        let sql = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;

    signal(child.id(), Signal::TERM);

    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let locks = "select count(*) from pg_locks where locktype = 'advisory'";
    assert_eq!(site.postgres.psql(locks).await, "0");
    assert_eq!(
        site.postgres.psql("select to_regclass('a') is null").await,
        "t"
    );
}
