//! Real load: every answer comes, and comes to whom it belongs.

use std::time::{Duration, Instant};

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{Pgbench, QueryMode, RawClient, frontend as f};

use crate::fixture::{Gate, MODES, values};

fn pgbench(gate: &Gate) -> Pgbench {
    Pgbench::at(
        "127.0.0.1",
        gate.address.port(),
        "app",
        &gate.password,
        "app",
    )
}

#[tokio::test]
async fn pgbench_runs_clean_in_every_query_mode_of_both_pool_modes() {
    for mode in MODES {
        let gate = Gate::start(mode, 8).await;
        pgbench(&gate).initialize(1).await;
        for query in [QueryMode::Simple, QueryMode::Extended, QueryMode::Prepared] {
            // No more clients than server connections: pgbench prepares statements in the middle of
            // a transaction and waits for the answer without looking after its other clients.
            let report = pgbench(&gate)
                .mode(query)
                .clients(8)
                .threads(2)
                .transactions(50)
                .run()
                .await;

            assert!(report.is_clean(), "{mode:?}: {}", report.output);
            assert_eq!(report.transactions, 8 * 50);
        }
    }
}

#[tokio::test]
async fn more_clients_than_server_connections_all_get_their_turn() {
    let gate = Gate::start(PoolMode::Transaction, 3).await;
    pgbench(&gate).initialize(1).await;

    let report = pgbench(&gate)
        .select_only()
        .clients(30)
        .threads(2)
        .transactions(100)
        .run()
        .await;

    assert!(report.is_clean(), "{}", report.output);
    let backends = gate
        .postgres
        .psql("select count(*) from pg_stat_activity where usename = 'app'")
        .await;
    assert!(
        backends.trim().parse::<u32>().expect("a number") <= 3,
        "{backends}"
    );
}

#[tokio::test]
async fn connecting_for_each_transaction_works_and_leaves_nothing_behind() {
    let gate = Gate::start(PoolMode::Transaction, 4).await;
    pgbench(&gate).initialize(1).await;

    let report = pgbench(&gate)
        .select_only()
        .connect_each()
        .clients(8)
        .transactions(30)
        .run()
        .await;

    assert!(report.is_clean(), "{}", report.output);
    pgmoor_testkit::wait_for(
        "clients are gone",
        std::time::Duration::from_secs(5),
        async || gate.gateway.clients() == 0,
    )
    .await;
}

/// How long one session takes to have so many statements of that length parsed.
async fn time_to_parse(client: &mut RawClient, count: usize, length: usize) -> Duration {
    let text = format!("select length('{}')", "x".repeat(length));
    let began = Instant::now();
    for _ in 0..count {
        let messages = [
            f::parse("", &text),
            f::bind("", "", &[]),
            f::execute("", 0),
            f::sync(),
        ];
        let answer = values(&client.pipeline(&messages).await);
        assert_eq!(answer, [length.to_string()]);
    }
    began.elapsed()
}

#[tokio::test]
async fn a_long_statement_takes_no_more_time_than_short_ones_of_that_length_together() {
    let gate = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = gate.client().await;
    client.set_patience(Duration::from_secs(60));
    let (mut long, mut short) = (Duration::MAX, Duration::MAX);
    // What else the machine does is not the same each time: the best time counts.
    for _ in 0..4 {
        short = short.min(time_to_parse(&mut client, 30, 512 << 10).await);
        long = long.min(time_to_parse(&mut client, 1, 15 << 20).await);
    }

    assert!(long < short * 3, "{long:?} for one, {short:?} for thirty");
}
