//! Real load: every answer comes, and comes to whom it belongs.

use std::time::{Duration, Instant};

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{Pgbench, QueryMode, frontend as f};

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

#[tokio::test]
async fn a_large_statement_does_not_stall_the_clients_beside_it() {
    let gate = Gate::start(PoolMode::Transaction, 4).await;
    let mut large = gate.client().await;
    // At least one of them is served by the same worker.
    let mut beside = [gate.client().await, gate.client().await];
    let text = format!("select length('{}')", "x".repeat(15 << 20));
    large.set_patience(Duration::from_secs(60));
    let send = async {
        let messages = [
            f::parse("large", &text),
            f::bind("", "large", &[]),
            f::execute("", 0),
            f::sync(),
        ];
        values(&large.pipeline(&messages).await)
    };
    let mut longest = Duration::ZERO;
    let look = async {
        loop {
            for client in &mut beside {
                client.set_patience(Duration::from_secs(60));
                let began = Instant::now();
                client.value("select 1").await;
                longest = longest.max(began.elapsed());
            }
        }
    };

    tokio::select! {
        answer = send => assert_eq!(answer, [(15 << 20).to_string()]),
        () = look => {}
    }
    assert!(longest < Duration::from_secs(2), "stalled for {longest:?}");
}
