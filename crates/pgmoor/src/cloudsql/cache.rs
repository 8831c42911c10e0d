//! One set of values for an instance, fetched once for all who want it and renewed ahead of its end.
//!
//! It differs from [`Renewal`](crate::credential::renewal::Renewal) in what Cloud SQL's connectors have
//! agreed on: it renews by itself while it is used, at half of the life, and asks no more often than the
//! API allows.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use super::name::InstanceName;
use super::schedule::{AHEAD, Limiter, next};
use super::values::{Issuer, Values};
use crate::credential::renewal::{Failures, Status};
use crate::credential::{CredentialError, FailureCause, TokenError};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The wall clock is looked at this often while a renewal is waited for: a machine may have slept.
const GLANCE: Duration = Duration::from_secs(30);
/// Values that nobody used for this long are not renewed by themselves any more.
const IDLE: Duration = Duration::from_secs(12 * 3_600);

/// When values are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refresh {
    /// By themselves, ahead of their end.
    #[default]
    Ahead,
    /// When a connection needs them and they end soon: for hosts whose processor sleeps in between.
    Lazy,
}

type Outcome = Option<Result<Arc<Values>, CredentialError>>;
type Flight = watch::Receiver<Outcome>;

/// The values of one instance. A clone is the same.
#[derive(Clone)]
pub(super) struct Cache(Arc<Shared>);

struct Shared {
    instance: InstanceName,
    issuer: Arc<Issuer>,
    refresh: Refresh,
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    held: Option<Arc<Values>>,
    flight: Option<Flight>,
    limiter: Limiter,
    failure: Option<CredentialError>,
    number: u64,
    used: Duration,
    figures: Figures,
}

/// What is told of renewals.
#[derive(Default)]
struct Figures {
    fetched_at: Option<SystemTime>,
    renewals: u64,
    failures: Failures,
    failures_in_a_row: u32,
    last_failure_at: Option<SystemTime>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cache")
            .field(&self.0.instance.to_string())
            .finish()
    }
}

impl Cache {
    pub(super) fn new(instance: InstanceName, issuer: Arc<Issuer>, refresh: Refresh) -> Self {
        Self(Arc::new(Shared {
            instance,
            issuer,
            refresh,
            started: Instant::now(),
            inner: Mutex::default(),
        }))
    }

    pub(super) fn instance(&self) -> &InstanceName {
        &self.0.instance
    }

