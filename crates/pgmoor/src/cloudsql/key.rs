//! The key that certificates are made for: RSA of 2048 bits, which is what Cloud SQL takes.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::OnceCell;

use crate::credential::{FailureCause, TokenError};
use crate::tls;

/// A key, made when it is first needed and kept for the life of the process.
#[derive(Debug, Default)]
pub(super) struct Keys(OnceCell<Arc<Key>>);

/// Both halves of a key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) public_pem: String,
    pub(super) signing: Arc<dyn SigningKey>,
}

impl Keys {
    /// The key. Making it takes a good part of a second, and is done beside the event loop.
    pub(super) async fn get(&self) -> Result<Arc<Key>, TokenError> {
        let key = self.0.get_or_try_init(|| async {
            let made = tokio::task::spawn_blocking(Key::generate).await;
            let failed = |why: &str| {
                TokenError::new(FailureCause::Unavailable, "make a key for Cloud SQL").why(why)
            };
            match made {
                Ok(Some(key)) => Ok(Arc::new(key)),
                Ok(None) => Err(failed("the cryptographic library refused")),
                Err(_) => Err(failed("it was interrupted")),
            }
        });
        key.await.cloned()
    }
}

impl Key {
    fn generate() -> Option<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?;
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).ok()?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(private.as_ref()));
        let signing = tls::provider()
            .key_provider
            .load_private_key(private.clone_key())
            .ok()?;
        Some(Self {
            public_pem: pem(public.as_ref()),
            signing,
        })
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}
