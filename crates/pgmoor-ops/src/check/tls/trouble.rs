//! What went wrong with TLS: one thing, whichever way it showed itself.

use std::io;

use pgmoor::connector::ConnectError;
use pgmoor::tls::TlsError;
use rustls::{AlertDescription, CertificateError};

use crate::check::Ground;
use crate::check::verdict::{Outcome, Skip, Verdict, pass, skip};
use crate::error::chain;
use crate::facts::tls::{Handshake, HostTls};

/// What went wrong with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Our own files or settings cannot be used.
    Files,
    /// The client certificate and its key do not belong together.
    KeyPair,
    /// No trusted authority signed the server's certificate.
    Authority,
    /// The server's certificate is for another name.
    Name,
    /// The server's certificate is not valid now.
    Validity,
    /// No version of TLS suits both sides.
    Version,
    /// The server demands a client certificate, and we have none.
    ClientWanted,
    /// The server does not take our client certificate because of its time.
    ClientValidity,
    /// The server does not take our client certificate.
    ClientRefused(String),
    /// Anything else.
    Other(String),
}

/// What went wrong, if anything did.
///
/// # Errors
/// TLS was not tried.
pub(super) fn of(on: Ground<'_>) -> Result<Option<Trouble>, Skip> {
    let tls = on.tls()?;
    let host = tls.telling().ok_or(Skip::NoGround)?;
    if let Err(error) = &host.verification {
        return Ok(Some(of_files(error)));
    }
    if let Handshake::Failed(error) = &host.handshake {
        return Ok(Some(of_handshake(error, tls.client.is_empty())));
    }
    // In TLS 1.3 the server judges the client's certificate when the handshake is over for us.
    let login = on.login()?;
    let Err(error) = &login.outcome else {
        return Ok(None);
    };
    Ok(match &**error {
        ConnectError::TlsHandshake { source, .. } => {
            Some(of_handshake(source, tls.client.is_empty()))
        }
        ConnectError::CertificateNotAsked { .. }
        | ConnectError::BytesBeforeTls { .. }
        | ConnectError::NoAlpn { .. } => Some(Trouble::Other(chain(error))),
        // What PostgreSQL says when pg_hba.conf demands a certificate.
        ConnectError::Server { source, .. }
            if source.message.contains("valid client certificate") =>
        {
            Some(match tls.client.is_empty() {
                true => Trouble::ClientWanted,
                false => Trouble::ClientRefused(source.message.clone()),
            })
        }
        _ => None,
    })
}

fn of_files(error: &TlsError) -> Trouble {
    match error {
        TlsError::Pair { .. } => Trouble::KeyPair,
        _ => Trouble::Files,
    }
}

fn of_handshake(error: &io::Error, has_no_certificate: bool) -> Trouble {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => of_certificate(problem),
        Some(rustls::Error::AlertReceived(alert)) => of_alert(*alert, has_no_certificate),
        Some(rustls::Error::PeerIncompatible(_)) => Trouble::Version,
        _ => Trouble::Other(chain(error)),
    }
}

fn of_certificate(problem: &CertificateError) -> Trouble {
    match problem {
        CertificateError::UnknownIssuer => Trouble::Authority,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Trouble::Name
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Trouble::Validity,
        other => Trouble::Other(format!("the server's certificate is refused: {other}")),
    }
}

fn of_alert(alert: AlertDescription, has_no_certificate: bool) -> Trouble {
    match alert {
        AlertDescription::ProtocolVersion => Trouble::Version,
        AlertDescription::CertificateRequired => Trouble::ClientWanted,
        AlertDescription::HandshakeFailure if has_no_certificate => Trouble::ClientWanted,
        AlertDescription::CertificateExpired => Trouble::ClientValidity,
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => {
            Trouble::ClientRefused(format!("the server ends TLS with the alert {alert:?}"))
        }
        other => Trouble::Other(format!("the server ends TLS with the alert {other:?}")),
    }
}

/// A verdict where `is` is what went wrong; a pass where a handshake was done and it is not; no answer where
/// something else went wrong before.
pub(super) fn judge(
    on: Ground<'_>,
    is: impl Fn(&Trouble) -> bool,
    passed: impl FnOnce(&HostTls) -> String,
    failed: impl FnOnce(&HostTls, &Trouble) -> Verdict,
) -> Outcome {
    let host = on.tls()?.telling().ok_or(Skip::NoGround)?;
    match (of(on)?, &host.handshake) {
        (Some(trouble), _) if is(&trouble) => Ok(failed(host, &trouble)),
        (Some(_), _) => Err(Skip::NoGround),
        (None, Handshake::Done { .. }) => Ok(pass(passed(host))),
        (None, Handshake::NotOffered) => skip("the server has no TLS"),
        (None, _) => Err(Skip::NoGround),
    }
}
