//! Reading certificates, keys and revocation lists from files.

use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::TlsError;
use crate::secret_file::{self, Fingerprint};

const MAX_KEY: u64 = 1 << 20;

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(what, path)?;
    let content = |problem: String| TlsError::Content {
        what,
        path: path.to_owned(),
        problem,
    };
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(format!("is not valid PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(content("holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
}

/// All revocation lists of a PEM file.
pub(super) fn revocations(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let what = "certificate revocation list";
    let bytes = read(what, path)?;
    CertificateRevocationListDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Content {
            what,
            path: path.to_owned(),
            problem: format!("is not valid PEM: {error}"),
        })
}

/// A private key: PKCS#8, PKCS#1 or SEC1, in PEM or DER.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (bytes, _) = secret_file::read(path, MAX_KEY).map_err(TlsError::KeyFile)?;
    let bytes = bytes.expose().as_slice();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    if holds("BEGIN ENCRYPTED PRIVATE KEY") || holds("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::EncryptedKey {
            path: path.to_owned(),
        });
    }
    let content = |problem: &str| TlsError::Content {
        what: "private key",
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    if holds("-----BEGIN") {
        // The parser's own error is not passed on: it may quote the line it stumbled over.
        return PrivateKeyDer::from_pem_slice(bytes)
            .map_err(|_| content("holds no PEM private key (PKCS#8, PKCS#1 or SEC1)"));
    }
    PrivateKeyDer::try_from(bytes)
        .map(|key| key.clone_key())
        .map_err(|_| content("is neither PEM nor DER"))
}

/// What files looked like when they were read, to see whether they changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files(Vec<Option<Fingerprint>>);

impl Files {
    pub(super) fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(
            paths
                .into_iter()
                .map(|path| Fingerprint::of(path).ok())
                .collect(),
        )
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        what,
        path: path.to_owned(),
        source,
    })
}
