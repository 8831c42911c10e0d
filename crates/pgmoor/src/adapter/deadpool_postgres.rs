//! A [`Connector`] as what opens the connections of a pool of [`deadpool-postgres`](::deadpool_postgres).
//!
//! ```no_run
//! # async fn example(connector: pgmoor::Connector) -> Result<(), Box<dyn std::error::Error>> {
//! use deadpool_postgres::{ManagerConfig, Pool};
//! use pgmoor::adapter::deadpool_postgres::manager;
//!
//! let pool = Pool::builder(manager(connector, ManagerConfig::default())).max_size(8).build()?;
//! let row = pool.get().await?.query_one("select current_user", &[]).await?;
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::pin::Pin;

use ::deadpool_postgres::{Connect, Manager, ManagerConfig};
use ::tokio_postgres::{Client, Config, Error};
use tokio::task::JoinHandle;

use crate::connector::Connector;

/// Opens the pool's connections by `connector`: each has the credential of its moment.
pub fn manager(connector: Connector, config: ManagerConfig) -> Manager {
    // What is said there is said by the endpoint.
    Manager::from_connect(Config::new(), Opener(connector), config)
}

struct Opener(Connector);

type Opening<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl Connect for Opener {
    fn connect(&self, _config: &Config) -> Opening<'_> {
        Box::pin(async {
            let (client, driver) = super::tokio_postgres::open(&self.0).await?;
            let driving = tokio::spawn(async move {
                if let Err(error) = driver.await {
                    tracing::warn!(error = %crate::credential::chain(&error), "connection of a pool broke");
                }
            });
            Ok((client, driving))
        })
    }
}
