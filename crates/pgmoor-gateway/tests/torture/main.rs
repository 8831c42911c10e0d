//! Many clients on few server connections, each of which knows what it must be told.
//!
//! Every statement carries a marker of its own, so that another client's answer shows; every
//! acknowledged commit is in a ledger that is compared at the end; every new session looks for what
//! others left behind. `PGMOOR_TORTURE_SECONDS` (10) and `PGMOOR_TORTURE_SEED` (1) change the run.

#[path = "../gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the tests that need all of it")]
mod fixture;

mod acts;
mod client;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fixture::Gate;
use pgmoor_gateway::settings::PoolMode;

use client::{Account, Client};

const CLIENTS: u64 = 16;
const POOL: u32 = 4;

fn number(variable: &str, otherwise: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

async fn torture(mode: PoolMode, clients: u64) {
    let seed = number("PGMOOR_TORTURE_SEED", 1);
    let seconds = number("PGMOOR_TORTURE_SECONDS", 10);
    println!("PGMOOR_TORTURE_SEED={seed} PGMOOR_TORTURE_SECONDS={seconds} {mode:?}");
    let gate = Gate::start(mode, POOL).await;
    gate.postgres
        .psql("create table ledger (marker text); create table copied (marker text); grant all on ledger, copied to app")
        .await;

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for id in 0..clients {
        let (address, password) = (gate.address, gate.password.clone());
        tasks.spawn(async move {
            let mut client = Client::new(mode, id, seed, address, password).await;
            while Instant::now() < end {
                client.act().await;
            }
            client.finish()
        });
    }
    let mut all = Account::default();
    while let Some(account) = tasks.join_next().await {
        all.add(account.expect("no client was told anything wrong"));
    }

    let rows = gate
        .postgres
        .psql("select marker from ledger union all select marker from copied")
        .await;
    let kept: BTreeSet<&str> = rows.lines().filter(|line| !line.is_empty()).collect();
    let lost: Vec<_> = all
        .committed
        .iter()
        .filter(|m| !kept.contains(m.as_str()))
        .collect();
    let ghosts: Vec<_> = all
        .undone
        .iter()
        .filter(|m| kept.contains(m.as_str()))
        .collect();
    println!(
        "{} acts, {} commits, {} rolled back",
        all.acts,
        all.committed.len(),
        all.undone.len()
    );
    assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
    assert!(ghosts.is_empty(), "rolled back and there: {ghosts:?}");
    assert!(all.acts > 100, "something was done");
}

#[tokio::test]
async fn clients_of_a_transaction_pool_get_their_own_answers_and_nothing_else() {
    torture(PoolMode::Transaction, CLIENTS).await;
}

#[tokio::test]
async fn clients_of_a_session_pool_get_their_own_answers_and_nothing_else() {
    // Each keeps its server connection for as long as it stays: more of them only wait.
    torture(PoolMode::Session, u64::from(POOL) + 2).await;
}
