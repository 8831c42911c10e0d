//! Checks of the way to the server.

use pgmoor_testkit::{Postgres, free_port};

use crate::site::{Look, leads, passes};

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
async fn a_port_that_nobody_listens_on_is_the_only_finding() {
    let url = format!("postgres://app:geheim@127.0.0.1:{}/app", free_port());
    leads(&Look::at(&url).report().await, "PGM-NET-002");

    let postgres = Postgres::start().await;
    passes(&Look::at(&postgres.url()).report().await, "PGM-NET-002");
}
