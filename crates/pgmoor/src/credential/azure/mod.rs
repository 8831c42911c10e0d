//! Login to Azure Database for PostgreSQL by Microsoft Entra ID.
//!
//! An identity of this workload is exchanged for an access token, which goes to the server as the
//! password. [`plan`](self) decides from configuration and environment where the identity is; the
//! exchanges are those of the Entra authority, of the instance metadata service, App Service and Arc, and
//! of the Azure CLI.

mod cloud;

mod answer;
mod assertion;

mod plan;

mod cli;
mod entra;
mod managed;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::chain;
pub use super::given::GivenSecret as ClientSecret;
use super::token::{Considered, FailureCause, Minting, Outcome, Token, TokenError, TokenSource};
use crate::http::Client;
pub use cloud::Cloud;
use plan::Way;

/// What the configuration says about a login by Entra ID.
///
/// Which source is used follows from what is given: tenant, client and secret; tenant, client and
/// certificate; tenant, client and federated token; one name of a managed identity. With nothing given,
/// it is the first that is there: environment, workload identity, managed identity, Azure CLI.
#[derive(Debug, Clone, Default)]
pub struct Azure {
    /// Uses this source, and no other.
    pub source: Option<Source>,
    /// Which cloud; without it, that of the endpoint's name, else the public one.
    pub cloud: Option<Cloud>,
    /// Asks this authority instead of the cloud's own, or of that in `AZURE_AUTHORITY_HOST`.
    pub authority_host: Option<String>,
    /// For what tokens are asked, instead of the cloud's own PostgreSQL.
    pub resource: Option<String>,
    /// The tenant (directory), by id or domain.
    pub tenant_id: Option<String>,
    /// The application, or the user-assigned managed identity, by its client id.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<ClientSecret>,
    /// A PEM file with the application's certificate and its private key.
    pub client_certificate: Option<PathBuf>,
    /// A file with a token that the application trusts, such as that of a Kubernetes service account.
    pub federated_token_file: Option<PathBuf>,
    /// A user-assigned managed identity by its object (principal) id.
    pub object_id: Option<String>,
    /// A user-assigned managed identity by its resource id.
    pub resource_id: Option<String>,
}

/// Where an identity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `AZURE_CLIENT_ID` and `AZURE_TENANT_ID` with `AZURE_CLIENT_SECRET` or
    /// `AZURE_CLIENT_CERTIFICATE_PATH`.
    Environment,
    /// A federated token of the workload.
    WorkloadIdentity,
    /// That of the virtual machine, App Service or Arc server.
    ManagedIdentity,
    /// An application's secret.
    ClientSecret,
    /// An application's certificate.
    ClientCertificate,
    /// Whoever is logged in with `az login`.
    Cli,
}

/// What reads a variable of the environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Mints access tokens of Entra ID for PostgreSQL.
pub struct AzureSource {
    azure: Azure,
    client: Client,
    environment: Environment,
    /// Where Arc keeps the keys that it challenges us for.
    arc_keys: PathBuf,
    /// The Azure CLI's program.
    az: String,
    seen: Mutex<Seen>,
}

/// What came of looking for an identity.
#[derive(Default)]
struct Seen {
    considered: Vec<Considered>,
    /// The source that gave a token, by its place among the candidates. From then on it is asked and no
    /// other: while it is silent, another one would make somebody else of us.
    settled: Option<usize>,
}

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(10);

impl AzureSource {
    /// Mints for the identity that this process has, found by its environment; a
    /// [`TokenProvider`](super::TokenProvider) makes a credential of it.
    pub fn from_environment(azure: Azure) -> Self {
        let client = Client::from_environment(|name| std::env::var(name).ok());
        Self::new(azure, client, Arc::new(|name| std::env::var(name).ok()))
    }

    /// Mints for the identity that `azure` and the environment name.
    pub fn new(azure: Azure, client: Client, environment: Environment) -> Self {
        Self {
            azure,
            client,
            environment,
            arc_keys: managed::ARC_KEYS.into(),
            az: "az".to_owned(),
            seen: Mutex::default(),
        }
    }

    async fn find(&self) -> Result<Token, TokenError> {
        let settled = self.lock().settled;
        match settled {
            Some(index) => self.ask_settled(index).await,
            None => self.search().await,
        }
    }

