//! `kill -9` of a server connection, of the server and of the gateway, with everybody at work.

use std::time::{Duration, Instant};

use pgmoor_testkit::{PgbenchRun, Signal, Stop, children_of, is_running, signal, wait_for};

use crate::clients::{STUCK, Writers, connect, serves};
use crate::processes::nothing_runs_in;
use crate::site::Site;

/// How much later than the server itself the gateway serves again.
const RECOVERY: Duration = Duration::from_secs(1);
/// How long a start may take that finds everything made already.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Writers and pgbench at work, the latter with connections that stay and such that do not.
struct Load {
    writers: Writers,
    benches: Vec<PgbenchRun>,
}

impl Load {
    async fn start(site: &Site) -> Load {
        let bench = site.pgbench().clients(3).seconds(2);
        let load = Load {
            benches: vec![bench.start(), bench.connect_each().start()],
            writers: Writers::start(&site.gate(), 4),
        };
        load.writers.more_rows(20).await;
        load
    }

    /// Ends it; what was written is still there.
    async fn finish(self, site: &Site) -> crate::clients::Written {
        for bench in self.benches {
            let report = bench.finish_within(STUCK).await;
            assert!(
                matches!(report.status.code(), Some(0..=2)),
                "{}",
                report.output
            );
        }
        let written = self.writers.stop().await;
        written.assert_kept(&site.direct()).await;
        written
    }
}

/// Kills, and measures how much later than the server the gateway is back.
async fn server_dies(site: &Site, kill: impl AsyncFnOnce()) {
    let load = Load::start(site).await;
    // Ends with the server, so that a query after it has been asked of the next one.
    let witness = connect(&site.direct()).await.expect("log in");

    kill().await;
    wait_for("the server to break off", STUCK, async || {
        witness.is_closed()
    })
    .await;
    let (gate, direct) = (site.gate(), site.direct());
    let (server, gateway) = tokio::join!(
        serves("the server itself", &direct),
        serves("the gateway", &gate)
    );
    load.writers.more_rows(20).await;
    let written = load.finish(site).await;

    let later = gateway.saturating_duration_since(server);
    assert!(later < RECOVERY, "{later:?} later\n{}", site.pgmoor.log());
    written.assert_told_of_the_server();
}

/// The process of a server connection that the gateway uses.
async fn backend(site: &Site) -> u32 {
    let client = connect(&site.gate()).await.expect("log in");
    let row = client.query_one("select pg_backend_pid()", &[]).await;
    let pid: i32 = row.expect("ask for the process").get(0);
    pid.unsigned_abs()
}

#[tokio::test]
async fn clients_outlive_a_killed_server_connection() {
    let site = Site::external().await;

    let pid = backend(&site).await;

    server_dies(&site, async || signal(pid, Signal::KILL)).await;
}

#[tokio::test]
async fn clients_outlive_a_killed_connection_of_a_bundled_server() {
    let site = Site::bundled().await;

    let pid = backend(&site).await;

    server_dies(&site, async || signal(pid, Signal::KILL)).await;
}

#[tokio::test]
async fn clients_outlive_a_killed_server() {
    let site = Site::external().await;

    server_dies(&site, async || {
        site.postgres().stop(Stop::Kill9).await;
        site.postgres().start_again().await;
    })
    .await;
}

#[tokio::test]
async fn a_bundled_server_that_was_killed_is_started_again_under_its_clients() {
    let site = Site::bundled().await;
    let killed = site.postmaster();

    server_dies(&site, async || {
        signal(killed, Signal::KILL);
        wait_for("another server", STUCK, async || {
            let note = std::fs::read_to_string(site.data_dir().join("postmaster.pid"));
            let note = note.unwrap_or_default();
            note.lines().next() != Some(&killed.to_string())
                && note
                    .lines()
                    .nth(7)
                    .is_some_and(|state| state.trim() == "ready")
        })
        .await;
    })
    .await;

    assert_ne!(site.postmaster(), killed);
}

#[tokio::test]
async fn a_killed_keeper_of_a_bundled_server_is_replaced_under_its_clients() {
    let site = Site::bundled().await;
    let keeper = parent_of(site.postmaster());

    let load = Load::start(&site).await;
    signal(keeper, Signal::KILL);
    wait_for("the keeper to end", STUCK, async || !is_running(keeper)).await;
    wait_for("another keeper", STUCK, async || {
        std::fs::read_to_string(site.data_dir().join("postmaster.pid")).is_ok()
            && parent_of(site.postmaster()) > 1
    })
    .await;
    serves("the gateway", &site.gate()).await;
    load.writers.more_rows(20).await;
    let written = load.finish(&site).await;

    written.assert_told_of_the_server();
}

fn parent_of(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|pid| pid.trim().parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_killed_gateway_leaves_nobody_waiting_and_serves_again_at_once() {
    let site = Site::external().await;
    let load = Load::start(&site).await;
    let postmaster = site.postmaster();
    let own = children_of(postmaster).len();

    site.pgmoor.kill9().await;
    for bench in load.benches {
        bench.finish_within(STUCK).await;
    }
    let again = Instant::now();
    site.pgmoor.start_again().await;
    let took = again.elapsed();
    load.writers.more_rows(20).await;
    let written = load.writers.stop().await;

    assert!(took < AT_ONCE, "{took:?}");
    written.assert_kept(&site.direct()).await;
    site.pgmoor.terminate().await;
    wait_for("the server connections to go", STUCK, async || {
        children_of(postmaster).len() < own
    })
    .await;
}

#[tokio::test]
async fn what_a_bundled_server_acknowledged_outlives_a_killed_gateway_and_nothing_else_does() {
    let site = Site::bundled().await;
    let data = site.data_dir();
    let home = data.parent().expect("it has one");
    let load = Load::start(&site).await;

    site.pgmoor.kill9().await;
    for bench in load.benches {
        bench.finish_within(STUCK).await;
    }
    let again = Instant::now();
    site.pgmoor.start_again().await;
    let took = again.elapsed();
    load.writers.more_rows(20).await;
    site.pgmoor.kill9().await;
    nothing_runs_in(home).await;
    nothing_runs_in(site.pgmoor.dir()).await;
    site.pgmoor.start_again().await;
    load.writers.more_rows(20).await;
    let written = load.writers.stop().await;

    assert!(took < AT_ONCE, "{took:?}");
    written.assert_kept(&site.gate()).await;
    assert_eq!(site.pgmoor.terminate().await.code(), Some(0));
    nothing_runs_in(home).await;
    nothing_runs_in(site.pgmoor.dir()).await;
}
