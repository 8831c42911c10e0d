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
pub(super) use with::Identities;
#[cfg(not(feature = "google"))]
pub(super) use without::Identities;

#[cfg(feature = "google")]
mod with {
    use std::sync::Arc;

    use pgmoor::Secret;
    use pgmoor::cloudsql::{CloudSql, CloudSqlOptions, IpType, Refresh};
    use pgmoor::credential::CredentialProvider;
    use pgmoor::credential::google::{GoogleIdentity, GoogleLogin, GoogleOptions};
    use pgmoor::http::Client;
    use pgmoor::settings::{
        CloudSqlIpType, CloudSqlRefresh, CloudSqlSettings, CredentialSettings, EndpointSettings,
        GoogleSettings, Value,
    };

    use super::Instance;
    use crate::config::address;
    use crate::config::surroundings::Surroundings;
    use crate::endpoints::credential;
    use crate::endpoints::kept::Kept;
    use crate::exit::Exit;
    use crate::output::Failure;

    /// Who we are for Google, and the ways to instances: each made once of the same settings.
    #[derive(Debug, Default)]
    pub(in crate::endpoints) struct Identities {
        identities: Kept<GoogleIdentity>,
        lines: Kept<CloudSql>,
    }

    impl Identities {
        pub(in crate::endpoints) fn login(
            &mut self,
            settings: &CredentialSettings,
            surroundings: &Surroundings,
        ) -> Result<Arc<dyn CredentialProvider>, Failure> {
            let identity = self.identity(settings.google.as_ref(), surroundings)?;
            let offset = settings.renewal_offset.0;
            Ok(Arc::new(GoogleLogin::new(&identity, offset)))
        }

        pub(in crate::endpoints) fn forget_unused(&mut self) {
            self.identities.forget_unused();
            self.lines.forget_unused();
        }

        fn identity(
            &mut self,
            settings: Option<&GoogleSettings>,
            surroundings: &Surroundings,
        ) -> Result<GoogleIdentity, Failure> {
            let settings = settings.cloned().unwrap_or_default();
            let made_of = Secret::new(format!("{:?}", settings.show()));
            let make = || Ok(identity(settings, surroundings));
            self.identities.get(made_of, make)
        }

        fn line(
            &mut self,
            name: &str,
            cloud_sql: &CloudSqlSettings,
            surroundings: &Surroundings,
        ) -> Result<CloudSql, Failure> {
            let identity = self.identity(cloud_sql.google.as_ref(), surroundings)?;
            // Whoever logs in there, and to which database, goes the same way.
            let way = CloudSqlSettings {
                user: None,
                dbname: None,
                ..cloud_sql.clone()
            };
            let made_of = Secret::new(format!("{:?}", way.show()));
            self.lines.get(made_of, || {
                CloudSql::new(options(cloud_sql), identity).map_err(|error| {
                    let failed = format!("cannot use the instance of endpoint \"{name}\"");
                    Failure::new(Exit::Usage, failed).because(&error)
                })
            })
        }
    }

    impl credential::Identities {
        pub(in crate::endpoints) fn instance(
            &mut self,
            name: &str,
            cloud_sql: &CloudSqlSettings,
            endpoint: &EndpointSettings,
            surroundings: &Surroundings,
        ) -> Result<Instance, Failure> {
            let line = self.google.line(name, cloud_sql, surroundings)?;
            let mut address = line.endpoint();
            address.user = cloud_sql.user.clone();
            address.dbname = cloud_sql.dbname.clone();
            address::complete(&mut address, endpoint);
            let credential = match (line.iam_login(), &endpoint.credential) {
                (Some(login), _) => login,
                (None, Some(settings)) => self.provider(settings, &mut address, surroundings)?,
                (None, None) => crate::endpoints::no_credential(),
            };
            Ok(Instance {
                address,
                credential,
                line: Arc::new(line),
            })
        }
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

    fn identity(settings: GoogleSettings, surroundings: &Surroundings) -> GoogleIdentity {
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
    use crate::endpoints::common::left_out;
    use crate::endpoints::credential;
    use crate::output::Failure;

    #[derive(Debug, Default)]
    pub(in crate::endpoints) struct Identities;

    impl Identities {
        pub(in crate::endpoints) fn login(
            &mut self,
            _settings: &CredentialSettings,
            _surroundings: &Surroundings,
        ) -> Result<Arc<dyn CredentialProvider>, Failure> {
            Err(left_out("google"))
        }

        pub(in crate::endpoints) fn forget_unused(&mut self) {}
    }

    impl credential::Identities {
        pub(in crate::endpoints) fn instance(
            &mut self,
            _name: &str,
            _cloud_sql: &CloudSqlSettings,
            _endpoint: &EndpointSettings,
            _surroundings: &Surroundings,
        ) -> Result<Instance, Failure> {
            Err(left_out("google"))
        }
    }
}
