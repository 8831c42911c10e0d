//! Where an Azure identity is, decided from configuration and environment alone.

use std::path::PathBuf;

use pgmoor_wire::Secret;

use super::cloud::Cloud;
use super::{Azure, ClientSecret, Source};

/// A source, and what is there of it.
pub(super) struct Candidate {
    pub(super) source: &'static str,
    /// How to use it and what was found, or what is missing.
    pub(super) found: Result<(Way, String), String>,
}

/// How a token is had.
pub(super) enum Way {
    Entra(Application),
    Managed(Managed),
    Cli(Cli),
}

/// An application that proves itself to the Entra authority.
pub(super) struct Application {
    pub(super) authority: String,
    pub(super) tenant: String,
    pub(super) client: String,
    pub(super) resource: String,
    pub(super) proof: Proof,
}

/// How it does.
pub(super) enum Proof {
    Secret(ClientSecret),
    /// PEM, with the private key.
    Certificate(PathBuf),
    /// Read at each exchange, as it is rotated.
    Federated(PathBuf),
}

/// A managed identity.
pub(super) struct Managed {
    pub(super) host: Host,
    pub(super) who: Who,
    pub(super) resource: String,
    /// Nobody said that it is there: no answer only means that the next source is asked.
    pub(super) is_guess: bool,
}

/// Who vouches for it.
pub(super) enum Host {
    /// The instance metadata service.
    Instance {
        base: String,
    },
    AppService {
        endpoint: String,
        header: Secret<String>,
    },
    Arc {
        endpoint: String,
    },
}

/// Which of a machine's identities.
pub(super) enum Who {
    System,
    Client(String),
    Object(String),
    Resource(String),
}

/// The Azure CLI.
pub(super) struct Cli {
    pub(super) tenant: Option<String>,
    pub(super) resource: String,
    pub(super) is_guess: bool,
}

const INSTANCE: &str = "http://169.254.169.254";

/// The order in which sources are asked where the configuration names none.
const SEARCHED: [Source; 4] = [
    Source::Environment,
    Source::WorkloadIdentity,
    Source::ManagedIdentity,
    Source::Cli,
];

/// The sources in the order in which they are asked.
pub(super) fn candidates(azure: &Azure, get: &dyn Fn(&str) -> Option<String>) -> Vec<Candidate> {
    match azure.source.or_else(|| inferred(azure)) {
        Some(source) => vec![candidate(azure, get, source, false)],
        None => SEARCHED
            .map(|source| candidate(azure, get, source, true))
            .into(),
    }
}

/// The one of the candidates that gave a token before: it is there, and no guess any more.
pub(super) fn settled(
    azure: &Azure,
    get: &dyn Fn(&str) -> Option<String>,
    index: usize,
) -> Candidate {
    let source = azure.source.or_else(|| inferred(azure));
    candidate(azure, get, source.unwrap_or(SEARCHED[index]), false)
}

fn candidate(
    azure: &Azure,
    get: &dyn Fn(&str) -> Option<String>,
    source: Source,
    is_guess: bool,
) -> Candidate {
    let plan = Plan {
        azure,
        get: &|name| get(name).filter(|value| !value.is_empty()),
    };
    plan.candidate(source, is_guess)
}

/// Which source the given fields belong to. A client id alone, or with half of what an application needs,
/// names a managed identity.
fn inferred(azure: &Azure) -> Option<Source> {
    let is_application = azure.tenant_id.is_some() && azure.client_id.is_some();
    if is_application && azure.client_secret.is_some() {
        Some(Source::ClientSecret)
    } else if is_application && azure.client_certificate.is_some() {
        Some(Source::ClientCertificate)
    } else if azure.federated_token_file.is_some() {
        Some(Source::WorkloadIdentity)
    } else if azure.client_id.is_some() || azure.object_id.is_some() || azure.resource_id.is_some()
    {
        Some(Source::ManagedIdentity)
    } else {
        None
    }
}

