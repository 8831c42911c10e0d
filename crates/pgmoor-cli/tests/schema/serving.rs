//! The gateway runs what is pending before it lets the first client in.

use pgmoor_testkit::{Pgmoor, RawClient, Signal, wait_for, write_private};

use crate::site::{PATIENCE, Site};

async fn client(pgmoor: &Pgmoor) -> RawClient {
    RawClient::login_to(pgmoor.address(), "app", &pgmoor.generated_password(), "app").await
}

async fn refusal(pgmoor: &Pgmoor) -> String {
    let mut client = RawClient::connect(pgmoor.address()).await;
    let named = [("user", "app"), ("database", "app")];
    let password = pgmoor.generated_password();
    let error = client.expect_login_error(&named, &password, "57P03").await;
    error.strings().join(" ")
}

async fn not_ready(pgmoor: &Pgmoor) -> String {
    match pgmoor.http("/readiness").await {
        Some(answer) if answer.status == 503 => answer.body,
        _ => String::new(),
    }
}

#[tokio::test]
async fn clients_wait_until_the_migrations_are_run_and_the_gateway_is_not_ready_before() {
    let site = Site::new(&[
        (
            "V1__gate.sql",
            "select pg_advisory_lock(7), pg_advisory_unlock(7)",
        ),
        ("V2__t.sql", "create table t as select 42 as a"),
    ])
    .await;
    // The first migration goes on when this lock is given back.
    let admin = site.admin().await;
    admin
        .batch_execute("select pg_advisory_lock(7)")
        .await
        .unwrap();
    let config = site.yaml(", lock_timeout: 5m");
    let pgmoor = Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
        .config(&config)
        .launch();
    let runs = "migration V1__gate runs";
    wait_for("readiness to say why not", PATIENCE, async || {
        not_ready(&pgmoor).await.contains(runs)
    })
    .await;
    assert_eq!(pgmoor.http("/liveness").await.unwrap().status, 200);

    let login = client(&pgmoor);
    tokio::pin!(login);
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut login).await;
    assert!(early.is_err(), "it did not wait");
    admin
        .batch_execute("select pg_advisory_unlock(7)")
        .await
        .unwrap();

    assert_eq!(login.await.value("select a from t").await, "42");
    pgmoor.wait_ready().await;
}

#[tokio::test]
async fn replicas_that_start_at_once_run_each_migration_once_and_all_serve() {
    let site = Site::new(&[
        (
            "V1__a.sql",
            "create table count (n int); insert into count values (1)",
        ),
        (
            "V2__b.sql",
            "update count set n = n + 1; select pg_sleep(1)",
        ),
    ])
    .await;

    let replicas: Vec<Pgmoor> = (0..5).map(|_| site.pgmoor().launch()).collect();

    for replica in &replicas {
        replica.wait_ready().await;
        assert_eq!(
            client(replica).await.value("select n from count").await,
            "2"
        );
    }
}

#[tokio::test]
async fn a_migration_that_fails_keeps_clients_out_and_is_run_once_it_was_corrected() {
    let site = Site::new(&[("V1__a.sql", "create table a (b nonsense)")]).await;
    let pgmoor = site.pgmoor().launch();
    let why = "migration V1__a failed at line 1: type \\\"nonsense\\\" does not exist (42704)";
    wait_for("readiness to say why", PATIENCE, async || {
        not_ready(&pgmoor).await.contains(why)
    })
    .await;

    let told = refusal(&pgmoor).await;
    assert!(
        told.contains("database \"app\" is not ready: migration V1__a failed"),
        "{told}"
    );
    assert!(told.contains("correct the file"), "{told}");

    site.write("V1__a.sql", "create table a (b int)");
    pgmoor.signal(Signal::HUP);

    pgmoor.wait_ready().await;
    assert_eq!(
        client(&pgmoor).await.value("select count(*) from a").await,
        "0"
    );
}

