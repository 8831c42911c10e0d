//! From the settings of a credential to who supplies it.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::Secret;
use pgmoor::credential::renewal::Policy;
use pgmoor::credential::{
    CertificateProvider, Command, CommandProvider, CredentialProvider, FileProvider, NoCredential,
    PasswordProvider, ServiceProvider,
};
use pgmoor::endpoint::Endpoint;
use pgmoor::settings::{
    CredentialProvider as Provider, CredentialSettings, FiledSecret, SecretFile, Value,
};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::kept::Kept;
use crate::config::address;
use crate::config::surroundings::Surroundings;
use crate::output::{Failure, chain};

/// How long issuers have, together, to take back what they hold for us when all stops.
const GIVE_BACK: Duration = Duration::from_secs(5);

/// Who supplies credentials to the endpoints, and who we are for clouds.
#[derive(Debug, Default)]
pub(super) struct Identities {
    providers: Kept<Arc<dyn CredentialProvider>>,
    pub(super) google: super::google::Identities,
}

impl Identities {
    /// Who supplies the credential of an endpoint: to all endpoints with the same settings the same one, if
    /// it fetches anything.
    ///
    /// # Errors
    /// As [`provider`].
    pub(super) fn provider(
        &mut self,
        settings: &CredentialSettings,
        address: &mut Endpoint,
        surroundings: &Surroundings,
    ) -> Result<Arc<dyn CredentialProvider>, Failure> {
        let fetches = match settings.provider() {
            Provider::Command | Provider::Aws | Provider::Google => true,
            Provider::Azure | Provider::Vault => true,
            Provider::Password | Provider::File | Provider::Passfile => false,
            Provider::Service | Provider::Certificate | Provider::None => false,
        };
        let google = &mut self.google;
        if !fetches {
            return provider(settings, address, surroundings, google);
        }
        let made_of = all_of(settings, address);
        let make = || provider(settings, address, surroundings, google);
        self.providers.get(made_of, make)
    }

    /// Gives back what is held for them elsewhere. What no issuer takes back in time ends by itself.
    pub(super) async fn close(&self) {
        let by = Instant::now() + GIVE_BACK;
        for provider in self.providers.all() {
            let closed = timeout_at(by, provider.close()).await;
            let provider = provider.name();
            match closed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(
                    provider,
                    error = chain(&error),
                    hint = error.hint(),
                    "credential was not given back and ends by itself"
                ),
                Err(_) => warn!(
                    provider,
                    "credential was not given back in time and ends by itself"
                ),
            }
        }
    }

    /// Forgets what no endpoint uses any more, when all of them have got theirs.
    pub(super) fn forget_unused(&mut self) {
        self.providers.forget_unused();
        self.google.forget_unused();
    }
}

/// All that a provider which fetches is made of. What is shown of settings hides their secrets.
fn all_of(settings: &CredentialSettings, address: &Endpoint) -> Secret<String> {
    let secret = inline_secrets(settings).map(FiledSecret::secret);
    let secret: Vec<&str> = secret.map(|secret| secret.expose().as_str()).collect();
    let cloud = super::azure::cloud(address);
    Secret::new(format!("{:?} {cloud:?} {secret:?}", settings.show()))
}

/// The secrets that stand in the configuration itself: those in files are read when they are needed.
pub(super) fn inline_secrets(settings: &CredentialSettings) -> impl Iterator<Item = &FiledSecret> {
    let azure = settings.azure.as_ref();
    let client = azure.and_then(|azure| azure.client_secret.as_ref());
    let vault = settings.vault.iter().flat_map(|vault| {
        let given = [&vault.token, &vault.role_id, &vault.secret_id];
        given.into_iter().flatten()
    });
    let all = settings.password.iter().chain(client).chain(vault);
    all.filter(|secret| secret.file().is_none())
}

/// Who supplies the password. Where nobody does, the connector takes the address's own, else that of
/// the passfile, as libpq does.
///
/// # Errors
/// This program was built without the provider.
fn provider(
    settings: &CredentialSettings,
    address: &mut Endpoint,
    surroundings: &Surroundings,
    google: &mut super::google::Identities,
) -> Result<Arc<dyn CredentialProvider>, Failure> {
    let provider: Arc<dyn CredentialProvider> =
        match (settings.provider(), &settings.password, &settings.file) {
            (Provider::Password, Some(password), _) => {
                match password.file() {
                    // Rotated as that of the provider `file` is.
                    Some(file) => Arc::new(FileProvider::new(file)),
                    None => Arc::new(PasswordProvider::new(password.secret().clone())),
                }
            }
            (Provider::File, _, Some(file)) => Arc::new(FileProvider::new(file.path())),
            (Provider::Command, _, _) => Arc::new(CommandProvider::new(Command {
                timeout: settings.timeout,
                ttl: settings.ttl,
                renewal_offset: settings.renewal_offset.0,
                ..Command::new(settings.command.clone())
            })),
            (Provider::Passfile, _, file) => {
                if let Some(file) = file {
                    address.passfile = Some(file.path().to_owned());
                }
                Arc::new(NoCredential)
            }
            (Provider::Service, _, file) => service(settings, file.as_ref(), address, surroundings),
            (Provider::Certificate, _, _) => Arc::new(CertificateProvider),
            (Provider::Vault, _, _) => {
                super::vault::provider(settings, policy("Vault", settings), surroundings)?
            }
            (Provider::Aws, _, _) => aws(settings, surroundings)?,
            (Provider::Google, _, _) => google.login(settings, surroundings)?,
            (Provider::Azure, _, _) => {
                super::azure::provider(settings, policy("Azure", settings), address, surroundings)?
            }
            // Loading the settings has seen to it that the key of the provider is there.
            (Provider::Password | Provider::File | Provider::None, _, _) => Arc::new(NoCredential),
        };
    Ok(provider)
}

fn service(
    settings: &CredentialSettings,
    file: Option<&SecretFile>,
    address: &Endpoint,
    surroundings: &Surroundings,
) -> Arc<dyn CredentialProvider> {
    let files = match file {
        Some(file) => vec![file.path().to_owned()],
        None => pgmoor::endpoint::service::files(&address::environment(surroundings)),
    };
    let name = settings.service.clone().unwrap_or_default();
    let provider = ServiceProvider::new(name, files);
    Arc::new(match address.user {
        Some(_) => provider.password_only(),
        None => provider,
    })
}

#[cfg(feature = "aws")]
fn aws(
    settings: &CredentialSettings,
    surroundings: &Surroundings,
) -> Result<Arc<dyn CredentialProvider>, Failure> {
    use pgmoor::credential::aws::{Aws, AwsProvider};
    use pgmoor::credential::renewal::Clock;

    let given = settings.aws.clone().unwrap_or_default();
    let aws = Aws {
        region: given.region,
        profile: given.profile,
        host: given.host,
        port: given.port.map(std::num::NonZeroU16::get),
    };
    let (policy, client) = (policy("AWS", settings), super::common::client(surroundings));
    let provider = AwsProvider::new(aws, client, policy, Clock::system());
    Ok(Arc::new(provider))
}

#[cfg(not(feature = "aws"))]
fn aws(
    _settings: &CredentialSettings,
    _surroundings: &Surroundings,
) -> Result<Arc<dyn CredentialProvider>, Failure> {
    Err(super::common::left_out("aws"))
}

/// When a cloud's credentials are renewed.
fn policy(origin: &str, settings: &CredentialSettings) -> Policy {
    Policy {
        offset: settings.renewal_offset.0,
        ..Policy::new(origin)
    }
}
