//! What a move would meet where it goes.

use pgmoor_ops::report::{DatabaseReport, Status};
use pgmoor_testkit::{Postgres, free_port, has_major};

use crate::prepared::sql;
use crate::site::{Look, finding, fires, passes};

async fn moving(from: &Postgres, to: &Postgres) -> DatabaseReport {
    let mut look = Look::at(&from.url());
    look.asked.for_move = true;
    look.to(to).report().await
}

#[tokio::test]
async fn a_target_like_the_source_passes() {
    let (from, to) = (Postgres::start().await, Postgres::start().await);
    sql(&to, "grant create on database app to app").await;
    sql(&from, "create extension pg_trgm; create table public.t (id int primary key, a text collate \"C\")").await;

    let report = moving(&from, &to).await;

    passes(&report, "PGM-MOV-019");
    passes(&report, "PGM-MOV-020");
    let finding = passes(&report, "PGM-MOV-021");
    assert!(finding.seen.contains("pg_trgm"), "{finding:?}");
    passes(&report, "PGM-MOV-022");
    passes(&report, "PGM-MOV-023");
    passes(&report, "PGM-MOV-024");
}

#[tokio::test]
async fn what_the_target_lacks_is_found_before_the_move() {
    let from = Postgres::start().await;
    let to = Postgres::builder()
        .conf("azure.extensions", "citext")
        .start()
        .await;
    sql(&from, "create extension pg_trgm").await;
    sql(
        &to,
        "create role azure_pg_admin; create table public.left_over (a int)",
    )
    .await;
    let report = moving(&from, &to).await;
    let finding = fires(&report, "PGM-MOV-021");
    assert!(
        finding.hint.as_deref().unwrap().ends_with("citext,pg_trgm"),
        "{finding:?}"
    );
    fires(&report, "PGM-MOV-024");

    sql(
        &to,
        "revoke create on database app from app, public; alter database app owner to postgres",
    )
    .await;
    let report = moving(&from, &to).await;
    let finding = fires(&report, "PGM-MOV-019");
    assert_eq!(
        finding.hint.as_deref(),
        Some("as the owner of the database: GRANT CREATE ON DATABASE app TO app")
    );

    let standby = from.standby().await;
    let report = moving(&from, &standby).await;
    let finding = fires(&report, "PGM-MOV-019");
    assert!(finding.seen.contains("is a standby"), "{finding:?}");
}

#[tokio::test]
async fn an_extension_that_the_target_has_no_files_for_is_found_by_name() {
    let (from, to) = (Postgres::start().await, Postgres::start().await);
    let report = Look::at(&from.url()).moved_to(&to, |facts| {
        let known = facts.extensions.as_mut().unwrap();
        let mut ours = known.extensions["plpgsql"].clone();
        ours.installed = Some("9.1".to_owned());
        known.extensions.insert("plpgsql".to_owned(), ours.clone());
        known
            .extensions
            .insert("postgis_of_tomorrow".to_owned(), ours);
    });
    let report = report.await;
    let finding = fires(&report, "PGM-MOV-021");
    assert_eq!(finding.status, Status::Fail);
    assert!(
        finding.seen.ends_with("has no postgis_of_tomorrow"),
        "{finding:?}"
    );

    let report = Look::at(&from.url()).moved_to(&to, |facts| {
        let known = facts.extensions.as_mut().unwrap();
        let mut ours = known.extensions["plpgsql"].clone();
        ours.installed = Some("9.1".to_owned());
        known.extensions.insert("plpgsql".to_owned(), ours);
    });
    let report = report.await;
    let finding = fires(&report, "PGM-MOV-021");
    assert_eq!(finding.status, Status::Warn);
}

#[tokio::test]
async fn an_older_version_another_encoding_and_another_order_of_texts_are_found() {
    let from = Postgres::start().await;
    let older = (12..from.major()).find(|major| has_major(*major));
    if let Some(older) = older {
        let to = Postgres::builder().major(older).start().await;
        fires(&moving(&from, &to).await, "PGM-MOV-020");
    }
    let to = Postgres::start().await;
    let other = |name: &str, how: &str| format!("create database {name} template template0 {how}");
    to.psql(&other(
        "latin",
        "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'",
    ))
    .await;
    to.psql(&other(
        "utf",
        "encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8'",
    ))
    .await;
    let at = |database: &str| {
        let mut look = Look::at(&from.url());
        look.asked.for_move = true;
        look.toward(&to.url_of("app", to.app_password(), database))
            .report()
    };

    fires(&at("latin").await, "PGM-MOV-022");
    let report = at("utf").await;
    passes(&report, "PGM-MOV-022");
    let finding = fires(&report, "PGM-MOV-023");
    assert!(
        finding.seen.contains("C (C.UTF-8) by libc at the target"),
        "{finding:?}"
    );
    assert!(
        finding.hint.as_deref().unwrap().contains("LC_COLLATE"),
        "{finding:?}"
    );

    // Another library, as another system has it.
    let report = Look::at(&from.url()).moved_to(&to, |facts| {
        let used = &mut facts.moving.as_mut().unwrap().collations_used;
        used.insert("en_US.utf8".to_owned(), "2.28".to_owned());
        let there = &mut facts.target.as_mut().unwrap().collations;
        there.insert("en_US.utf8".to_owned(), "2.36".to_owned());
    });
    let report = report.await;
    let finding = fires(&report, "PGM-MOV-023");
    assert_eq!(
        finding.seen,
        "en_US.utf8 is version 2.28 here and 2.36 there"
    );
}

#[tokio::test]
async fn a_target_that_is_not_there_is_one_finding_and_none_named_is_none() {
    let from = Postgres::start().await;
    let mut look = Look::at(&from.url());
    look.asked.for_move = true;
    let url = format!("postgres://app:geheim@127.0.0.1:{}/app", free_port());
    let report = look.toward(&url).report().await;
    fires(&report, "PGM-MOV-019");
    for id in [
        "PGM-MOV-020",
        "PGM-MOV-021",
        "PGM-MOV-022",
        "PGM-MOV-023",
        "PGM-MOV-024",
    ] {
        let skipped = finding(&report, id);
        assert_eq!(skipped.status, Status::Skip, "{skipped:?}");
        assert_eq!(skipped.seen, "not reached, see PGM-MOV-019");
    }

    let mut look = Look::at(&from.url());
    look.asked.for_move = true;
    let report = look.report().await;
    let skipped = finding(&report, "PGM-MOV-019");
    assert_eq!(
        (skipped.status, skipped.seen.as_str()),
        (Status::Skip, "no target is named; add --to")
    );
}

#[tokio::test]
async fn what_is_skipped_is_never_blamed_on_a_layer_that_stands_on_it() {
    // Without TLS, without wal_level = logical: a failure in the last layer only.
    let (from, to) = (Postgres::start().await, Postgres::start().await);
    let report = moving(&from, &to).await;
    assert!(
        report
            .first
            .as_deref()
            .is_some_and(|id| id.starts_with("PGM-MOV-"))
    );

    for check in &report.checks {
        let is_move = check.id.starts_with("PGM-MOV-");
        assert!(is_move || !check.seen.contains("PGM-MOV-"), "{check:?}");
    }
    let plain = finding(&report, "PGM-TLS-013");
    assert_eq!(plain.seen, "the server has no TLS, see PGM-TLS-003");
}
