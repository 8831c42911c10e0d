//! Google identities and instances of Cloud SQL, from what the configuration and the environment say.

use std::sync::Arc;

use pgmoor::connector::Line;
use pgmoor::credential::CredentialProvider;
use pgmoor::endpoint::Endpoint;

/// An instance of Cloud SQL, ready to be connected to.
pub(super) struct Instance {
    pub(super) address: Endpoint,
    pub(super) credential: Arc<dyn CredentialProvider>,
    pub(super) line: Arc<dyn Line>,
}

#[cfg(feature = "google")]
pub(super) use with::{instance, login};
#[cfg(not(feature = "google"))]
pub(super) use without::{instance, login};

#[cfg(feature = "google")]
mod with {
    use std::sync::Arc;

    use pgmoor::cloudsql::{CloudSql, CloudSqlOptions, IpType, Refresh};
    use pgmoor::credential::CredentialProvider;
    use pgmoor::credential::google::{GoogleIdentity, GoogleLogin, GoogleOptions};
    use pgmoor::http::Client;
    use pgmoor::settings::{
        CloudSqlIpType, CloudSqlRefresh, CloudSqlSettings, CredentialSettings, EndpointSettings,
        GoogleSettings,
    };

    use super::Instance;
    use crate::config::address;
    use crate::config::surroundings::Surroundings;
    use crate::endpoints::credential::Kept;
    use crate::exit::Exit;
    use crate::output::Failure;

    pub(in crate::endpoints) fn login(
        settings: &CredentialSettings,
        surroundings: &Surroundings,
    ) -> Result<Arc<dyn CredentialProvider>, Failure> {
        let identity = identity(settings.google.as_ref(), surroundings);
        let offset = settings.renewal_offset.0;
        Ok(Arc::new(GoogleLogin::new(&identity, offset)))
    }

    pub(in crate::endpoints) fn instance(
        name: &str,
        cloud_sql: &CloudSqlSettings,
        endpoint: &EndpointSettings,
        surroundings: &Surroundings,
        kept: &mut Kept,
    ) -> Result<Instance, Failure> {
        let identity = identity(cloud_sql.google.as_ref(), surroundings);
        let line = CloudSql::new(options(cloud_sql), identity).map_err(|error| {
            let failed = format!("cannot use the instance of endpoint \"{name}\"");
            Failure::new(Exit::Usage, failed).because(&error)
        })?;
        let mut address = line.endpoint();
        address.user = cloud_sql.user.clone();
        address.dbname = cloud_sql.dbname.clone();
        address::complete(&mut address, endpoint);
        let credential = match (line.iam_login(), &endpoint.credential) {
            (Some(login), _) => login,
            (None, Some(settings)) => kept.provider(name, settings, &mut address, surroundings)?,
            (None, None) => crate::endpoints::no_credential(),
        };
        Ok(Instance {
            address,
            credential,
            line: Arc::new(line),
        })
    }

    fn options(settings: &CloudSqlSettings) -> CloudSqlOptions {
        CloudSqlOptions {
            ip_type: match settings.ip_type {
                CloudSqlIpType::Public => IpType::Public,
                CloudSqlIpType::Private => IpType::Private,
                CloudSqlIpType::Psc => IpType::Psc,
                CloudSqlIpType::Auto => IpType::Auto,
            },
            refresh: match settings.refresh {
                CloudSqlRefresh::Ahead => Refresh::Ahead,
                CloudSqlRefresh::Lazy => Refresh::Lazy,
            },
            port: settings.port.get(),
            iam: settings.iam,
            dns_check: settings.dns_check,
            dns_server: settings.dns_server,
            api_endpoint: settings.api_endpoint.clone(),
            ..CloudSqlOptions::new(settings.instance.clone().unwrap_or_default())
        }
    }

    fn identity(settings: Option<&GoogleSettings>, surroundings: &Surroundings) -> GoogleIdentity {
        let settings = settings.cloned().unwrap_or_default();
        let options = GoogleOptions {
            credentials_file: settings.credentials_file,
            impersonate: settings.impersonate,
            quota_project: settings.quota_project,
            universe_domain: settings.universe_domain,
            iam_endpoint: settings.iam_endpoint,
        };
        let variables = surroundings.variables.clone();
        let get = move |name: &str| {
            let mut all = variables.iter();
            let (_, value) = all.find(|(variable, _)| variable == name)?;
            Some(value.clone())
        };
        let home = address::environment(surroundings).home().map(Into::into);
        GoogleIdentity::new(options, Client::from_environment(&get), get, home)
    }
}

#[cfg(not(feature = "google"))]
mod without {
    use std::sync::Arc;

    use pgmoor::credential::CredentialProvider;
    use pgmoor::settings::{CloudSqlSettings, CredentialSettings, EndpointSettings};

    use super::Instance;
    use crate::config::surroundings::Surroundings;
    use crate::endpoints::credential::{Kept, left_out};
    use crate::output::Failure;

    pub(in crate::endpoints) fn login(
        _settings: &CredentialSettings,
        _surroundings: &Surroundings,
    ) -> Result<Arc<dyn CredentialProvider>, Failure> {
        Err(left_out("google"))
    }

    pub(in crate::endpoints) fn instance(
        _name: &str,
        _cloud_sql: &CloudSqlSettings,
        _endpoint: &EndpointSettings,
        _surroundings: &Surroundings,
        _kept: &mut Kept,
    ) -> Result<Instance, Failure> {
        Err(left_out("google"))
    }
}
