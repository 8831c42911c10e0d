//! How what an endpoint is logged in to with stands, where that is renewed.

use std::time::{Duration, SystemTime};

use pgmoor::connector::Connector;
use pgmoor::credential::FailureCause;
use pgmoor::credential::renewal::Status;

/// A credential that is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CredentialRow {
    /// Who supplies it.
    pub(crate) source: String,
    /// Whether there is one that is good.
    pub(crate) is_valid: bool,
    pub(crate) fetched: Option<SystemTime>,
    /// When it ends, where that is known.
    pub(crate) expires: Option<SystemTime>,
    /// When the next is asked for, if somebody logs in then or later.
    pub(crate) next_renewal: Option<SystemTime>,
    pub(crate) renewals: u64,
    /// How often it was not had, for every cause.
    pub(crate) failures: Vec<(&'static str, u64)>,
    /// Why it was not had last, if it was not since.
    pub(crate) last_failure: Option<Trouble>,
}

/// Why there is no new credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) at: Option<SystemTime>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl CredentialRow {
    /// `None` where nothing is renewed.
    pub(super) fn of(connector: &Connector) -> Option<Self> {
        let status = connector.credential_status()?;
        Some(Self::read(connector.credential_source(), &status))
    }

    fn read(source: String, status: &Status) -> Self {
        let counted = |cause: FailureCause| (cause.as_str(), status.failures.of(cause));
        Self {
            source,
            is_valid: status.is_valid,
            fetched: status.fetched_at,
            expires: status.expires_at,
            next_renewal: status.next_renewal,
            renewals: status.renewals,
            failures: FailureCause::ALL.map(counted).into(),
            last_failure: status.last_error.as_ref().map(|error| Trouble {
                at: status.last_failure_at,
                message: crate::report::chain(error),
                hint: error.hint(),
            }),
        }
    }

    /// Whether nobody can log in with it: there is none, and another was not to be had.
    pub(crate) fn is_missing(&self) -> bool {
        !self.is_valid && self.last_failure.is_some()
    }

    /// How old it is.
    pub(crate) fn age(&self, now: SystemTime) -> Option<Duration> {
        let fetched = self.fetched?;
        Some(now.duration_since(fetched).unwrap_or_default())
    }

    /// How long it is still good; zero when it has ended.
    pub(crate) fn left(&self, now: SystemTime) -> Option<Duration> {
        let expires = self.expires?;
        Some(expires.duration_since(now).unwrap_or_default())
    }
}
