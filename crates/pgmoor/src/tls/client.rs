//! TLS towards a server, as an endpoint's settings ask for it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, ServerName};

use super::pem::{self, Files};
use super::verify::{Authorities, Trust, Verifier};
use super::{ALPN, TlsError, provider};
use crate::endpoint::{Host, RootCert, SslCertMode, Target, TlsSettings, TlsVersion, Verification};

/// TLS towards the servers of one endpoint.
///
/// Files are looked at for each connection and read again when one of them changed.
#[derive(Debug)]
pub struct ClientTls {
    settings: TlsSettings,
    paths: Paths,
    last: Mutex<Option<(Files, Arc<Material>)>>,
}

/// What one TLS connection needs.
#[derive(Debug)]
pub struct Setup {
    /// The configuration.
    pub config: Arc<ClientConfig>,
    /// Whom the server must be, and what it is greeted with.
    pub name: ServerName<'static>,
    /// What is checked of the server's certificate.
    pub verification: Verification,
    asked: Option<Arc<AtomicBool>>,
}

impl Setup {
    /// Whether the server has to ask for a client certificate (`sslcertmode=require`) and did not.
    pub fn misses_certificate_request(&self) -> bool {
        self.asked
            .as_ref()
            .is_some_and(|asked| !asked.load(Ordering::Relaxed))
    }
}

/// Where files are, with libpq's defaults filled in.
#[derive(Debug)]
struct Paths {
    root: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    crl: Option<PathBuf>,
}

/// What was read.
#[derive(Debug)]
struct Material {
    config: ClientConfig,
    client_key: Option<Arc<CertifiedKey>>,
    verification: Verification,
}

impl ClientTls {
    /// TLS by these settings; default files are looked for in `home` (`~/.postgresql/…`).
    pub fn new(settings: TlsSettings, home: Option<&Path>) -> Self {
        let default = |name: &str| home.map(|home| home.join(".postgresql").join(name));
        let paths = Paths {
            root: match &settings.root_cert {
                RootCert::Default => default("root.crt"),
                RootCert::File(path) => Some(path.clone()),
                RootCert::System | RootCert::Unverified => None,
            },
            certificate: settings
                .certificate
                .clone()
                .or_else(|| default("postgresql.crt")),
            key: settings.key.clone().or_else(|| default("postgresql.key")),
            crl: settings.crl.clone().or_else(|| default("root.crl")),
        };
        Self {
            settings,
            paths,
            last: Mutex::new(None),
        }
    }

    /// The configuration for a connection to `host`. Blocks for a few `stat`s, and for reading
    /// after a change.
    ///
    /// # Errors
    /// [`TlsError`]: a file is missing, unreadable or wrong, or the host has no usable name.
    pub fn setup(&self, host: &Host) -> Result<Setup, TlsError> {
        let material = self.material()?;
        let name = server_name(host, material.verification)?;
        let mut config = material.config.clone();
        if name_is_address(&name) || !self.settings.sni {
            config.enable_sni = false;
        }
        let asked = (self.settings.certificate_mode == SslCertMode::Require)
            .then(|| Arc::new(AtomicBool::new(false)));
        config.client_auth_cert_resolver = Arc::new(ClientKey {
            key: material.client_key.clone(),
            asked: asked.clone(),
        });
        Ok(Setup {
            config: Arc::new(config),
            name,
            verification: material.verification,
            asked,
        })
    }

