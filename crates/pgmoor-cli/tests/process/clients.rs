//! Clients that write and keep a ledger of what was acknowledged, and others that wait for a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pgmoor_testkit::{wait_for, wait_for_some};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, Error, NoTls};

/// Whoever waits longer than this is stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(20);
/// How long one attempt of somebody who waits for a server may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Between two attempts of a client that was refused.
const BREATH: Duration = Duration::from_millis(5);

/// Makes the table of the ledger.
pub(crate) async fn make_ledger(config: &Config) {
    let client = connect(config).await.expect("log in");
    client
        .batch_execute("create table ledger (id text primary key)")
        .await
        .expect("create the table");
}

/// A connection, driven by a task until the client is dropped.
pub(crate) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // How it ends is told to whoever uses the client.
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// What clients have been told.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The rows that were acknowledged.
    pub(crate) acknowledged: Vec<String>,
    /// The rows that may be there or not.
    pub(crate) uncertain: Vec<String>,
    /// SQLSTATEs of errors, `closed` for a connection that ended without one.
    pub(crate) errors: Vec<String>,
}

impl Written {
    fn add(&mut self, other: Written) {
        self.acknowledged.extend(other.acknowledged);
        self.uncertain.extend(other.uncertain);
        self.errors.extend(other.errors);
    }

    /// Every error says that the server went away or comes back, and none was a connection that
    /// ended without a word.
    pub(crate) fn assert_told_of_the_server(&self) {
        for error in &self.errors {
            assert!(
                ["57P01", "57P02", "57P03"].contains(&error.as_str()) || error.starts_with("08"),
                "clients were told {:?}",
                self.errors
            );
        }
    }

    /// Everything that was acknowledged is there, and nothing that nobody wrote.
    pub(crate) async fn assert_kept(&self, config: &Config) {
        let client = connect(config).await.expect("log in");
        let rows = client.query("select id from ledger", &[]).await;
        let rows = rows.expect("read the ledger");
        let kept: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        for id in &self.acknowledged {
            assert!(kept.contains(id), "{id} was acknowledged and is lost");
        }
        for id in &kept {
            assert!(
                self.acknowledged.contains(id) || self.uncertain.contains(id),
                "{id} is there and was never written, or was refused"
            );
        }
    }
}

/// Clients that write one row after another, and connect again when they must.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    rows: Arc<AtomicUsize>,
    tasks: JoinSet<Written>,
}

impl Writers {
    pub(crate) fn start(config: &Config, clients: usize) -> Writers {
        let (stop, rows) = (Arc::default(), Arc::default());
        let mut tasks = JoinSet::new();
        for writer in 0..clients {
            let (stop, rows) = (Arc::clone(&stop), Arc::clone(&rows));
            tasks.spawn(write(writer, config.clone(), stop, rows));
        }
        Writers { stop, rows, tasks }
    }

    /// Waits until this many more rows are acknowledged.
    pub(crate) async fn more_rows(&self, count: usize) {
        let wanted = self.rows.load(Ordering::SeqCst) + count;
        wait_for("rows to be written", STUCK, async || {
            self.rows.load(Ordering::SeqCst) >= wanted
        })
        .await;
    }

    /// Ends them, each after the statement that it is at.
    pub(crate) async fn stop(mut self) -> Written {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Written::default();
        while let Some(written) = self.tasks.join_next().await {
            all.add(written.expect("a writer is never stuck"));
        }
        all
    }
}

async fn write(
    writer: usize,
    config: Config,
    stop: Arc<AtomicBool>,
    rows: Arc<AtomicUsize>,
) -> Written {
    let mut written = Written::default();
    let mut client: Option<Client> = None;
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let connected = match client.take() {
            Some(client) => Ok(client),
            None => timeout(STUCK, connect(&config))
                .await
                .expect("nobody waits for ever to log in"),
        };
        let connected = match connected {
            Ok(connected) => connected,
            Err(error) => {
                written.errors.push(name(&error));
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        number += 1;
        let id = format!("{writer}-{number}");
        let insert = format!("insert into ledger values ('{id}')");
        let done = timeout(STUCK, connected.simple_query(&insert))
            .await
            .expect("nobody waits for ever for an answer");
        match done {
            Ok(_) => {
                written.acknowledged.push(id);
                rows.fetch_add(1, Ordering::SeqCst);
                client = Some(connected);
            }
            Err(error) => {
                written.uncertain.push(id);
                written.errors.push(name(&error));
                if !is_fatal(&error) {
                    client = Some(connected);
                }
            }
        }
    }
    written
}

/// Whether the connection is over; it need not have been closed yet.
fn is_fatal(error: &Error) -> bool {
    error
        .as_db_error()
        .is_none_or(|error| error.severity() != "ERROR")
}

fn name(error: &Error) -> String {
    match error.code() {
        Some(code) => code.code().to_owned(),
        None if error.is_closed() => "closed".to_owned(),
        None => "io".to_owned(),
    }
}

/// Waits until a query succeeds there, and says when it did.
pub(crate) async fn serves(what: &str, config: &Config) -> Instant {
    wait_for_some(what, STUCK, async || {
        let attempt = async {
            let client = connect(config).await?;
            client.simple_query("select count(*) from ledger").await
        };
        match timeout(ATTEMPT, attempt).await {
            Ok(Ok(_)) => Some(Instant::now()),
            Ok(Err(_)) => None,
            Err(_) => panic!("{what}: neither answer nor error in {ATTEMPT:?}"),
        }
    })
    .await
}
