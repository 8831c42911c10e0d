//! Token sources: what mints short-lived tokens for a cloud identity, and how that is explained.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgmoor_wire::Secret;

use crate::error::ErrorKind;
use crate::http::{HttpError, Response, StatusCode, retry_after};

/// A token, when it comes.
pub type Minting<'a> = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send + 'a>>;

/// Mints short-lived tokens for one identity. It keeps none: [`TokenProvider`](super::TokenProvider)
/// does, and asks for the next in time.
pub trait TokenSource: Send + Sync + fmt::Debug + 'static {
    /// What it is called, such as "Azure workload identity".
    fn name(&self) -> String;

    /// Mints one.
    fn mint(&self) -> Minting<'_>;

    /// What to look at when a server rejects a token for `user`, as it follows "check".
    fn remedy(&self, user: &str) -> String {
        format!("that the server takes tokens of this identity for \"{user}\"")
    }

    /// Which sources were looked at when it was last decided where tokens come from, in that order.
    fn considered(&self) -> Vec<Considered> {
        Vec::new()
    }
}

/// A token, and what may be told of it.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token itself.
    pub secret: Secret<String>,
    /// Until when it is good.
    pub expires_at: Option<SystemTime>,
    /// What it says of its bearer, for people: never enough to make use of it.
    pub claims: Vec<Claim>,
}

/// Something that a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it is about: `subject`, `audience`, `region`.
    pub name: String,
    /// What it says.
    pub value: String,
}

impl Claim {
    /// A claim.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// One place that a credential could have come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Which: "environment", "EKS Pod Identity".
    pub source: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of looking at a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is used; the text says what was found: "AWS_ROLE_ARN is arn:aws:iam::1:role/app".
    Used(String),
    /// It is not there; the text says what is missing: "AWS_ROLE_ARN is not set".
    Absent(String),
    /// It is there and does not work; the text says why.
    Failed(String),
    /// It was not looked at, because one before it is used.
    NotReached,
}

impl Considered {
    /// This source is used.
    pub fn used(source: &'static str, found: impl Into<String>) -> Self {
        let outcome = Outcome::Used(found.into());
        Self { source, outcome }
    }

    /// This source is not there.
    pub fn absent(source: &'static str, missing: impl Into<String>) -> Self {
        let outcome = Outcome::Absent(missing.into());
        Self { source, outcome }
    }

    /// This source is there and does not work.
    pub fn failed(source: &'static str, why: impl Into<String>) -> Self {
        let outcome = Outcome::Failed(why.into());
        Self { source, outcome }
    }

    /// This source was not looked at.
    pub fn not_reached(source: &'static str) -> Self {
        let outcome = Outcome::NotReached;
        Self { source, outcome }
    }
}

/// Why there is no new credential, as coarse as metrics and back-off need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCause {
    /// Something here is not set, or is wrong: a person has to change it.
    Configuration,
    /// The issuer says no (4xx but 408 and 429): a person has to grant it.
    Refused,
    /// The issuer asks for patience (429).
    Throttled,
    /// The issuer has trouble of its own (5xx).
    Unavailable,
    /// The issuer was not reached, or the connection broke.
    Network,
    /// There was no answer in time.
    Timeout,
    /// The answer makes no sense.
    Malformed,
    /// What came had expired already.
    Expired,
    /// The database server rejected it.
    Rejected,
}

impl FailureCause {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Refused,
        Self::Throttled,
        Self::Unavailable,
        Self::Network,
        Self::Timeout,
        Self::Malformed,
        Self::Expired,
        Self::Rejected,
    ];

    /// The cause as one word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }

    /// Whether it can go away without a person doing anything.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Configuration | Self::Refused => false,
            Self::Throttled | Self::Unavailable | Self::Network | Self::Timeout => true,
            Self::Malformed | Self::Expired | Self::Rejected => true,
        }
    }

    /// What an answer with this status means.
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            408 => Self::Timeout,
            429 => Self::Throttled,
            400..=499 => Self::Refused,
            500..=599 => Self::Unavailable,
            _ => Self::Malformed,
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a token source gave nothing. It carries no secret.
#[derive(Debug, Clone)]
pub struct TokenError(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    act: String,
    cause: FailureCause,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    retry_after: Option<Duration>,
    hint: Option<String>,
}

/// What an issuer answered, as the cause of an error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("it answered {status}{}", .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
struct Answer {
    status: StatusCode,
    said: Option<String>,
}

/// No more of what an issuer says is repeated.
const MAX_SAID: usize = 300;

impl TokenError {
    /// `act` is what was tried, as it follows "cannot": "assume role arn:…".
    pub fn new(cause: FailureCause, act: impl Into<String>) -> Self {
        Self(Box::new(Details {
            act: act.into(),
            cause,
            source: None,
            retry_after: None,
            hint: None,
        }))
    }

    /// The issuer gave no answer.
    pub fn unanswered(act: impl Into<String>, error: HttpError) -> Self {
        let cause = match error.kind() {
            ErrorKind::Configuration => FailureCause::Configuration,
            ErrorKind::Timeout => FailureCause::Timeout,
            ErrorKind::Protocol => FailureCause::Malformed,
            _ => FailureCause::Network,
        };
        let hint = error.hint();
        let this = Self::new(cause, act).because(error);
        match hint {
            Some(hint) => this.hint(hint),
            None => this,
        }
    }

    /// The issuer's answer is no token. `said` is the part of it that names the reason, such as an error
    /// code, and holds no secret.
    pub fn answered(act: impl Into<String>, answer: &Response, said: Option<&str>) -> Self {
        let clean = |said: &str| {
            let plain = said.chars().map(|c| if c.is_control() { ' ' } else { c });
            plain.take(MAX_SAID).collect::<String>()
        };
        let status = answer.status();
        let said = said.map(clean).filter(|said| !said.trim().is_empty());
        let mut this = Self::new(FailureCause::of_status(status), act);
        this.0.retry_after = retry_after(answer, SystemTime::now());
        this.because(Answer { status, said })
    }

    /// The same failure of another act.
    #[must_use]
    pub fn renamed(mut self, act: impl Into<String>) -> Self {
        self.0.act = act.into();
        self
    }

    /// The same, of an issuer whose refusal passes: it starts, or is being updated.
    #[cfg(feature = "azure")]
    #[must_use]
    pub(crate) fn passing(mut self) -> Self {
        if !self.0.cause.is_transient() {
            self.0.cause = FailureCause::Unavailable;
        }
        self
    }

    /// Adds why it failed.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Adds why it failed, in words.
    #[must_use]
    pub fn why(self, why: impl Into<String>) -> Self {
        self.because(Why(why.into()))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Why, as coarse as back-off needs it.
    pub fn cause(&self) -> FailureCause {
        self.0.cause
    }

    /// How long the issuer asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Why(String);

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.0.act)
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_ref()?;
        Some(source.as_ref())
    }
}
