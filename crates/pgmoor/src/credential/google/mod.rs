//! Google identities: from whatever says who we are to a token that databases and APIs take.
//!
//! Found as all of Google's libraries find them (Application Default Credentials), exchanged on the one
//! HTTP client. A token that a database host sees lets its bearer log in to databases, and nothing else.

mod scope;

mod exchange;
mod fields;

mod consent;
mod impersonation;
mod key;
mod metadata;

mod external;

mod file;

mod search;

mod login;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::renewal::{Clock, Policy};
use super::{
    Claim, Considered, FailureCause, Minting, Token, TokenError, TokenProvider, TokenSource,
};
use crate::http::{Client, HeaderValue, Request};
pub(crate) use exchange::{reason, uri as secure_uri};
pub(crate) use impersonation::QUOTA_PROJECT;
use impersonation::Target;
pub use login::{GoogleLogin, database_user};
pub use scope::{ADMIN, LOGIN};
use search::{Found, Place};

/// How an identity is found, besides what the environment says.
#[derive(Debug, Clone, Default)]
pub struct GoogleOptions {
    /// A credential file, instead of the search.
    pub credentials_file: Option<PathBuf>,
    /// Service accounts to act as, each by the one before it; tokens are of the last.
    pub impersonate: Vec<String>,
    /// The project that calls are counted to, instead of the identity's own.
    pub quota_project: Option<String>,
    /// The universe that Google's services are in; `googleapis.com` when none is given.
    pub universe_domain: Option<String>,
    /// Where IAM's credentials API is; that of the universe when none is given.
    pub iam_endpoint: Option<String>,
}

/// Reads a variable of the environment.
type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Who we are for Google, by what means that is found out, and the tokens that we have by it. A clone is the
/// same.
#[derive(Clone)]
pub struct GoogleIdentity(Arc<Shared>);

struct Shared {
    context: Arc<Context>,
    /// By scope, and how long before their end tokens are renewed.
    providers: Mutex<HashMap<(&'static str, Duration), Arc<TokenProvider>>>,
}

struct Context {
    options: GoogleOptions,
    client: Client,
    /// For metadata servers, which answer for this machine.
    direct: Client,
    variable: Box<Variable>,
    home: Option<PathBuf>,
    /// Where a token came from once: while that is silent, another source would make somebody else of us.
    settled: Mutex<Option<Settled>>,
}

/// A source that has given a token.
#[derive(Clone)]
struct Settled {
    place: Place,
    considered: Vec<Considered>,
}

impl GoogleIdentity {
    /// Finds who this process is by its environment and in the home directory.
    pub fn from_environment(options: GoogleOptions) -> Self {
        let get = |name: &str| std::env::var(name).ok();
        Self::new(
            options,
            Client::from_environment(get),
            get,
            std::env::home_dir(),
        )
    }

    /// Finds who we are by these options, by variables of the environment and below a home directory.
    pub fn new(
        options: GoogleOptions,
        client: Client,
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        home: Option<PathBuf>,
    ) -> Self {
        let context = Context {
            options,
            direct: client.direct(),
            client,
            variable: Box::new(variable),
            home,
            settled: Mutex::default(),
        };
        Self(Arc::new(Shared {
            context: Arc::new(context),
            providers: Mutex::default(),
        }))
    }

    /// Mints tokens with one scope, [`LOGIN`] or [`ADMIN`].
    pub fn tokens(&self, scope: &'static str) -> GoogleTokens {
        GoogleTokens {
            context: self.0.context.clone(),
            scope,
            considered: Arc::default(),
        }
    }

    /// Supplies tokens with one scope, which are renewed so long before their end: the same ones to all
    /// who ask for these. Metadata servers have no newer one until about four minutes before.
    pub fn provider(&self, scope: &'static str, offset: Duration) -> Arc<TokenProvider> {
        let providers = self.0.providers.lock();
        let mut providers = providers.unwrap_or_else(PoisonError::into_inner);
        let provider = providers.entry((scope, offset)).or_insert_with(|| {
            let policy = Policy {
                offset,
                ..Policy::new("Google")
            };
            let source = Arc::new(self.tokens(scope));
            Arc::new(TokenProvider::new(source, policy, Clock::system()))
        });
        provider.clone()
    }

    /// The universe that Google's services are looked for in.
    pub fn universe(&self) -> String {
        self.0.context.universe()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.context.client
    }

