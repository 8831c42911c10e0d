//! The short form of `cargo x torture`: the product's own process under every fault.
//!
//! `PGMOOR_TORTURE_SEED` (1) and `PGMOOR_TORTURE_SECONDS` (8) change the run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgmoor_testkit::torture::{PoolMode, Report, Site, SitePlan, Torture, Witness, fault, torture};

const CLIENTS: u32 = 60;
const POOL: u32 = 10;

fn number(variable: &str, otherwise: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One after the other: a machine with two cores has enough to do with one of them.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Tortures one gateway; its figures are for the test to look at.
async fn tortured(mode: PoolMode, name: &str) -> Report {
    let _turn = TURN.lock().await;
    let fault = fault(name, Duration::from_millis(500)).expect("a fault of this name");
    let plan = SitePlan {
        binary: Path::new(env!("CARGO_BIN_EXE_pgmoor")),
        mode,
        size: POOL,
        lines: fault.lines(),
    };
    // In the heap: without optimisation they are too large for the stack of a test.
    let mut site = Box::pin(Site::start(&plan)).await;
    let run = Torture {
        gates: site.gates(),
        server: site.server(),
        mode,
        clients: CLIENTS,
        seed: number("PGMOOR_TORTURE_SEED", 1),
        time: Duration::from_secs(number("PGMOOR_TORTURE_SECONDS", 8)),
        patience: Duration::from_secs(30),
        fault: name.to_owned(),
    };
    let witness = Arc::new(Witness::default());
    let stricken = Some((&mut site, fault));
    let report = Box::pin(torture(&run, &witness, stricken)).await;
    println!("{report}");
    report
}

/// Nothing was wrong, lost, leaked or without an answer, and something was done.
async fn all_is_well(mode: PoolMode, name: &str) {
    let report = tortured(mode, name).await;

    assert!(report.is_good(), "{report}");
    assert!(report.figures.acts > 100, "{report}");
    assert!(report.committed > 10, "{report}");
    // How soon it recovers is measured by `cargo x torture`, with what is shipped.
    assert!(name == "none" || report.blows > 0, "{report}");
}

#[tokio::test]
async fn clients_of_a_transaction_pool_get_what_is_theirs_and_nothing_else() {
    all_is_well(PoolMode::Transaction, "none").await;
}

#[tokio::test]
async fn clients_of_a_session_pool_get_what_is_theirs_and_nothing_else() {
    all_is_well(PoolMode::Session, "none").await;
}

#[tokio::test]
async fn a_server_that_is_restarted_again_and_again_costs_sessions_and_nothing_else() {
    all_is_well(PoolMode::Transaction, "restart").await;
}

#[tokio::test]
async fn a_line_to_clients_that_breaks_costs_sessions_and_nothing_else() {
    all_is_well(PoolMode::Transaction, "network-client").await;
}

#[tokio::test]
async fn a_line_to_the_server_that_breaks_costs_sessions_and_nothing_else() {
    all_is_well(PoolMode::Transaction, "network-server").await;
}

#[tokio::test]
async fn a_reload_costs_nobody_anything_be_it_refused_or_not() {
    all_is_well(PoolMode::Transaction, "reload").await;
}

#[tokio::test]
async fn hostile_clients_cost_the_others_nothing() {
    all_is_well(PoolMode::Transaction, "attacks").await;
}

#[tokio::test]
async fn a_gateway_that_is_replaced_again_and_again_costs_nobody_anything() {
    all_is_well(PoolMode::Transaction, "takeover").await;
}

#[tokio::test]
async fn a_gateway_that_is_replaced_costs_no_session_either() {
    all_is_well(PoolMode::Session, "takeover").await;
}

#[tokio::test]
async fn passwords_certificates_and_authorities_are_replaced_without_anybody_being_told() {
    all_is_well(PoolMode::Transaction, "rotation").await;
}
