//! Clients that log in, ask once, and stay: what they cost, whether it grows, what is left of them.
//!
//! `PGMOOR_IDLE_CLIENTS` and `PGMOOR_IDLE_SECONDS` make the hour out of these seconds; see
//! `docs/reliability.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgmoor_testkit::{Address, Postgres, RawClient, wait_for};
use tokio::task::JoinSet;

use crate::clients::STUCK;
use crate::site::{number_from, pgmoor};

/// Looks at the memory in each half of the time.
const LOOKS: u32 = 10;
/// Clients that come before those that are counted.
const FIRST: usize = 100;
/// Clients that are at work beside the idle ones.
const ACTIVE: usize = 50;
/// What an idle client may cost; without optimisation, tasks are larger.
const KIB: u64 = if cfg!(debug_assertions) { 80 } else { 40 };

async fn visitor(address: Address) -> RawClient {
    let mut client = RawClient::login_to(address, "app", "unused", "app").await;
    assert_eq!(client.value("select 1").await, "1");
    client
}

/// So many clients, by a few tasks.
async fn visitors(address: &Address, count: usize) -> Vec<RawClient> {
    let mut openers = JoinSet::new();
    for opener in 0..8 {
        let address = address.clone();
        openers.spawn(async move {
            let mut clients = Vec::new();
            for _ in (opener..count).step_by(8) {
                clients.push(visitor(address.clone()).await);
            }
            clients
        });
    }
    openers.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn idle_clients_cost_little_do_not_grow_and_leave_nothing_behind() {
    let clients = number_from("PGMOOR_IDLE_CLIENTS", 1_000);
    let seconds = number_from("PGMOOR_IDLE_SECONDS", 10);
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor()
        .config(&format!(
            "databases: {{ app: {{ url: \"{}\", pool: {{ mode: transaction, size: 4, \
             min_idle: 4, checkout_timeout: 1m }} }} }}",
            postgres.url()
        ))
        .gateway(
            "max_client_connections: 20000\n\
             auth: { trust: [loopback], users: { app: { password: unused } } }",
        )
        .start()
        .await;
    // What is made once is made now.
    for client in visitors(&pgmoor.address(), FIRST).await {
        client.terminate().await;
    }
    wait_for("the first clients to be gone", STUCK, async || {
        let page = pgmoor.http("/metrics").await.expect("metrics").body;
        page.contains("pgmoor_client_connections_open 0\n")
            && page.contains("pgmoor_server_connections{pool=\"app\",state=\"idle\"} 4\n")
    })
    .await;
    let files = pgmoor.open_files();
    // What they have left free is taken by as many others, or it would make those who follow cheap.
    let first = visitors(&pgmoor.address(), FIRST).await;
    let before = pgmoor.memory_kib();

    let idle = visitors(&pgmoor.address(), clients).await;
    let each = pgmoor.memory_kib().saturating_sub(before) / clients as u64;
    let stop = Arc::new(AtomicBool::new(false));
    let mut active = JoinSet::new();
    for mut client in visitors(&pgmoor.address(), ACTIVE).await {
        let stop = stop.clone();
        active.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                client.query("select pg_sleep(0.02)").await;
            }
            client.terminate().await;
        });
    }
    let mut looks = tokio::time::interval(Duration::from_secs(seconds as u64) / (2 * LOOKS));
    let mut seen = Vec::new();
    for _ in 0..2 * LOOKS {
        looks.tick().await;
        seen.push(pgmoor.memory_kib());
    }
    let open = pgmoor.open_files();
    stop.store(true, Ordering::SeqCst);
    active.join_all().await;
    drop((first, idle));

    let half = &seen[LOOKS as usize..];
    let (least, most) = (half.iter().min(), half.iter().max());
    let (least, most) = (*least.expect("looks"), *most.expect("looks"));
    println!(
        "{clients} idle and {ACTIVE} active clients for {seconds} s: {each} KiB each, \
         {least} to {most} KiB in the last half, {open} files open"
    );
    assert!(each < KIB, "{each} KiB for each client");
    assert!(
        most - least <= (most + least) / 2 / 25,
        "not within 2 % of the mean: {seen:?}"
    );
    wait_for("the descriptors to be given back", STUCK, async || {
        pgmoor.open_files() <= files
    })
    .await;
}
