//! What all these tests do: connect by a connection string, and ask one question.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::{ConnectError, Connection, Connector, Login};
use pgmoor::credential::{CredentialProvider, NoCredential};
use pgmoor::endpoint::Endpoint;
use pgmoor::stream::Stream;
use pgmoor_testkit::Postgres;
use pgmoor_wire::backend::ErrorView;
use pgmoor_wire::{frame, frontend, tag};
use tokio::time::Instant;

pub(crate) fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// The connection string of database and user `app`, by the name localhost.
pub(crate) fn local(postgres: &Postgres, more: &str) -> String {
    named("localhost", postgres, more)
}

/// The same by any name.
pub(crate) fn named(name: &str, postgres: &Postgres, more: &str) -> String {
    format!(
        "host={name} hostaddr=127.0.0.1 port={} user=app dbname=app password={} {more}",
        postgres.port(),
        postgres.app_password()
    )
}

pub(crate) fn connector(text: &str) -> Connector {
    connector_with(text, Arc::new(NoCredential), None)
}

pub(crate) fn connector_with(
    text: &str,
    credential: Arc<dyn CredentialProvider>,
    home: Option<&Path>,
) -> Connector {
    let endpoint = Endpoint::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Connector::with_home(endpoint, credential, home).expect("connector")
}

pub(crate) async fn open(connector: &Connector) -> Result<Connection, ConnectError> {
    connector
        .connect(Login::Endpoint, None, &[], deadline())
        .await
}

pub(crate) async fn connect(text: &str) -> Result<Connection, ConnectError> {
    open(&connector(text)).await
}

pub(crate) async fn refused(text: &str) -> ConnectError {
    match connect(text).await {
        Err(error) => error,
        Ok(connection) => panic!("{text} connected: {connection:?}"),
    }
}

/// The error, its causes and its hint, as a person reads them.
pub(crate) fn told(error: &ConnectError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!("\ncause: {error}"));
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// Runs a query; the first column of the last row, or the error's code and text.
pub(crate) async fn ask(stream: &mut Stream, query: &str) -> Result<String, String> {
    let mut out = Vec::new();
    frontend::write_query(&mut out, query).expect("query");
    stream.write_all(&out).await.expect("send the query");
    answer(stream).await
}

pub(crate) async fn answer(stream: &mut Stream) -> Result<String, String> {
    let mut received = Vec::new();
    let mut outcome = Ok(String::new());
    loop {
        while let Some(header) = frame::header(&received).expect("header") {
            if received.len() < header.len {
                break;
            }
            let message: Vec<u8> = received.drain(..header.len).collect();
            let body = &message[frame::HEADER..];
            match header.tag {
                tag::DATA_ROW => outcome = Ok(String::from_utf8_lossy(&body[6..]).into_owned()),
                tag::ERROR_RESPONSE => {
                    let error = ErrorView::new(body);
                    let code = error.sqlstate().expect("code");
                    outcome = Err(format!("{code} {}", error.message()));
                }
                tag::READY_FOR_QUERY => return outcome,
                _ => {}
            }
        }
        let mut chunk = [0; 4096];
        let count = stream.read_some(&mut chunk).await.expect("read");
        assert_ne!(count, 0, "the server closed");
        received.extend_from_slice(&chunk[..count]);
    }
}