    /// The values, until `deadline`: at once while there are good ones.
    ///
    /// Cancel safe: a fetch goes on without the one who asked.
    pub(super) async fn get(&self, deadline: Instant) -> Result<Arc<Values>, CredentialError> {
        // A second time where the event loop that fetched has ended with its task.
        for _ in 0..2 {
            let outcome = match self.step(deadline) {
                Step::Done(outcome) => return outcome,
                Step::Wait(flight) => landed(flight).await,
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        let error = TokenError::new(FailureCause::Unavailable, "finish what was begun");
        Err(error.hint("this happens while pgmoor stops").into())
    }

    fn step(&self, deadline: Instant) -> Step {
        let now = self.now();
        let mut inner = self.lock();
        inner.used = now;
        let left = inner
            .held
            .as_ref()
            .map(|values| left(values))
            .unwrap_or_default();
        let wanted = match self.0.refresh {
            Refresh::Ahead => Duration::ZERO,
            Refresh::Lazy => AHEAD,
        };
        if let Some(values) = &inner.held
            && left > wanted
        {
            return Step::Done(Ok(values.clone()));
        }
        let wait = inner.limiter.wait(now);
        let in_time = Instant::now() + wait < deadline;
        match (&inner.held, &inner.failure) {
            // Soon over is still good when there is nothing better in time.
            (Some(values), _) if !left.is_zero() && !in_time => Step::Done(Ok(values.clone())),
            (_, Some(failure)) if !in_time => Step::Done(Err(CredentialError::BackOff {
                wait,
                source: Box::new(failure.clone()),
            })),
            _ => Step::Wait(self.join(&mut inner, None)),
        }
    }

    /// Other values than these, which were refused: by TLS, or by the login that they stand for. None when
    /// there are no others without asking the API more often than it allows. All who open connections
    /// meanwhile go on with these, for a refusal has other reasons too.
    ///
    /// Cancel safe: a fetch goes on without the one who asked.
    pub(super) async fn another(
        &self,
        refused: &Arc<Values>,
        by_login: bool,
    ) -> Option<Arc<Values>> {
        let flight = {
            let now = self.now();
            let mut inner = self.lock();
            if let Some(held) = inner
                .held
                .as_ref()
                .filter(|held| held.number != refused.number)
            {
                // Somebody else has found that out before.
                return Some(held.clone());
            }
            if by_login {
                inner.figures.failures.count(FailureCause::Rejected);
            }
            match inner.under_way() {
                Some(flight) => flight,
                None if !inner.limiter.wait(now).is_zero() => return None,
                None => self.join(&mut inner, by_login.then(|| refused.clone())),
            }
        };
        let values = landed(flight).await?.ok()?;
        (values.number != refused.number).then_some(values)
    }

    /// The server could not be reached: what is known of it may be out of date. It stays in use until
    /// there is better.
    pub(super) fn renew(&self, values: &Values) {
        let now = self.now();
        let mut inner = self.lock();
        let is_held = inner
            .held
            .as_ref()
            .is_some_and(|held| held.number == values.number);
        if is_held && inner.limiter.wait(now).is_zero() {
            drop(self.join(&mut inner, None));
        }
    }

    /// The fetch that is under way, or else one that begins now: with another token than in values whose
    /// login was refused.
    fn join(&self, inner: &mut Inner, refused: Option<Arc<Values>>) -> Flight {
        if let Some(flight) = inner.under_way() {
            return flight;
        }
        let (done, flight) = watch::channel(None);
        inner.flight = Some(flight.clone());
        inner.number += 1;
        let (this, number) = (self.clone(), inner.number);
        tokio::spawn(async move {
            let outcome = this.fetch(number, refused.as_deref()).await;
            if outcome.is_ok() && this.0.refresh == Refresh::Ahead {
                tokio::spawn(keep(Arc::downgrade(&this.0), number));
            }
            let _ = done.send(Some(outcome));
        });
        flight
    }

    async fn fetch(
        &self,
        number: u64,
        refused: Option<&Values>,
    ) -> Result<Arc<Values>, CredentialError> {
        loop {
            let wait = {
                let now = self.now();
                let mut inner = self.lock();
                let wait = inner.limiter.wait(now);
                if wait.is_zero() {
                    inner.limiter.take(now);
                    break;
                }
                wait
            };
            tokio::time::sleep(wait).await;
        }
        let fetching = self.0.issuer.fetch(&self.0.instance, number, refused);
        let outcome = match tokio::time::timeout(PATIENCE, fetching).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let act = format!(
                    "get what is needed for Cloud SQL instance {}",
                    self.0.instance
                );
                let error = TokenError::new(FailureCause::Timeout, act);
                Err(error
                    .why(format!("the API took longer than {PATIENCE:?}"))
                    .into())
            }
        };
        let mut inner = self.lock();
        inner.flight = None;
        match outcome {
            Ok(values) => {
                let values = Arc::new(values);
                inner.failure = None;
                inner.figures.succeeded();
                inner.held = Some(values.clone());
                Ok(values)
            }
            Err(error) => {
                inner.failure = Some(error.clone());
                inner.figures.failed(error.cause());
                match &inner.held {
                    Some(held) if !left(held).is_zero() => {
                        tracing::warn!(instance = %self.0.instance, error = %chain(&error), "certificate for Cloud SQL was not renewed and is kept while it is valid");
                        Ok(held.clone())
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// How the certificate stands, and its renewal.
    pub(super) fn status(&self) -> Status {
        let (now, wall) = (self.now(), SystemTime::now());
        let inner = self.lock();
        let (held, figures) = (inner.held.as_ref(), &inner.figures);
        let wait = match (&inner.failure, held) {
            (Some(_), _) => Some(inner.limiter.wait(now)),
            (None, Some(held)) => match self.0.refresh {
                Refresh::Ahead => Some(next(left(held))),
                Refresh::Lazy => Some(left(held).saturating_sub(AHEAD)),
            },
            (None, None) => None,
        };
        Status {
            fetched_at: figures.fetched_at,
            expires_at: held.map(|held| held.ends),
            is_valid: held.is_some_and(|held| !left(held).is_zero()),
            next_renewal: wait.map(|wait| wall + wait),
            renewals: figures.renewals,
            failures: figures.failures,
            failures_in_a_row: figures.failures_in_a_row,
            last_error: inner.failure.clone(),
            last_failure_at: figures.last_failure_at,
        }
    }

    fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    fn succeeded(&mut self) {
        self.fetched_at = Some(SystemTime::now());
        self.renewals += 1;
        self.failures_in_a_row = 0;
        self.last_failure_at = None;
    }

    fn failed(&mut self, cause: FailureCause) {
        self.failures.count(cause);
        self.failures_in_a_row += 1;
        self.last_failure_at = Some(SystemTime::now());
    }
}

enum Step {
    Done(Result<Arc<Values>, CredentialError>),
    Wait(Flight),
}

impl Inner {
    /// The fetch that is under way. One whose task is gone without a word is none.
    fn under_way(&self) -> Option<Flight> {
        let flight = self.flight.as_ref()?;
        flight.has_changed().is_ok().then(|| flight.clone())
    }
}

/// What a fetch brought; none where it has gone without a word.
async fn landed(mut flight: Flight) -> Outcome {
    let outcome = flight.wait_for(Option::is_some).await.ok()?;
    outcome.clone()
}

/// Waits until values are to be renewed, and has that done; ends when there are others, or when nobody
/// uses them.
async fn keep(shared: Weak<Shared>, number: u64) {
    let Some(due) = shared
        .upgrade()
        .and_then(|shared| Cache(shared).due(number))
    else {
        return;
    };
    loop {
        let wait = due.duration_since(SystemTime::now()).unwrap_or_default();
        if wait.is_zero() {
            break;
        }
        tokio::time::sleep(wait.min(GLANCE)).await;
        if shared.strong_count() == 0 {
            return;
        }
    }
    let Some(shared) = shared.upgrade() else {
        return;
    };
    let cache = Cache(shared);
    let now = cache.now();
    let mut inner = cache.lock();
    // A fetch that began since has a keeper of its own.
    if inner.number == number && now.saturating_sub(inner.used) < IDLE {
        drop(cache.join(&mut inner, None));
    }
}

impl Cache {
    /// When what the fetch of this number left is to be renewed.
    fn due(&self, number: u64) -> Option<SystemTime> {
        let inner = self.lock();
        // After a failure the values are older ones, and the next try waits for the limiter alone.
        let held = inner.held.as_ref()?;
        let wait = match held.number == number {
            true => next(left(held)),
            false => Duration::ZERO,
        };
        Some(SystemTime::now() + wait)
    }
}

fn left(values: &Values) -> Duration {
    values
        .ends
        .duration_since(SystemTime::now())
        .unwrap_or_default()
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
