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
use crate::credential::google::{ADMIN, GoogleIdentity, GoogleTokens, LOGIN};
use crate::credential::renewal::{Clock, Policy, Renewal, Status};
use crate::credential::{CredentialError, FailureCause, Token, TokenError, TokenSource};
use crate::tls::{self, KnownServer};

/// Tokens are renewed so long before their end: metadata servers have no newer one before.
const OFFSET: Duration = super::schedule::AHEAD;

/// Who asks the API, and who logs in.
pub(super) struct Issuer {
    identity: GoogleIdentity,
    endpoint: String,
    keys: Keys,
    admin: Renewal<Token>,
    login: Option<Login>,
}

/// The tokens that certificates carry, where those log in without a password.
pub(super) struct Login {
    pub(super) source: GoogleTokens,
    pub(super) tokens: Renewal<Token>,
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
        let login = iam.then(|| {
            let source = identity.tokens(LOGIN);
            Login {
                tokens: renewed(source.clone()),
                source,
            }
        });
        let admin = renewed(identity.tokens(ADMIN));
        Self {
            endpoint,
            keys: Keys::default(),
            admin,
            login,
            identity,
        }
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Asks the API for all that a connection to the instance needs.
    pub(super) async fn fetch(
        &self,
        instance: &InstanceName,
        number: u64,
    ) -> Result<Values, CredentialError> {
        let login = async {
            match &self.login {
                Some(login) => login.tokens.get().await.map(Some),
                None => Ok(None),
            }
        };
        let key = async { Ok::<_, CredentialError>(self.keys.get().await?) };
        let (admin, login, key) = tokio::try_join!(self.admin.get(), login, key)?;
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
        let admin = self.admin.get().await?;
        let quota_project = self.identity.quota_project().await;
        let found = self
            .api(&admin, quota_project.as_deref())
            .resolve(goog)
            .await;
        Ok(found.inspect_err(|error| self.judge(error, &admin))?)
    }

    /// The server refused the login that these values stand for: the next ones have a new token.
    pub(super) fn refused(&self, values: &Values) {
        if let (Some(login), Some(secret)) = (&self.login, &values.login) {
            login
                .tokens
                .rejected(|token| token.secret.expose() == secret.expose());
        }
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
                .rejected(|token| token.secret.expose() == admin.secret.expose());
        }
    }
}

impl Login {
    /// How the renewal of the tokens stands.
    pub(super) fn status(&self) -> Status {
        self.tokens.status()
    }
}

fn renewed(source: GoogleTokens) -> Renewal<Token> {
    let policy = Policy {
        offset: OFFSET,
        ..Policy::new("Google")
    };
    Renewal::new(policy, Clock::system(), move || {
        let source = source.clone();
        Box::pin(async move { Ok(source.mint().await?) })
    })
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