    async fn search(&self) -> Result<Token, TokenError> {
        let candidates = plan::candidates(&self.azure, &*self.environment);
        let (mut seen, mut outcome, mut silence) = (Seen::default(), None, None);
        for (index, candidate) in candidates.into_iter().enumerate() {
            let source = candidate.source;
            let tried = match candidate.found {
                _ if outcome.is_some() => {
                    seen.considered.push(Considered::not_reached(source));
                    continue;
                }
                Err(missing) => {
                    seen.considered.push(Considered::absent(source, missing));
                    continue;
                }
                Ok((way, found)) => (self.go(&way).await, found),
            };
            seen.considered.push(match tried {
                (Ok(token), found) => {
                    outcome = Some(Ok(token));
                    seen.settled = Some(index);
                    Considered::used(source, found)
                }
                (Err(Miss::NotThere(why)), _) => Considered::absent(source, why),
                (Err(Miss::Silent(why, cause)), _) => {
                    silence = Some(cause);
                    Considered::absent(source, why)
                }
                (Err(Miss::Failed(error)), _) => {
                    let failed = Considered::failed(source, chain(&error));
                    outcome = Some(Err(error));
                    failed
                }
            });
        }
        let outcome = outcome.unwrap_or_else(|| Err(nothing(&seen.considered, silence)));
        *self.lock() = seen;
        outcome
    }

    /// Asks the source that gave a token before.
    async fn ask_settled(&self, index: usize) -> Result<Token, TokenError> {
        let candidate = plan::settled(&self.azure, &*self.environment, index);
        let source = candidate.source;
        let (outcome, found) = match candidate.found {
            Ok((way, found)) => (self.go(&way).await, found),
            Err(missing) => (Err(Miss::NotThere(missing)), String::new()),
        };
        let outcome = outcome.map_err(|miss| match miss {
            Miss::Failed(error) => error,
            Miss::NotThere(why) | Miss::Silent(why, _) => {
                let act = format!("use the {source} of before");
                TokenError::new(FailureCause::Network, act).why(why)
            }
        });
        let came = match &outcome {
            Ok(_) => Considered::used(source, found),
            Err(error) => Considered::failed(source, chain(error)),
        };
        if let Some(before) = self.lock().considered.get_mut(index) {
            *before = came;
        }
        outcome
    }

    async fn go(&self, way: &Way) -> Result<Token, Miss> {
        match way {
            Way::Entra(application) => Ok(entra::ask(&self.client, application).await?),
            Way::Managed(managed) => managed::ask(&self.client, managed, &self.arc_keys).await,
            Way::Cli(cli) => cli::ask(cli, &self.az).await,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a source gave no token.
enum Miss {
    /// It is not there after all: the next one is asked.
    NotThere(String),
    /// Nothing answers, and nobody said that it is there. The next one is asked; but when none of them has
    /// anything, it may have been this one.
    Silent(String, FailureCause),
    /// It is there: what it says is the answer.
    Failed(TokenError),
}

impl From<TokenError> for Miss {
    fn from(error: TokenError) -> Self {
        Self::Failed(error)
    }
}

/// No source has anything. Where one was silent, that may pass: a machine's network comes up after it.
fn nothing(considered: &[Considered], silence: Option<FailureCause>) -> TokenError {
    let absent = considered.iter().filter_map(|one| match &one.outcome {
        Outcome::Absent(missing) => Some(format!("{}: {missing}", one.source)),
        _ => None,
    });
    let looked: Vec<String> = absent.collect();
    TokenError::new(silence.unwrap_or(FailureCause::Configuration), "find an Azure identity")
        .why(looked.join("; "))
        .hint("give the pod a workload identity (annotation azure.workload.identity/client-id, label azure.workload.identity/use: \"true\"), the machine a managed identity, or set \"azure.tenant_id\", \"azure.client_id\" and \"azure.client_secret\"")
}

impl TokenSource for AzureSource {
    fn name(&self) -> String {
        "Azure".to_owned()
    }

    fn mint(&self) -> Minting<'_> {
        Box::pin(self.find())
    }

    fn remedy(&self, user: &str) -> String {
        format!(
            "that the role \"{user}\" was made for this identity, and is written so, case included (pgaadauth_list_principals in the database postgres), that the audience is that of the server's cloud"
        )
    }

    fn considered(&self) -> Vec<Considered> {
        self.lock().considered.clone()
    }
}

impl fmt::Debug for AzureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureSource")
            .field("azure", &self.azure)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
