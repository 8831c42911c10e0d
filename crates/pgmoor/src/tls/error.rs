//! Why a TLS configuration cannot be made.

use std::io;
use std::path::PathBuf;

use crate::SecretFileError;
use crate::error::{ErrorKind, Side};

/// Why a TLS configuration cannot be made. Handshakes have their own errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of certificates or revocations cannot be read.
    #[error("cannot read {what} {}", .path.display())]
    Read {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{what} {} {problem}", .path.display())]
    Content {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong, as the end of a sentence.
        problem: String,
    },
    /// The private key cannot be read, or others can read it too.
    #[error("cannot use private key")]
    KeyFile(#[source] SecretFileError),
    /// The private key needs a password.
    #[error("private key {} is encrypted", .path.display())]
    EncryptedKey {
        /// Which file.
        path: PathBuf,
    },
    /// The private key does not belong to the certificate, or is of an unknown kind.
    #[error("certificate {} and private key {} do not work together", .certificate.display(), .key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// `verify-ca` and `verify-full` need authorities to trust.
    #[error("no trusted certificate authority: {} does not exist", .path.display())]
    NoRootFile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Client certificates are to be checked and nothing says against what.
    #[error("client certificates are asked for, and no authority is configured for them")]
    NoClientCa,
    /// A default file is needed and there is no home directory to find it in.
    #[error("cannot find {what}: there is no home directory")]
    NoHome {
        /// What was looked for.
        what: &'static str,
    },
    /// The operating system's authorities cannot be had.
    #[error("cannot read the system's certificate authorities: {problem}")]
    SystemRoots {
        /// Why.
        problem: String,
    },
    /// `verify-full` needs a host name.
    #[error(
        "sslmode=verify-full needs a host name, and the endpoint has only the address {address}"
    )]
    NoName {
        /// The address.
        address: String,
    },
    /// The host's name cannot stand in a certificate.
    #[error("host name {name:?} cannot be used with TLS")]
    BadName {
        /// The name.
        name: String,
    },
    /// No version of TLS is left between the bounds.
    #[error("no TLS version is left between ssl_min_protocol_version and ssl_max_protocol_version")]
    NoVersion,
    /// rustls refuses the configuration.
    #[error("cannot configure TLS")]
    Configure(#[source] rustls::Error),
}

impl TlsError {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Configuration
    }

    /// On whose side the cause lies.
    pub fn side(&self) -> Side {
        Side::Here
    }

    /// Whether the same configuration can work later: a file may be in the middle of a rotation.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Content { .. } | Self::KeyFile(_) | Self::Pair { .. } => true,
            Self::NoRootFile { .. } | Self::SystemRoots { .. } => true,
            Self::NoClientCa
            | Self::EncryptedKey { .. }
            | Self::NoHome { .. }
            | Self::NoName { .. } => false,
            Self::BadName { .. } | Self::NoVersion | Self::Configure(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::KeyFile(error) => error.hint(),
            Self::EncryptedKey { path } => Some(format!(
                "decrypt it: openssl pkey -in {0} -out {0}.plain, then chmod 0600 {0}.plain",
                path.display()
            )),
            Self::NoRootFile { .. } => Some(
                "put the server's CA there, name its file with sslrootcert, or use sslrootcert=system"
                    .to_owned(),
            ),
            Self::SystemRoots { .. } => {
                Some("install the package ca-certificates, or name a file with sslrootcert".to_owned())
            }
            Self::NoName { .. } => {
                Some("give host as well as hostaddr, or use sslmode=verify-ca".to_owned())
            }
            Self::NoClientCa => Some("name its file with client_ca".to_owned()),
            Self::NoHome { .. } => Some("name the file in the configuration".to_owned()),
            Self::NoVersion => Some("pgmoor speaks TLSv1.2 and TLSv1.3".to_owned()),
            Self::Pair { .. } => {
                Some("the key must be the one that the first certificate of the file was made for".to_owned())
            }
            Self::Read { .. } | Self::Content { .. } => None,
            Self::BadName { .. } | Self::Configure(_) => None,
        }
    }
}
