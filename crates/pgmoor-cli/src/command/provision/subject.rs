//! What is provisioned where: from the configuration to what is wanted.

use pgmoor::connector::Connector;
use pgmoor::settings::{CredentialProvider, EndpointSettings, SchemaSettings};
use pgmoor_gateway::endpoint_name;
use pgmoor_ops::provision::{EntraObject, Identity, Wanted, WantedRole};
use pgmoor_ops::requirement::GENERIC;

use crate::args::Provisioned;
use crate::config::load::Loaded;
use crate::config::settings::APP;
use crate::config::surroundings::Surroundings;
use crate::config::systems::requirement;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::Failure;

/// What is provisioned where.
pub(super) struct Subject {
    pub(super) wanted: Wanted,
    /// The login that runs migrations, where that is another than the application's.
    pub(super) migrator: Option<String>,
    pub(super) connector: Connector,
    pub(super) by: String,
    /// Host and port, for a Secret.
    pub(super) place: (String, u16),
}

fn usage(what: String) -> Failure {
    Failure::new(Exit::Usage, what)
}

impl Subject {
    pub(super) async fn of(
        what: &Provisioned,
        loaded: &Loaded,
        bundles: &mut Bundles,
    ) -> Result<Self, Failure> {
        let settings = &loaded.settings;
        let mut names = settings.databases.keys();
        let name = match (&what.database, names.next(), names.next()) {
            (Some(name), _, _) => name.clone(),
            (None, Some(only), None) => only.clone(),
            (None, _, _) => APP.to_owned(),
        };
        let database = settings.databases.get(&name).ok_or_else(|| {
            usage(format!(
                "there is no database \"{name}\" in the configuration"
            ))
            .hint("name one with --database")
        })?;
        let schema = database.schema.clone().unwrap_or_default();
        let surroundings = Surroundings::of_process();
        let mut connectors = Vec::new();
        let served = endpoint_name(&name, database);
        let migrating = schema.endpoint.as_ref().unwrap_or(&served);
        for endpoint in [&served, &what.by, migrating] {
            let known = settings.endpoints.get(endpoint).ok_or_else(|| {
                let known: Vec<&str> = settings.endpoints.keys().map(String::as_str).collect();
                usage(format!("there is no endpoint \"{endpoint}\""))
                    .hint(format!("there are: {}", known.join(", ")))
            })?;
            let connector = bundles.connector(endpoint, known, settings, &surroundings);
            connectors.push((known, connector.await?));
        }
        let [(runtime, app), (_, admin), (migrating, migrator)] = &connectors[..] else {
            unreachable!("three were pushed")
        };
        if app.user() == admin.user() {
            let user = app.user();
            return Err(usage(format!(
                "the endpoint \"{}\" logs in as \"{user}\", as the application does",
                what.by
            ))
            .cause("whoever provisions is another than the role that is made")
            .hint("name the endpoint of an administrator with --by"));
        }
        let dbname = database.dbname.clone();
        let dbname = dbname
            .or_else(|| app.endpoint().dbname.clone())
            .unwrap_or(name);
        let system = database.system.as_deref().unwrap_or(GENERIC);
        let system = requirement(system, &loaded.tree)?;
        let mut wanted = Wanted::new(&system, app_role(what, runtime, app)?, &dbname);
        let migrator = (migrator.user() != app.user())
            .then(|| WantedRole::login(migrator.user(), identity(migrating, None)));
        let migrator = own_apart(&mut wanted, migrator, &schema);
        wanted.take_over.clone_from(&what.take_over);
        if wanted.take_over.contains(&wanted.owner) {
            return Err(usage(format!(
                "\"{}\" is the owner already, from whom nothing is taken over",
                wanted.owner.escape_debug()
            )));
        }
        wanted.check_names().map_err(|(name, why)| {
            usage(format!(
                "\"{}\" cannot be the name of anything",
                name.escape_debug()
            ))
            .cause(why)
        })?;
        let host = app.endpoint().hosts.first();
        let place = host.map_or_else(Default::default, |host| {
            (host.name().unwrap_or_default().to_owned(), host.port)
        });
        Ok(Self {
            wanted,
            migrator,
            connector: admin.clone(),
            by: what.by.clone(),
            place,
        })
    }
}

/// The role that the application logs in as.
fn app_role(
    what: &Provisioned,
    settings: &EndpointSettings,
    connector: &Connector,
) -> Result<WantedRole, Failure> {
    let object = what.entra_object.clone().map(|id| EntraObject {
        id,
        kind: match what.entra_kind.as_str() {
            "user" => "user",
            "group" => "group",
            _ => "service",
        },
    });
    let identity = identity(settings, object);
    if what.entra_object.is_some() && !matches!(identity, Identity::Entra(_)) {
        return Err(
            usage("--entra-object is for a login by Entra ID".to_owned())
                .hint("give the endpoint of the application credential: { provider: azure }"),
        );
    }
    if what.reset_password && identity != Identity::Password {
        return Err(usage(format!(
            "\"{}\" logs in without a password",
            connector.user().escape_debug()
        ))
        .cause("its endpoint has a credential that needs none"));
    }
    let mut role = WantedRole::login(connector.user(), identity);
    role.connection_limit = what.connection_limit;
    role.reset_password = what.reset_password;
    Ok(role)
}

/// Who owns, where migrations are run by another login or as another role.
fn own_apart(
    wanted: &mut Wanted,
    migrator: Option<WantedRole>,
    schema: &SchemaSettings,
) -> Option<String> {
    let login = migrator.as_ref().map(|role| role.name.clone());
    let runs_them = login.clone().unwrap_or_else(|| wanted.role.name.clone());
    wanted.owner.clone_from(&runs_them);
    wanted.others.extend(migrator);
    if let Some(role) = &schema.role
        && *role != runs_them
    {
        if *role != wanted.role.name {
            wanted.others.push(WantedRole::group(role));
        }
        wanted.owner.clone_from(role);
        wanted.member = Some(runs_them);
    }
    login
}

/// How a role logs in, by how its endpoint does.
fn identity(endpoint: &EndpointSettings, object: Option<EntraObject>) -> Identity {
    let provider = endpoint.credential.as_ref().map(|one| one.provider());
    let by_connector = endpoint
        .cloud_sql
        .as_ref()
        .is_some_and(|instance| instance.iam);
    match provider {
        _ if by_connector => Identity::GoogleIam,
        Some(CredentialProvider::Aws) => Identity::RdsIam,
        Some(CredentialProvider::Azure) => Identity::Entra(object),
        Some(CredentialProvider::Google) => Identity::GoogleIam,
        Some(CredentialProvider::Vault) => Identity::Elsewhere,
        _ => Identity::Password,
    }
}
