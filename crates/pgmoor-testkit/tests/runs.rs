//! The fixtures that run programs: pgbench and pgmoor.

use std::time::Duration;

use pgmoor_testkit::{Pgbench, Pgmoor, Postgres, QueryMode, Stop};

#[tokio::test]
async fn pgbench_reports_a_clean_run_and_an_aborted_one() {
    let postgres = Postgres::start().await;
    let socket = postgres.socket_dir().display().to_string();
    let bench = Pgbench::at(
        &socket,
        postgres.port(),
        "app",
        postgres.app_password(),
        "app",
    );
    bench.initialize(1).await;

    let clean = bench
        .clone()
        .clients(2)
        .transactions(20)
        .mode(QueryMode::Prepared)
        .select_only()
        .run()
        .await;
    assert!(clean.is_clean(), "{}", clean.output);
    assert_eq!(clean.transactions, 40);
    assert!(clean.tps > 0.0 && clean.latency_ms > 0.0);

    let run = bench
        .clients(2)
        .seconds(60)
        .script("select pg_sleep(0.01);")
        .start();
    let working = "select count(*) from pg_stat_activity where query like '%pg_sleep(0.01)%' \
                   and pid <> pg_backend_pid()";
    pgmoor_testkit::wait_for("clients", Duration::from_secs(10), async || {
        postgres.psql(working).await == "2"
    })
    .await;
    postgres.stop(Stop::Immediate).await;
    let aborted = run.finish_within(Duration::from_secs(10)).await;
    assert!(!aborted.is_clean());
    assert_eq!(aborted.aborted_clients, 2, "{}", aborted.output);
}

#[tokio::test]
async fn a_process_that_does_not_start_tells_its_status_and_output() {
    let started = Pgmoor::builder("/bin/ls")
        .config("databases: {}")
        .try_start()
        .await;

    let exit = started.err().expect("ls is no gateway");

    assert_eq!(exit.status.code(), Some(2));
    assert!(
        exit.output.contains("unrecognized option"),
        "{}",
        exit.output
    );
}
