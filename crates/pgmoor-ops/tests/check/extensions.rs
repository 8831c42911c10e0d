//! Checks of the extensions.

use pgmoor_ops::requirement::{ExtensionSettings, Right};
use pgmoor_testkit::Postgres;

use crate::prepared::{look, plainly, sql};
use crate::site::{Look, fires, leads, passes};

fn needs(name: &str) -> impl FnOnce(&mut Look) {
    needs_so(name, ExtensionSettings::default())
}

fn needs_so(name: &str, wanted: ExtensionSettings) -> impl FnOnce(&mut Look) {
    let name = name.to_owned();
    move |look| {
        look.asked.requirement.rights = vec![Right::CreateExtension];
        look.asked.requirement.extensions.insert(name, wanted);
    }
}

#[tokio::test]
async fn an_extension_that_the_server_has_not_is_found() {
    let postgres = Postgres::start().await;
    let report = look(&postgres, needs("vector_of_tomorrow")).await;
    leads(&report, "PGM-EXT-001");

    passes(&look(&postgres, needs("pg_trgm")).await, "PGM-EXT-001");
}

#[tokio::test]
async fn an_extension_that_the_vendor_does_not_allow_is_found_with_the_whole_list() {
    let postgres = Postgres::builder()
        .conf("azure.extensions", "citext,ltree")
        .start()
        .await;
    sql(&postgres, "create role azure_pg_admin").await;
    let report = look(&postgres, needs("pg_trgm")).await;
    let finding = leads(&report, "PGM-EXT-002");
    assert!(
        finding
            .hint
            .as_deref()
            .unwrap()
            .ends_with("citext,ltree,pg_trgm"),
        "{finding:?}"
    );

    passes(&look(&postgres, needs("ltree")).await, "PGM-EXT-002");
}

#[tokio::test]
async fn an_extension_that_only_an_administrator_can_install_is_found() {
    let postgres = Postgres::start().await;
    let report = look(&postgres, needs("pg_buffercache")).await;
    let finding = leads(&report, "PGM-EXT-003");
    let hint = finding.hint.clone().unwrap();
    let (_, statement) = hint.split_once(": ").unwrap();

    sql(&postgres, statement).await;

    passes(
        &look(&postgres, needs("pg_buffercache")).await,
        "PGM-EXT-003",
    );
}

#[tokio::test]
async fn an_extension_that_is_too_old_is_found() {
    let postgres = Postgres::start().await;
    let newer = |version: &str| ExtensionSettings {
        min_version: Some(version.to_owned()),
        ..ExtensionSettings::default()
    };
    let report = look(&postgres, needs_so("pg_trgm", newer("99.1"))).await;
    fires(&report, "PGM-EXT-004");

    passes(
        &look(&postgres, needs_so("pg_trgm", newer("1.2"))).await,
        "PGM-EXT-004",
    );
}

#[tokio::test]
async fn an_extension_in_a_schema_that_is_not_looked_at_is_found() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "create schema other; create extension citext schema other",
    )
    .await;
    let report = look(&postgres, needs("citext")).await;
    let finding = leads(&report, "PGM-EXT-005");
    let hint = finding.hint.clone().unwrap();
    let (statement, _) = hint.split_once(';').unwrap();

    sql(&postgres, statement).await;

    passes(&look(&postgres, needs("citext")).await, "PGM-EXT-005");
}

#[tokio::test]
async fn an_extension_that_was_not_updated_is_found() {
    let postgres = Postgres::builder().major(15).start().await;
    passes(&plainly(&postgres).await, "PGM-EXT-006");

    sql(&postgres, "create extension pg_trgm version '1.5'").await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-EXT-006");
    assert_eq!(
        finding.hint.as_deref(),
        Some("ALTER EXTENSION pg_trgm UPDATE")
    );
}

#[tokio::test]
async fn an_extension_that_the_application_can_do_without_is_named_and_fails_nothing() {
    let postgres = Postgres::start().await;
    let optional = || ExtensionSettings {
        optional: true,
        min_version: Some("1.5".to_owned()),
        ..ExtensionSettings::default()
    };
    let report = look(&postgres, needs_so("citext", optional())).await;
    let finding = fires(&report, "PGM-EXT-007");
    assert_eq!(
        finding.hint.as_deref(),
        Some("CREATE EXTENSION IF NOT EXISTS citext")
    );
    assert!(
        report
            .checks
            .iter()
            .all(|check| !check.id.starts_with("PGM-EXT")
                || check.status != pgmoor_ops::report::Status::Fail)
    );
    let report = look(&postgres, needs_so("vector_of_tomorrow", optional())).await;
    let finding = fires(&report, "PGM-EXT-007");
    assert!(
        finding.hint.as_deref().unwrap().contains("server's host"),
        "{finding:?}"
    );

    // Where it is installed, it counts as one that is needed.
    sql(
        &postgres,
        "create schema other; create extension citext schema other version '1.4'",
    )
    .await;
    let report = look(&postgres, needs_so("citext", optional())).await;
    passes(&report, "PGM-EXT-007");
    fires(&report, "PGM-EXT-004");
    fires(&report, "PGM-EXT-005");
}

#[tokio::test]
async fn the_hint_makes_the_schema_that_an_extension_is_to_be_in() {
    let postgres = Postgres::start().await;
    let wanted = || ExtensionSettings {
        schema: Some("Extra".to_owned()),
        ..ExtensionSettings::default()
    };
    let report = look(&postgres, needs_so("pg_buffercache", wanted())).await;
    let hint = leads(&report, "PGM-EXT-003").hint.clone().unwrap();
    let (_, statements) = hint.split_once(": ").unwrap();

    sql(&postgres, statements).await;

    let report = look(&postgres, needs_so("pg_buffercache", wanted())).await;
    passes(&report, "PGM-EXT-003");
}
