//! Who may see and reach what.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::support::{Place, login, login_as, server_pid};

fn walk(dir: &Path, visit: &mut impl FnMut(&Path, &fs::Metadata)) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        // The server makes and removes files all the time.
        let Ok(meta) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        visit(&entry.path(), &meta);
        if meta.is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_is_open_to_other_users() {
    let place = Place::new();
    let lease = place.start().await;
    login(lease.address()).await;

    let state = fs::metadata(&place.settings.state_dir).unwrap().mode() & 0o777;
    let root = rustix::process::geteuid().is_root();
    assert_eq!(state, if root { 0o711 } else { 0o700 });
    walk(&place.settings.state_dir, &mut |path, meta| {
        assert_eq!(
            meta.mode() & 0o077,
            0,
            "{} is {:o}",
            path.display(),
            meta.mode()
        );
    });
    let password = fs::metadata(&lease.address().password_file).unwrap();
    assert_eq!(password.mode() & 0o777, 0o600);
    assert_eq!(password.uid(), rustix::process::geteuid().as_raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_volume_that_was_opened_to_a_group_is_closed_again() {
    let place = Place::new();
    place.start().await.stop().await;
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o2770)).unwrap();

    place.start().await;

    assert_eq!(fs::metadata(place.data()).unwrap().mode() & 0o777, 0o700);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn server_and_keeper_run_as_an_unprivileged_user_without_our_groups() {
    let place = Place::new();
    let lease = place.start().await;

    for pid in [server_pid(&lease), lease.keeper_pid()] {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = |name| {
            status
                .lines()
                .find(|l| l.starts_with(name))
                .unwrap()
                .to_owned()
        };
        assert!(
            !line("Uid:")
                .split_whitespace()
                .skip(1)
                .any(|uid| uid == "0"),
            "{}",
            line("Uid:")
        );
        assert!(
            !line("Gid:")
                .split_whitespace()
                .skip(1)
                .any(|gid| gid == "0"),
            "{}",
            line("Gid:")
        );
        if rustix::process::geteuid().is_root() {
            assert_eq!(line("Groups:").trim(), "Groups:");
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_password_is_in_no_argument_environment_or_log() {
    let place = Place::new();
    let lease = place.start().await;
    login(lease.address()).await;
    let password = lease.address().password.expose().clone();

    let mut seen = 0;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            let Ok(bytes) = fs::read(process.path().join(file)) else {
                continue;
            };
            seen += 1;
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                !text.contains(&password),
                "{}",
                process.path().join(file).display()
            );
        }
    }
    assert!(seen > 4);
    walk(&place.run_dir(), &mut |path, meta| {
        if meta.is_file() {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            assert!(
                !text.contains(&password) && !text.contains("SCRAM-SHA-256$"),
                "{}",
                path.display()
            );
        }
    });
    assert!(!format!("{lease:?}").contains(&password));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_application_needs_its_password_and_cannot_be_the_superuser() {
    let place = Place::new();
    let lease = place.start().await;
    let address = lease.address();
    let code = |error: tokio_postgres::Error| error.code().map(|code| code.code().to_owned());

    let wrong = login_as(address, "app", Some("wrong")).await.unwrap_err();
    assert_eq!(code(wrong).as_deref(), Some("28P01"));
    assert!(login_as(address, "app", None).await.is_err());
    // This process is root or the server's user, whom the kernel vouches for.
    login_as(address, address.superuser(), None).await.unwrap();
    let client = login(address).await;
    assert!(client.batch_execute("SET ROLE pgmoor").await.is_err());
    assert!(
        client
            .batch_execute("COPY (SELECT 1) TO PROGRAM 'id'")
            .await
            .is_err()
    );
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_network_port_is_open_by_default() {
    let place = Place::new();
    let lease = place.start().await;
    let (server, keeper) = (server_pid(&lease), lease.keeper_pid());

    for pid in [server, keeper] {
        let listening = fs::read_to_string("/proc/net/tcp").unwrap()
            + &fs::read_to_string("/proc/net/tcp6").unwrap();
        // State 0A is LISTEN; the tenth column is the socket's inode.
        let inodes: Vec<String> = listening
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|f| f.get(3) == Some(&"0A"))
            .map(|f| format!("socket:[{}]", f[9]))
            .collect();
        for fd in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
            let target = fs::read_link(fd.path()).unwrap_or_default();
            assert!(
                !inodes
                    .iter()
                    .any(|inode| target.as_os_str() == inode.as_str())
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn someone_elses_directory_in_the_place_of_ours_is_refused() {
    let place = Place::new();
    fs::create_dir_all(&place.settings.state_dir).unwrap();
    std::os::unix::fs::symlink("/tmp", place.run_dir()).unwrap();

    let error = place.refused().await.to_string();

    assert!(error.contains("data.run\" is in the way"), "{error}");
}
