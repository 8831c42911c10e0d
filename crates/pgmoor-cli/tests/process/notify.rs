//! What a service manager is told, at a socket as systemd gives one.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net as unix;

use pgmoor_testkit::{Postgres, RawClient, Signal};
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::clients::STUCK;
use crate::site::pgmoor_before;

/// The next message of the socket.
async fn next(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let read = timeout(STUCK, socket.recv(&mut buffer)).await;
    let length = read
        .expect("the service manager is told")
        .expect("a message");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// A socket that this runtime can wait for.
fn listening(socket: std::io::Result<unix::UnixDatagram>) -> UnixDatagram {
    let socket = socket.expect("a socket");
    socket.set_nonblocking(true).expect("a setting");
    UnixDatagram::from_std(socket).expect("a runtime")
}

#[tokio::test]
async fn a_service_manager_hears_when_clients_are_served_and_when_that_ends() {
    let postgres = Postgres::start().await;
    let home = tempfile::tempdir().expect("temporary directory");
    let path = home.path().join("notify");
    let name = format!("pgmoor-test-{}", std::process::id());
    let nameless = unix::SocketAddr::from_abstract_name(&name).expect("a name");
    for (variable, socket) in [
        (path.display().to_string(), unix::UnixDatagram::bind(&path)),
        (format!("@{name}"), unix::UnixDatagram::bind_addr(&nameless)),
    ] {
        let socket = listening(socket);
        let pgmoor = pgmoor_before(&postgres)
            .env("NOTIFY_SOCKET", &variable)
            .launch();

        let first = next(&socket).await;
        assert!(first.starts_with("READY=1\n"), "{first}");
        // It is true at once, not soon.
        let password = pgmoor.generated_password();
        let client = RawClient::login_to(pgmoor.address(), "app", &password, "app").await;
        client.terminate().await;

        pgmoor.signal(Signal::TERM);
        let last = next(&socket).await;
        assert!(last.starts_with("STOPPING=1\n"), "{last}");
        assert!(pgmoor.exited().await.success());
    }
}

#[tokio::test]
async fn a_service_manager_that_cannot_be_told_ends_nothing_and_is_in_the_log() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres)
        .env("NOTIFY_SOCKET", "/nowhere/notify")
        .start()
        .await;

    let log = pgmoor.log();
    assert!(log.contains("cannot tell the service manager"), "{log}");
    assert!(pgmoor.terminate().await.success());
}
