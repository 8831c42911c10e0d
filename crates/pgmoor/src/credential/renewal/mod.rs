//! One value that expires, fetched once for all who want it and renewed ahead of its end, also while nobody
//! asks for it.
//!
//! `state` decides; this module waits and fetches, and `keeper` sees to it that it is in time. A fetch is a task of its own: whoever waits for it
//! may leave, and the others, and the next, still get what it brings.

mod clock;
mod status;

mod state;

mod keeper;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

pub use clock::{Clock, Moment};
pub use status::{Failures, Status};

use super::{CredentialError, FailureCause, TokenError, chain};
use state::{Decision, Rejection, State};

/// The pause before the second try of a fetch; it grows with each.
const AT_ONCE: Duration = Duration::from_millis(200);

/// A value that expires.
pub trait Expiring: Clone + Send + Sync + 'static {
    /// Until when it is good, where that is known.
    fn expires_at(&self) -> Option<SystemTime>;

    /// Whether `other` is the same once more, not a new one.
    fn is_same(&self, other: &Self) -> bool;
}

/// When values are renewed.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Where they come from, for errors: `command "vault"`.
    pub origin: String,
    /// How long before its end a value is renewed; at half its life where that is no longer than this.
    pub offset: Duration,
    /// How long one is good that does not say so itself; none means that it never ends.
    pub life: Option<Duration>,
    /// Even one that lives longer is renewed after this time.
    pub longest: Duration,
    /// How long one fetch may take, with all its tries.
    pub timeout: Duration,
    /// How often a fetch is tried at once when the issuer has trouble that may be gone the next moment.
    pub tries: u32,
}

impl Policy {
    /// Renews five minutes ahead, at least once a day; a fetch may take 30 seconds and three tries.
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            offset: Duration::from_secs(300),
            life: None,
            longest: Duration::from_secs(86_400),
            timeout: Duration::from_secs(30),
            tries: 3,
        }
    }
}

/// A fetch, when it comes.
pub type Fetching<T> = Pin<Box<dyn Future<Output = Result<T, CredentialError>> + Send>>;

type Fetch<T> = dyn Fn() -> Fetching<T> + Send + Sync;
type Outcome<T> = Option<Result<T, CredentialError>>;

/// Keeps one value, and fetches the next in time. A clone is the same.
pub struct Renewal<T>(Arc<Shared<T>>);

struct Shared<T> {
    fetch: Box<Fetch<T>>,
    timeout: Duration,
    tries: u32,
    clock: Clock,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    state: State<T>,
    /// The one fetch that is under way.
    flight: Option<Flight<T>>,
    /// When somebody asked last.
    used: Option<Instant>,
    /// Whether somebody sees to it that it is renewed in time.
    is_kept: bool,
}

type Flight<T> = watch::Receiver<Outcome<T>>;