    /// The client certificate that is configured, with its intermediates (DER); none without one.
    ///
    /// # Errors
    /// [`TlsError::Read`], [`TlsError::Content`].
    pub fn client_certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let Some(path) = &self.paths.certificate else {
            return Ok(Vec::new());
        };
        if self.settings.certificate_mode == SslCertMode::Disable
            || self.settings.certificate.is_none() && !path.exists()
        {
            return Ok(Vec::new());
        }
        pem::certificates("client certificate", path)
    }

    fn material(&self) -> Result<Arc<Material>, TlsError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let files = self.files();
        if let Some((read, material)) = &*last
            && *read == files
        {
            return Ok(material.clone());
        }
        let material = Arc::new(self.read()?);
        *last = Some((files, material.clone()));
        Ok(material)
    }

    fn files(&self) -> Files {
        let Paths {
            root,
            certificate,
            key,
            crl,
        } = &self.paths;
        let directory = &self.settings.crl_directory;
        let named = [root, certificate, key, crl, directory];
        // A list may also be rewritten in its place, which its directory does not show.
        let listed = directory
            .as_ref()
            .and_then(|path| std::fs::read_dir(path).ok());
        let mut listed: Vec<PathBuf> = listed
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        listed.sort();
        let named = named.into_iter().flatten().map(PathBuf::as_path);
        Files::of(named.chain(listed.iter().map(PathBuf::as_path)))
    }

    fn read(&self) -> Result<Material, TlsError> {
        let provider = provider();
        let root_exists = self.paths.root.as_ref().is_some_and(|path| path.exists());
        let verification = self.settings.verification(root_exists);
        let trust = match verification {
            Verification::None => Trust::Anybody,
            Verification::Chain => Trust::Chain(self.authorities()?),
            Verification::ChainAndName => Trust::ChainAndName(self.authorities()?),
        };
        let algorithms = provider.signature_verification_algorithms;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(&self.settings)?)
            .map_err(TlsError::Configure)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { trust, algorithms }))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        // PostgreSQL resumes no session, and a resumed one would remember a certificate that the
        // server may have replaced: channel binding would fail.
        config.resumption = Resumption::disabled();
        Ok(Material {
            config,
            client_key: self.client_key()?,
            verification,
        })
    }

    fn authorities(&self) -> Result<Authorities, TlsError> {
        let certificates = self.root_certificates()?;
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err(match &self.paths.root {
                Some(path) => TlsError::Content {
                    what: "certificate authorities",
                    path: path.clone(),
                    problem: "holds no usable certificate".to_owned(),
                },
                None => TlsError::SystemRoots {
                    problem: "none is usable".to_owned(),
                },
            });
        }
        let revocations = self.revocations()?;
        let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        if !revocations.is_empty() {
            // As OpenSSL: each certificate of the chain needs a list, and one that is in force.
            builder = builder
                .with_crls(revocations)
                .enforce_revocation_expiration();
        }
        let webpki = builder
            .build()
            .map_err(|error| TlsError::Configure(rustls::Error::General(error.to_string())))?;
        Ok(Authorities {
            webpki,
            certificates,
        })
    }

    fn root_certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        match (&self.settings.root_cert, &self.paths.root) {
            (RootCert::System, _) => {
                let found = rustls_native_certs::load_native_certs();
                match found.errors.first() {
                    Some(error) if found.certs.is_empty() => Err(TlsError::SystemRoots {
                        problem: error.to_string(),
                    }),
                    _ => Ok(found.certs),
                }
            }
            (_, Some(path)) if path.exists() => pem::certificates("certificate authorities", path),
            (_, Some(path)) => Err(TlsError::NoRootFile { path: path.clone() }),
            (_, None) => Err(TlsError::NoHome {
                what: "the trusted certificate authorities",
            }),
        }
    }

    fn revocations(
        &self,
    ) -> Result<Vec<rustls_pki_types::CertificateRevocationListDer<'static>>, TlsError> {
        let mut lists = Vec::new();
        if let Some(path) = &self.paths.crl
            && (self.settings.crl.is_some() || path.exists())
        {
            lists.extend(pem::revocations(path)?);
        }
        if let Some(directory) = &self.settings.crl_directory {
            let failed = |source| TlsError::Read {
                what: "directory of certificate revocation lists",
                path: directory.clone(),
                source,
            };
            for entry in std::fs::read_dir(directory).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.is_file() {
                    lists.extend(pem::revocations(&path)?);
                }
            }
        }
        Ok(lists)
    }

    /// The client certificate and its key; a default file that does not exist means none.
    fn client_key(&self) -> Result<Option<Arc<CertifiedKey>>, TlsError> {
        if self.settings.certificate_mode == SslCertMode::Disable {
            return Ok(None);
        }
        let Some(certificate) = &self.paths.certificate else {
            return Ok(None);
        };
        if self.settings.certificate.is_none() && !certificate.exists() {
            return Ok(None);
        }
        let chain = pem::certificates("client certificate", certificate)?;
        let Some(key) = &self.paths.key else {
            return Err(TlsError::NoHome {
                what: "the client certificate's private key",
            });
        };
        let pair = CertifiedKey::from_der(chain, pem::private_key(key)?, &provider()).map_err(
            |source| TlsError::Pair {
                certificate: certificate.clone(),
                key: key.clone(),
                source,
            },
        )?;
        Ok(Some(Arc::new(pair)))
    }
}

/// Shows the client certificate and notes that it was asked for.
#[derive(Debug)]
struct ClientKey {
    key: Option<Arc<CertifiedKey>>,
    asked: Option<Arc<AtomicBool>>,
}

impl ResolvesClientCert for ClientKey {
    // Like libpq, it is shown whatever authorities the server hints at: the server decides.
    fn resolve(
        &self,
        _root_hints: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        if let Some(asked) = &self.asked {
            asked.store(true, Ordering::Relaxed);
        }
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        // Without a certificate rustls would not ask this resolver at all, and nothing were noted.
        self.key.is_some() || self.asked.is_some()
    }
}

fn server_name(host: &Host, verification: Verification) -> Result<ServerName<'static>, TlsError> {
    match &host.target {
        Target::Name { name, .. } => {
            let bare = name.strip_suffix('.').unwrap_or(name);
            match ServerName::try_from(bare.to_owned()) {
                Ok(name) => Ok(name),
                // Such as an address with a zone, fe80::1%eth0: it cannot be verified and is not
                // sent as a name, but it can be connected to.
                Err(_) if verification != Verification::ChainAndName => {
                    Ok(ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
                }
                Err(_) => Err(TlsError::BadName { name: name.clone() }),
            }
        }
        Target::Address(address) if verification == Verification::ChainAndName => {
            Err(TlsError::NoName {
                address: address.to_string(),
            })
        }
        Target::Address(address) => Ok(ServerName::from(*address)),
        Target::Socket(path) => Err(TlsError::BadName {
            name: path.display().to_string(),
        }),
    }
}

fn name_is_address(name: &ServerName<'_>) -> bool {
    matches!(name, ServerName::IpAddress(_))
}

fn versions(settings: &TlsSettings) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let known = [
        (TlsVersion::V1_3, &version::TLS13),
        (TlsVersion::V1_2, &version::TLS12),
    ];
    let within = |wanted: TlsVersion| {
        settings.min_version.is_none_or(|min| wanted >= min)
            && settings.max_version.is_none_or(|max| wanted <= max)
    };
    let left: Vec<_> = known
        .into_iter()
        .filter(|(wanted, _)| within(*wanted))
        .map(|(_, supported)| supported)
        .collect();
    if left.is_empty() {
        return Err(TlsError::NoVersion);
    }
    Ok(left)
}
