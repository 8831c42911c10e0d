//! Checks of how far the server is.

use std::net::SocketAddr;
use std::time::Duration;

use pgmoor_testkit::{Direction, FaultProxy, Postgres};

use crate::site::{Look, fires, passes};

#[tokio::test]
async fn a_server_in_another_region_is_found_and_what_it_costs_is_said() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::tcp(SocketAddr::from(([127, 0, 0, 1], postgres.port()))).await;
    proxy.delay(Direction::ToServer, Duration::from_millis(20));
    let far = postgres
        .url()
        .replace(&postgres.port().to_string(), &proxy.port().to_string());

    let report = Look::at(&far).report().await;
    let finding = fires(&report, "PGM-LAT-001");
    assert!(finding.seen.contains("another region"), "{finding:?}");
    assert!(finding.seen.contains("1,000 queries"), "{finding:?}");

    passes(&Look::at(&postgres.url()).report().await, "PGM-LAT-001");
}
