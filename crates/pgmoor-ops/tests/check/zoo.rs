//! The zoo: each broken server ends in the one finding that says what is broken, at the top of the report,
//! and everything that stood on it is skipped with that as the reason.

use std::time::Duration;

use pgmoor_ops::report::{DatabaseReport, Status};
use pgmoor_ops::requirement::{Right, SessionUse};
use pgmoor_testkit::zoo::{BlackHole, HttpServer, PgBouncer, PoolMode, closes_after_startup};
use pgmoor_testkit::{Ca, Postgres};

use crate::prepared::sql;
use crate::site::{Look, leads};

/// What a real application asks.
fn at(url: &str) -> Look {
    let mut look = Look::at(url);
    look.asked.requirement.rights = vec![Right::CreateTable];
    look.asked.requirement.session_uses = vec![SessionUse::AdvisoryLocks];
    look.limit = Duration::from_secs(3);
    look
}

/// That it leads, and that the text of the report begins with it.
async fn first(look: Look, id: &str) -> DatabaseReport {
    let report = look.run().await;
    let text = pgmoor_ops::report::text(&report);
    let finding = text.lines().find(|line| line.contains("PGM-"));
    assert!(finding.is_some_and(|line| line.contains(id)), "{text}");
    let report = report.databases.into_iter().next().unwrap();
    leads(&report, id);
    assert_eq!(report.first.as_deref(), Some(id));
    report
}

/// That nothing is said about what could not be looked at, but where to look instead.
fn ends_there(report: &DatabaseReport, id: &str) {
    assert!(!report.connected);
    let sees = format!("see {id}");
    let skipped = report
        .checks
        .iter()
        .filter(|check| check.status == Status::Skip);
    let (told, other): (Vec<_>, Vec<_>) = skipped.partition(|check| check.seen.contains(&sees));
    assert!(told.len() > 40, "{other:#?}");
    let later = report
        .checks
        .iter()
        .skip_while(|check| check.id != id)
        .skip(1);
    for check in later {
        assert_ne!(check.status, Status::Warn, "{check:#?}");
    }
}

#[tokio::test]
async fn what_is_no_postgresql_that_is_well_leads_to_one_finding() {
    let hole = BlackHole::open().await;
    let url = |port: u16| format!("postgres://app:geheim@127.0.0.1:{port}/app");
    let report = first(at(&url(hole.port())), "PGM-NET-003").await;
    ends_there(&report, "PGM-NET-003");

    let web = HttpServer::start().await;
    let report = first(at(&url(web.port())), "PGM-NET-005").await;
    ends_there(&report, "PGM-NET-005");

    let closing = closes_after_startup().await;
    let report = first(at(&url(closing.port())), "PGM-LOG-001").await;
    ends_there(&report, "PGM-LOG-001");
}

#[tokio::test]
async fn a_certificate_of_a_wrong_authority_or_one_that_expired_leads_to_one_finding() {
    let (ca, other) = (Ca::new("ours"), Ca::new("theirs"));
    let url = |postgres: &Postgres| {
        let root = ca.root_path().display();
        format!("{}?sslmode=verify-full&sslrootcert={root}", postgres.url())
    };
    let postgres = Postgres::builder().tls(&other).start().await;
    let report = first(at(&url(&postgres)), "PGM-TLS-005").await;
    ends_there(&report, "PGM-TLS-005");

    let expired = ca
        .issue("localhost")
        .names(["127.0.0.1"])
        .expired()
        .finish();
    let postgres = Postgres::builder().certificate(&expired).start().await;
    let report = first(at(&url(&postgres)), "PGM-TLS-007").await;
    ends_there(&report, "PGM-TLS-007");
}

#[tokio::test]
async fn a_server_that_is_full_leads_to_one_finding() {
    let full = Postgres::builder()
        .conf("max_connections", "6")
        .conf("superuser_reserved_connections", "3");
    let postgres = full.start().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(postgres.connect().await);
    }
    let report = first(at(&postgres.url()), "PGM-LOG-003").await;
    ends_there(&report, "PGM-LOG-003");
}

#[tokio::test]
async fn a_standby_and_a_pooler_in_transaction_mode_lead_to_one_finding_each() {
    let postgres = Postgres::start().await;
    let bouncer = PgBouncer::start(&postgres, PoolMode::Transaction).await;
    let through = postgres.url().replace(
        &format!(":{}/", postgres.port()),
        &format!(":{}/", bouncer.port()),
    );
    first(at(&through), "PGM-NET-007").await;
    drop(bouncer);

    let standby = postgres.standby().await;
    first(at(&standby.url()), "PGM-SRV-003").await;
}

#[tokio::test]
async fn a_role_without_rights_and_a_wrong_owner_lead_to_one_finding_each() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "create role stranger login password 'geheim'; revoke create on schema public from public",
    )
    .await;
    let stranger = postgres.url_of("stranger", "geheim", "app");
    first(at(&stranger), "PGM-RGT-002").await;

    sql(
        &postgres,
        "create role before nologin; create table public.t (a int); alter table t owner to before;
         grant all on t to app",
    )
    .await;
    first(at(&postgres.url()), "PGM-RGT-007").await;
}
