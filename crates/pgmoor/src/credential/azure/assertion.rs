//! An assertion signed with an application's certificate: a JWT (RFC 7523) by PS256, as Entra ID takes it.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pgmoor_wire::Secret;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::secret_file;

/// How long an assertion may be used.
const LIFE: Duration = Duration::from_secs(600);
/// No file of a certificate and its key is longer.
const MAX_FILE: u64 = 256 * 1024;

/// An assertion of `client` for `audience`, signed with key and certificate of a PEM file.
///
/// # Errors
/// What is wrong with the file, without any of its content.
pub(super) fn sign(
    path: &Path,
    client: &str,
    audience: &str,
    now: SystemTime,
) -> Result<Secret<String>, String> {
    let (content, _) = secret_file::read(path, MAX_FILE).map_err(|error| error.to_string())?;
    let certificate = CertificateDer::from_pem_slice(content.expose())
        .map_err(|_| format!("{} holds no certificate in PEM", path.display()))?;
    let key = PrivateKeyDer::from_pem_slice(content.expose())
        .map_err(|_| format!("{} holds no private key in PEM", path.display()))?;
    let key = any_supported_type(&key)
        .map_err(|error| format!("cannot use the key of {}: {error}", path.display()))?;
    let signer = key
        .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
        .ok_or_else(|| format!("the key of {} is not an RSA key", path.display()))?;

    let at = |moment: SystemTime| {
        moment
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
    };
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| error.to_string())?;
    let head = json!({
        "alg": "PS256",
        "typ": "JWT",
        "x5t#S256": URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)),
    });
    let claims = json!({
        "aud": audience,
        "iss": client,
        "sub": client,
        "jti": URL_SAFE_NO_PAD.encode(id),
        "nbf": at(now),
        "iat": at(now),
        "exp": at(now + LIFE),
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(&claims));
    let signature = signer
        .sign(signed.as_bytes())
        .map_err(|error| format!("cannot sign with the key of {}: {error}", path.display()))?;
    Ok(Secret::new(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}
