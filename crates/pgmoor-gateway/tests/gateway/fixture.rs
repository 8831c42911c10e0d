//! A gateway in this process, with a PostgreSQL of its own behind it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint;
use pgmoor_gateway::settings::{DatabaseSettings, GatewaySettings, PoolMode, PoolSettings};
use pgmoor_gateway::{Address, Configuration, Endpoint, Gateway, bind};
use pgmoor_testkit::{Message, Postgres, RawClient, frontend, wait_for, wait_for_value};
use tempfile::TempDir;

/// The gateway under test and the PostgreSQL behind it. Clients log in as `app`, to the database
/// `app`.
pub(crate) struct Gate {
    pub(crate) served: Served,
    pub(crate) postgres: Postgres,
}

impl Deref for Gate {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

/// A gateway without anything behind it but what the test puts there.
pub(crate) struct Served {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    pub(crate) password: String,
    pub(crate) state: TempDir,
}

/// What a gate is made of before it starts.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) gateway: GatewaySettings,
    pub(crate) pool: PoolSettings,
    /// More databases than `app`, which all have the same pool settings: names, and the endpoints
    /// that serve them.
    pub(crate) more: Vec<(&'static str, &'static str)>,
    /// Databases that let nobody in before it is said so.
    pub(crate) unprepared: Vec<&'static str>,
}

impl Plan {
    pub(crate) fn new(mode: PoolMode, size: u32) -> Self {
        let pool = PoolSettings {
            mode,
            size: NonZeroU32::new(size).expect("a pool has a size"),
            ..PoolSettings::default()
        };
        Self {
            gateway: GatewaySettings {
                listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
                unix_sockets: Vec::new(),
                ..GatewaySettings::default()
            },
            pool,
            more: Vec::new(),
            unprepared: Vec::new(),
        }
    }

    /// Lets no client in to this one before it is said so.
    pub(crate) fn unprepared(mut self, name: &'static str) -> Self {
        self.unprepared.push(name);
        self
    }

    /// Serves one more database.
    pub(crate) fn database(mut self, name: &'static str, endpoint: &'static str) -> Self {
        self.more.push((name, endpoint));
        self
    }

    pub(crate) fn pool(mut self, change: impl FnOnce(&mut PoolSettings)) -> Self {
        change(&mut self.pool);
        self
    }

    pub(crate) fn gateway(mut self, change: impl FnOnce(&mut GatewaySettings)) -> Self {
        change(&mut self.gateway);
        self
    }

    pub(crate) async fn start(self) -> Gate {
        self.start_before(Postgres::start().await).await
    }

    pub(crate) async fn start_before(self, postgres: Postgres) -> Gate {
        let served = self.serve(&[("primary", endpoint_at(&postgres.url(), None))]);
        Gate { served, postgres }
    }

    /// A gateway in front of a server that the test plays itself, which asks for no password.
    pub(crate) fn before_port(self, port: u16) -> Served {
        let url = format!("postgres://app@127.0.0.1:{port}/app?sslmode=disable");
        self.serve(&[("primary", endpoint_at(&url, None))])
    }

    /// With two workers, as few as show what happens between them.
    pub(crate) fn serve(mut self, endpoints: &[(&str, Arc<Endpoint>)]) -> Served {
        let state = tempfile::tempdir().expect("a directory");
        self.gateway.state_dir = state.path().join("state");
        let listeners = bind(&self.gateway, 2).expect("an address to listen on");
        let Address::Tcp(address) = listeners[0][0].address else {
            panic!("a TCP address")
        };
        let gateway = Gateway::start(self.configuration(endpoints), listeners);
        let password =
            std::fs::read_to_string(state.path().join("state/app.password")).unwrap_or_default();
        Served {
            gateway: gateway.expect("the gateway starts"),
            address,
            password: password.trim_end().to_owned(),
            state,
        }
    }

    /// The same plan for a gateway that runs already.
    pub(crate) fn in_state_of(mut self, served: &Served) -> Self {
        self.gateway.state_dir = served.state_dir();
        self
    }

    /// What a gateway is started or reloaded with.
    pub(crate) fn configuration(&self, endpoints: &[(&str, Arc<Endpoint>)]) -> Configuration {
        let served = [("app", "primary")].iter().chain(&self.more);
        let databases = served.map(|(name, endpoint)| {
            let database = DatabaseSettings {
                endpoint: Some((*endpoint).to_owned()),
                pool: self.pool.clone(),
                ..DatabaseSettings::default()
            };
            ((*name).to_owned(), database)
        });
        Configuration {
            databases: databases.collect(),
            gateway: self.gateway.clone(),
            endpoints: endpoints
                .iter()
                .map(|(name, endpoint)| ((*name).to_owned(), endpoint.clone()))
                .collect(),
            unprepared: self.unprepared.iter().map(ToString::to_string).collect(),
        }
    }
}