struct Plan<'a> {
    azure: &'a Azure,
    get: &'a dyn Fn(&str) -> Option<String>,
}

impl Plan<'_> {
    fn candidate(&self, source: Source, is_guess: bool) -> Candidate {
        let (source, found) = match source {
            Source::Environment => ("environment", self.environment()),
            Source::WorkloadIdentity => ("workload identity", self.workload()),
            Source::ManagedIdentity => ("managed identity", Ok(self.managed(is_guess))),
            Source::ClientSecret => ("client secret", self.secret()),
            Source::ClientCertificate => ("client certificate", self.certificate()),
            Source::Cli => ("Azure CLI", Ok(self.cli(is_guess))),
        };
        Candidate { source, found }
    }

    fn environment(&self) -> Result<(Way, String), String> {
        let client = self.needed("AZURE_CLIENT_ID")?;
        let tenant = self.needed("AZURE_TENANT_ID")?;
        let (proof, how) = match (
            (self.get)("AZURE_CLIENT_SECRET"),
            (self.get)("AZURE_CLIENT_CERTIFICATE_PATH"),
        ) {
            (Some(secret), _) => (
                Proof::Secret(ClientSecret::Value(Secret::new(secret))),
                "AZURE_CLIENT_SECRET",
            ),
            (None, Some(path)) => (
                Proof::Certificate(path.into()),
                "AZURE_CLIENT_CERTIFICATE_PATH",
            ),
            (None, None) => {
                return Err(
                    "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set"
                        .to_owned(),
                );
            }
        };
        let found = format!("AZURE_CLIENT_ID is {client}, with {how}");
        Ok((self.entra(tenant, client, proof), found))
    }

    fn workload(&self) -> Result<(Way, String), String> {
        let file = match &self.azure.federated_token_file {
            Some(file) => file.clone(),
            None => self.needed("AZURE_FEDERATED_TOKEN_FILE")?.into(),
        };
        let client = self.given(&self.azure.client_id, "AZURE_CLIENT_ID")?;
        let tenant = self.given(&self.azure.tenant_id, "AZURE_TENANT_ID")?;
        let found = format!("client {client}, federated token in {}", file.display());
        Ok((self.entra(tenant, client, Proof::Federated(file)), found))
    }

    fn secret(&self) -> Result<(Way, String), String> {
        let (tenant, client) = self.application()?;
        let secret = self.azure.client_secret.clone();
        let secret = secret.ok_or("\"azure.client_secret\" is not set")?;
        let found = format!("client {client}, in the configuration");
        Ok((self.entra(tenant, client, Proof::Secret(secret)), found))
    }

    fn certificate(&self) -> Result<(Way, String), String> {
        let (tenant, client) = self.application()?;
        let path = self.azure.client_certificate.clone();
        let path = path.ok_or("\"azure.client_certificate\" is not set")?;
        let found = format!("client {client}, certificate in {}", path.display());
        Ok((self.entra(tenant, client, Proof::Certificate(path)), found))
    }

    fn managed(&self, is_guess: bool) -> (Way, String) {
        let who = match self.azure {
            Azure {
                client_id: Some(id),
                ..
            } => Who::Client(id.clone()),
            Azure {
                object_id: Some(id),
                ..
            } => Who::Object(id.clone()),
            Azure {
                resource_id: Some(id),
                ..
            } => Who::Resource(id.clone()),
            // Where an application's id is in the environment, tools take it for the identity's.
            _ => (self.get)("AZURE_CLIENT_ID").map_or(Who::System, Who::Client),
        };
        let identity = (self.get)("IDENTITY_ENDPOINT");
        let header = (self.get)("IDENTITY_HEADER");
        let (host, place) = match (identity, header, (self.get)("IMDS_ENDPOINT")) {
            (Some(endpoint), Some(header), _) => {
                let header = Secret::new(header);
                (Host::AppService { endpoint, header }, "App Service")
            }
            (Some(endpoint), None, Some(_)) => (Host::Arc { endpoint }, "Arc"),
            _ => {
                let base = (self.get)("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                let base = base.unwrap_or_else(|| INSTANCE.to_owned());
                let base = base.trim_end_matches('/').to_owned();
                (Host::Instance { base }, "the instance")
            }
        };
        let found = match &who {
            Who::System => format!("the identity of {place}"),
            Who::Client(id) | Who::Object(id) | Who::Resource(id) => format!("{id} of {place}"),
        };
        // What the environment announces is there.
        let is_guess = is_guess && matches!(host, Host::Instance { .. });
        let resource = self.resource();
        (
            Way::Managed(Managed {
                host,
                who,
                resource,
                is_guess,
            }),
            found,
        )
    }

    fn cli(&self, is_guess: bool) -> (Way, String) {
        let cli = Cli {
            tenant: self.azure.tenant_id.clone(),
            resource: self.resource(),
            is_guess,
        };
        (Way::Cli(cli), "whoever is logged in with az".to_owned())
    }

    fn entra(&self, tenant: String, client: String, proof: Proof) -> Way {
        let named = self.azure.authority_host.clone();
        let named = named.or_else(|| (self.get)("AZURE_AUTHORITY_HOST"));
        let authority = named.unwrap_or_else(|| self.cloud().authority().to_owned());
        Way::Entra(Application {
            authority: authority.trim_end_matches('/').to_owned(),
            tenant,
            client,
            resource: self.resource(),
            proof,
        })
    }

    fn application(&self) -> Result<(String, String), String> {
        let set = |value: &Option<String>, key: &str| {
            value
                .clone()
                .ok_or_else(|| format!("\"azure.{key}\" is not set"))
        };
        let tenant = set(&self.azure.tenant_id, "tenant_id")?;
        Ok((tenant, set(&self.azure.client_id, "client_id")?))
    }

    fn given(&self, configured: &Option<String>, variable: &str) -> Result<String, String> {
        configured.clone().map_or_else(|| self.needed(variable), Ok)
    }

    fn needed(&self, variable: &str) -> Result<String, String> {
        (self.get)(variable).ok_or_else(|| format!("{variable} is not set"))
    }

    fn cloud(&self) -> Cloud {
        self.azure.cloud.unwrap_or_default()
    }

    fn resource(&self) -> String {
        let named = self.azure.resource.as_deref();
        let resource = named.unwrap_or_else(|| self.cloud().resource());
        let resource = resource.strip_suffix("/.default").unwrap_or(resource);
        resource.trim_end_matches('/').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_follows_from_the_fields_given() {
        let some = |text: &str| Some(text.to_owned());
        let secret = || Some(ClientSecret::Value(Secret::new("s".to_owned())));
        let names = |azure: &Azure| {
            let candidates = candidates(azure, &|_| None);
            candidates.iter().map(|one| one.source).collect::<Vec<_>>()
        };
        let whole = Azure {
            tenant_id: some("t"),
            client_id: some("c"),
            client_secret: secret(),
            ..Azure::default()
        };

        assert_eq!(names(&whole), ["client secret"]);
        // As Backstage reads it: half of an application is a managed identity.
        let half = Azure {
            tenant_id: None,
            ..whole.clone()
        };
        assert_eq!(names(&half), ["managed identity"]);
        let certificate = Azure {
            client_secret: None,
            client_certificate: Some("app.pem".into()),
            ..whole.clone()
        };
        assert_eq!(names(&certificate), ["client certificate"]);
        let federated = Azure {
            federated_token_file: Some("token".into()),
            ..Azure::default()
        };
        assert_eq!(names(&federated), ["workload identity"]);
        let cli = Azure {
            source: Some(Source::Cli),
            ..whole
        };
        assert_eq!(names(&cli), ["Azure CLI"]);
        let all = [
            "environment",
            "workload identity",
            "managed identity",
            "Azure CLI",
        ];
        assert_eq!(names(&Azure::default()), all);
    }
}
