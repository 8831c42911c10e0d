//! Checks of the way to the server.

use std::time::Duration;

use pgmoor_ops::requirement::SessionUse;
use pgmoor_testkit::zoo::{BlackHole, HttpServer, PgBouncer, PoolMode};
use pgmoor_testkit::{Postgres, free_port, private_dir};

use crate::site::{Look, fires, leads, passes};

#[tokio::test]
async fn a_name_without_an_address_is_the_only_finding() {
    let report = Look::at("postgres://app@no-such-host.invalid/app")
        .report()
        .await;
    leads(&report, "PGM-NET-001");

    let postgres = Postgres::start().await;
    let url = postgres.url().replace("127.0.0.1", "localhost");
    passes(&Look::at(&url).report().await, "PGM-NET-001");
}

#[tokio::test]
async fn a_server_that_is_not_reached_is_the_only_finding_and_how_it_is_not_is_told_apart() {
    let nobody = format!("postgres://app:geheim@127.0.0.1:{}/app", free_port());
    leads(&Look::at(&nobody).report().await, "PGM-NET-002");

    let hole = BlackHole::open().await;
    let mut look = Look::at(&format!("postgres://app@127.0.0.1:{}/app", hole.port()));
    look.limit = Duration::from_secs(1);
    leads(&look.report().await, "PGM-NET-003");

    let dir = private_dir("socket");
    let socket = format!("host={} user=app dbname=app", dir.path().display());
    leads(&Look::at(&socket).report().await, "PGM-NET-004");

    let postgres = Postgres::start().await;
    let report = Look::at(&postgres.url()).report().await;
    passes(&report, "PGM-NET-002");
    passes(&report, "PGM-NET-003");
    passes(&report, "PGM-NET-004");
    passes(&report, "PGM-NET-005");
}

#[tokio::test]
async fn one_dead_host_of_two_is_a_warning() {
    let postgres = Postgres::start().await;
    let here = format!("127.0.0.1:{}", postgres.port());
    let url = postgres
        .url()
        .replace(&here, &format!("127.0.0.1:{},{here}", free_port()));

    let report = Look::at(&url).report().await;
    assert!(report.connected);
    let finding = fires(&report, "PGM-NET-002");
    assert_eq!(finding.status, pgmoor_ops::report::Status::Warn);
}

#[tokio::test]
async fn something_else_at_the_port_is_the_only_finding() {
    let web = HttpServer::start().await;
    let url = format!("postgres://app@127.0.0.1:{}/app", web.port());
    let mut look = Look::at(&url);
    look.limit = Duration::from_secs(5);
    let report = look.report().await;
    let finding = leads(&report, "PGM-NET-005");
    assert!(finding.seen.contains("HTTP"), "{finding:?}");
}

#[tokio::test]
async fn a_pooler_is_found_and_what_its_mode_breaks() {
    let postgres = Postgres::start().await;
    let direct = Look::at(&postgres.url()).report().await;
    passes(&direct, "PGM-NET-006");
    passes(&direct, "PGM-NET-007");

    let bouncer = PgBouncer::start(&postgres, PoolMode::Transaction).await;
    let pooled = |bouncer: &PgBouncer| {
        Look::at(&format!(
            "postgres://app:{}@127.0.0.1:{}/app",
            postgres.app_password(),
            bouncer.port()
        ))
    };
    let report = pooled(&bouncer).report().await;
    let finding = fires(&report, "PGM-NET-006");
    assert!(finding.seen.contains("PgBouncer"), "{finding:?}");
    let finding = fires(&report, "PGM-NET-007");
    assert!(finding.seen.contains("transaction mode"), "{finding:?}");
    let mut look = pooled(&bouncer);
    look.asked.requirement.session_uses = vec![SessionUse::Listen];
    leads(&look.report().await, "PGM-NET-007");

    let bouncer = PgBouncer::start(&postgres, PoolMode::Session).await;
    let report = pooled(&bouncer).report().await;
    fires(&report, "PGM-NET-006");
    passes(&report, "PGM-NET-007");

    let bouncer = PgBouncer::start(&postgres, PoolMode::Statement).await;
    let report = pooled(&bouncer).report().await;
    let finding = fires(&report, "PGM-NET-007");
    assert!(finding.seen.contains("statement mode"), "{finding:?}");
}
