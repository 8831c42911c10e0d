//! What one attempt is made for, and what its failure means for the next.

use std::time::Duration;

use tokio::time::Instant;

use super::dial::Address;
use super::error::ConnectError;
use super::site::Site;
use super::stage::Stage;
use super::target::Wanted;
use crate::endpoint::Host;

/// Whom to log in as, and how to prove it.
#[derive(Debug, Clone)]
pub enum Login<'a> {
    /// As the endpoint's own user, with its credential.
    Endpoint,
    /// As somebody whose password is known.
    Password {
        /// Who.
        user: &'a str,
        /// The password.
        password: pgmoor_wire::Secret<String>,
    },
    /// As somebody who proved knowledge of the password to us by SCRAM.
    ScramKeys {
        /// Who.
        user: &'a str,
        /// What proves the user to the server.
        client_key: pgmoor_wire::scram::Key,
        /// What proves the server to us.
        server_key: pgmoor_wire::scram::Key,
    },
}

/// What the caller of [`Connector::connect`](super::Connector::connect) wants.
pub(super) struct Wish<'a> {
    pub(super) login: &'a Login<'a>,
    pub(super) database: Option<&'a str>,
    pub(super) parameters: &'a [(String, String)],
    pub(super) deadline: Instant,
}

/// One pass over the hosts.
pub(super) struct Search<'a> {
    pub(super) wish: &'a Wish<'a>,
    pub(super) wanted: Wanted,
    /// How many are still to be tried after this one.
    pub(super) hosts_left: usize,
    pub(super) is_only: bool,
}

/// Where an attempt is made.
pub(super) struct Place<'a> {
    pub(super) host: &'a Host,
    pub(super) address: &'a Address,
    pub(super) wanted: Wanted,
    pub(super) site: &'a Site,
    /// How long it may take to answer at all, when that is less than all of its time.
    pub(super) patience: Option<Duration>,
}

impl Site {
    pub(super) fn place<'a>(
        &'a self,
        host: &'a Host,
        address: &'a Address,
        wanted: Wanted,
    ) -> Place<'a> {
        Place {
            host,
            address,
            wanted,
            site: self,
            patience: None,
        }
    }
}

/// Whether the server did not even say that nobody listens there.
pub(super) fn is_silence(error: &ConnectError) -> bool {
    matches!(
        error,
        ConnectError::Timeout {
            stage: Stage::Tcp,
            ..
        }
    )
}

/// Whether the server rejected what we gave as proof. 28000 is what PAM says (RDS with IAM).
pub(super) fn is_rejection(error: &ConnectError) -> bool {
    matches!(error.report(), Some(report) if report.is_login_failure())
}

/// One failure speaks for itself; several are listed, however they were nested.
pub(super) fn conclude(failures: Vec<ConnectError>) -> ConnectError {
    let mut attempts = Vec::with_capacity(failures.len());
    for failure in failures {
        match failure {
            ConnectError::All { attempts: several } => attempts.extend(several),
            one => attempts.push(one),
        }
    }
    match attempts.pop() {
        Some(only) if attempts.is_empty() => only,
        Some(last) => {
            attempts.push(last);
            ConnectError::All { attempts }
        }
        None => ConnectError::Startup {
            problem: "the endpoint has no host".to_owned(),
        },
    }
}
