//! Which authorities vouch for services: those of the system, or those of a file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use super::error::Reason;
use crate::tls;

/// Authorities are rotated seldom, and reading hundreds of them costs a few milliseconds.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(300);

/// The authorities that are trusted.
#[derive(Debug)]
pub struct Trust {
    file: Option<PathBuf>,
    directory: Option<PathBuf>,
    last: Mutex<Option<Read>>,
}

/// What was read, and when.
type Read = (Instant, Arc<ClientConfig>);

impl Trust {
    /// Those of the operating system.
    pub fn system() -> Self {
        Self::of(None, None)
    }

    /// Those in this PEM file, and no others. It is read again every few minutes.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::of(Some(path.into()), None)
    }

    /// Those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; without them the system's.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name| {
            get(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Self::of(path("SSL_CERT_FILE"), path("SSL_CERT_DIR"))
    }

    fn of(file: Option<PathBuf>, directory: Option<PathBuf>) -> Self {
        Self {
            file,
            directory,
            last: Mutex::new(None),
        }
    }

    /// The configuration for a connection. What was read some minutes ago is read again, on a thread that
    /// may block; while that fails, what was read before counts.
    pub(super) async fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, Reason> {
        let last = self.last().clone();
        if let Some((read_at, config)) = &last
            && read_at.elapsed() < READ_AGAIN_AFTER
        {
            return Ok(config.clone());
        }
        let this = self.clone();
        let reading = tokio::task::spawn_blocking(move || this.read());
        let read = reading.await;
        let read = read.unwrap_or_else(|error| Err(Reason::Trust(error.to_string())));
        match (read, last) {
            (Ok(config), _) => {
                let config = Arc::new(config);
                *self.last() = Some((Instant::now(), config.clone()));
                Ok(config)
            }
            (Err(reason), None) => Err(reason),
            (Err(reason), Some((_, before))) => {
                tracing::warn!(error = %reason, "trusted authorities were not read again, those of before count");
                *self.last() = Some((Instant::now(), before.clone()));
                Ok(before)
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Read>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<ClientConfig, Reason> {
        let found = match (&self.file, &self.directory) {
            (None, None) => rustls_native_certs::load_native_certs(),
            (file, directory) => {
                rustls_native_certs::load_certs_from_paths(file.as_deref(), directory.as_deref())
            }
        };
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found.errors.first().map(ToString::to_string);
            return Err(Reason::Trust(
                why.unwrap_or_else(|| "none is usable".to_owned()),
            ));
        }
        let mut config = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Reason::Trust(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
