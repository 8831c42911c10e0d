//! Changed copies of recorded streams through the sockets of a gateway that runs: of clients, before
//! and after their login, and of servers.
//!
//! Nothing panics, nothing hangs, nothing grows, and a client that behaves is served all the while.
//! `cargo x fuzz --sockets` does so a hundred thousand times.

#[path = "../gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the tests that need all of it")]
mod fixture;

#[path = "../../../../fuzz/src/drive.rs"]
mod drive;

mod server;

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drive::Mutator;
use fixture::{MODES, Plan, Served, values};
use pgmoor_gateway::settings::{PoolMode, TrustScope};
use pgmoor_testkit::{RawClient, frontend, wait_for};

use server::Stage;

/// So many in each mode, unless `PGMOOR_FUZZ_CASES` says otherwise.
const CASES: u64 = 150;
/// At once.
const CLIENTS: u64 = 4;
/// How long it may take to end a client.
const LIMIT: Duration = Duration::from_secs(1);
/// What allocators keep, in KiB.
const GROWTH: u64 = 32 << 10;

static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// What the recorded streams hold behind their first message.
fn without_startup(streams: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let length = |stream: &[u8]| u32::from_be_bytes(*stream.first_chunk().expect("a length"));
    let rest = |stream: &Vec<u8>| stream[length(stream) as usize..].to_vec();
    streams.iter().map(rest).collect()
}

struct Recorded {
    clients: Vec<Vec<u8>>,
    queries: Vec<Vec<u8>>,
    servers: Vec<Vec<u8>>,
}

/// One case; how long the gateway took to end the client.
async fn play(gate: &Served, stage: &Stage, recorded: &Recorded, random: &mut Mutator) -> Duration {
    let kind = random.below(4);
    let streams = match kind {
        0 => &recorded.clients,
        1 => &recorded.servers,
        _ => &recorded.queries,
    };
    let bytes = random.mutated(streams);
    // When the whole machine stood still, it does not do so every time.
    for _ in 0..3 {
        if let Some(took) = send(gate, stage, kind, &bytes).await {
            return took;
        }
    }
    panic!("not ended, kind {kind}: {}", bytes.escape_ascii());
}

/// How long it took to end a client; none when it took too long.
async fn send(gate: &Served, stage: &Stage, kind: usize, bytes: &[u8]) -> Option<Duration> {
    let mut client = match kind {
        0 => RawClient::connect(gate.address).await,
        _ => gate.client().await,
    };
    // The gateway may close before it has read all of it.
    if kind == 1 {
        let line = stage.will_say(bytes.to_vec());
        let _ = client.try_send(&frontend::query(&line.query())).await;
        line.wait().await;
    } else {
        let _ = client.try_send(bytes).await;
    }
    let began = Instant::now();
    client.set_patience(10 * LIMIT);
    client.shutdown_write().await;
    let end = tokio::time::timeout(LIMIT, client.read_to_end()).await;
    end.is_ok().then(|| began.elapsed())
}

async fn run(mode: PoolMode, cases: u64) {
    let clients = drive::recorded("client");
    let recorded = Arc::new(Recorded {
        queries: without_startup(&clients),
        servers: drive::recorded("server"),
        clients,
    });
    let stage = Stage::default();
    let server = stage.clone().serve().await;
    let plan = Plan::new(mode, 2 * CLIENTS as u32).gateway(|gateway| {
        gateway.auth.trust = vec![TrustScope::Loopback];
    });
    let gate = Arc::new(plan.before_port(server.port()));
    let mut good = gate.client().await;
    let before = descriptors();
    let mut slowest = Duration::ZERO;
    let (mut early, began) = (0, Instant::now());

    // The first tenth, to get used to it.
    for (round, part) in [cases / 10, cases - cases / 10].into_iter().enumerate() {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            let (gate, stage, recorded) = (gate.clone(), stage.clone(), recorded.clone());
            let mut random = Mutator::new(1 + number + CLIENTS * round as u64);
            tasks.spawn(async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..part.div_ceil(CLIENTS) {
                    slowest = slowest.max(play(&gate, &stage, &recorded, &mut random).await);
                }
                slowest
            });
        }
        while let Some(ended) = tasks.join_next().await {
            slowest = slowest.max(ended.expect("each case ends"));
            assert_eq!(values(&good.query("good").await), ["good"]);
        }
        if round == 0 {
            early = drive::memory();
        }
    }

    let grown = drive::memory().saturating_sub(early);
    println!(
        "{mode:?}: {cases} cases in {:?}, the slowest {slowest:?}, grown by {grown} KiB",
        began.elapsed()
    );
    assert!(grown < GROWTH, "grown by {grown} KiB");
    let patience = Duration::from_secs(10);
    wait_for("bad clients are gone", patience, async || {
        gate.gateway.clients() == 1
    })
    .await;
    // Connections of the pool, both ends of which are ours.
    let allowed = before + 4 * CLIENTS as usize;
    wait_for("sockets are closed", patience, async || {
        descriptors() <= allowed
    })
    .await;
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "something panicked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_streams_end_their_client_at_once_and_harm_nobody_else() {
    count_panics();
    let set = std::env::var("PGMOOR_FUZZ_CASES").ok();
    let set = set.and_then(|text| text.parse::<u64>().ok());
    let only = std::env::var("PGMOOR_FUZZ_MODE").unwrap_or_default();
    for mode in MODES {
        if !format!("{mode:?}").starts_with(&only) {
            continue;
        }
        run(mode, set.map_or(CASES, |cases| cases / 2)).await;
    }
}
