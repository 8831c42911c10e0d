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

use pgmoor_wire::Secret;

use super::chain;
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

/// The secret of an application.
#[derive(Debug, Clone)]
pub enum ClientSecret {
    /// As it is.
    Value(Secret<String>),
    /// In a file, which is read at each exchange: it may be rotated.
    File(PathBuf),
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
    considered: Mutex<Vec<Considered>>,
}

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(10);

impl AzureSource {
    /// Mints for the identity that `azure` and the environment name.
    pub fn new(azure: Azure, client: Client, environment: Environment) -> Self {
        Self {
            azure,
            client,
            environment,
            arc_keys: managed::ARC_KEYS.into(),
            az: "az".to_owned(),
            considered: Mutex::default(),
        }
    }

    async fn find(&self) -> Result<Token, TokenError> {
        let candidates = plan::candidates(&self.azure, &*self.environment);
        let mut considered = Vec::new();
        let mut outcome = None;
        for candidate in candidates {
            let source = candidate.source;
            let tried = match candidate.found {
                _ if outcome.is_some() => {
                    considered.push(Considered::not_reached(source));
                    continue;
                }
                Err(missing) => {
                    considered.push(Considered::absent(source, missing));
                    continue;
                }
                Ok((way, found)) => (self.go(&way).await, found),
            };
            match tried {
                (Ok(token), found) => {
                    considered.push(Considered::used(source, found));
                    outcome = Some(Ok(token));
                }
                (Err(Miss::NotThere(why)), _) => considered.push(Considered::absent(source, why)),
                (Err(Miss::Failed(error)), _) => {
                    considered.push(Considered::failed(source, chain(&error)));
                    outcome = Some(Err(error));
                }
            }
        }
        let outcome = outcome.unwrap_or_else(|| Err(nothing(&considered)));
        *self.lock() = considered;
        outcome
    }

    async fn go(&self, way: &Way) -> Result<Token, Miss> {
        match way {
            Way::Entra(application) => Ok(entra::ask(&self.client, application).await?),
            Way::Managed(managed) => managed::ask(&self.client, managed, &self.arc_keys).await,
            Way::Cli(cli) => cli::ask(cli, &self.az).await,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Considered>> {
        self.considered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a source gave no token.
enum Miss {
    /// It is not there after all: the next one is asked.
    NotThere(String),
    /// It is there: what it says is the answer.
    Failed(TokenError),
}

impl From<TokenError> for Miss {
    fn from(error: TokenError) -> Self {
        Self::Failed(error)
    }
}

fn nothing(considered: &[Considered]) -> TokenError {
    let absent = considered.iter().filter_map(|one| match &one.outcome {
        Outcome::Absent(missing) => Some(format!("{}: {missing}", one.source)),
        _ => None,
    });
    let looked: Vec<String> = absent.collect();
    TokenError::new(FailureCause::Configuration, "find an Azure identity")
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

    fn considered(&self) -> Vec<Considered> {
        self.lock().clone()
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
