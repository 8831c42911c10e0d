//! Checks of how far the server is.

use std::net::SocketAddr;
use std::time::Duration;

use pgmoor_ops::facts::latency::Latency;
use pgmoor_testkit::{Ca, Direction, FaultProxy, Postgres};

use crate::site::{Look, fires, passes};

#[tokio::test]
async fn a_server_in_another_region_is_found_and_what_it_costs_is_said() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let url = format!("{}?sslmode=require", postgres.url());
    let near = Look::at(&url).report().await;
    passes(&near, "PGM-LAT-001");
    passes(&near, "PGM-LAT-003");
    passes(&near, "PGM-LAT-004");
    passes(&near, "PGM-LAT-005");

    let proxy = FaultProxy::tcp(SocketAddr::from(([127, 0, 0, 1], postgres.port()))).await;
    proxy.delay(Direction::ToServer, Duration::from_millis(200));
    let far = url.replace(&postgres.port().to_string(), &proxy.port().to_string());
    let report = Look::at(&far).report().await;
    let finding = fires(&report, "PGM-LAT-001");
    assert!(finding.seen.contains("another region"), "{finding:?}");
    assert!(finding.seen.contains("1,000 queries"), "{finding:?}");
    fires(&report, "PGM-LAT-004");
    fires(&report, "PGM-LAT-005");
}

#[tokio::test]
async fn a_few_slow_round_trips_and_slow_connections_are_found() {
    let postgres = Postgres::start().await;
    let mut round_trips = vec![Duration::from_micros(200); 29];
    passes(
        &Look::at(&postgres.url())
            .changed(|facts| facts.latency = Ok(Latency::of(round_trips.clone())))
            .await,
        "PGM-LAT-002",
    );
    round_trips.push(Duration::from_millis(210));
    // The kernel connects at once on one machine: what was read is changed.
    let report = Look::at(&postgres.url())
        .changed(|facts| {
            facts.latency = Ok(Latency::of(round_trips));
            let host = &mut facts.network.as_mut().unwrap().hosts[0];
            host.addresses[0].connected = Ok(Duration::from_millis(1_020));
        })
        .await;
    fires(&report, "PGM-LAT-002");
    fires(&report, "PGM-LAT-003");
}
