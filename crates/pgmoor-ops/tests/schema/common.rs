//! A server, a directory of migrations, and sessions that run them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::Session;
use pgmoor_ops::schema::{self, Event, Files, Report, Rules, SchemaError, Status, Stop};
use pgmoor_testkit::{Postgres, has_major};
use tokio::time::Instant;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The versions that every test of what differs between them runs on.
pub(crate) fn majors() -> impl Iterator<Item = u16> {
    (12..=18).filter(|major| has_major(*major))
}

pub(crate) fn rules() -> Rules {
    Rules {
        history: "refinery_schema_history".into(),
        role: None,
        lock_timeout: Duration::from_millis(500),
        lock_retry_for: PATIENCE,
        statement_timeout: None,
        wait_timeout: PATIENCE,
        allow_gaps: false,
    }
}

/// A directory that tests write migrations into.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            dir.write(name, text);
        }
        dir
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.0.path().join(name)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn files(&self) -> Files {
        Files::read(self.path()).unwrap()
    }
}

pub(crate) fn connector(port: u16, user: &str, password: &str, database: &str) -> Connector {
    let port = port.to_string();
    let parts = [
        ("host", "127.0.0.1"),
        ("port", port.as_str()),
        ("user", user),
        ("password", password),
        ("dbname", database),
    ];
    let parts = parts.map(|(name, value)| (name, value.to_owned()));
    let endpoint = Endpoint::from_parts(parts).unwrap();
    Connector::with_home(endpoint, Arc::new(NoCredential), None).unwrap()
}

pub(crate) async fn open(connector: &Connector) -> Session {
    let deadline = Instant::now() + PATIENCE;
    Session::open(connector, "primary", None, &[], deadline)
        .await
        .unwrap()
}

/// A session as the owner of database `app`.
pub(crate) async fn session(postgres: &Postgres) -> Session {
    let (port, password) = (postgres.port(), postgres.app_password());
    open(&connector(port, "app", password, "app")).await
}

/// What happened, in the order it did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    pub(crate) fn note(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    pub(crate) fn any(&self, is: impl Fn(&Event) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(is)
    }
}

pub(crate) async fn up(
    session: &Session,
    files: &Files,
    rules: &Rules,
) -> Result<Report, SchemaError> {
    up_telling(session, files, rules, &Told::default()).await
}

pub(crate) async fn up_telling(
    session: &Session,
    files: &Files,
    rules: &Rules,
    told: &Told,
) -> Result<Report, SchemaError> {
    let (_stopper, stop) = Stop::new();
    schema::up(session, files, rules, None, stop, &|event| told.note(event)).await
}

pub(crate) async fn down(
    session: &Session,
    files: &Files,
    versions: &[i64],
) -> Result<Report, SchemaError> {
    let (_stopper, stop) = Stop::new();
    schema::down(session, files, &rules(), versions, stop, &|_| {}).await
}

pub(crate) async fn look(session: &Session, files: &Files) -> Status {
    schema::look(session, files, &rules()).await.unwrap()
}

pub(crate) fn ran(report: &Report) -> Vec<&str> {
    report.ran.iter().map(|(label, _)| label.as_str()).collect()
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
