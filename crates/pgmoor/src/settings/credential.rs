//! How to log in to an endpoint: who supplies the credential, and from what.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::google::GoogleSettings;
use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;
use super::secret::{FiledSecret, SecretFile};
use super::span::Span;
use super::vault::VaultSettings;

crate::choices! {
    /// Who supplies the password for an endpoint.
    pub enum CredentialProvider {
        /// A fixed password: `password`, or the one in the connection string.
        Password = "password",
        /// A file that is read again when it changes, and once more when the server refuses the login.
        File = "file",
        /// A command that prints the password; it is run again when `ttl` has passed.
        Command = "command",
        /// A file in the format of PostgreSQL's `.pgpass`.
        Passfile = "passfile",
        /// User and password of a section in a connection service file, read for each login.
        Service = "service",
        /// The client certificate of the connection string (`sslcert`, `sslkey`) and nothing else: no secret is
        /// sent, and a server that asks for one is an error.
        Certificate = "certificate",
        /// A token of AWS IAM for Amazon RDS, Aurora and Aurora DSQL, from the identity of this workload.
        Aws = "aws",
        /// A token of Google as the password: direct IAM login at Cloud SQL or AlloyDB.
        Google = "google",
        /// A token of Microsoft Entra ID for Azure Database for PostgreSQL, from the identity of this workload.
        Azure = "azure",
        /// A user and password of HashiCorp Vault's database secrets engine, on a lease that is renewed.
        Vault = "vault",
        /// No password: the server trusts the address, the socket or the client certificate.
        None = "none",
    }
}

crate::settings! {
    /// Where the password for an endpoint comes from.
    pub struct CredentialSettings {
        /// Who supplies it; without it, the one whose key below is set.
        provider: Option<CredentialProvider>, example "file", since "0.1";
        /// The password, for the provider `password`.
        password: Option<FiledSecret>, example "${PGPASSWORD}", since "0.1";
        /// The file with the password for the provider `file`, the passfile for `passfile`, or the service file
        /// for `service`.
        file: Option<SecretFile>, example "/run/secrets/postgres/password", since "0.1";
        /// The section for the provider `service`; its file is `file`, else `PGSERVICEFILE`, else
        /// `~/.pg_service.conf`, else the system's.
        service: Option<String>, example "app", since "0.1";
        /// The program and its arguments for the provider `command`; what it prints first is the password.
        command: Vec<String>, example "[vault, read, -field=password, database/creds/app]", since "0.1";
        /// Login by AWS IAM, for the provider `aws`; it needs no key where the endpoint has its own name.
        aws: Option<AwsSettings>, since "0.1";
        /// Who we are for Google, for the provider `google`.
        google: Option<GoogleSettings>, since "0.1";
        /// Login by Entra ID, for the provider `azure`; it needs no key where the workload has one identity.
        azure: Option<AzureSettings>, since "0.1";
        /// A database user of HashiCorp Vault, for the provider `vault`.
        vault: Option<VaultSettings>, since "0.1";
        /// How long a password that the command printed may be used for new connections.
        ttl: Duration = "10m", range "1s..=30d", since "0.1";
        /// How long the command may run.
        timeout: Duration = "10s", range "100ms..=10m", since "0.1";
        /// How long before its end a credential is renewed: `5 minutes`, `PT5M` or `{minutes: 5}`. One
        /// whose whole life is no longer than this is renewed at half of it.
        renewal_offset: Span = "5 minutes", since "0.1";
        /// Sends a token also to a server whose certificate is not verified, or without TLS. Whoever is
        /// in between can then log in as you, and maybe more.
        allow_unverified_tls: bool = "false", since "0.1";
    }
    check check_credential
}

crate::settings! {
    /// Login to Amazon RDS, Aurora and Aurora DSQL by IAM. Credentials come from the environment, a profile,
    /// IRSA, EKS Pod Identity, ECS or the instance, in this order.
    pub struct AwsSettings {
        /// The database's region. Without it, that in the endpoint's name, of `AWS_REGION`, of
        /// `AWS_DEFAULT_REGION`, of the profile, or of the instance.
        region: Option<String>, example "eu-central-1", since "0.1";
        /// The profile of `~/.aws/config` whose credentials are used, and none but those.
        profile: Option<String>, example "database", since "0.1";
        /// The database endpoint's own name, where the connection goes to another one: a tunnel, a load
        /// balancer, a private name. Tokens have to name it.
        host: Option<String>, example "app.c0ffee.eu-central-1.rds.amazonaws.com", since "0.1";
        /// The database endpoint's own port, where the connection goes to another one.
        port: Option<NonZeroU16>, example "5432", since "0.1";
    }
}

crate::choices! {
    /// Where an identity of Entra ID comes from.
    pub enum AzureSource {
        /// `AZURE_CLIENT_ID` and `AZURE_TENANT_ID` with `AZURE_CLIENT_SECRET` or `AZURE_CLIENT_CERTIFICATE_PATH`.
        Environment = "environment",
        /// A federated token, as Kubernetes mounts one for a service account.
        WorkloadIdentity = "workload_identity",
        /// The identity of the virtual machine, App Service or Arc server.
        ManagedIdentity = "managed_identity",
        /// `tenant_id`, `client_id` and `client_secret`.
        ClientSecret = "client_secret",
        /// `tenant_id`, `client_id` and `client_certificate`.
        ClientCertificate = "client_certificate",
        /// Whoever is logged in with `az login`.
        Cli = "cli",
    }
}