    /// The project that calls are counted to, where one is named.
    pub(crate) async fn quota_project(&self) -> Option<String> {
        let context = &self.0.context;
        if let Some(project) = context.named_quota_project() {
            return Some(project);
        }
        let found = context.find(&mut Vec::new()).await.ok()?;
        found.quota_project().map(str::to_owned)
    }
}

impl fmt::Debug for GoogleIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GoogleIdentity")
            .field(&self.0.context.options)
            .finish()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

impl Context {
    /// A variable that is set to something.
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn universe(&self) -> String {
        let set = self.options.universe_domain.clone();
        set.or_else(|| self.variable("GOOGLE_CLOUD_UNIVERSE_DOMAIN"))
            .unwrap_or_else(|| scope::DEFAULT_UNIVERSE.to_owned())
    }

    fn named_quota_project(&self) -> Option<String> {
        let set = self.options.quota_project.clone();
        set.or_else(|| self.variable("GOOGLE_CLOUD_QUOTA_PROJECT"))
    }

    /// Where gcloud leaves its file.
    fn well_known_file(&self) -> Option<PathBuf> {
        let directory = match self.variable("CLOUDSDK_CONFIG") {
            Some(directory) => PathBuf::from(directory),
            None => self.home.as_ref()?.join(".config").join("gcloud"),
        };
        Some(directory.join("application_default_credentials.json"))
    }

    fn count_quota(&self, request: &mut Request) -> Result<(), TokenError> {
        let Some(project) = self.named_quota_project() else {
            return Ok(());
        };
        let value = HeaderValue::try_from(project).map_err(|_| {
            let error = TokenError::new(FailureCause::Configuration, "use the quota project");
            error.why("its name cannot stand in a header")
        })?;
        request.headers_mut().insert(QUOTA_PROJECT, value);
        Ok(())
    }

    /// Who we are: by the place that has given a token before, else by the first that is there. Files are
    /// read each time anew, for they are mounted late and replaced.
    async fn find(&self, considered: &mut Vec<Considered>) -> Result<Found, TokenError> {
        let settled = self.settled().clone();
        match settled {
            Some(Settled {
                place,
                considered: before,
            }) => {
                considered.clone_from(&before);
                search::again(place, considered)
            }
            None => search::search(self, considered).await,
        }
    }

    fn settled(&self) -> MutexGuard<'_, Option<Settled>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn mint(
        &self,
        scope: &'static str,
        considered: &mut Vec<Considered>,
    ) -> Result<Token, TokenError> {
        let found = self.find(considered).await?;
        let universe = self.universe();
        let own = found.universe(self).await;
        let own = own.unwrap_or_else(|| scope::DEFAULT_UNIVERSE.to_owned());
        if own != universe {
            let error = TokenError::new(FailureCause::Configuration, "use Google credentials");
            return Err(error
                .why(format!("they belong to the universe \"{own}\", and \"{universe}\" is configured"))
                .hint("set universe_domain, or GOOGLE_CLOUD_UNIVERSE_DOMAIN, to the universe of the credentials"));
        }
        let usual = || format!("https://iamcredentials.{universe}");
        let iam = self.options.iam_endpoint.clone().unwrap_or_else(usual);
        let grant = match Target::of(&self.options.impersonate, &iam) {
            None if self.options.impersonate.is_empty() => found.mint(self, &[scope]).await?,
            None => {
                let error = TokenError::new(FailureCause::Configuration, "act as another account");
                return Err(
                    error.why("\"impersonate\" names no e-mail address of a service account")
                );
            }
            Some(target) => {
                let caller = found.mint(self, &[scope::CLOUD]).await?;
                target.mint(self, &caller, &[scope]).await?
            }
        };
        *self.settled() = Some(Settled {
            place: found.place().clone(),
            considered: considered.clone(),
        });
        let mut claims = vec![Claim::new("source", found.describe())];
        if let Some(principal) = grant.principal {
            claims.push(Claim::new("principal", principal));
        }
        claims.push(Claim::new("scope", scope));
        Ok(Token {
            secret: grant.token,
            expires_at: Some(grant.expires_at),
            claims,
        })
    }
}

/// Mints tokens of a Google identity with one scope.
#[derive(Debug, Clone)]
pub struct GoogleTokens {
    context: Arc<Context>,
    scope: &'static str,
    considered: Arc<Mutex<Vec<Considered>>>,
}

impl TokenSource for GoogleTokens {
    fn name(&self) -> String {
        "Google".to_owned()
    }

    fn mint(&self) -> Minting<'_> {
        Box::pin(async {
            let mut considered = Vec::new();
            let minted = self.context.mint(self.scope, &mut considered).await;
            *self
                .considered
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = considered;
            minted
        })
    }

    fn remedy(&self, user: &str) -> String {
        format!(
            "that \"{}\" is the role of this identity and was made as an IAM user, that the instance has the flag cloudsql.iam_authentication and the identity roles/cloudsql.instanceUser",
            database_user(user)
        )
    }

    fn considered(&self) -> Vec<Considered> {
        let considered = self.considered.lock();
        considered.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
