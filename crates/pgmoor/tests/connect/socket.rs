//! Unix sockets: no TLS, and whom they belong to.

use pgmoor::connector::ConnectError;
use pgmoor::stream::Peer;
use pgmoor_testkit::Postgres;

use crate::common::{connect, refused, told};

#[tokio::test]
async fn socket_is_plain_whatever_sslmode_says() {
    let postgres = Postgres::start().await;
    let text = format!(
        "host={} port={} user=app dbname=app password={} sslmode=require",
        postgres.socket_dir().display(),
        postgres.port(),
        postgres.app_password()
    );
    let connection = connect(&text).await.expect("login");
    assert!(connection.stream.tls().is_none());
    assert!(matches!(connection.stream.peer(), Peer::Unix { .. }));
}

#[tokio::test]
async fn socket_of_another_user_is_refused() {
    let postgres = Postgres::start().await;
    let text = |peer: &str| {
        format!(
            "host={} port={} user=app dbname=app password={} requirepeer={peer}",
            postgres.socket_dir().display(),
            postgres.port(),
            postgres.app_password()
        )
    };
    let error = refused(&text("games")).await;
    assert!(matches!(error, ConnectError::WrongPeer { .. }), "{error}");
    let Peer::Unix { uid, .. } = *connect(&text("")).await.expect("login").stream.peer() else {
        panic!("not a socket");
    };
    assert!(connect(&text(&uid.to_string())).await.is_ok());
}

#[tokio::test]
async fn missing_socket_is_named_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("host={} user=app", directory.path().display());
    let text = told(&refused(&text).await);
    assert!(text.starts_with("cannot connect to socket "), "{text}");
    assert!(text.contains(".s.PGSQL.5432"), "{text}");
    assert!(
        text.ends_with("hint: check that the server runs, and where its socket is"),
        "{text}"
    );
}