crate::choices! {
    /// A cloud of Azure.
    pub enum AzureCloud {
        /// The public one.
        Public = "public",
        /// Azure in China.
        China = "china",
        /// Azure for the government of the United States.
        UsGovernment = "us_government",
    }
}

crate::settings! {
    /// Login to Azure Database for PostgreSQL by Microsoft Entra ID. Which identity is meant follows from
    /// the keys given: tenant, client and secret, or certificate: an application; a federated token: a
    /// workload identity; only an id: a managed identity; nothing: the first of environment, workload
    /// identity, managed identity and Azure CLI that is there.
    pub struct AzureSettings {
        /// Uses this source and no other.
        source: Option<AzureSource>, example "workload_identity", since "0.1";
        /// The cloud; without it, that of the endpoint's name, else the public one.
        cloud: Option<AzureCloud>, example "public", since "0.1";
        /// The tenant (directory), by id or domain.
        tenant_id: Option<String>, example "7f1f3c5e-0a4b-4a55-9c7c-0d6d1a2b3c4d", since "0.1";
        /// The application, or the user-assigned managed identity, by its client id.
        client_id: Option<String>, example "c0a81f3e-5d2c-4b8e-9f6a-7b8c9d0e1f2a", since "0.1";
        /// The application's secret.
        client_secret: Option<FiledSecret>, example "${AZURE_CLIENT_SECRET}", since "0.1";
        /// A PEM file with the application's certificate and its private key.
        client_certificate: Option<PathBuf>, example "/run/secrets/azure/app.pem", since "0.1";
        /// A file with a token that the application trusts; read at each exchange, as it is rotated.
        federated_token_file: Option<PathBuf>, example "/var/run/secrets/azure/tokens/azure-identity-token", since "0.1";
        /// A user-assigned managed identity by its object (principal) id.
        object_id: Option<String>, example "5b9d2f10-8a4e-4e55-9c7c-0d6d1a2b3c4d", since "0.1";
        /// A user-assigned managed identity by its resource id.
        resource_id: Option<String>, example "/subscriptions/…/userAssignedIdentities/app", since "0.1";
        /// The authority that issues tokens, instead of the cloud's own or that of `AZURE_AUTHORITY_HOST`.
        authority_host: Option<String>, example "https://login.microsoftonline.com", since "0.1";
    }
}

impl CredentialSettings {
    /// The provider: the one named, else the one whose key is set.
    pub fn provider(&self) -> CredentialProvider {
        self.provider.unwrap_or(if self.password.is_some() {
            CredentialProvider::Password
        } else if self.service.is_some() {
            CredentialProvider::Service
        } else if self.file.is_some() {
            CredentialProvider::File
        } else if !self.command.is_empty() {
            CredentialProvider::Command
        } else if self.aws.is_some() {
            CredentialProvider::Aws
        } else if self.google.is_some() {
            CredentialProvider::Google
        } else if self.azure.is_some() {
            CredentialProvider::Azure
        } else if self.vault.is_some() {
            CredentialProvider::Vault
        } else {
            CredentialProvider::Password
        })
    }
}

/// Which of the keys that belong to single providers one of them takes.
struct Keys {
    /// The one it cannot do without.
    needed: Option<&'static str>,
    /// Those it takes besides.
    optional: &'static [&'static str],
}

impl CredentialProvider {
    fn keys(self) -> Keys {
        let (needed, optional): (_, &[_]) = match self {
            Self::Password => (Some("password"), &[]),
            Self::File => (Some("file"), &[]),
            Self::Command => (Some("command"), &[]),
            // Without a file it is libpq's own: PGPASSFILE or ~/.pgpass.
            Self::Passfile => (None, &["file"]),
            Self::Service => (Some("service"), &["file"]),
            Self::Certificate => (None, &[]),
            Self::Aws => (None, &["aws"]),
            // Without it, Application Default Credentials say who we are.
            Self::Google => (None, &["google"]),
            Self::Azure => (None, &["azure"]),
            Self::Vault => (Some("vault"), &[]),
            Self::None => (None, &[]),
        };
        Keys { needed, optional }
    }
}

fn check_credential(
    credential: &CredentialSettings,
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) {
    let set = [
        ("password", credential.password.is_some()),
        ("file", credential.file.is_some()),
        ("service", credential.service.is_some()),
        ("command", !credential.command.is_empty()),
        ("aws", credential.aws.is_some()),
        ("google", credential.google.is_some()),
        ("azure", credential.azure.is_some()),
        ("vault", credential.vault.is_some()),
    ];
    let provider = credential.provider();
    let Keys { needed, optional } = provider.keys();
    if let Some(key) = needed
        && !set.contains(&(key, true))
    {
        loader.report(
            Problem::new(&node.origin, format!("\"{}\" needs \"{key}\"", place.key))
                .cause(format!("the provider is \"{provider}\"")),
        );
    }
    let useless = set
        .into_iter()
        .filter(|(key, is_set)| *is_set && needed != Some(*key) && !optional.contains(key));
    for (key, _) in useless {
        let origin = node.entry(key).map_or(&node.origin, |entry| &entry.origin);
        loader.report(
            Problem::new(origin, format!("\"{}.{key}\" is not used", place.key))
                .cause(format!("the provider is \"{provider}\""))
                .hint(format!("remove it, or set \"provider: {key}\"")),
        );
    }
}
