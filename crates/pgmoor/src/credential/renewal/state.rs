//! When what was fetched is used again, renewed, or not asked for: decisions without input or output.
//!
//! ```text
//!   fetched ────────── fresh ───────▶ due ─────── valid ───────▶ expired
//!                      Use            Renew: use, and fetch      Fetch: wait for it
//!                                     beside it                  Refuse: it failed a moment ago
//! ```

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::clock::Moment;
use super::status::{Failures, Status};
use super::{Expiring, Policy};
use crate::credential::{CredentialError, FailureCause};

/// The same value is asked for again no sooner: who issues it has no newer one yet.
const POLL: Duration = Duration::from_secs(10);
/// A value is never renewed sooner after it was fetched, however short its life.
const SHORTEST: Duration = Duration::from_secs(1);
/// Rejections of values that were fetched anew are forgotten after this time.
const REJECTION_MEMORY: Duration = Duration::from_secs(300);
/// While nobody asks for a value, its issuer is not asked again sooner after a failure.
const UNHURRIED: Duration = Duration::from_secs(30);
/// Renewals of many gateways are spread over this part of the offset.
const SPREAD: f64 = 0.1;

/// What is known of one value.
#[derive(Debug)]
pub(super) struct State<T> {
    policy: Policy,
    held: Option<Held<T>>,
    failure: Option<Failure>,
    rejections: Option<Rejections>,
    renewals: u64,
    failures: Failures,
}

#[derive(Debug)]
struct Held<T> {
    value: T,
    fetched: Moment,
    /// When the next is due, and until when this one is good; by both clocks.
    due: Limit,
    end: Option<Limit>,
}

/// A moment that has come when either clock says so.
#[derive(Debug, Clone, Copy)]
struct Limit {
    wall: SystemTime,
    steady: Instant,
}

#[derive(Debug)]
struct Failure {
    error: CredentialError,
    at: Moment,
    in_a_row: u32,
    retry_at: Instant,
}

#[derive(Debug)]
struct Rejections {
    in_a_row: u32,
    last: Instant,
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Decision<T> {
    /// Answer with this.
    Use(T),
    /// Answer with this, and fetch the next meanwhile.
    Renew(T),
    /// Fetch, and answer with what comes.
    Fetch,
    /// Answer with this error: it failed a moment ago.
    Refuse(CredentialError),
}

/// What to do about a value that a server rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Fetch another.
    Fetch,
    /// Nothing but to wait for a fetch that is under way: one was begun a moment ago.
    Wait,
    /// Nothing: it is not held any more.
    Past,
}

impl Limit {
    /// `span` is a life, which [`Policy::longest`] bounds.
    fn after(start: Moment, span: Duration) -> Self {
        Self {
            wall: start.wall + span,
            steady: start.steady + span,
        }
    }

    /// How long it is until then, by the clock that says less.
    fn left(&self, now: Moment) -> Duration {
        let wall = self.wall.duration_since(now.wall).unwrap_or_default();
        wall.min(self.steady.saturating_duration_since(now.steady))
    }

    fn has_come(&self, now: Moment) -> bool {
        now.wall >= self.wall || now.steady >= self.steady
    }
}

impl<T> Held<T> {
    fn is_valid(&self, now: Moment) -> bool {
        self.end.is_none_or(|end| !end.has_come(now))
    }
}

