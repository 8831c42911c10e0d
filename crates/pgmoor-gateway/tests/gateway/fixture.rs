//! A gateway in this process, with a PostgreSQL of its own behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint;
use pgmoor_gateway::settings::{
    DatabaseSettings, Databases, GatewaySettings, PoolMode, PoolSettings,
};
use pgmoor_gateway::{Address, Configuration, Endpoint, Gateway, bind};
use pgmoor_testkit::{Postgres, RawClient};
use tempfile::TempDir;

/// The gateway under test. Clients log in as `app`, to the database `app`.
pub(crate) struct Gate {
    pub(crate) gateway: Gateway,
    pub(crate) postgres: Postgres,
    pub(crate) address: SocketAddr,
    pub(crate) password: String,
    pub(crate) state: TempDir,
}

/// What a gate is made of before it starts.
pub(crate) struct Plan {
    pub(crate) gateway: GatewaySettings,
    pub(crate) pool: PoolSettings,
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
        }
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

    /// With two workers, as few as show what happens between them.
    pub(crate) async fn start_before(mut self, postgres: Postgres) -> Gate {
        let state = tempfile::tempdir().expect("a directory");
        self.gateway.state_dir = state.path().join("state");
        let listeners = bind(&self.gateway, 2).expect("an address to listen on");
        let Address::Tcp(address) = listeners[0][0].address else {
            panic!("a TCP address")
        };
        let endpoints =
            BTreeMap::from([("primary".to_owned(), endpoint_at(&postgres.url(), None))]);
        let configuration = Configuration {
            databases: databases(&self.pool),
            gateway: self.gateway,
            endpoints,
        };
        let gateway = Gateway::start(configuration, listeners).expect("the gateway starts");
        let password =
            std::fs::read_to_string(state.path().join("state/app.password")).unwrap_or_default();
        Gate {
            gateway,
            postgres,
            address,
            password: password.trim_end().to_owned(),
            state,
        }
    }
}

pub(crate) fn databases(pool: &PoolSettings) -> Databases {
    let app = DatabaseSettings {
        endpoint: Some("primary".into()),
        pool: pool.clone(),
        ..DatabaseSettings::default()
    };
    BTreeMap::from([("app".to_owned(), app)])
}

/// An endpoint at a connection string.
pub(crate) fn endpoint_at(url: &str, max_connections: Option<usize>) -> Arc<Endpoint> {
    let parsed = endpoint::Endpoint::parse(url).expect("a connection string");
    let connector = Connector::new(parsed, Arc::new(NoCredential)).expect("a connector");
    Arc::new(Endpoint::new("primary", connector, max_connections, 0))
}

impl Gate {
    /// A gateway with two workers and a pool of this mode and size.
    pub(crate) async fn start(mode: PoolMode, size: u32) -> Self {
        Plan::new(mode, size).start().await
    }

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
