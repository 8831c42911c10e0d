//! Checks of what the application wants besides.

use pgmoor_testkit::Postgres;

use crate::prepared::{look, sql};
use crate::site::{leads, passes};

#[tokio::test]
async fn a_further_database_that_is_not_there_or_closed_is_found() {
    let postgres = Postgres::start().await;
    let asked = |look: &mut crate::site::Look| {
        look.asked.requirement.databases = vec!["permissions".to_owned()];
    };
    let report = look(&postgres, asked).await;
    let finding = leads(&report, "PGM-APP-001");
    assert_eq!(
        finding.hint.as_deref(),
        Some("CREATE DATABASE permissions OWNER app")
    );

    sql(&postgres, "create database permissions").await;
    sql(
        &postgres,
        "revoke connect on database permissions from public",
    )
    .await;
    let report = look(&postgres, asked).await;
    let finding = leads(&report, "PGM-APP-001");
    let hint = finding.hint.clone().unwrap();

    sql(&postgres, &hint).await;

    passes(&look(&postgres, asked).await, "PGM-APP-001");
}
