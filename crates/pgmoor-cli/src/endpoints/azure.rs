//! Azure's identities, from what the configuration and the environment say.

#[cfg(feature = "azure")]
pub(super) use with::{cloud, provider};
#[cfg(not(feature = "azure"))]
pub(super) use without::{cloud, provider};

#[cfg(feature = "azure")]
mod with {
    use std::collections::HashMap;
    use std::sync::Arc;

    use pgmoor::credential::azure::{
        Azure, AzureSource as AzureTokens, ClientSecret, Cloud, Source,
    };
    use pgmoor::credential::renewal::{Clock, Policy};
    use pgmoor::credential::{CredentialProvider, TokenProvider};
    use pgmoor::endpoint::{Endpoint, Host};
    use pgmoor::settings::{AzureCloud, AzureSource, CredentialSettings};

    use crate::config::surroundings::Surroundings;
    use crate::endpoints::common::client;
    use crate::output::Failure;

    /// The cloud that the server's name tells, for comparison.
    pub(in crate::endpoints) fn cloud(address: &Endpoint) -> String {
        format!("{:?}", cloud_of(address))
    }

    fn cloud_of(address: &Endpoint) -> Option<Cloud> {
        let mut names = address.hosts.iter().filter_map(Host::name);
        names.find_map(Cloud::of_host)
    }

    pub(in crate::endpoints) fn provider(
        settings: &CredentialSettings,
        policy: Policy,
        address: &Endpoint,
        surroundings: &Surroundings,
    ) -> Result<Arc<dyn CredentialProvider>, Failure> {
        let given = settings.azure.clone().unwrap_or_default();
        let named = given.cloud.map(|cloud| match cloud {
            AzureCloud::Public => Cloud::Public,
            AzureCloud::China => Cloud::China,
            AzureCloud::UsGovernment => Cloud::UsGovernment,
        });
        let azure = Azure {
            source: given.source.map(|source| match source {
                AzureSource::Environment => Source::Environment,
                AzureSource::WorkloadIdentity => Source::WorkloadIdentity,
                AzureSource::ManagedIdentity => Source::ManagedIdentity,
                AzureSource::ClientSecret => Source::ClientSecret,
                AzureSource::ClientCertificate => Source::ClientCertificate,
                AzureSource::Cli => Source::Cli,
            }),
            cloud: named.or_else(|| cloud_of(address)),
            authority_host: given.authority_host,
            resource: None,
            tenant_id: given.tenant_id,
            client_id: given.client_id,
            client_secret: given.client_secret.map(|secret| match secret.file() {
                // Rotated as the password of the provider `file` is.
                Some(file) => ClientSecret::File(file.to_owned()),
                None => ClientSecret::Value(secret.secret().clone()),
            }),
            client_certificate: given.client_certificate,
            federated_token_file: given.federated_token_file,
            object_id: given.object_id,
            resource_id: given.resource_id,
        };
        let variables: HashMap<_, _> = surroundings.variables.iter().cloned().collect();
        let environment = Arc::new(move |name: &str| variables.get(name).cloned());
        let source = AzureTokens::new(azure, client(surroundings), environment);
        let provider = TokenProvider::new(Arc::new(source), policy, Clock::system());
        Ok(Arc::new(provider))
    }
}

#[cfg(not(feature = "azure"))]
mod without {
    use std::sync::Arc;

    use pgmoor::credential::CredentialProvider;
    use pgmoor::credential::renewal::Policy;
    use pgmoor::endpoint::Endpoint;
    use pgmoor::settings::CredentialSettings;

    use crate::config::surroundings::Surroundings;
    use crate::endpoints::common::left_out;
    use crate::output::Failure;

    pub(in crate::endpoints) fn cloud(_address: &Endpoint) -> String {
        String::new()
    }

    pub(in crate::endpoints) fn provider(
        _settings: &CredentialSettings,
        _policy: Policy,
        _address: &Endpoint,
        _surroundings: &Surroundings,
    ) -> Result<Arc<dyn CredentialProvider>, Failure> {
        Err(left_out("azure"))
    }
}
