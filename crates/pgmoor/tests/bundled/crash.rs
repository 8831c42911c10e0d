//! Killed in every way: nothing survives by accident, nothing committed is lost.

use std::fs;

use pgmoor::bundled::{Progress, Status, status};
use rustix::process::Signal;

use super::support::{
    Place, ask, is_alive, login, orphan, ready_again, server_pid, signal, wait_for,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn killing_the_gateway_stops_the_server_and_loses_no_committed_row() {
    let place = Place::new();
    let owner = place.owner("holds");
    let lease = place.start().await;
    let (server, keeper) = (server_pid(&lease), lease.keeper_pid());
    let client = login(lease.address()).await;
    client
        .batch_execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
        .await
        .unwrap();
    drop(lease);

    owner.kill();

    wait_for("server and keeper end", || {
        !is_alive(server) && !is_alive(keeper)
    })
    .await;
    let lease = place.start().await;
    let client = login(lease.address()).await;
    assert_eq!(ask(&client, "SELECT count(*)::text FROM t").await, "1000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_server_is_started_again_with_all_committed_rows() {
    let place = Place::new();
    let lease = place.start().await;
    let client = login(lease.address()).await;
    client
        .batch_execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
        .await
        .unwrap();
    let server = server_pid(&lease);

    signal(server, Signal::KILL);

    ready_again(&lease, server).await;
    let client = login(lease.address()).await;
    assert_eq!(ask(&client, "SELECT count(*)::text FROM t").await, "1000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_acknowledged_row_is_there_after_the_server_was_killed_in_the_middle() {
    let place = Place::new();
    let lease = place.start().await;
    let client = login(lease.address()).await;
    client
        .batch_execute("CREATE TABLE ledger (n int)")
        .await
        .unwrap();
    let (tell, mut acknowledged) = tokio::sync::watch::channel(0);
    let writer = tokio::spawn(async move {
        for n in 1.. {
            if client
                .execute("INSERT INTO ledger VALUES ($1)", &[&n])
                .await
                .is_err()
            {
                return;
            }
            tell.send_replace(n);
        }
    });
    let server = server_pid(&lease);

    acknowledged.wait_for(|rows| *rows >= 200).await.unwrap();
    signal(server, Signal::KILL);
    writer.await.unwrap();

    ready_again(&lease, server).await;
    let client = login(lease.address()).await;
    let rows: i64 = ask(&client, "SELECT count(*)::text FROM ledger")
        .await
        .parse()
        .unwrap();
    let acknowledged = i64::from(*acknowledged.borrow());
    assert!(
        rows == acknowledged || rows == acknowledged + 1,
        "{rows} of {acknowledged}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_that_does_not_notice_its_servers_death_does_not_stop_the_next_server() {
    let place = Place::new();
    let lease = place.start().await;
    let (busy, client) = (login(lease.address()).await, login(lease.address()).await);
    let busy =
        tokio::spawn(async move { busy.batch_execute("DO 'BEGIN LOOP END LOOP; END'").await });
    let running =
        "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'DO%' AND state = 'active'";
    while ask(&client, running).await != "1" {
        tokio::task::yield_now().await;
    }
    let server = server_pid(&lease);

    signal(server, Signal::KILL);

    ready_again(&lease, server).await;
    assert!(busy.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_shut_down_behind_our_back_is_started_again() {
    let place = Place::new();
    let lease = place.start().await;
    let server = server_pid(&lease);

    signal(server, Signal::INT);

    ready_again(&lease, server).await;
    login(lease.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_keeper_is_replaced_and_its_server_does_not_go_on_alone() {
    let place = Place::new();
    let lease = place.start().await;
    let client = login(lease.address()).await;
    client
        .batch_execute("CREATE TABLE t AS SELECT 1 AS n")
        .await
        .unwrap();
    let server = server_pid(&lease);

    signal(lease.keeper_pid(), Signal::KILL);

    ready_again(&lease, server).await;
    assert!(!is_alive(server));
    let client = login(lease.address()).await;
    assert_eq!(ask(&client, "SELECT n::text FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn gateway_and_keeper_killed_together_leave_no_server() {
    let place = Place::new();
    let owner = place.owner("holds");
    let lease = place.start().await;
    let (server, keeper) = (server_pid(&lease), lease.keeper_pid());
    drop(lease);

    owner.kill();
    signal(keeper, Signal::KILL);

    // Only Linux tells a process that its parent has died.
    if cfg!(target_os = "linux") {
        wait_for("the server ends", || !is_alive(server)).await;
    }
    place.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_lost_its_keeper_is_found_and_stopped_before_the_next_start() {
    let place = Place::new();
    let mut bin_dir = None;
    let note = |step| {
        if let Progress::Found(server) = step {
            bin_dir = Some(server.bin_dir);
        }
    };
    place.bundled().start(note).await.unwrap().stop().await;
    let mut child = orphan(&place, &bin_dir.unwrap()).await;
    let found = status(place.data()).await.unwrap();
    assert!(
        matches!(found, Status::Orphaned { pid } if pid == child.id()),
        "{found:?}"
    );

    let lease = place.start().await;

    assert!(
        child
            .try_wait()
            .unwrap()
            .is_some_and(|status| status.success())
    );
    assert_ne!(server_pid(&lease), child.id());
    login(lease.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_record_of_a_process_that_is_someone_elses_does_not_stop_a_start() {
    let place = Place::new();
    place.start().await.stop().await;
    let file = place.data().join("postmaster.pid");
    let text = format!(
        "{}\n{}\n1\n5432\n\n\n\n",
        std::process::id(),
        place.data().display()
    );
    fs::write(&file, &text).unwrap();
    fs::write(place.run_dir().join(".s.PGSQL.5432.lock"), &text).unwrap();

    let lease = place.start().await;

    login(lease.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn killed_while_it_makes_the_cluster_it_leaves_nothing_half_made() {
    let place = Place::new();
    let owner = place.owner("creating");
    wait_for("initdb is at work", || {
        place
            .unfinished()
            .iter()
            .any(|dir| dir.join("PG_VERSION").exists())
    })
    .await;

    owner.kill();

    assert!(!place.data().exists());
    let lease = place.start().await;
    login(lease.address()).await;
    drop(lease);
    place.start().await;
    assert_eq!(place.unfinished(), [] as [std::path::PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn killed_at_any_step_of_the_first_start_the_next_one_succeeds() {
    for step in ["using", "creating", "starting", "preparing", "ready"] {
        let place = Place::new();
        place
            .owner(&format!("step: {step}").replace("step: ready", "is ready"))
            .kill();

        let lease = place.start().await;

        login(lease.address()).await;
    }
}
