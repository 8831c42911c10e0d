//! Checks of whether the database can be moved while it is used.

use std::time::Duration;

use pgmoor_ops::report::DatabaseReport;
use pgmoor_testkit::Postgres;

use crate::prepared::{look, sql};
use crate::site::{fires, passes};

async fn for_move(postgres: &Postgres) -> DatabaseReport {
    look(postgres, |look| look.asked.for_move = true).await
}

#[tokio::test]
async fn a_server_that_is_not_set_for_a_move_is_found() {
    let postgres = Postgres::builder()
        .conf("max_replication_slots", "1")
        .conf("max_wal_senders", "1")
        .start()
        .await;
    sql(&postgres, "alter database app owner to postgres").await;
    sql(&postgres, "revoke create on database app from app").await;
    let report = for_move(&postgres).await;
    fires(&report, "PGM-MOV-001");
    fires(&report, "PGM-MOV-002");
    fires(&report, "PGM-MOV-003");
    let finding = fires(&report, "PGM-MOV-004");
    assert_eq!(finding.hint.as_deref(), Some("ALTER ROLE app REPLICATION"));
    fires(&report, "PGM-MOV-005");
}

#[tokio::test]
async fn a_server_that_is_set_for_a_move_passes() {
    let postgres = Postgres::builder()
        .conf("wal_level", "logical")
        .start()
        .await;
    sql(
        &postgres,
        "alter role app replication; alter database app owner to app;
         create table public.t (id int primary key); alter table public.t owner to app",
    )
    .await;
    let report = for_move(&postgres).await;
    passes(&report, "PGM-MOV-001");
    passes(&report, "PGM-MOV-002");
    passes(&report, "PGM-MOV-003");
    passes(&report, "PGM-MOV-004");
    passes(&report, "PGM-MOV-005");
    passes(&report, "PGM-MOV-006");
    passes(&report, "PGM-MOV-007");
    passes(&report, "PGM-MOV-008");
    passes(&report, "PGM-MOV-009");
    passes(&report, "PGM-MOV-010");
    passes(&report, "PGM-MOV-011");
    passes(&report, "PGM-MOV-012");
    passes(&report, "PGM-MOV-013");
    passes(&report, "PGM-MOV-014");
    passes(&report, "PGM-MOV-015");
    passes(&report, "PGM-MOV-016");
    passes(&report, "PGM-MOV-017");
    passes(&report, "PGM-MOV-018");
}

#[tokio::test]
async fn everything_that_a_move_would_not_carry_by_itself_is_found_by_name() {
    let postgres = Postgres::builder()
        .conf("max_prepared_transactions", "5")
        .conf("max_slot_wal_keep_size", "64MB")
        .start()
        .await;
    sql(
        &postgres,
        "create table public.without_key (id int); alter table public.without_key owner to app;
         create unlogged table public.fast (id int primary key); alter table public.fast owner to app;
         create materialized view public.seen as select 1 as one;
         create publication others for table public.without_key;
         create table public.hidden (id int primary key); grant all on public.hidden to app;
         alter table public.hidden enable row level security;
         create table public.closed (id int primary key);
         create collation public.own from \"C\";
         create function public.watch() returns event_trigger language plpgsql as 'begin end';
         create event trigger watching on ddl_command_end execute function public.watch();
         select lo_create(4711)",
    )
    .await;
    sql(
        &postgres,
        "create extension postgres_fdw; create server elsewhere foreign data wrapper postgres_fdw;
         create foreign table public.far (id int) server elsewhere",
    )
    .await;
    let app = postgres.connect().await;
    app.batch_execute(
        "begin; insert into public.without_key values (1); prepare transaction 'forgotten'",
    )
    .await
    .unwrap();
    app.batch_execute("begin; select 1").await.unwrap();
    let report = look(&postgres, |look| {
        look.asked.for_move = true;
        look.asked.now += Duration::from_secs(600);
    })
    .await;

    let finding = fires(&report, "PGM-MOV-006");
    assert!(finding.seen.contains("public.without_key"), "{finding:?}");
    fires(&report, "PGM-MOV-007");
    fires(&report, "PGM-MOV-008");
    fires(&report, "PGM-MOV-009");
    fires(&report, "PGM-MOV-010");
    fires(&report, "PGM-MOV-011");
    let finding = fires(&report, "PGM-MOV-012");
    assert!(finding.seen.contains("public.hidden"), "{finding:?}");
    let finding = fires(&report, "PGM-MOV-013");
    assert!(finding.seen.contains("public.closed"), "{finding:?}");
    let finding = fires(&report, "PGM-MOV-014");
    assert!(finding.seen.contains("forgotten"), "{finding:?}");
    fires(&report, "PGM-MOV-015");
    fires(&report, "PGM-MOV-016");
    fires(&report, "PGM-MOV-017");
    fires(&report, "PGM-MOV-018");
}
