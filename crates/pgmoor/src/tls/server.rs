//! TLS towards clients: our certificate, and whose certificates we take.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::pem::{self, Files};
use super::{ALPN, TlsError, not_after, provider, server_end_point};

/// How TLS is accepted: the configuration, and what channel binding needs to know of it.
#[derive(Debug, Clone)]
pub struct Acceptor {
    /// The configuration with our certificate.
    pub config: Arc<ServerConfig>,
    /// [`server_end_point`] of our certificate; `None` offers no channel binding.
    pub end_point: Option<Arc<[u8]>>,
    /// When our certificate expires, where that is known.
    pub expires_at: Option<SystemTime>,
}

impl From<Arc<ServerConfig>> for Acceptor {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            end_point: None,
            expires_at: None,
        }
    }
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificate {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; one that is shown must be good.
    Optional,
    /// They must.
    Required,
}

/// The files of a server's TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsSettings {
    /// Our certificate and its intermediates (PEM).
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of client certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients show one.
    pub client_certificate: ClientCertificate,
}

/// TLS towards clients, reloadable while they are served.
#[derive(Debug)]
pub struct ServerTls {
    settings: ServerTlsSettings,
    current: RwLock<Acceptor>,
    files: Mutex<Files>,
}

impl ServerTls {
    /// Reads all files.
    ///
    /// # Errors
    /// [`TlsError`]: a file is missing, unreadable or wrong.
    pub fn new(settings: ServerTlsSettings) -> Result<Self, TlsError> {
        let files = settings.files();
        let acceptor = settings.read()?;
        Ok(Self {
            settings,
            current: RwLock::new(acceptor),
            files: Mutex::new(files),
        })
    }

    /// The files, and whether clients show a certificate.
    pub fn settings(&self) -> &ServerTlsSettings {
        &self.settings
    }

    /// What to accept the next client with.
    pub fn current(&self) -> Acceptor {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the files again if one changed, and says whether; on an error the old stays in use.
    ///
    /// # Errors
    /// As [`new`](Self::new). The next call tries again.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.settings.files();
        if *files == now {
            return Ok(false);
        }
        let acceptor = self.settings.read()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
        *files = now;
        Ok(true)
    }
}

impl ServerTlsSettings {
    fn files(&self) -> Files {
        let ca = self.client_ca.as_deref();
        Files::of(
            [self.certificate.as_path(), self.key.as_path()]
                .into_iter()
                .chain(ca),
        )
    }

    fn read(&self) -> Result<Acceptor, TlsError> {
        let chain = pem::certificates("certificate", &self.certificate)?;
        let end_point = chain
            .first()
            .and_then(|own| server_end_point(own))
            .map(Arc::from);
        let expires_at = chain.first().and_then(|own| not_after(own));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Configure)?
            .with_client_cert_verifier(self.client_verifier()?)
            .with_single_cert(chain, pem::private_key(&self.key)?)
            .map_err(|source| TlsError::Pair {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                source,
            })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // With each reload other tickets: who resumes was judged by the files in force.
        config.ticketer =
            rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::Configure)?;
        config.send_tls13_tickets = 1;
        Ok(Acceptor {
            config: Arc::new(config),
            end_point,
            expires_at,
        })
    }

    fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        if self.client_certificate == ClientCertificate::None {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let path = self.client_ca.as_deref().ok_or(TlsError::NoClientCa)?;
        let what = "client certificate authorities";
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pem::certificates(what, path)?);
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let builder = match self.client_certificate {
            ClientCertificate::Optional => builder.allow_unauthenticated(),
            ClientCertificate::None | ClientCertificate::Required => builder,
        };
        builder.build().map_err(|error| TlsError::Content {
            what,
            path: path.to_owned(),
            problem: format!("cannot be used: {error}"),
        })
    }
}
