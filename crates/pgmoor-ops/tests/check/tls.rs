//! Checks of TLS.

use pgmoor_testkit::{Ca, Postgres};

use crate::site::{Look, leads, passes};

#[tokio::test]
async fn a_server_without_tls_is_found_where_tls_is_demanded() {
    let postgres = Postgres::start().await;
    let url = format!("{}?sslmode=require", postgres.url());
    leads(&Look::at(&url).report().await, "PGM-TLS-003");

    let postgres = Postgres::builder().tls(&Ca::default()).start().await;
    let url = format!("{}?sslmode=require", postgres.url());
    passes(&Look::at(&url).report().await, "PGM-TLS-003");
}