impl<T: Expiring> State<T> {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            held: None,
            failure: None,
            rejections: None,
            renewals: 0,
            failures: Failures::default(),
        }
    }

    pub(super) fn decide(&self, now: Moment) -> Decision<T> {
        let valid = self.held.as_ref().filter(|held| held.is_valid(now));
        let pausing = self.failure.as_ref().and_then(|failure| {
            let wait = failure.retry_at.saturating_duration_since(now.steady);
            (!wait.is_zero()).then_some((failure, wait))
        });
        match (valid, pausing) {
            (None, None) => Decision::Fetch,
            (None, Some((failure, wait))) => Decision::Refuse(CredentialError::BackOff {
                wait,
                source: Box::new(failure.error.clone()),
            }),
            (Some(held), None) if held.due.has_come(now) => Decision::Renew(held.value.clone()),
            (Some(held), _) => Decision::Use(held.value.clone()),
        }
    }

    /// Takes what was fetched. `random` is from 0 to below 1.
    ///
    /// # Errors
    /// It has expired already; what is held and still valid stays.
    pub(super) fn fetched(
        &mut self,
        value: T,
        now: Moment,
        random: f64,
    ) -> Result<T, CredentialError> {
        let life = match value.expires_at() {
            None => self.policy.life.map(|life| life.min(self.policy.longest)),
            Some(end) => match end.duration_since(now.wall) {
                Ok(left) if !left.is_zero() => Some(left.min(self.policy.longest)),
                _ => {
                    let origin = self.policy.origin.clone();
                    return self.failed(CredentialError::Expired { origin }, now, random);
                }
            },
        };
        let is_again = self
            .held
            .as_ref()
            .is_some_and(|held| held.value.is_same(&value));
        let mut wait = life.map_or(self.policy.longest, |life| self.policy.wait(life, random));
        if is_again {
            wait = wait.max(POLL);
        }
        self.held = Some(Held {
            value: value.clone(),
            fetched: now,
            due: Limit::after(now, wait.max(SHORTEST)),
            end: life.map(|life| Limit::after(now, life)),
        });
        self.failure = None;
        self.renewals += 1;
        Ok(value)
    }

    /// The fetch failed: what is still valid is kept, and the next try waits.
    ///
    /// # Errors
    /// The same one, when nothing valid is held.
    pub(super) fn failed(
        &mut self,
        error: CredentialError,
        now: Moment,
        random: f64,
    ) -> Result<T, CredentialError> {
        let in_a_row = self.failure.as_ref().map_or(0, |failure| failure.in_a_row) + 1;
        let pause = pause(error.cause(), in_a_row - 1, random);
        let wait = error.retry_after().map_or(pause, |asked| asked.max(pause));
        self.failures.count(error.cause());
        self.failure = Some(Failure {
            error: error.clone(),
            at: now,
            in_a_row,
            retry_at: now.steady + wait,
        });
        match &self.held {
            Some(held) if held.is_valid(now) => Ok(held.value.clone()),
            _ => Err(error),
        }
    }

    /// One try of several failed.
    pub(super) fn stumbled(&mut self, error: &CredentialError) {
        self.failures.count(error.cause());
    }

    /// A server rejected a value. The first time another is fetched at once; further ones wait longer
    /// and longer, because a server's refusal has other reasons too. The value is used meanwhile.
    pub(super) fn rejected(&mut self, is_it: impl FnOnce(&T) -> bool, now: Moment) -> Rejection {
        if !self.held.as_ref().is_some_and(|held| is_it(&held.value)) {
            return Rejection::Past;
        }
        let since = |rejections: &Rejections| now.steady.saturating_duration_since(rejections.last);
        let before = self
            .rejections
            .as_ref()
            .filter(|before| since(before) < REJECTION_MEMORY);
        let in_a_row = before.map_or(0, |before| before.in_a_row);
        self.failures.count(FailureCause::Rejected);
        let is_pausing = self
            .failure
            .as_ref()
            .is_some_and(|failure| failure.retry_at > now.steady);
        if is_pausing || before.is_some_and(|before| since(before) < POLL * in_a_row.min(6)) {
            return Rejection::Wait;
        }
        self.rejections = Some(Rejections {
            in_a_row: in_a_row + 1,
            last: now.steady,
        });
        Rejection::Fetch
    }

    /// How long it is until the value that is held is to be renewed though nobody asks; none when there is
    /// nothing to renew.
    pub(super) fn ahead(&self, now: Moment) -> Option<Duration> {
        let due = self.held.as_ref()?.due.left(now);
        let pause = self.failure.as_ref().map(|failure| {
            let retry = failure.retry_at.max(failure.at.steady + UNHURRIED);
            retry.saturating_duration_since(now.steady)
        });
        Some(due.max(pause.unwrap_or_default()))
    }

    pub(super) fn status(&self, now: Moment) -> Status {
        let held = self.held.as_ref();
        let due = held.map(|held| held.due.wall);
        let retry = self.failure.as_ref().map(|failure| {
            let wait = failure.retry_at.saturating_duration_since(now.steady);
            now.wall + wait
        });
        Status {
            fetched_at: held.map(|held| held.fetched.wall),
            expires_at: held.and_then(|held| held.end).map(|end| end.wall),
            is_valid: held.is_some_and(|held| held.is_valid(now)),
            next_renewal: match (due, retry) {
                (Some(due), Some(retry)) => Some(due.max(retry)),
                (due, retry) => due.or(retry),
            },
            renewals: self.renewals,
            failures: self.failures,
            failures_in_a_row: self.failure.as_ref().map_or(0, |failure| failure.in_a_row),
            last_error: self.failure.as_ref().map(|failure| failure.error.clone()),
            last_failure_at: self.failure.as_ref().map(|failure| failure.at.wall),
        }
    }
}

impl Policy {
    /// How long after it was fetched a value of this life is renewed.
    fn wait(&self, life: Duration, random: f64) -> Duration {
        if life <= self.offset {
            return life / 2;
        }
        let spread = self.offset.mul_f64(SPREAD * random);
        let ahead = (self.offset + spread).min(life);
        // Right above the offset, half a life is later than "at once".
        (life - ahead).max((life / 2).min(SHORTEST))
    }
}

/// How long is waited after so many failures. What only a person can mend is tried less often.
fn pause(cause: FailureCause, before: u32, random: f64) -> Duration {
    let (first, longest) = match cause {
        FailureCause::Configuration | FailureCause::Refused => (5_000, 60_000),
        FailureCause::Throttled => (2_000, 60_000),
        FailureCause::Unavailable
        | FailureCause::Network
        | FailureCause::Timeout
        | FailureCause::Malformed
        | FailureCause::Expired
        | FailureCause::Rejected => (1_000, 8_000),
    };
    let whole = u64::saturating_mul(first, 2_u64.saturating_pow(before)).min(longest);
    // From half of it to the whole.
    Duration::from_millis(whole).mul_f64(0.5 + 0.5 * random)
}
