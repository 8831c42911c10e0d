//! What is moved where, by the configuration and by what was noted when the move was begun.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgmoor::connector::Connector;
use pgmoor_gateway::endpoint_name;
use pgmoor_ops::live_move::{Limits, Listener, Move, Side, journal};

use crate::args::Move as Command;
use crate::config::load::Loaded;
use crate::config::settings::{APP, Settings};
use crate::config::surroundings::Surroundings;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::Failure;

/// A move as it was asked for.
pub(super) struct Subject {
    pub(super) it: Move,
    /// Roles of the source that are called otherwise at the target, whatever is said: the superuser of a bundled server,
    /// who owns what comes with every database.
    pub(super) roles: BTreeMap<String, String>,
}

/// Finds endpoints by their names.
struct Finder<'a> {
    settings: &'a Settings,
    bundles: &'a mut Bundles,
    surroundings: Surroundings,
}

impl Finder<'_> {
    async fn connector(&mut self, endpoint: &str) -> Result<Connector, Failure> {
        let settings = self.settings;
        let known = settings.endpoints.get(endpoint).ok_or_else(|| {
            let known: Vec<&str> = settings.endpoints.keys().map(String::as_str).collect();
            Failure::new(Exit::Usage, format!("there is no endpoint \"{endpoint}\""))
                .hint(format!("there are: {}", known.join(", ")))
        })?;
        let connector = self
            .bundles
            .connector(endpoint, known, settings, &self.surroundings);
        connector.await
    }

    /// The database at this endpoint, by its login or by that of another one.
    async fn side(
        &mut self,
        database: &str,
        endpoint: &str,
        by: Option<&str>,
    ) -> Result<Side, Failure> {
        let serving = self.connector(endpoint).await?;
        let configured = self.settings.databases.get(database);
        let dbname = configured.and_then(|database| database.dbname.clone());
        let dbname = dbname.or_else(|| serving.endpoint().dbname.clone());
        Ok(Side {
            endpoint: endpoint.to_owned(),
            connector: match (by, self.bundles.superuser(endpoint)?) {
                (Some(by), _) => self.connector(by).await?,
                // What the application may do is not enough, and who may do all is ours.
                (None, Some((superuser, _))) => superuser,
                (None, None) => serving,
            },
            dbname: dbname.unwrap_or_else(|| database.to_owned()),
        })
    }
}

impl Subject {
    pub(super) async fn of(
        command: &Command,
        loaded: &Loaded,
        bundles: &mut Bundles,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, Failure> {
        let settings = &loaded.settings;
        let what = command.what();
        let mut names = settings.databases.keys();
        let database = match (&what.database, names.next(), names.next()) {
            (Some(name), _, _) => name.clone(),
            (None, Some(only), None) => only.clone(),
            (None, _, _) => APP.to_owned(),
        };
        let configured = settings.databases.get(&database).ok_or_else(|| {
            let known: Vec<&str> = settings.databases.keys().map(String::as_str).collect();
            Failure::new(Exit::Usage, format!("there is no database \"{database}\""))
                .hint(format!("name one with --database: {}", known.join(", ")))
        })?;
        let serving = endpoint_name(&database, configured);
        let mut finder = Finder {
            settings,
            bundles,
            surroundings: Surroundings::of_process(),
        };
        let (source_by, target_by) = (what.source_by.as_deref(), what.target_by.as_deref());
        let here = finder.side(&database, &serving, None).await?;
        let (from, to) = ends(
            &here,
            what.to.as_deref(),
            source_by.or(target_by),
            &mut finder,
        )
        .await?;
        let limits = command.limits();
        let source = finder.side(&database, &from, source_by).await?;
        let target = finder.side(&database, &to, target_by).await?;
        let superuser = finder.bundles.superuser(&from)?;
        let there = target.connector.user().to_owned();
        let roles = superuser.map(|(_, name)| (name.to_owned(), there));
        Ok(Self {
            roles: roles.into_iter().collect(),
            it: Move {
                source,
                target,
                database,
                limits: limits.map_or_else(Limits::default, |limits| Limits {
                    max_pause: limits.max_pause,
                    kept_log: limits.wal_limit << 30,
                    ..Limits::default()
                }),
                listener,
            },
        })
    }
}

/// From where to where: by what is said, or by what was noted at the endpoint that serves the database.
async fn ends(
    here: &Side,
    to: Option<&str>,
    by: Option<&str>,
    finder: &mut Finder<'_>,
) -> Result<(String, String), Failure> {
    match to {
        Some(to) if to != here.endpoint => return Ok((here.endpoint.clone(), to.to_owned())),
        _ => {}
    }
    let mut side = here.clone();
    if let Some(by) = by {
        side.connector = finder.connector(by).await?;
    }
    let look = async {
        let session = side.session().await?;
        let entry = journal::read(&session).await;
        session.close().await;
        entry
    };
    match look.await.map_err(super::failure)? {
        Some(entry) => Ok((entry.source, entry.target)),
        None => Err(
            Failure::new(Exit::Usage, format!("no move of {} was begun", here.dbname))
                .cause(format!("the endpoint \"{}\" knows of none", here.endpoint))
                .hint("name the endpoint that it shall go to with --to"),
        ),
    }
}
