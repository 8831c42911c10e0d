//! Checks of what is written.

use crate::site::{Look, leads, passes};

#[tokio::test]
async fn an_address_that_cannot_be_read_is_the_only_finding() {
    let report = Look::written("postgres:/db.example.com/app").report().await;
    let finding = leads(&report, "PGM-CFG-003");
    assert!(finding.seen.contains("\"://\""), "{finding:?}");

    let report = Look::written("postgres://app@db.example.com/app?sslmode=verify-full")
        .report()
        .await;
    passes(&report, "PGM-CFG-003");
}
