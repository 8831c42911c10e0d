//! What is refused, and what a person is told then.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use pgmoor::bundled::BundledError;

use super::support::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn data_of_another_major_version_is_refused_untouched_with_what_to_do() {
    let place = Place::new();
    place.start().await.stop().await;
    fs::write(place.data().join("PG_VERSION"), "11\n").unwrap();
    let before = fs::read_dir(place.data()).unwrap().count();

    let error = place.refused().await;

    let text = error.to_string();
    assert!(
        text.contains("was made by PostgreSQL 11, but the server programs at hand are"),
        "{text}"
    );
    assert!(
        error.hint().contains("pg_dump and pg_restore"),
        "{}",
        error.hint()
    );
    assert!(
        error.hint().contains("install PostgreSQL 11"),
        "{}",
        error.hint()
    );
    assert_eq!(fs::read_dir(place.data()).unwrap().count(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_directory_with_other_things_in_it_is_refused() {
    let place = Place::new();
    fs::create_dir_all(place.data()).unwrap();
    fs::write(place.data().join("thesis.txt"), "").unwrap();

    let error = place.refused().await;

    assert!(matches!(error, BundledError::NotACluster { .. }), "{error}");
    assert_eq!(fs::read_dir(place.data()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_empty_directory_is_taken() {
    let place = Place::new();
    fs::create_dir_all(place.data()).unwrap();

    place.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_mistake_in_the_operators_settings_is_shown_with_its_line() {
    let place = Place::new();
    place.start().await.stop().await;
    let conf = place.data().join("postgresql.conf");
    let mut file = fs::OpenOptions::new().append(true).open(&conf).unwrap();
    writeln!(file, "work_memory = lots").unwrap();

    let error = place.refused().await;

    let text = error.to_string();
    assert!(text.contains("work_memory"), "{text}");
    assert!(
        error.hint().contains("correct postgresql.conf"),
        "{}",
        error.hint()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_port_that_is_taken_is_said_to_be() {
    let mut place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.settings.port = Some(taken.local_addr().unwrap().port());

    let error = place.refused().await;

    assert!(matches!(error, BundledError::Server { .. }), "{error}");
    assert!(
        error.hint().contains("another program has the port"),
        "{error}\n{}",
        error.hint()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hidden_command_that_does_nothing_is_found_out() {
    let mut place = Place::new();
    place.start().await.stop().await;
    place.settings.keeper.program = "/bin/false".into();
    place.settings.keeper.args.clear();

    let error = place.refused().await;

    assert!(
        error
            .to_string()
            .contains("it ended before it answered (exit status: 1)"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn root_cannot_hide_the_data_from_the_servers_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut place = Place::new();
    let closed = place.root.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    place.settings.data_dir = closed.join("data");

    let error = place.refused().await;

    assert!(
        matches!(&error, BundledError::Unreachable { path, .. } if *path == closed),
        "{error}"
    );
    assert!(error.hint().contains("chmod o+x"), "{}", error.hint());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn data_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut place = Place::new();
    place.start().await.stop().await;
    place.settings.os_user = Some("nobody".to_owned());

    let error = place.refused().await;

    assert!(
        matches!(error, BundledError::ForeignOwner { .. }),
        "{error}"
    );
}
