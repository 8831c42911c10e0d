//! What to do about a failed connection, one sentence each.

use std::io;

use pgmoor_wire::SqlState;
use pgmoor_wire::scram::ScramError;
use rustls::{AlertDescription, CertificateError};

use super::error::ConnectError;
use super::report::ServerReport;
use super::stage::Stage;

pub(super) fn of(error: &ConnectError) -> Option<String> {
    let text = match error {
        ConnectError::Resolve { .. } => {
            "check the spelling of the host, and the DNS of this network"
        }
        ConnectError::Connect { source, .. } => return connect(source).map(str::to_owned),
        ConnectError::Timeout { stage, .. } => match stage {
            Stage::Credential => "run the credential's command by hand to see how long it takes",
            Stage::Dns => "check the DNS servers of this host",
            Stage::Tcp => {
                "check that firewalls and security groups let this host through to that port"
            }
            Stage::Tls | Stage::Auth | Stage::Startup | Stage::Target | Stage::Cancel => {
                "the server took the connection and fell silent: look into its log and load"
            }
        },
        ConnectError::Lost { .. } => "look into the server's log",
        ConnectError::WrongPeer { .. } => {
            "make sure that the server itself made that socket, or correct requirepeer"
        }
        ConnectError::TlsSetup { source, .. } => return source.hint(),
        ConnectError::TlsRefused { .. } => {
            "switch TLS on at the server (ssl = on), or use sslmode=disable inside a trusted network"
        }
        ConnectError::TlsErrorAnswer { .. } => {
            "the server may be out of connections, or no PostgreSQL at all; look into its log"
        }
        ConnectError::BytesBeforeTls { .. } => {
            "do not use this network path before that is explained"
        }
        ConnectError::TlsHandshake { source, .. } => return handshake(source).map(str::to_owned),
        ConnectError::NoAlpn { .. } => {
            "direct TLS needs PostgreSQL 17 or newer; use sslnegotiation=postgres"
        }
        ConnectError::CertificateNotAsked { .. } => {
            "set ssl_ca_file at the server, or use sslcertmode=allow"
        }
        ConnectError::ExposedToken { .. } => {
            "use sslmode=verify-full and name the server's authority with sslrootcert; \"allow_unverified_tls: true\" sends it all the same"
        }
        ConnectError::Credential { source, .. } | ConnectError::Unprepared { source, .. } => {
            return source.hint();
        }
        ConnectError::NoPassword {
            is_withheld: true, ..
        } => {
            "at the server, let the certificate suffice (hostssl … cert in pg_hba.conf); here, check sslcert and sslkey, or choose another credential provider"
        }
        ConnectError::NoPassword { .. } => "configure a credential for this endpoint",
        ConnectError::AuthMethod { .. } => {
            "change pg_hba.conf and password_encryption at the server, or loosen that setting if you know why"
        }
        ConnectError::Scram { source, .. } => return scram(source).map(str::to_owned),
        ConnectError::Server {
            source,
            advice: Some(advice),
            ..
        } if source.is_login_failure() => return Some(advice.clone()),
        ConnectError::Server { source, .. } => return server(source),
        ConnectError::Protocol { .. } => {
            "check that host and port are those of a PostgreSQL server"
        }
        ConnectError::WrongServer { .. } => {
            "name the other servers of the cluster in the endpoint's host list"
        }
        ConnectError::TooOld { .. } => "upgrade the server; versions out of support get no fixes",
        ConnectError::Startup { .. } | ConnectError::NoCancelKey { .. } => return None,
        ConnectError::All { .. } => return error.most_telling().and_then(of),
    };
    Some(text.to_owned())
}

fn connect(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(
            "check that the server runs and listens on that address and port (listen_addresses)",
        ),
        io::ErrorKind::NotFound => Some("check that the server runs, and where its socket is"),
        io::ErrorKind::PermissionDenied => {
            Some("check the permissions of the socket and of its directory for this user")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some("check the route from this host to that address")
        }
        _ => None,
    }
}

fn handshake(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => Some(certificate(problem)),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                Some("the server demands a client certificate: set sslcert and sslkey")
            }
            AlertDescription::UnknownCA | AlertDescription::BadCertificate => {
                Some("the server does not trust the client certificate: check its ssl_ca_file")
            }
            AlertDescription::NoApplicationProtocol => {
                Some("what listens there is no PostgreSQL that takes direct TLS")
            }
            AlertDescription::ProtocolVersion => {
                Some("the server speaks no TLS as new as 1.2: upgrade it")
            }
            _ => None,
        },
        _ => None,
    }
}

fn certificate(problem: &CertificateError) -> &'static str {
    match problem {
        CertificateError::UnknownIssuer => {
            "name the server's certificate authority with sslrootcert"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect by a name that the certificate carries, or use sslmode=verify-ca"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the server's certificate, or correct the clock of this host"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "correct the clock of this host"
        }
        CertificateError::Revoked => "the server's certificate is revoked: get it a new one",
        CertificateError::UnknownRevocationStatus => {
            "give a revocation list of each authority in the chain"
        }
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            "fetch a newer certificate revocation list"
        }
        _ => "look at it: openssl s_client -starttls postgres -connect HOST:PORT",
    }
}

fn scram(error: &ScramError) -> Option<&'static str> {
    match error {
        ScramError::ServerSignature => {
            Some("either the password is not this server's, or this is not the server you look for")
        }
        ScramError::Iterations { .. } => {
            Some("lower scram_iterations at the server and set the password again")
        }
        ScramError::Downgrade(_) | ScramError::ChannelBinding => {
            Some("something between here and the server ends TLS; connect around it")
        }
        ScramError::NoMechanism => Some("use TLS and leave channel_binding on"),
        ScramError::Malformed(_)
        | ScramError::OutOfOrder
        | ScramError::Unsupported(_)
        | ScramError::WrongPassword
        | ScramError::Nonce
        | ScramError::Refused(_)
        | ScramError::Verifier(_)
        | ScramError::Random => None,
    }
}

fn server(report: &ServerReport) -> Option<String> {
    if let Some(endpoint) = report.moved_to() {
        return Some(format!(
            "have the database served from endpoint \"{endpoint}\" in the configuration; pgmoor move status tells more"
        ));
    }
    let ours = match report.sqlstate? {
        SqlState::INVALID_PASSWORD => {
            "check the password; a rotated one must reach the credential's file or command too"
        }
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check that the role exists, may log in, and that pg_hba.conf lets it in from this host"
        }
        SqlState::INVALID_CATALOG_NAME => "create the database, or correct its name",
        SqlState::TOO_MANY_CONNECTIONS => {
            "keep max_connections of the endpoint below the server's, or raise the server's"
        }
        SqlState::CANNOT_CONNECT_NOW => "it starts, stops or recovers: wait",
        _ => return report.hint.clone(),
    };
    Some(report.hint.clone().unwrap_or_else(|| ours.to_owned()))
}
