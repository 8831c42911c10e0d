//! Checks of how much room there is.

use std::time::Duration;

use pgmoor_ops::report::Status;
use pgmoor_testkit::Postgres;

use crate::prepared::{admin, look, plainly, sql};
use crate::site::{Look, fires, leads, passes};

#[tokio::test]
async fn too_few_connections_for_all_replicas_are_found_with_the_sum() {
    let postgres = Postgres::start().await;
    let report = look(&postgres, |look| {
        look.asked.replicas = Some(3);
        look.asked.connections = Some(40);
    })
    .await;
    let finding = leads(&report, "PGM-CAP-001");
    assert!(
        finding
            .seen
            .starts_with("3 replicas × 40 = 120 of 97 usable"),
        "{finding:?}"
    );

    let report = look(&postgres, |look| {
        look.asked.replicas = Some(3);
        look.asked.connections = Some(20);
    })
    .await;
    let finding = passes(&report, "PGM-CAP-001");
    assert_eq!(finding.seen, "3 replicas × 20 = 60 of 97 usable; 37 left");
}

#[tokio::test]
async fn connections_that_others_have_count() {
    let postgres = Postgres::start().await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(postgres.connect_admin().await);
    }
    let report = look(&postgres, |look| look.asked.connections = Some(95)).await;
    let finding = leads(&report, "PGM-CAP-001");
    assert!(finding.seen.contains("5 in use by others"), "{finding:?}");
}

#[tokio::test]
async fn databases_at_one_server_share_its_connections() {
    let postgres = Postgres::start().await;
    let look = || {
        let mut look = Look::at(&postgres.url());
        look.asked.connections = Some(60);
        look
    };
    passes(&look().report().await, "PGM-CAP-001");

    let report = look().beside(look()).await;

    let finding = leads(&report, "PGM-CAP-001");
    assert!(
        finding
            .seen
            .contains("60 for the other databases at this server"),
        "{finding:?}"
    );
}

#[tokio::test]
async fn a_limit_of_the_role_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-CAP-002");

    sql(&postgres, "alter role app connection limit 5").await;
    let report = plainly(&postgres).await;
    let finding = leads(&report, "PGM-CAP-002");
    assert_eq!(
        finding.hint.as_deref(),
        Some("ALTER ROLE app CONNECTION LIMIT 10")
    );
}

#[tokio::test]
async fn sessions_that_take_more_memory_than_there_is_are_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-CAP-003");

    let report = look(&postgres, |look| look.asked.connections = Some(5_000)).await;
    fires(&report, "PGM-CAP-003");
}

#[tokio::test]
async fn a_server_without_statistics_of_statements_is_found() {
    let postgres = Postgres::start().await;
    fires(&plainly(&postgres).await, "PGM-CAP-004");

    sql(&postgres, "create extension pg_stat_statements").await;
    passes(&plainly(&postgres).await, "PGM-CAP-004");
}

#[tokio::test]
async fn a_standby_that_is_behind_is_found() {
    let postgres = Postgres::builder()
        .conf("wal_init_zero", "off")
        .conf("max_wal_size", "4GB")
        .start()
        .await;
    sql(&postgres, "grant pg_monitor to app").await;
    let standby = postgres.standby().await;
    passes(&plainly(&postgres).await, "PGM-CAP-005");

    sql(&standby, "select pg_wal_replay_pause()").await;
    skip_wal(&postgres, 300).await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-CAP-005");
    assert!(finding.seen.contains("MiB behind"), "{finding:?}");
}

/// Moves the end of the WAL on, by so many MiB at least.
async fn skip_wal(postgres: &Postgres, mebibytes: u32) {
    let client = admin(postgres).await;
    for _ in 0..mebibytes.div_ceil(16) {
        let switch = "select pg_logical_emit_message(false, 'x', 'x'), pg_switch_wal()";
        client.batch_execute(switch).await.unwrap();
    }
}

#[tokio::test]
async fn ids_that_run_out_are_found_before_they_do() {
    let postgres = Postgres::start().await;
    let report = plainly(&postgres).await;
    passes(&report, "PGM-CAP-006");
    passes(&report, "PGM-CAP-007");

    // As old as a database that was not vacuumed for 1.2 billion transactions.
    sql(
        &postgres,
        "update pg_database set
            datfrozenxid = ((txid_current() + 4294967296 - 1200000000) % 4294967296)::text::xid,
            datminmxid = (4294967296 - 1200000000)::text::xid
         where datname = 'app'",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-CAP-006");
    assert!(
        finding.seen.contains("\"app\" has used 56 %"),
        "{finding:?}"
    );
    fires(&report, "PGM-CAP-007");
}

#[tokio::test]
async fn a_slot_that_nobody_reads_is_found() {
    let postgres = Postgres::builder()
        .conf("wal_init_zero", "off")
        .start()
        .await;
    passes(&plainly(&postgres).await, "PGM-CAP-008");

    sql(
        &postgres,
        "select pg_create_physical_replication_slot(name, true) from unnest('{gone,gone_too}'::name[]) name",
    )
    .await;
    skip_wal(&postgres, 1_100).await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-CAP-008");
    let hint = finding.hint.as_deref().unwrap();
    for slot in ["gone", "gone_too"] {
        assert!(
            hint.contains(&format!("pg_drop_replication_slot('{slot}')")),
            "{hint}"
        );
    }
}

#[tokio::test]
async fn a_transaction_that_is_open_for_hours_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-CAP-009");

    let open = postgres.connect().await;
    open.batch_execute("begin; select 1").await.unwrap();
    let hours = Duration::from_secs(2 * 3600);
    let report = look(&postgres, |look| look.asked.now += hours).await;
    fires(&report, "PGM-CAP-009");
}

#[tokio::test]
async fn sessions_that_wait_within_a_transaction_are_found() {
    let postgres = Postgres::start().await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(postgres.connect().await);
    }
    passes(&plainly(&postgres).await, "PGM-CAP-010");

    for client in &held {
        client.batch_execute("begin").await.unwrap();
    }
    fires(&plainly(&postgres).await, "PGM-CAP-010");
}

#[tokio::test]
async fn what_the_login_cannot_see_is_not_called_good() {
    let postgres = Postgres::start().await;
    let mut held = Vec::new();
    for _ in 0..6 {
        let client = postgres.connect_admin().await;
        client.batch_execute("begin; select 1").await.unwrap();
        held.push(client);
    }

    let report = plainly(&postgres).await;

    for id in ["PGM-CAP-009", "PGM-CAP-010"] {
        let finding = report.checks.iter().find(|check| check.id == id).unwrap();
        assert_eq!(finding.status, Status::Skip, "{finding:?}");
        assert!(finding.seen.contains("pg_monitor"), "{finding:?}");
    }
    sql(&postgres, "grant pg_monitor to app").await;
    fires(&plainly(&postgres).await, "PGM-CAP-010");
}

#[tokio::test]
async fn a_sequence_near_its_end_is_found() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "create table public.counted (id serial); alter table public.counted owner to app;
         select setval('public.counted_id_seq', 1000)",
    )
    .await;
    passes(&plainly(&postgres).await, "PGM-CAP-011");

    sql(
        &postgres,
        "select setval('public.counted_id_seq', 2000000000)",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-CAP-011");
    assert!(
        finding.seen.contains("public.counted_id_seq has used 93 %"),
        "{finding:?}"
    );
}
