//! Server programs from archives: every one in the directory that `PGMOOR_TEST_ARCHIVES` names.

use std::fs;
use std::path::PathBuf;

use pgmoor::bundled::{BundledError, Progress};

use super::support::{Place, ask, login, ready_again, server_pid, signal};

/// Unset means that there are none; a directory without archives is a mistake.
fn archives() -> Vec<PathBuf> {
    let Some(dir) = std::env::var_os("PGMOOR_TEST_ARCHIVES") else {
        eprintln!("PGMOOR_TEST_ARCHIVES is not set: no server archive is tested");
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .collect();
    found.retain(|path| {
        path.extension()
            .is_some_and(|end| end == "tgz" || end == "xz")
    });
    found.sort();
    assert!(
        !found.is_empty(),
        "PGMOOR_TEST_ARCHIVES names a directory without archives"
    );
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_from_an_archive_starts_recovers_and_keeps_its_rows() {
    for archive in archives() {
        let mut place = Place::new();
        place.settings.binaries = Some(archive.clone());

        let lease = place.start().await;

        let client = login(lease.address()).await;
        client
            .batch_execute("CREATE TABLE t AS SELECT 'Ärger' AS n")
            .await
            .unwrap();
        assert_eq!(ask(&client, "SHOW wal_level").await, "logical");
        assert_eq!(
            ask(&client, "SELECT lower(n) FROM t").await,
            "ärger",
            "{}",
            archive.display()
        );
        let server = server_pid(&lease);
        signal(server, rustix::process::Signal::KILL);
        ready_again(&lease, server).await;
        lease.stop().await;
        let lease = place.start().await;
        assert_eq!(
            ask(&login(lease.address()).await, "SELECT n FROM t").await,
            "Ärger"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn data_of_one_major_is_refused_by_the_others() {
    let archives = archives();
    let [first, .., last] = archives.as_slice() else {
        return;
    };
    let mut place = Place::new();
    place.settings.binaries = Some(first.clone());
    place.start().await.stop().await;

    place.settings.binaries = Some(last.clone());
    let error = place.refused().await;

    assert!(matches!(error, BundledError::OtherMajor { .. }), "{error}");
    place.settings.binaries = Some(first.clone());
    place.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_named_server_the_one_that_made_the_data_is_chosen() {
    let place = Place::new();
    let mut used = Vec::new();
    for _ in 0..2 {
        let note = |step| {
            if let Progress::Found(server) = step {
                used.push(server);
            }
        };
        place.bundled().start(note).await.unwrap().stop().await;
    }
    assert_eq!(used.first(), used.last());
}
