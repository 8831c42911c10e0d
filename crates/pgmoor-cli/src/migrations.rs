//! The migrations of a configured database: where, by which login, and how.

mod preparing;

use std::path::PathBuf;
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::settings::{Problem, SchemaSettings, Value};
use pgmoor_gateway::endpoint_name;
use pgmoor_ops::Session;
use pgmoor_ops::schema::{Files, Rules, SchemaError, refuse_pooler};
use tokio::time::Instant;

use crate::config::settings::Settings;
use crate::config::surroundings::Surroundings;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::{Failure, chain};

pub(crate) use preparing::Preparing;

/// How long it may take to connect, where the endpoint does not say.
const CONNECT: Duration = Duration::from_secs(30);

/// The migrations of one database, ready to be run.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The database, as clients ask for it.
    pub(crate) database: String,
    /// The directory.
    pub(crate) dir: PathBuf,
    /// How they are run.
    pub(crate) rules: Rules,
    /// The endpoint that they are run by.
    endpoint: String,
    /// The database's name there.
    dbname: String,
    connector: Connector,
    /// Differs where another run is something else.
    key: String,
}

impl Job {
    /// What `settings` say of the migrations of `database`; without a section of theirs, the defaults.
    ///
    /// # Errors
    /// There is no such database, or its endpoint cannot be used.
    pub(crate) async fn of(
        database: &str,
        settings: &Settings,
        bundles: &mut Bundles,
        surroundings: &Surroundings,
    ) -> Result<Self, Failure> {
        let configured = settings.databases.get(database).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("there is no database \"{database}\" in the configuration"),
            )
        })?;
        let schema = configured.schema.clone().unwrap_or_default();
        let served = endpoint_name(database, configured);
        let endpoint = schema.endpoint.clone().unwrap_or_else(|| served.clone());
        let mut connectors = Vec::new();
        for name in [&served, &endpoint] {
            let known = settings.endpoints.get(name).ok_or_else(|| {
                Failure::new(Exit::Usage, format!("there is no endpoint \"{name}\""))
            })?;
            let connector = bundles.connector(name, known, settings, surroundings);
            connectors.push((known, connector.await?));
        }
        let [(_, served), (known, connector)] = &connectors[..] else {
            unreachable!("two were pushed")
        };
        // The database that clients use, whatever the other login's address says.
        let at_server = configured.dbname.clone();
        let dbname = at_server.or_else(|| served.endpoint().dbname.clone());
        let key = format!(
            "{:?} {:?} {endpoint}",
            schema.show(),
            pgmoor::settings::EndpointSettings::show(known)
        );
        Ok(Self {
            database: database.to_owned(),
            dbname: dbname.unwrap_or_else(|| database.to_owned()),
            dir: schema.dir.clone(),
            rules: rules(&schema),
            connector: connector.clone(),
            endpoint,
            key,
        })
    }

    /// The migrations as they are in the directory now.
    pub(crate) fn files(&self) -> Result<Files, SchemaError> {
        Ok(Files::read(&self.dir)?)
    }

    /// A session that runs them.
    pub(crate) async fn session(&self) -> Result<Session, SchemaError> {
        let limit = self.connector.endpoint().connect_timeout;
        let deadline = Instant::now() + limit.unwrap_or(CONNECT).max(CONNECT);
        let dbname = Some(self.dbname.as_str());
        let name = format!("endpoint \"{}\"", self.endpoint);
        let session = Session::open(&self.connector, &name, dbname, &[], deadline).await?;
        refuse_pooler(&self.connector, dbname, &session).await?;
        Ok(session)
    }

    /// An error as it is told to people.
    pub(crate) fn failure(&self, error: &SchemaError) -> Failure {
        let exit = match error {
            _ if error.is_connecting() => Exit::Unreachable,
            SchemaError::Stopped => Exit::Interrupted,
            SchemaError::Files(_) | SchemaError::NoVersion { .. } => Exit::Usage,
            _ => Exit::Refused,
        };
        if let SchemaError::Troubles(troubles) = error {
            let problems = troubles.iter().map(|trouble| {
                Problem::new(&pgmoor::settings::Origin::Default, trouble.to_string())
                    .hint(trouble.hint())
            });
            return Failure {
                exit,
                problems: problems.collect(),
            };
        }
        let mut failure = Failure::new(exit, error.to_string());
        if let Some(cause) = std::error::Error::source(error) {
            failure = failure.cause(chain(cause));
        }
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// An error with all that caused it, in one line.
pub(crate) fn line(error: &SchemaError) -> String {
    chain(error)
}

fn rules(schema: &SchemaSettings) -> Rules {
    Rules {
        history: schema.history.clone(),
        role: schema.role.clone(),
        lock_timeout: schema.lock_timeout,
        lock_retry_for: schema.lock_retry_for,
        statement_timeout: schema.statement_timeout.get(),
        wait_timeout: schema.wait_timeout,
        allow_gaps: schema.allow_gaps,
    }
}
