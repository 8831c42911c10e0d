//! What a connection to an instance needs, fetched as one: metadata, a certificate, and TLS from both.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgmoor_wire::Secret;
use rustls::ClientConfig;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::api::Api;
use super::key::Keys;
use super::name::InstanceName;
use super::settings::Settings;
use crate::credential::google::{ADMIN, GoogleIdentity, LOGIN};
use crate::credential::{CredentialError, FailureCause, Token, TokenError, TokenProvider};
use crate::tls::{self, KnownServer};

/// Tokens are renewed so long before their end: metadata servers have no newer one before.
const OFFSET: Duration = super::schedule::AHEAD;

/// Who asks the API, and who logs in.
pub(super) struct Issuer {
    identity: GoogleIdentity,
    endpoint: String,
    keys: Keys,
    admin: Arc<TokenProvider>,
    /// The tokens that certificates carry, where those log in without a password.
    login: Option<Arc<TokenProvider>>,
}

/// What a connection needs.
pub(super) struct Values {
    /// Tells these values from those before.
    pub(super) number: u64,
    pub(super) settings: Settings,
    certificate: Arc<CertifiedKey>,
    common_name: String,
    pub(super) ends: SystemTime,
    login: Option<Secret<String>>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values")
            .field("number", &self.number)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// `iam`: certificates carry who we are, and the server asks for no password.
    pub(super) fn new(identity: GoogleIdentity, endpoint: Option<String>, iam: bool) -> Self {
        let usual = || format!("https://sqladmin.{}", identity.universe());
        let endpoint = endpoint.unwrap_or_else(usual);
        Self {
            endpoint,
            keys: Keys::default(),
            admin: identity.provider(ADMIN, OFFSET),
            login: iam.then(|| identity.provider(LOGIN, OFFSET)),
            identity,
        }
    }

    pub(super) fn login(&self) -> Option<&TokenProvider> {
        self.login.as_deref()
    }

    /// Asks the API for all that a connection to the instance needs; with another token for the login than
    /// in values whose login was refused, where there is another.
    pub(super) async fn fetch(
        &self,
        instance: &InstanceName,
        number: u64,
        refused: Option<&Values>,
    ) -> Result<Values, CredentialError> {
        let refused = refused.and_then(|values| values.login.as_ref());
        let login = async {
            let Some(login) = self.login() else {
                return Ok(None);
            };
            let token = match refused {
                Some(refused) => {
                    let is_it = |token: &Token| token.secret.expose() == refused.expose();
                    login.tokens().another(is_it).await
                }
                None => login.tokens().get().await,
            };
            token.map(Some)
        };
        let key = async { Ok::<_, CredentialError>(self.keys.get().await?) };
        let (admin, login, key) = tokio::try_join!(self.admin.tokens().get(), login, key)?;
        let quota_project = self.identity.quota_project().await;
        let api = self.api(&admin, quota_project.as_deref());
        let token = login.as_ref().map(|token| &token.secret);
        let asked = async {
            tokio::try_join!(
                api.settings(instance),
                api.certificate(instance, &key.public_pem, token)
            )
        };
        let (settings, pem) = asked.await.inspect_err(|error| self.judge(error, &admin))?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        let malformed = || {
            let act = format!("get a certificate for Cloud SQL instance {instance}");
            TokenError::new(FailureCause::Malformed, act).why("the answer holds none")
        };
        let certificate = certificate.map_err(|_| malformed())?;
        let ends = tls::not_after(&certificate).ok_or_else(malformed)?;
        // A connection is let in while both the certificate and the token in it are good.
        let token_ends = login.as_ref().and_then(|token| token.expires_at);
        Ok(Values {
            number,
            settings,
            certificate: Arc::new(CertifiedKey::new(vec![certificate], key.signing.clone())),
            common_name: instance.common_name(),
            ends: token_ends.map_or(ends, |token| token.min(ends)),
            login: login.map(|token| token.secret),
        })
    }

    /// The instance that a name of Google's leads to.
    pub(super) async fn resolve(
        &self,
        goog: &super::name::GoogName,
    ) -> Result<InstanceName, CredentialError> {
        let admin = self.admin.tokens().get().await?;
        let quota_project = self.identity.quota_project().await;
        let found = self
            .api(&admin, quota_project.as_deref())
            .resolve(goog)
            .await;
        Ok(found.inspect_err(|error| self.judge(error, &admin))?)
    }

    fn api<'a>(&'a self, admin: &'a Token, quota_project: Option<&'a str>) -> Api<'a> {
        Api {
            client: self.identity.client(),
            base: &self.endpoint,
            token: &admin.secret,
            quota_project,
        }
    }

    /// A token that the API does not take is not used again.
    fn judge(&self, error: &TokenError, admin: &Token) {
        if error.cause() == FailureCause::Refused {
            self.admin
                .tokens()
                .rejected(|token| token.secret.expose() == admin.secret.expose());
        }
    }
}

impl Values {
    /// TLS to the instance, known in DNS by a name of the operator's own or by Google's.
    pub(super) fn tls(&self, own_name: Option<&str>) -> Result<ClientConfig, rustls::Error> {
        tls::towards(KnownServer {
            authorities: &self.settings.authorities,
            dns_name: self.dns_name(own_name),
            common_name: &self.common_name,
            certificate: self.certificate.clone(),
        })
    }

    /// The name that the server is greeted with, and that its certificate may carry.
    pub(super) fn dns_name<'a>(&'a self, own_name: Option<&'a str>) -> Option<&'a str> {
        own_name.or(self.settings.dns_name.as_deref())
    }
}