impl<T: Expiring> Renewal<T> {
    /// Fetches by `fetch`, when that is wanted and due.
    pub fn new(
        policy: Policy,
        clock: Clock,
        fetch: impl Fn() -> Fetching<T> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            fetch: Box::new(fetch),
            timeout: policy.timeout,
            tries: policy.tries,
            clock,
            inner: Mutex::new(Inner {
                state: State::new(policy),
                flight: None,
                used: None,
                is_kept: false,
            }),
        }))
    }

    /// The value: at once while one is valid, which is renewed meanwhile when that is due; else when
    /// it has been fetched.
    ///
    /// Cancel safe: the fetch goes on without the one who asked.
    ///
    /// # Errors
    /// Why it cannot be fetched; [`CredentialError::BackOff`] when that was tried a moment ago.
    pub async fn get(&self) -> Result<T, CredentialError> {
        // A second time where the event loop that fetched has ended with its task.
        for _ in 0..2 {
            let outcome = match self.step() {
                Step::Done(outcome) => return outcome,
                Step::Wait(flight) => landed(flight).await,
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        Err(
            TokenError::new(FailureCause::Unavailable, "finish what was begun")
                .hint("this happens while pgmoor stops")
                .into(),
        )
    }

    /// Another value than the one that `is_it` knows, which a server rejected: one that was fetched since,
    /// else one that is fetched now. Meanwhile all others go on with the one that is held, for a server has
    /// other reasons too to refuse a login; and because of these it gives the same one again where one was
    /// fetched a moment ago.
    ///
    /// Cancel safe: the fetch goes on without the one who asked.
    ///
    /// # Errors
    /// As [`get`](Self::get), when nothing valid is held.
    pub async fn another(&self, is_it: impl FnOnce(&T) -> bool) -> Result<T, CredentialError> {
        match self.replace(is_it) {
            Some(flight) => match landed(flight).await {
                Some(outcome) => outcome,
                None => self.get().await,
            },
            None => self.get().await,
        }
    }

    /// Says that a server rejected the value, if it is still the one that `is_it` knows: another is fetched,
    /// unless that was done a moment ago.
    pub fn rejected(&self, is_it: impl FnOnce(&T) -> bool) {
        drop(self.replace(is_it));
    }

    /// The fetch of another value, if the one that is held was rejected.
    fn replace(&self, is_it: impl FnOnce(&T) -> bool) -> Option<Flight<T>> {
        let mut inner = self.lock();
        match inner.state.rejected(is_it, self.0.clock.now()) {
            Rejection::Fetch => Some(self.join(&mut inner)),
            Rejection::Wait => inner.under_way(),
            Rejection::Past => None,
        }
    }

    /// Decides, and begins a fetch where one is needed and none is under way.
    fn step(&self) -> Step<T> {
        let mut inner = self.lock();
        let now = self.0.clock.now();
        inner.used = Some(now.steady);
        let decision = inner.state.decide(now);
        if matches!(decision, Decision::Use(_) | Decision::Renew(_)) {
            keeper::begin(self, &mut inner);
        }
        match decision {
            Decision::Use(value) => Step::Done(Ok(value)),
            Decision::Renew(value) => {
                drop(self.join(&mut inner));
                Step::Done(Ok(value))
            }
            Decision::Fetch => Step::Wait(self.join(&mut inner)),
            Decision::Refuse(error) => Step::Done(Err(error)),
        }
    }

    /// The fetch that is under way, or else one that begins now.
    fn join(&self, inner: &mut Inner<T>) -> Flight<T> {
        if let Some(flight) = inner.under_way() {
            return flight;
        }
        let (done, flight) = watch::channel(None);
        inner.flight = Some(flight.clone());
        let this = self.clone();
        tokio::spawn(async move {
            let outcome = this.fetch().await;
            let _ = done.send(Some(outcome));
        });
        flight
    }

    async fn fetch(&self) -> Result<T, CredentialError> {
        let timeout = self.0.timeout;
        let outcome = match tokio::time::timeout(timeout, self.try_fetch()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(TokenError::new(
                FailureCause::Timeout,
                format!("get an answer within {timeout:?}"),
            )
            .into()),
        };
        let now = self.0.clock.now();
        let mut inner = self.lock();
        inner.flight = None;
        match outcome {
            Ok(value) => {
                let fetched = inner.state.fetched(value, now, random());
                if fetched.is_ok() {
                    keeper::begin(self, &mut inner);
                }
                fetched
            }
            Err(error) => {
                let kept = inner.state.failed(error.clone(), now, random());
                if kept.is_ok() {
                    tracing::warn!(
                        error = %chain(&error),
                        "credential was not renewed and is kept while it is valid"
                    );
                }
                kept
            }
        }
    }

    async fn try_fetch(&self) -> Result<T, CredentialError> {
        for before in 1..self.0.tries {
            match (self.0.fetch)().await {
                Err(error) if error.may_pass_at_once() => {
                    tracing::debug!(error = %chain(&error), "credential is asked for again");
                    self.lock().state.stumbled(&error);
                    tokio::time::sleep(AT_ONCE.mul_f64(f64::from(before) * (0.5 + random()))).await;
                }
                outcome => return outcome,
            }
        }
        (self.0.fetch)().await
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        let now = self.0.clock.now();
        self.lock().state.status(now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<T>> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Step<T> {
    Done(Result<T, CredentialError>),
    Wait(Flight<T>),
}

impl<T> Inner<T> {
    /// The fetch that is under way. One whose task is gone without a word is none.
    fn under_way(&self) -> Option<Flight<T>> {
        let flight = self.flight.as_ref()?;
        flight.has_changed().is_ok().then(|| flight.clone())
    }
}

/// What a fetch brought; none where it has gone without a word.
async fn landed<T: Clone>(mut flight: Flight<T>) -> Outcome<T> {
    let outcome = flight.wait_for(Option::is_some).await.ok()?;
    outcome.clone()
}

impl<T> Clone for Renewal<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Renewal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it holds is secret.
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}

/// From 0 to below 1. It spreads load and keeps no secret.
fn random() -> f64 {
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
