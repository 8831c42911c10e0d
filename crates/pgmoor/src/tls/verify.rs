//! How the server's certificate is judged: libpq's three degrees.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::name::common_name_matches;

/// Judges the server's certificate.
///
/// Whatever the degree, the server must prove that it holds the certificate's key: channel binding
/// would mean nothing otherwise.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
pub(super) enum Trust {
    /// Any certificate will do.
    Anybody,
    /// It must be signed by a trusted authority.
    Chain(Authorities),
    /// And carry the host's name.
    ChainAndName(Authorities),
    /// And be the one that was described.
    #[cfg(feature = "google")]
    ChainAndDescription(Authorities, Described),
}

/// What is known of a certificate: it carries the name, or it is called so. Either will do, because a
/// name may be announced before the certificate has it.
#[cfg(feature = "google")]
#[derive(Debug)]
pub(super) struct Described {
    pub(super) dns_name: Option<ServerName<'static>>,
    pub(super) common_name: String,
}

#[cfg(feature = "google")]
impl Described {
    /// Any name must be given to webpki, which looks at it last.
    fn name(&self) -> ServerName<'static> {
        let unnamed = || ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
        self.dns_name.clone().unwrap_or_else(unnamed)
    }

    fn is_called_so(&self, certificate: &CertificateDer<'_>) -> bool {
        super::common_name(certificate).is_some_and(|name| name == self.common_name)
    }
}

#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) webpki: Arc<WebPkiServerVerifier>,
    /// The trusted certificates themselves: a server may show one of them as its own.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Whether the chain is good; then, whether webpki found the name good too.
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<NameFits, Error> {
        let verdict = self
            .webpki
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verdict {
            Ok(_) => Ok(NameFits::Yes),
            // webpki compares names last, when the chain is found good.
            Err(Error::InvalidCertificate(
                error @ (CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. }),
            )) => Ok(NameFits::No(Error::InvalidCertificate(error))),
            // A self-signed certificate is its own authority, which webpki does not take for a
            // server's and OpenSSL does.
            Err(error) if self.certificates.iter().any(|own| own == end_entity) => {
                check_time(end_entity, now)?;
                if is_self_signed_authority(&error) {
                    Ok(NameFits::Unknown)
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
        }
    }
}

enum NameFits {
    Yes,
    No(Error),
    Unknown,
}

fn is_self_signed_authority(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.to_string().contains("CaUsedAsEndEntity")
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        _ => false,
    }
}

fn check_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let bad = |error| Error::InvalidCertificate(error);
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| bad(CertificateError::BadEncoding))?;
    let now = i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| ASN1Time::from_timestamp(seconds).ok())
        .ok_or_else(|| bad(CertificateError::BadEncoding))?;
    if now < parsed.validity().not_before {
        return Err(bad(CertificateError::NotValidYet));
    }
    if now > parsed.validity().not_after {
        return Err(bad(CertificateError::Expired));
    }
    Ok(())
}

/// The name of a certificate that webpki did not get to look at.
fn self_signed_name_fits(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
    if common_name_matches(certificate, host) {
        return true;
    }
    rustls::server::ParsedCertificate::try_from(certificate)
        .and_then(|parsed| rustls::client::verify_server_name(&parsed, host))
        .is_ok()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = Ok(ServerCertVerified::assertion());
        match &self.trust {
            Trust::Anybody => verified,
            Trust::Chain(authorities) => {
                authorities.judge(end_entity, intermediates, name, ocsp, now)?;
                verified
            }
            Trust::ChainAndName(authorities) => {
                match authorities.judge(end_entity, intermediates, name, ocsp, now)? {
                    NameFits::Yes => verified,
                    NameFits::No(_) if common_name_matches(end_entity, name) => verified,
                    NameFits::No(error) => Err(error),
                    NameFits::Unknown if self_signed_name_fits(end_entity, name) => verified,
                    NameFits::Unknown => {
                        Err(Error::InvalidCertificate(CertificateError::NotValidForName))
                    }
                }
            }
            #[cfg(feature = "google")]
            Trust::ChainAndDescription(authorities, described) => {
                let name = described.name();
                match authorities.judge(end_entity, intermediates, &name, ocsp, now)? {
                    NameFits::Yes if described.dns_name.is_some() => verified,
                    _ if described.is_called_so(end_entity) => verified,
                    NameFits::No(error) => Err(error),
                    NameFits::Yes | NameFits::Unknown => {
                        Err(Error::InvalidCertificate(CertificateError::NotValidForName))
                    }
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
