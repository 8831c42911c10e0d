//! The forms of a report.

use std::fs;
use std::path::Path;

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