#[tokio::test]
async fn a_gateway_whose_files_were_put_in_order_goes_on_by_itself() {
    let site = Site::new(&[
        ("V2__b.sql", "create table b ()"),
        ("V4__d.sql", "create table d ()"),
    ])
    .await;
    let pgmoor = site.pgmoor().launch();
    let why = "no file of version 3";
    wait_for("readiness to say why", PATIENCE, async || {
        not_ready(&pgmoor).await.contains(why)
    })
    .await;

    site.write("V3__c.sql", "create table c ()");

    pgmoor.wait_ready().await;
    assert_eq!(
        client(&pgmoor).await.value("select count(*) from c").await,
        "0"
    );
}

#[tokio::test]
async fn migrations_that_come_with_a_reload_send_no_client_away() {
    let site = Site::new(&[("V1__a.sql", "create table a ()")]).await;
    let pgmoor = site.pgmoor().start().await;
    let mut before = client(&pgmoor).await;
    let more = site.migrations().join("more");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("V1__a.sql"), "create table a ()").unwrap();
    std::fs::write(more.join("V2__b.sql"), "create table b ()").unwrap();
    let config = std::fs::read_to_string(pgmoor.config_path()).unwrap();
    let dir = site.migrations().display().to_string();

    write_private(
        pgmoor.config_path(),
        config.replace(&dir, &more.display().to_string()),
    );
    pgmoor.signal(Signal::HUP);

    wait_for("the migration", PATIENCE, async || {
        site.postgres
            .psql("select to_regclass('b') is not null")
            .await
            == "t"
    })
    .await;
    assert_eq!(before.value("select count(*) from b").await, "0");
}

#[tokio::test]
async fn a_successor_runs_migrations_while_its_predecessor_serves() {
    let site = Site::new(&[("V1__a.sql", "create table a ()")]).await;
    let config = site.yaml(", lock_timeout: 5m");
    let pgmoor = Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
        .config(&config)
        .start()
        .await;
    let sql = "select pg_advisory_lock(7), pg_advisory_unlock(7); create table b ()";
    site.write("V2__b.sql", sql);
    let admin = site.admin().await;
    admin
        .batch_execute("select pg_advisory_lock(7)")
        .await
        .unwrap();

    let succession = pgmoor.take_over();
    let serving = async {
        let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%create table b%'";
        wait_for("the migration to run", PATIENCE, async || {
            admin.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        let absent = client(&pgmoor)
            .await
            .value("select to_regclass('b') is null")
            .await;
        admin
            .batch_execute("select pg_advisory_unlock(7)")
            .await
            .unwrap();
        absent
    };
    let (replaced, absent) = tokio::join!(succession, serving);

    assert_eq!(absent, "t", "others are let in while it runs");
    drop(replaced.unwrap());
    let there = client(&pgmoor).await.value("select count(*) from b").await;
    assert_eq!(there, "0");
}

#[tokio::test]
async fn a_successor_whose_migration_fails_leaves_the_clients_to_its_predecessor() {
    let site = Site::new(&[("V1__a.sql", "create table a ()")]).await;
    let pgmoor = site.pgmoor().start().await;
    site.write("V2__b.sql", "select nonsense");

    let log = pgmoor
        .take_over()
        .await
        .err()
        .expect("it does not take over");

    assert!(log.contains("migration V2__b failed at line 1"), "{log}");
    assert_eq!(client(&pgmoor).await.value("select 1").await, "1");
}

#[tokio::test]
async fn migrations_run_by_another_login_than_the_clients() {
    let site = Site::new(&[(
        "V1__a.sql",
        "create table data.a (); grant select on data.a to app",
    )])
    .await;
    let sql = "create role owner login password 'owner'; create schema data authorization owner; \
               grant usage on schema data to app";
    site.postgres.psql(sql).await;
    let owner = site.postgres.url_of("owner", "owner", "postgres");
    let config = format!(
        "{}\nendpoints: {{ owner: {{ url: \"{owner}\" }} }}",
        site.yaml(", endpoint: owner, history: data.history")
    );

    let pgmoor = Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
        .config(&config)
        .start()
        .await;

    assert_eq!(
        client(&pgmoor)
            .await
            .value("select count(*) from data.a")
            .await,
        "0"
    );
    let owners = "select tableowner from pg_tables where tablename = 'a'";
    assert_eq!(
        site.postgres.psql(owners).await,
        "owner",
        "in the clients' database"
    );
}
