//! What an error means to whoever has to go on: its kind, whose it is, how far it came, whether to try
//! again or elsewhere, and the code that clients are told.

use pgmoor_wire::SqlState;

use super::error::ConnectError;
use super::stage::Stage;
use crate::error::{ErrorKind, Side};

impl ConnectError {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Resolve { .. } => ErrorKind::Dns,
            Self::Connect { .. } | Self::Lost { .. } => ErrorKind::Network,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::TlsSetup { source, .. } => source.kind(),
            Self::TlsRefused { .. }
            | Self::TlsErrorAnswer { .. }
            | Self::BytesBeforeTls { .. }
            | Self::TlsHandshake { .. }
            | Self::NoAlpn { .. }
            | Self::CertificateNotAsked { .. } => ErrorKind::Tls,
            Self::Credential { source, .. } | Self::Unprepared { source, .. } => source.kind(),
            Self::NoPassword { .. } | Self::Startup { .. } | Self::ExposedToken { .. } => {
                ErrorKind::Configuration
            }
            Self::WrongPeer { .. } | Self::AuthMethod { .. } | Self::Scram { .. } => {
                ErrorKind::Authentication
            }
            Self::Server { source, .. } if source.is_login_failure() => ErrorKind::Authentication,
            Self::Server { .. } | Self::TooOld { .. } => ErrorKind::Server,
            Self::Protocol { .. } | Self::NoCancelKey { .. } => ErrorKind::Protocol,
            Self::WrongServer { .. } => ErrorKind::WrongServer,
            Self::All { .. } => self.most_telling().map_or(ErrorKind::Network, Self::kind),
        }
    }

    /// On whose side the cause lies.
    pub fn side(&self) -> Side {
        match self.kind() {
            ErrorKind::Configuration | ErrorKind::Credential => Side::Here,
            ErrorKind::Dns | ErrorKind::Network | ErrorKind::Timeout => Side::Network,
            ErrorKind::Tls
            | ErrorKind::Authentication
            | ErrorKind::Server
            | ErrorKind::WrongServer
            | ErrorKind::Protocol => Side::Server,
        }
    }

    /// How far the connection had come.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Resolve { .. } => Stage::Dns,
            Self::Connect { .. } | Self::WrongPeer { .. } => Stage::Tcp,
            Self::TlsSetup { .. }
            | Self::TlsRefused { .. }
            | Self::TlsErrorAnswer { .. }
            | Self::BytesBeforeTls { .. }
            | Self::TlsHandshake { .. }
            | Self::NoAlpn { .. }
            | Self::CertificateNotAsked { .. }
            | Self::ExposedToken { .. } => Stage::Tls,
            Self::Credential { .. } | Self::Unprepared { .. } => Stage::Credential,
            Self::NoPassword { .. } | Self::AuthMethod { .. } | Self::Scram { .. } => Stage::Auth,
            Self::Startup { .. } | Self::TooOld { .. } => Stage::Startup,
            Self::WrongServer { .. } => Stage::Target,
            Self::NoCancelKey { .. } => Stage::Cancel,
            Self::Timeout { stage, .. }
            | Self::Lost { stage, .. }
            | Self::Server { stage, .. }
            | Self::Protocol { stage, .. } => *stage,
            Self::All { .. } => self.most_telling().map_or(Stage::Tcp, Self::stage),
        }
    }

    /// Whether the same attempt can succeed later without anybody changing a setting.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Lost { .. }
            | Self::TlsErrorAnswer { .. }
            | Self::WrongServer { .. } => true,
            Self::TlsSetup { source, .. } => source.is_retryable(),
            Self::Credential { source, .. } | Self::Unprepared { source, .. } => {
                source.is_retryable()
            }
            Self::Server { source, .. } => source.is_transient(),
            Self::WrongPeer { .. }
            | Self::TlsRefused { .. }
            | Self::BytesBeforeTls { .. }
            | Self::TlsHandshake { .. }
            | Self::NoAlpn { .. }
            | Self::CertificateNotAsked { .. }
            | Self::ExposedToken { .. }
            | Self::NoPassword { .. }
            | Self::AuthMethod { .. }
            | Self::Scram { .. }
            | Self::Protocol { .. }
            | Self::Startup { .. }
            | Self::TooOld { .. }
            | Self::NoCancelKey { .. } => false,
            Self::All { attempts } => attempts.iter().any(Self::is_retryable),
        }
    }

    /// The code for whoever waits for this connection: the server's own where it sent one.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Server { source, .. } => source.sqlstate.unwrap_or(SqlState::CONNECTION_FAILURE),
            Self::Scram { source, .. } => source.sqlstate(),
            Self::Lost { .. } => SqlState::CONNECTION_FAILURE,
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::TlsSetup { .. }
            | Self::TlsRefused { .. }
            | Self::TlsErrorAnswer { .. }
            | Self::BytesBeforeTls { .. }
            | Self::TlsHandshake { .. }
            | Self::NoAlpn { .. }
            | Self::CertificateNotAsked { .. }
            | Self::WrongServer { .. } => SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
            Self::WrongPeer { .. }
            | Self::ExposedToken { .. }
            | Self::Credential { .. }
            | Self::Unprepared { .. }
            | Self::NoPassword { .. }
            | Self::AuthMethod { .. } => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            Self::Protocol { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::Startup { .. } => SqlState::INVALID_PARAMETER_VALUE,
            Self::NoCancelKey { .. } | Self::TooOld { .. } => SqlState::FEATURE_NOT_SUPPORTED,
            Self::All { .. } => self.most_telling().map_or(
                SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
                Self::sqlstate,
            ),
        }
    }

    /// Whether another host may be tried: this one cannot be reached, or cannot serve now.
    pub(super) fn lets_others_try(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Lost { .. }
            | Self::TlsErrorAnswer { .. }
            | Self::WrongServer { .. } => true,
            Self::Server { source, .. } => source.is_transient(),
            Self::WrongPeer { .. }
            | Self::TlsSetup { .. }
            | Self::TlsRefused { .. }
            | Self::BytesBeforeTls { .. }
            | Self::TlsHandshake { .. }
            | Self::NoAlpn { .. }
            | Self::CertificateNotAsked { .. }
            | Self::ExposedToken { .. }
            | Self::Credential { .. }
            | Self::Unprepared { .. }
            | Self::NoPassword { .. }
            | Self::AuthMethod { .. }
            | Self::Scram { .. }
            | Self::Protocol { .. }
            | Self::Startup { .. }
            | Self::TooOld { .. }
            | Self::NoCancelKey { .. } => false,
            // The methods of encryption of one address: the last had the last word.
            Self::All { attempts } => attempts.last().is_some_and(Self::lets_others_try),
        }
    }
}
