//! A client of tokio-postgres together with the task that drives its connection.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The schema that the suite may do in what it likes.
pub fn schema() -> String {
    std::env::var("PGMOOR_TEST_SCHEMA").unwrap_or_else(|_| "drivers".to_owned())
}

/// The address under test.
pub fn config() -> Config {
    let url = std::env::var("PGMOOR_TEST_URL").expect("PGMOOR_TEST_URL is set");
    let mut config: Config = url.parse().expect("PGMOOR_TEST_URL is an address");
    config.ssl_mode(match std::env::var_os("PGMOOR_TEST_SSLROOTCERT") {
        Some(_) => SslMode::Require,
        None => SslMode::Disable,
    });
    config
}

/// TLS that trusts the given root alone and compares the name.
pub fn tls() -> MakeRustlsConnect {
    let mut roots = RootCertStore::empty();
    if let Some(path) = std::env::var_os("PGMOOR_TEST_SSLROOTCERT") {
        let root = CertificateDer::from_pem_file(path).expect("read the root certificate");
        roots.add(root).expect("it is a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

/// A connected client; it ends when this is dropped.
pub struct Link {
    client: Client,
    messages: UnboundedReceiver<AsyncMessage>,
}

impl Link {
    pub async fn new() -> Link {
        Link::with(config()).await
    }

    pub async fn with(config: Config) -> Link {
        let (client, mut connection) = config.connect(tls()).await.expect("connect");
        let (sender, messages) = unbounded_channel();
        tokio::spawn(async move {
            let mut arriving = stream::poll_fn(move |cx| connection.poll_message(cx));
            while let Some(Ok(message)) = arriving.next().await {
                // Nobody reads them any more when the suite goes on to its next fact.
                drop(sender.send(message));
            }
        });
        Link { client, messages }
    }

    /// The one value that a query gives.
    pub async fn value<T>(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> T
    where
        T: for<'a> FromSql<'a>,
    {
        match self.client.query_one(sql, parameters).await {
            Ok(row) => row.get(0),
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }

    pub async fn show(&self, parameter: &str) -> String {
        self.value(&format!("show {parameter}"), &[]).await
    }

    /// Runs statements that must succeed.
    pub async fn run(&self, sql: &str) {
        if let Err(error) = self.client.batch_execute(sql).await {
            panic!("{sql}: {error:?}");
        }
    }

    /// Runs a statement that the server must refuse.
    pub async fn refuses(&self, sqlstate: &str, sql: &str, parameters: &[&(dyn ToSql + Sync)]) {
        let error = self.client.query(sql, parameters).await.expect_err(sql);
        assert_eq!(error.code().expect("from the server").code(), sqlstate);
    }

    /// Waits until another connection executes a statement.
    pub async fn wait_until_running(&self, statement: &str) {
        let count = "select count(*) from pg_stat_activity where state = 'active' and query = $1";
        let end = Instant::now() + Duration::from_secs(10);
        while self.value::<i64>(count, &[&statement]).await == 0 {
            assert!(Instant::now() < end, "{statement} does not run");
        }
    }

    /// The next notice or notification.
    pub async fn next_message(&mut self) -> AsyncMessage {
        tokio::time::timeout(Duration::from_secs(10), self.messages.recv())
            .await
            .expect("a message in ten seconds")
            .expect("the connection is open")
    }
}

impl Deref for Link {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}