/// An endpoint at a connection string.
pub(crate) fn endpoint_at(url: &str, max_connections: Option<usize>) -> Arc<Endpoint> {
    endpoint_named("primary", url, max_connections)
}

/// An endpoint by any name.
pub(crate) fn endpoint_named(
    name: &str,
    url: &str,
    max_connections: Option<usize>,
) -> Arc<Endpoint> {
    let parsed = endpoint::Endpoint::parse(url).expect("a connection string");
    let connector = Connector::new(parsed, Arc::new(NoCredential)).expect("a connector");
    let fingerprint = url.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    Arc::new(Endpoint::new(name, connector, max_connections, fingerprint))
}

impl Gate {
    /// A gateway with two workers and a pool of this mode and size.
    pub(crate) async fn start(mode: PoolMode, size: u32) -> Self {
        Plan::new(mode, size).start().await
    }

    /// Waits until the server has nobody connected as `app`, or so many.
    pub(crate) async fn wait_for_server_connections(&self, count: u32) {
        let limit = std::time::Duration::from_secs(10);
        wait_for_value("server connections", limit, count, async || {
            let sql = "select count(*) from pg_stat_activity where usename = 'app'";
            self.postgres.psql(sql).await.parse().expect("a number")
        })
        .await;
    }

    /// Waits until the server has no more than so many connections as `app`.
    pub(crate) async fn wait_for_server_connections_at_most(&self, count: u32) {
        let limit = std::time::Duration::from_secs(10);
        wait_for("server connections to end", limit, async || {
            let sql = "select count(*) from pg_stat_activity where usename = 'app'";
            self.postgres
                .psql(sql)
                .await
                .parse::<u32>()
                .expect("a number")
                <= count
        })
        .await;
    }

    /// Waits until the server runs this statement.
    pub(crate) async fn wait_for_running(&self, query: &str) {
        let limit = std::time::Duration::from_secs(10);
        wait_for_value("statements that run", limit, "1".to_owned(), async || {
            let sql = format!(
                "select count(*) from pg_stat_activity where query = $q${query}$q$ and state = 'active'"
            );
            self.postgres.psql(&sql).await
        })
        .await;
    }
}

impl Served {
    pub(crate) fn url(&self) -> String {
        format!("postgres://app:{}@{}/app", self.password, self.address)
    }

    /// A raw client that is logged in.
    pub(crate) async fn client(&self) -> RawClient {
        RawClient::login_to(self.address, "app", &self.password, "app").await
    }

    /// A raw client with more startup parameters than user and database.
    pub(crate) async fn client_with(&self, parameters: &[(&str, &str)]) -> RawClient {
        let mut client = RawClient::connect(self.address).await;
        let mut all = vec![("user", "app"), ("database", "app")];
        all.extend_from_slice(parameters);
        client.login_with(&all, &self.password).await;
        client
    }

    /// A client of a real driver.
    pub(crate) async fn driver(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls)
            .await
            .expect("connect through the gateway");
        tokio::spawn(connection);
        client
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.state.path().join("state")
    }
}

/// Both pool modes.
pub(crate) const MODES: [PoolMode; 2] = [PoolMode::Session, PoolMode::Transaction];

/// The error among these messages.
pub(crate) fn error_in(messages: &[Message]) -> &Message {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.unwrap_or_else(|| panic!("no error in {messages:?}"))
}

/// The answers to a statement that is sent as a Query, and as Parse, Bind and Execute.
pub(crate) async fn both_ways(client: &mut RawClient, sql: &str) -> [Vec<Message>; 2] {
    let simple = client.query(sql).await;
    [simple, extended(client, sql).await]
}

/// The answer to Parse, Bind and Execute.
pub(crate) async fn extended(client: &mut RawClient, sql: &str) -> Vec<Message> {
    let messages = [
        frontend::parse("", sql),
        frontend::bind("", "", &[]),
        frontend::execute("", 0),
        frontend::sync(),
    ];
    client.pipeline(&messages).await
}

/// The values of the first column of all rows among these messages.
pub(crate) fn values(messages: &[Message]) -> Vec<String> {
    let rows = messages.iter().filter(|message| message.tag == b'D');
    rows.map(|row| row.values().swap_remove(0).unwrap_or_default())
        .collect()
}
