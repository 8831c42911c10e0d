//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), both sides, as PostgreSQL speaks them.
//!
//! ```text
//! client                                              server
//!   first:   n,,n=,r=<nonce>                 ----->   first
//!   respond  <-----   r=<nonce+nonce>,s=<salt>,i=<iterations>
//!            c=biws,r=<nonce+nonce>,p=<proof> ----->  finish
//!   finish   <-----   v=<server signature>
//! ```
//!
//! The server side also recovers the client's key, so that a pooler that knows only a verifier can
//! log in onwards as the same user. The user name within SCRAM is not used: PostgreSQL takes the one
//! of the startup message.

mod text;

mod keys;

mod verifier;

mod client;
mod server;

#[cfg(test)]
mod tests;

pub use client::ClientExchange;
pub use keys::Key;
pub use server::{ServerExchange, ServerFinal};
pub use verifier::Verifier;

use crate::SqlState;
use crate::backend::Mechanisms;

/// Iterations of a new verifier, PostgreSQL's default.
pub const DEFAULT_ITERATIONS: u32 = 4096;

/// The most iterations that a client does for a server, unless told otherwise.
pub const MAX_ITERATIONS: u32 = 100_000;

/// The longest SCRAM message that is looked at, which is PostgreSQL's limit.
pub const MAX_SCRAM_MESSAGE: usize = 1024;

/// Which of the two mechanisms is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Without channel binding.
    ScramSha256,
    /// Bound to the TLS connection.
    ScramSha256Plus,
}

impl Mechanism {
    /// Finds a mechanism by its name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "SCRAM-SHA-256" => Some(Self::ScramSha256),
            "SCRAM-SHA-256-PLUS" => Some(Self::ScramSha256Plus),
            _ => None,
        }
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// What a client picks from a server's offer: the bound mechanism wherever it can be had.
    ///
    /// # Errors
    ///
    /// [`ScramError::NoMechanism`] if the server offers neither.
    pub fn choose(offered: Mechanisms<'_>, binding: &ChannelBinding) -> Result<Self, ScramError> {
        let bound = matches!(binding, ChannelBinding::TlsServerEndPoint(_));
        let plus = Self::ScramSha256Plus;
        if bound && offered.contains(plus.as_str()) {
            Ok(plus)
        } else if offered.contains(Self::ScramSha256.as_str()) {
            Ok(Self::ScramSha256)
        } else {
            Err(ScramError::NoMechanism)
        }
    }
}

/// What this side of the connection can bind a login to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ChannelBinding {
    /// Nothing: there is no TLS, or binding is switched off.
    #[default]
    None,
    /// `tls-server-end-point`: the hash of the server's certificate (RFC 5929).
    TlsServerEndPoint(Vec<u8>),
}

impl ChannelBinding {
    /// The mechanisms that a server offers on such a connection, best first.
    pub fn mechanisms(&self) -> &'static [&'static str] {
        const BOTH: &[&str] = &[
            Mechanism::ScramSha256Plus.as_str(),
            Mechanism::ScramSha256.as_str(),
        ];
        const PLAIN: &[&str] = &[Mechanism::ScramSha256.as_str()];
        match self {
            Self::None => PLAIN,
            Self::TlsServerEndPoint(_) => BOTH,
        }
    }
}

/// A SCRAM exchange ended without a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The peer's message does not have the form that the mechanism gives it.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// A step was asked for that is not the next one.
    #[error("SCRAM message out of order")]
    OutOfOrder,
    /// The client asks for something that PostgreSQL does not do either.
    #[error("SCRAM exchange asks for what is not supported: {0}")]
    Unsupported(&'static str),
    /// The client could bind the channel and was told that the server cannot, or mixes mechanisms.
    #[error("SCRAM channel binding negotiation failed: {0}")]
    Downgrade(&'static str),
    /// Client and server see different certificates: somebody is in between.
    #[error("SCRAM channel binding check failed")]
    ChannelBinding,
    /// The password is wrong, or there is no such user.
    #[error("password authentication failed")]
    WrongPassword,
    /// The peer's nonce does not continue ours.
    #[error("SCRAM nonce of the peer does not continue ours")]
    Nonce,
    /// The server asks for more work than we do for it.
    #[error("server asks for {asked} SCRAM iterations, more than {limit}")]
    Iterations {
        /// What the server asks for.
        asked: u32,
        /// What we do at most.
        limit: u32,
    },
    /// The server does not know the password either: it is not the one we look for.
    #[error("server could not prove that it knows the password")]
    ServerSignature,
    /// The server ended the exchange with an error of the mechanism.
    #[error("server refused the SCRAM exchange: {0}")]
    Refused(String),
    /// The server offers no SCRAM mechanism that we speak.
    #[error("server offers neither SCRAM-SHA-256 nor SCRAM-SHA-256-PLUS")]
    NoMechanism,
    /// A stored verifier cannot be read.
    #[error("cannot read SCRAM verifier: {0}")]
    Verifier(&'static str),
    /// The operating system gives no random bytes.
    #[error("cannot get random bytes from the operating system")]
    Random,
}

impl ScramError {
    /// The code that a client is told.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Malformed(_) | Self::OutOfOrder | Self::Downgrade(_) | Self::Nonce => {
                SqlState::PROTOCOL_VIOLATION
            }
            Self::Unsupported(_) => SqlState::FEATURE_NOT_SUPPORTED,
            Self::WrongPassword => SqlState::INVALID_PASSWORD,
            Self::ChannelBinding => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            Self::Iterations { .. }
            | Self::ServerSignature
            | Self::Refused(_)
            | Self::NoMechanism => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            Self::Verifier(_) | Self::Random => SqlState::INTERNAL_ERROR,
        }
    }
}
