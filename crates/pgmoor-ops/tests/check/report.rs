//! The forms of a report.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pgmoor_testkit::{Postgres, free_port};
use serde_json::Value;

use crate::site::Look;

#[tokio::test]
async fn the_json_of_a_report_is_as_the_schema_in_the_repository_says() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/check-report.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let postgres = Postgres::start().await;
    let refused = format!("postgres://app@127.0.0.1:{}/app", free_port());

    for url in [&postgres.url(), &refused, "postgres:/what"] {
        let report = serde_json::to_value(Look::at(url).run().await).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    let mut report = serde_json::to_value(Look::at("postgres:/what").run().await).unwrap();
    report["databases"][0]["checks"][0]["status"] = "fine".into();
    assert!(!validator.is_valid(&report));
}

#[tokio::test]
async fn the_text_of_a_report_begins_with_what_to_do_and_ends_with_the_counts() {
    let url = format!("postgres://app@127.0.0.1:{}/app", free_port());
    let report = Look::at(&url).run().await;

    let text = pgmoor_ops::report::text(&report);
    let plain = text.replace(['\u{1b}'], "");
    let (head, _) = plain.split_once("configuration").unwrap();
    assert!(
        head.contains("FAIL") && head.contains("PGM-NET-002"),
        "{text}"
    );
    let last = text.lines().last().unwrap();
    assert!(
        last.contains("1 FAIL") && last.contains("1 database"),
        "{text}"
    );
}

#[tokio::test]
async fn the_page_of_a_report_needs_nothing_from_elsewhere_and_escapes_what_servers_say() {
    let said = "<script>alert(1)</script>";
    let server = pgmoor_testkit::zoo::refuses_every_login("XX000", said).await;
    let url = format!("postgres://app:geheim@127.0.0.1:{}/app", server.port());
    let report = Look::at(&url).run().await;

    let page = pgmoor_ops::report::html(&report);
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    for foreign in ["<script", "src=", "http://", "https://", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}: {page}");
    }
    assert!(
        page.contains("&lt;script&gt;") && page.contains("PGM-LOG-014"),
        "{page}"
    );
    assert!(!page.contains("geheim"));
    assert!(page.contains("class=\"badge fail\""), "{page}");
}

#[tokio::test]
async fn what_changed_between_two_reports_is_told() {
    let postgres = Postgres::start().await;
    let before = Look::at(&postgres.url()).run().await;
    postgres.stop(pgmoor_testkit::Stop::Fast).await;
    let now = Look::at(&postgres.url()).run().await;

    let changes = pgmoor_ops::report::changes(&before, &now);
    let ids: Vec<&str> = changes.iter().map(|change| change.id).collect();
    assert_eq!(ids, ["PGM-NET-002"]);
    assert_eq!(pgmoor_ops::report::changes(&now, &now), []);
}

#[tokio::test]
async fn databases_that_hang_cost_no_more_than_one_that_does() {
    let hole = pgmoor_testkit::zoo::BlackHole::open().await;
    let url = format!("postgres://app@127.0.0.1:{}/app", hole.port());
    let many: Vec<_> = (0..10).map(|_| Look::at(&url).examination()).collect();
    let options = crate::site::options(Duration::from_secs(1));

    let report = pgmoor_ops::preflight::run(&many, &options, |_| {}).await;
    assert_eq!(report.databases.len(), 10);
    assert!(report.duration_ms < 6_000, "{} ms", report.duration_ms);
}
