//! The `tls-server-end-point` channel binding of RFC 5929, as PostgreSQL computes it.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// The hash of a server certificate (DER) that SCRAM-SHA-256-PLUS binds a login to.
///
/// The digest is that of the certificate's own signature, with MD5 and SHA-1 replaced by SHA-256.
/// `None` when the certificate cannot be read or its signature names no digest (Ed25519), in which
/// case PostgreSQL cannot bind the channel either.
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = &parsed.signature_algorithm;
    let name = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(pss)) => pss.hash_algorithm_oid().to_id_string(),
        _ => algorithm.oid().to_id_string(),
    };
    Some(digest_named(&name)?(certificate))
}

type Digester = fn(&[u8]) -> Vec<u8>;

/// The digest for the object identifier of a signature algorithm, or of the hash inside RSA-PSS.
fn digest_named(oid: &str) -> Option<Digester> {
    match oid {
        // md5WithRSAEncryption, sha1WithRSAEncryption (two names), ecdsa-with-SHA1, dsa-with-SHA1, SHA-1
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.3.14.3.2.29"
        | "1.2.840.10045.4.1"
        | "1.2.840.10040.4.3"
        | "1.3.14.3.2.26" => Some(sha256),
        // with RSA, with ECDSA, with DSA, bare
        "1.2.840.113549.1.1.14"
        | "1.2.840.10045.4.3.1"
        | "2.16.840.1.101.3.4.3.1"
        | "2.16.840.1.101.3.4.2.4" => Some(sha224),
        "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2"
        | "2.16.840.1.101.3.4.3.2"
        | "2.16.840.1.101.3.4.2.1" => Some(sha256),
        "1.2.840.113549.1.1.12"
        | "1.2.840.10045.4.3.3"
        | "2.16.840.1.101.3.4.3.3"
        | "2.16.840.1.101.3.4.2.2" => Some(sha384),
        "1.2.840.113549.1.1.13"
        | "1.2.840.10045.4.3.4"
        | "2.16.840.1.101.3.4.3.4"
        | "2.16.840.1.101.3.4.2.3" => Some(sha512),
        _ => None,
    }
}

fn sha224(bytes: &[u8]) -> Vec<u8> {
    Sha224::digest(bytes).to_vec()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn sha384(bytes: &[u8]) -> Vec<u8> {
    Sha384::digest(bytes).to_vec()
}

fn sha512(bytes: &[u8]) -> Vec<u8> {
    Sha512::digest(bytes).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).expect("key");
        let parameters = rcgen::CertificateParams::new(vec!["db".into()]).expect("names");
        parameters
            .self_signed(&key)
            .expect("certificate")
            .der()
            .to_vec()
    }

    #[test]
    fn digest_follows_the_signature_of_the_certificate() {
        let p256 = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        let p384 = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);

        assert_eq!(server_end_point(&p256), Some(sha256(&p256)));
        assert_eq!(server_end_point(&p384), Some(sha384(&p384)));
    }

    #[test]
    fn certificate_without_a_digest_cannot_be_bound() {
        assert_eq!(server_end_point(&certificate(&rcgen::PKCS_ED25519)), None);
        assert_eq!(server_end_point(b"no certificate"), None);
    }
}
