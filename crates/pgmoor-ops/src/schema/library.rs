//! What refinery drives in the place of a client: it decides which migrations run, and writes the history.

use std::future::Future;

use refinery_core::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};

use super::error::SchemaError;
use super::execute::Executor;
use super::history::{ask, read_applied};

/// What the library is told.
#[derive(Debug, thiserror::Error)]
#[error("the migration failed")]
pub(super) struct Failed;

impl AsyncTransaction for Executor<'_> {
    type Error = Failed;

    fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> impl Future<Output = Result<usize, Failed>> + Send + 'a {
        let queries: Vec<&str> = queries.collect();
        async move {
            let outcome = match queries[..] {
                [create] => self.create_tables(create).await,
                [sql, note] => self.apply(sql, note).await,
                _ => Ok(()),
            };
            match outcome {
                Ok(()) => Ok(queries.len()),
                Err(error) => {
                    self.failed = Some(error);
                    Err(Failed)
                }
            }
        }
    }
}

impl AsyncQuery<Vec<Migration>> for Executor<'_> {
    async fn query(&mut self, query: &str) -> Result<Vec<Migration>, Failed> {
        match self.applied(query).await {
            Ok(migrations) => Ok(migrations),
            Err(error) => {
                self.failed = Some(error);
                Err(Failed)
            }
        }
    }
}

impl Executor<'_> {
    async fn applied(&self, query: &str) -> Result<Vec<Migration>, SchemaError> {
        let rows = ask(self.session, "read the history of migrations", query).await?;
        let applied = rows.iter().map(read_applied);
        applied.map(|one| Ok(one?.migration)).collect()
    }
}

impl AsyncMigrate for Executor<'_> {}
