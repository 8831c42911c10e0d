//! Made, started, shared, stopped, started again.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use pgmoor::bundled::{Progress, ServerState, Status, StopOutcome, status};
use pgmoor::connector::{Connector, Login};
use pgmoor::credential::{NoCredential, PasswordProvider};
use rustix::process::Signal;

use super::support::{Place, ask, is_alive, login, login_as, server_pid, signal, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_server_has_role_and_database_and_is_ready_to_be_moved() {
    let place = Place::new();

    let lease = place.start().await;

    let client = login(lease.address()).await;
    for (setting, value) in [
        ("wal_level", "logical"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("password_encryption", "scram-sha-256"),
        ("listen_addresses", ""),
        ("max_connections", "100"),
    ] {
        assert_eq!(
            ask(&client, &format!("SHOW {setting}")).await,
            value,
            "{setting}"
        );
    }
    let owner = "SELECT r.rolname || r.rolsuper || r.rolcreaterole FROM pg_database d \
                 JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = current_database()";
    assert_eq!(ask(&client, owner).await, "appfalsefalse");
    client
        .batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_connector_logs_in_as_application_and_as_superuser() {
    let place = Place::new();
    let lease = place.start().await;
    let address = lease.address();
    let password = Arc::new(PasswordProvider::new(address.password.clone()));
    let deadline = || std::time::Instant::now() + std::time::Duration::from_secs(20);

    let application = Connector::new(address.endpoint(), password).unwrap();
    let superuser = Connector::new(address.superuser_endpoint(), Arc::new(NoCredential)).unwrap();

    for connector in [application, superuser] {
        let connection = connector
            .connect(Login::Endpoint, None, &[], deadline())
            .await
            .unwrap();
        let is_super = connection
            .parameters
            .iter()
            .find(|(name, _)| name == "is_superuser");
        let expected = if connector.user() == "pgmoor" {
            "on"
        } else {
            "off"
        };
        assert_eq!(is_super.map(|(_, value)| value.as_str()), Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stopped_server_is_down_and_the_next_start_has_its_rows() {
    let place = Place::new();
    assert!(matches!(
        status(place.data()).await.unwrap(),
        Status::Absent
    ));
    let lease = place.start().await;
    login(lease.address())
        .await
        .batch_execute("CREATE TABLE t AS SELECT 42 AS n")
        .await
        .unwrap();
    let (server, password) = (server_pid(&lease), lease.address().password.clone());

    assert_eq!(lease.stop().await, StopOutcome::Stopped);

    assert!(!is_alive(server));
    assert!(matches!(
        status(place.data()).await.unwrap(),
        Status::Down { .. }
    ));
    let mut steps = Vec::new();
    let lease = place
        .bundled()
        .start(|step| steps.push(step))
        .await
        .unwrap();
    let client = login(lease.address()).await;
    assert_eq!(ask(&client, "SELECT n::text FROM t").await, "42");
    assert_eq!(lease.address().password.expose(), password.expose());
    assert!(!steps.contains(&Progress::Creating), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_leases_share_one_server_and_the_last_one_stops_it() {
    let place = Place::new();
    let first = place.start().await;
    let second = place.start().await;
    let server = server_pid(&first);
    assert_eq!(server_pid(&second), server);

    assert_eq!(first.stop().await, StopOutcome::KeptByOthers { leases: 1 });
    assert!(is_alive(server));
    login(second.address()).await;

    assert_eq!(second.stop().await, StopOutcome::Stopped);
    assert!(!is_alive(server));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_gateway_finds_the_server_that_the_old_one_just_left() {
    let mut place = Place::new();
    place.settings.linger = std::time::Duration::from_secs(30);
    let old = place.start().await;
    let server = server_pid(&old);

    drop(old);
    let new = place.start().await;

    assert_eq!(server_pid(&new), server);
    assert_eq!(new.stop().await, StopOutcome::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_nobody_holds_is_stopped_after_a_while() {
    let place = Place::new();
    let lease = place.start().await;
    let (server, keeper) = (server_pid(&lease), lease.keeper_pid());

    drop(lease);

    wait_for("server and keeper end", || {
        !is_alive(server) && !is_alive(keeper)
    })
    .await;
    assert!(!place.data().join("postmaster.pid").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn starts_at_the_same_time_share_one_server() {
    let place = Place::new();
    let (a, b, c) = tokio::join!(place.start(), place.start(), place.start());

    assert_eq!(server_pid(&a), server_pid(&b));
    assert_eq!(server_pid(&b), server_pid(&c));
    let Status::Kept { leases, state, .. } = status(place.data()).await.unwrap() else {
        panic!("not kept")
    };
    assert_eq!(leases, 3);
    assert!(matches!(state, ServerState::Ready { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_keeper_that_is_asked_to_end_stops_the_server_in_peace() {
    let place = Place::new();
    let lease = place.start().await;
    let server = server_pid(&lease);

    signal(lease.keeper_pid(), Signal::TERM);

    let mut watch = lease.watch();
    let stopped = watch
        .wait_for(|state| matches!(state, ServerState::Stopped { .. }))
        .await
        .unwrap();
    let ServerState::Stopped { reason, .. } = stopped.clone() else {
        unreachable!()
    };
    assert_eq!(reason, "the keeper was asked to end");
    assert!(!is_alive(server));
    drop(stopped);
    assert_eq!(lease.stop().await, StopOutcome::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_operators_settings_win_and_stay() {
    let place = Place::new();
    place.start().await.stop().await;
    let conf = place.data().join("postgresql.conf");
    let mut file = fs::OpenOptions::new().append(true).open(&conf).unwrap();
    writeln!(file, "work_mem = '33MB'").unwrap();

    for _ in 0..2 {
        let lease = place.start().await;
        let client = login(lease.address()).await;
        assert_eq!(ask(&client, "SHOW work_mem").await, "33MB");
        lease.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_password_file_is_made_anew_and_the_new_password_works() {
    let place = Place::new();
    let lease = place.start().await;
    let old = lease.address().password.clone();
    let file = lease.address().password_file.clone();
    lease.stop().await;
    fs::remove_file(&file).unwrap();

    let lease = place.start().await;

    assert_ne!(lease.address().password.expose(), old.expose());
    login(lease.address()).await;
    let refused = login_as(lease.address(), "app", Some(old.expose()))
        .await
        .unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("28P01"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn names_with_quotes_are_names() {
    let mut place = Place::new();
    place.settings.role = "o'r\"o\\le".to_owned();
    place.settings.database = "d\"b'; DROP --".to_owned();

    let lease = place.start().await;

    let client = login(lease.address()).await;
    assert_eq!(
        ask(&client, "SELECT current_user::text").await,
        "o'r\"o\\le"
    );
    assert_eq!(
        ask(&client, "SELECT current_database()::text").await,
        "d\"b'; DROP --"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_data_directory_with_a_long_path_gets_a_short_socket() {
    let mut place = Place::new();
    let deep = "a deep, \"quoted\" path/".repeat(6);
    place.settings.data_dir = place.settings.state_dir.join(deep).join("data");

    let lease = place.start().await;

    assert!(lease.address().socket_dir.starts_with("/tmp"));
    login(lease.address()).await;
    let dir = lease.address().socket_dir.clone();
    lease.stop().await;
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tcp_port_is_opened_on_localhost_only_when_asked_for() {
    let mut place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    place.settings.port = Some(free);

    let lease = place.start().await;

    let address = lease.address();
    assert!(address.tcp && address.port == free);
    login(address).await;
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(free)
        .user("app")
        .dbname("app")
        .password(address.password.expose());
    let (_client, _connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
}
