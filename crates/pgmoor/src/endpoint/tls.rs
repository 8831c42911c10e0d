//! What an address says about TLS, and what that means once it is known which files exist.
//!
//! It reads no file and builds no TLS configuration.

use std::path::PathBuf;

use pgmoor_wire::Secret;

use super::words::{SslCertMode, SslMode, SslNegotiation, TlsVersion};

/// Everything an address says about TLS.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// How much TLS there must be; see [`TlsSettings::verification`] for what is checked.
    pub mode: SslMode,
    /// How TLS begins.
    pub negotiation: SslNegotiation,
    /// Which authorities are trusted.
    pub root_cert: RootCert,
    /// The client certificate (PEM); default `~/.postgresql/postgresql.crt` if it exists.
    pub certificate: Option<PathBuf>,
    /// Its key; default `~/.postgresql/postgresql.key`.
    pub key: Option<PathBuf>,
    /// What decrypts the key.
    pub key_password: Option<Secret<String>>,
    /// Whether the client certificate is sent.
    pub certificate_mode: SslCertMode,
    /// A file of revoked certificates; default `~/.postgresql/root.crl` if it exists.
    pub crl: Option<PathBuf>,
    /// A directory of such files.
    pub crl_directory: Option<PathBuf>,
    /// Whether the host name is sent in the TLS greeting (never for bare addresses).
    pub sni: bool,
    /// The lowest TLS version; none means TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// The highest TLS version; none means the highest known.
    pub max_version: Option<TlsVersion>,
}

/// Which certificate authorities are trusted (`sslrootcert`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum RootCert {
    /// `~/.postgresql/root.crt` if it exists.
    #[default]
    Default,
    /// Those of the operating system (`system`).
    System,
    /// Those in this file.
    File(PathBuf),
    /// None is looked for: the certificate is never verified (`sslmode=no-verify` of node-postgres).
    Unverified,
}

/// What is checked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Nothing.
    None,
    /// That a trusted authority signed it.
    Chain,
    /// That, and that it carries the name of the host.
    ChainAndName,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            mode: SslMode::default(),
            negotiation: SslNegotiation::default(),
            root_cert: RootCert::default(),
            certificate: None,
            key: None,
            key_password: None,
            certificate_mode: SslCertMode::default(),
            crl: None,
            crl_directory: None,
            sni: true,
            min_version: None,
            max_version: None,
        }
    }
}

impl TlsSettings {
    /// What is to be checked of the server's certificate, given whether the root certificate file exists
    /// ([`RootCert::Default`] or [`RootCert::File`]; ignored for the others).
    ///
    /// As in libpq, `require` (and TLS that `allow` or `prefer` happen to use) verifies the chain when that
    /// file exists, and nothing otherwise; `verify-ca` and `verify-full` need it, so a missing file is an
    /// error of whoever reads it.
    pub fn verification(&self, root_file_exists: bool) -> Verification {
        match (self.mode, &self.root_cert) {
            (_, RootCert::Unverified) => Verification::None,
            (SslMode::VerifyFull, _) | (_, RootCert::System) => Verification::ChainAndName,
            (SslMode::VerifyCa, _) => Verification::Chain,
            (SslMode::Disable, _) => Verification::None,
            (
                SslMode::Allow | SslMode::Prefer | SslMode::Require,
                RootCert::Default | RootCert::File(_),
            ) => {
                if root_file_exists {
                    Verification::Chain
                } else {
                    Verification::None
                }
            }
        }
    }
}
