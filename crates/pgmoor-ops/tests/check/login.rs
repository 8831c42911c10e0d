//! Checks of the login.

use pgmoor_testkit::Postgres;

use crate::site::{Look, leads, passes};

#[tokio::test]
async fn a_wrong_password_is_the_only_finding() {
    let postgres = Postgres::start().await;
    let report = Look::at(&postgres.url_of("app", "wrong", "app"))
        .report()
        .await;
    let finding = leads(&report, "PGM-LOG-011");
    assert!(!finding.seen.contains("wrong"), "{finding:?}");

    passes(&Look::at(&postgres.url()).report().await, "PGM-LOG-011");
}
