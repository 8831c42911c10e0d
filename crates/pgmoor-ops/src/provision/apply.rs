//! Carries a plan out, while what it went by still holds, and looks whether that is what was wanted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor_wire::Secret;
use serde::Serialize;
use tokio::time::Instant;

use super::found::Found;
use super::planning::{Impossible, plan};
use super::script::LOCK_TIMEOUT;
use super::wanted::Wanted;
use crate::error::Error;
use crate::plan::{Plan, Step};
use crate::session::Session;
use crate::sql::{identifier, literal};

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(30);
/// How long one statement may run: an extension takes its time.
const STATEMENT: Duration = Duration::from_secs(300);

/// What the server gets of each role's password.
pub type Verifiers = BTreeMap<String, Secret<String>>;

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
    /// A role would get a password that is not there.
    #[error("the plan gives \"{}\" a password, and there is none", .role.escape_debug())]
    NoPassword {
        /// Which.
        role: String,
    },
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
    /// Every statement was accepted, and what was wanted is not there: PostgreSQL only warns where it gives
    /// less than it is told to.
    #[error("all steps are done, and the server is still not as wanted: {}", .left.join("; "))]
    Left {
        /// What is left to do.
        left: Vec<String>,
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
            Self::NoPassword { .. } => Some(
                "say where a generated one is written to: --password-file or --secret-manifest; for the login \
                 that runs migrations --migrations-password-file or --migrations-secret-manifest"
                    .into(),
            ),
            Self::Step { .. } => Some(
                "what was done before stays; plan again: pgmoor provision plan shows what is left"
                    .into(),
            ),
            Self::Left { .. } => Some(
                "the login lacks a right that the server only warns about (its log has the warning): run the script \
                 of pgmoor provision sql as the owner or as a superuser"
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
        for database in wanted.databases() {
            if found.database(database).is_some() {
                let inside = self.session(Some(database)).await?;
                found.read_inside(&inside, wanted).await?;
                inside.close().await;
            }
        }
        found.keep_what_matters(wanted);
        plan(wanted, &found).map_err(ProvisionError::Impossible)
    }

    /// Carries a plan out, and then plans again, which must leave nothing; `note` hears of each step before
    /// and after it.
    ///
    /// The server gets the verifiers of passwords, never the passwords.
    pub async fn apply(
        &self,
        wanted: &Wanted,
        planned: &Plan,
        verifiers: &Verifiers,
        note: &mut (dyn FnMut(usize, Stage) + Send),
    ) -> Applied {
        let mut applied = Applied::default();
        let outcome = self.try_apply(wanted, planned, verifiers, note, &mut applied.done);
        applied.failed = outcome.await.err();
        if applied.failed.is_some() {
            self.take_back_memberships(planned, &applied.done).await;
        } else {
            applied.failed = self.look_again(wanted).await.err();
        }
        applied
    }

    async fn look_again(&self, wanted: &Wanted) -> Result<(), ProvisionError> {
        let left: Vec<String> = match self.plan(&wanted.lasting()).await {
            Ok(plan) => plan.steps.into_iter().map(|step| step.title).collect(),
            Err(ProvisionError::Impossible(all)) => all.into_iter().map(|one| one.what).collect(),
            Err(error) => return Err(error),
        };
        match left.is_empty() {
            true => Ok(()),
            false => Err(ProvisionError::Left { left }),
        }
    }

    /// What the login was granted for the time of the plan does not stay when it fails; an error adds
    /// nothing to the one that there is.
    async fn take_back_memberships(&self, planned: &Plan, done: &[usize]) {
        let is_done = |index: usize| done.contains(&(index + 1));
        let undone_later = |step: &Step| {
            let later = planned.steps.iter().enumerate();
            later
                .filter(|(_, last)| last.undo.is_none() && step.undo.as_ref() == Some(&last.sql))
                .map(|(index, last)| (index, last.sql.clone()))
                .next()
        };
        let granted = planned.steps.iter().enumerate();
        let revokes: Vec<String> = granted
            .filter(|(index, _)| is_done(*index))
            .filter_map(|(_, step)| undone_later(step))
            .filter(|(index, _)| !is_done(*index))
            .map(|(_, sql)| sql)
            .collect();
        if revokes.is_empty() {
            return;
        }
        if let Ok(session) = self.session(None).await {
            for revoke in &revokes {
                let revoking = session.client().batch_execute(revoke);
                let _ = session
                    .within("take a membership back", STATEMENT, revoking)
                    .await;
            }
            session.close().await;
        }
    }

    async fn try_apply(
        &self,
        wanted: &Wanted,
        planned: &Plan,
        verifiers: &Verifiers,
        note: &mut (dyn FnMut(usize, Stage) + Send),
        done: &mut Vec<usize>,
    ) -> Result<(), ProvisionError> {
        if let Some(role) = planned
            .passwords()
            .find(|role| !verifiers.contains_key(*role))
        {
            return Err(ProvisionError::NoPassword {
                role: role.to_owned(),
            });
        }
        if self.plan(wanted).await? != *planned {
            return Err(ProvisionError::Changed);
        }
        let mut sessions: BTreeMap<Option<&str>, Session> = BTreeMap::new();
        for (index, step) in planned.steps.iter().enumerate() {
            let number = index + 1;
            note(number, Stage::Begins);
            let outcome = self.perform(step, verifiers, &mut sessions).await;
            let stage = if outcome.is_ok() {
                Stage::Done
            } else {
                Stage::Failed
            };
            note(number, stage);
            outcome.map_err(|source| ProvisionError::Step {
                number,
                title: step.title.clone(),
                source: Box::new(source),
            })?;
            done.push(number);
        }
        for (_, session) in sessions {
            session.close().await;
        }
        Ok(())
    }

    async fn perform<'p>(
        &self,
        step: &'p Step,
        verifiers: &Verifiers,
        sessions: &mut BTreeMap<Option<&'p str>, Session>,
    ) -> Result<(), Error> {
        let place = step.database.as_deref();
        let session = match sessions.entry(place) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                let session = self.session(place).await?;
                let limiting = session.client().batch_execute(LOCK_TIMEOUT);
                session
                    .within("limit the wait for locks", STATEMENT, limiting)
                    .await?;
                free.insert(session)
            }
        };
        let mut sql = step.sql.clone();
        if let Some(role) = &step.password_of
            && let Some(verifier) = verifiers.get(role)
        {
            let (role, verifier) = (identifier(role), literal(verifier.expose()));
            sql.push_str(&format!("; alter role {role} password {verifier}"));
        }
        let running = session.client().batch_execute(&sql);
        session.within(&step.title, STATEMENT, running).await
    }
}
