//! Carries a plan out, while what it went by still holds.

use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor_wire::Secret;
use serde::Serialize;
use tokio::time::Instant;

use super::found::Found;
use super::planning::{Impossible, plan};
use super::wanted::Wanted;
use crate::error::Error;
use crate::plan::{Place, Plan};
use crate::session::Session;
use crate::sql::{identifier, literal};

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(30);
/// How long one statement may run: an extension takes its time.
const STATEMENT: Duration = Duration::from_secs(300);

/// Why a plan was not made or not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// The session, or a question.
    #[error(transparent)]
    Session(Box<Error>),
    /// No plan leads there.
    #[error("it cannot be provisioned: {}", list(.0))]
    Impossible(Vec<Impossible>),
    /// The server is not as the plan found it.
    #[error("the server changed since the plan was made")]
    Changed,
    /// A role would be made without a password.
    #[error("the plan gives a role a password, and there is none")]
    NoPassword,
    /// A step failed.
    #[error("step {number} failed: {title}")]
    Step {
        /// Which, from 1.
        number: usize,
        /// What it was to do.
        title: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
}

fn list(all: &[Impossible]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join("; ")
}

impl From<Error> for ProvisionError {
    fn from(error: Error) -> Self {
        Self::Session(Box::new(error))
    }
}

impl ProvisionError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Session(error) => error.hint(),
            Self::Impossible(all) => all.first().map(|one| one.hint.clone()),
            Self::Changed => Some("look at what it is now: pgmoor provision plan".into()),
            Self::NoPassword => Some(
                "say where a generated one is written to: --password-file or --secret-manifest"
                    .into(),
            ),
            Self::Step { .. } => Some(
                "what was done before stays; plan again: pgmoor provision plan shows what is left"
                    .into(),
            ),
        }
    }

    /// Whether no session was opened.
    pub fn is_connecting(&self) -> bool {
        matches!(self, Self::Session(error) if matches!(**error, Error::Connect { .. }))
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It begins.
    Begins,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

/// What was done, also when it failed.
#[derive(Debug, Default)]
pub struct Applied {
    /// The numbers of the steps that are done, from 1.
    pub done: Vec<usize>,
    /// Why the rest is not.
    pub failed: Option<ProvisionError>,
}

/// A server, by a login that provisions it.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// The way to it.
    pub connector: &'a Connector,
    /// What people call it.
    pub name: &'a str,
}

impl Server<'_> {
    async fn session(&self, database: Option<&str>) -> Result<Session, Error> {
        let own = self.connector.endpoint().dbname.as_deref();
        let database = database.or(own).unwrap_or("postgres");
        let named = [("application_name".to_owned(), "pgmoor provision".to_owned())];
        let deadline = Instant::now() + CONNECT;
        Session::open(self.connector, self.name, Some(database), &named, deadline).await
    }

    /// Reads what is there and says what is to be done. It changes nothing.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn plan(&self, wanted: &Wanted) -> Result<Plan, ProvisionError> {
        let session = self.session(None).await?;
        let mut found = Found::read(&session, wanted).await?;
        session.close().await;
        if found.database.is_some() {
            let inside = self.session(Some(&wanted.database)).await?;
            found.read_inside(&inside, wanted).await?;
            inside.close().await;
        }
        plan(wanted, &found).map_err(ProvisionError::Impossible)
    }

    /// Carries a plan out; `note` hears of each step before and after it.
    ///
    /// The server gets the verifier of the password, never the password.
    pub async fn apply(
        &self,
        wanted: &Wanted,
        planned: &Plan,
        verifier: Option<&Secret<String>>,
        note: &mut (dyn FnMut(usize, Stage) + Send),
    ) -> Applied {
        let mut applied = Applied::default();
        let outcome = self.try_apply(wanted, planned, verifier, note, &mut applied.done);
        applied.failed = outcome.await.err();
        if applied.failed.is_some() {
            self.take_back_membership(planned, &applied.done).await;
        }
        applied
    }

    /// What the login was granted for the time of the plan does not stay when it fails; an error adds
    /// nothing to the one that there is.
    async fn take_back_membership(&self, planned: &Plan, done: &[usize]) {
        let Some(last) = planned.steps.last().filter(|last| last.undo.is_none()) else {
            return;
        };
        let is_granted = done.iter().any(|number| {
            let step = planned.steps.get(number - 1);
            step.is_some_and(|step| step.undo.as_ref() == Some(&last.sql))
        });
        if !is_granted {
            return;
        }
        if let Ok(session) = self.session(None).await {
            let revoking = session.client().batch_execute(&last.sql);
            let _ = session.within(&last.title, STATEMENT, revoking).await;
            session.close().await;
        }
    }

    async fn try_apply(
        &self,
        wanted: &Wanted,
        planned: &Plan,
        verifier: Option<&Secret<String>>,
        note: &mut (dyn FnMut(usize, Stage) + Send),
        done: &mut Vec<usize>,
    ) -> Result<(), ProvisionError> {
        if planned.needs_password() && verifier.is_none() {
            return Err(ProvisionError::NoPassword);
        }
        if self.plan(wanted).await? != *planned {
            return Err(ProvisionError::Changed);
        }
        let server = self.session(None).await?;
        let mut inside: Option<Session> = None;
        for (index, step) in planned.steps.iter().enumerate() {
            let number = index + 1;
            note(number, Stage::Begins);
            if step.place == Place::Database && inside.is_none() {
                inside = Some(self.session(Some(&wanted.database)).await?);
            }
            let session = match (&inside, step.place) {
                (Some(inside), Place::Database) => inside,
                _ => &server,
            };
            let mut sql = step.sql.clone();
            if let (Some(role), Some(verifier)) = (&step.password_of, verifier) {
                let (role, verifier) = (identifier(role), literal(verifier.expose()));
                sql.push_str(&format!("; alter role {role} password {verifier}"));
            }
            let running = session.client().batch_execute(&sql);
            let outcome = session.within(&step.title, STATEMENT, running).await;
            note(
                number,
                if outcome.is_ok() {
                    Stage::Done
                } else {
                    Stage::Failed
                },
            );
            outcome.map_err(|source| ProvisionError::Step {
                number,
                title: step.title.clone(),
                source: Box::new(source),
            })?;
            done.push(number);
        }
        Ok(())
    }
}
