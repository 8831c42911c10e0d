//! The databases of the configuration, as subjects of the checks.

use std::time::SystemTime;

use pgmoor::Secret;
use pgmoor::settings::{
    ConnectionText, CredentialProvider, EndpointSettings, Node, Origin, nearest,
};
use pgmoor_gateway::settings::DatabaseSettings;
use pgmoor_ops::check::Asked;
use pgmoor_ops::facts::configuration::{Configuration, CredentialKind, SecretFile};
use pgmoor_ops::facts::{Destination, Subject};
use pgmoor_ops::preflight::Examination;
use pgmoor_ops::requirement::GENERIC;

use crate::args::{self, Global};
use crate::config::load::Loaded;
use crate::config::surroundings::Surroundings;
use crate::config::{address, exposed, systems};
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::Failure;

/// The databases that are asked for; all, when none is named. Bundled servers are started.
///
/// # Errors
/// There is no such database or system, or a bundled server does not start. A configuration that is not in
/// order is no error here: it is what the report is about.
pub(super) async fn of_configuration(
    global: &Global,
    arguments: &args::Check,
    bundles: &mut Bundles,
) -> Result<Vec<Examination>, Failure> {
    let loaded = match super::super::load_configuration(global) {
        Ok(loaded) => loaded,
        Err(failure) => return Ok(vec![not_in_order(global, arguments, failure)?]),
    };
    super::super::start_log(&loaded)?;
    let surroundings = Surroundings::of_process();
    let mut examinations = Vec::new();
    for name in names(&loaded, &arguments.databases)? {
        let database = &loaded.settings.databases[&name];
        let system = arguments.system.as_deref().or(database.system.as_deref());
        let schema = database.schema.as_ref();
        let asked = Asked {
            migrates_elsewhere: schema
                .is_some_and(|schema| schema.endpoint.is_some() || schema.role.is_some()),
            ..asked(system, &loaded.tree, arguments)?
        };
        let endpoint = database.endpoint.clone().unwrap_or_default();
        let Some(settings) = loaded.settings.endpoints.get(&endpoint) else {
            continue;
        };
        let connector = bundles
            .connector(&endpoint, settings, &loaded.settings, &surroundings)
            .await?;
        let subject = Subject {
            configuration: configuration(&endpoint, settings, &loaded, &surroundings),
            database: dbname(&name, database, connector.endpoint().dbname.is_some()),
            target: target(arguments, &name, database, &loaded, bundles).await?,
            name,
            endpoint: Some(endpoint),
            connector: Some(connector),
        };
        examinations.push(Examination { subject, asked });
    }
    Ok(examinations)
}

/// What `--to` names: an endpoint, with the database that is there by its own name or by this one's.
async fn target(
    arguments: &args::Check,
    name: &str,
    database: &DatabaseSettings,
    loaded: &Loaded,
    bundles: &mut Bundles,
) -> Result<Option<Destination>, Failure> {
    let Some(endpoint) = &arguments.to else {
        return Ok(None);
    };
    let known = &loaded.settings.endpoints;
    let Some(settings) = known.get(endpoint) else {
        let failure = Failure::new(Exit::Usage, format!("there is no endpoint \"{endpoint}\""));
        let near = nearest(endpoint, known.keys().map(String::as_str));
        return Err(match near {
            Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
            None => failure.hint("--to names an endpoint of the configuration"),
        });
    };
    let surroundings = Surroundings::of_process();
    let connector = bundles
        .connector(endpoint, settings, &loaded.settings, &surroundings)
        .await?;
    Ok(Some(Destination {
        name: endpoint.clone(),
        database: dbname(name, database, connector.endpoint().dbname.is_some()),
        connector,
    }))
}

/// The name at the server: the database's own, the endpoint's, else that which clients ask for.
fn dbname(name: &str, database: &DatabaseSettings, endpoint_has_one: bool) -> Option<String> {
    match &database.dbname {
        Some(dbname) => Some(dbname.clone()),
        None if endpoint_has_one => None,
        None => Some(name.to_owned()),
    }
}

/// What is asked of a database that is for this system.
pub(super) fn asked(
    system: Option<&str>,
    tree: &Node,
    arguments: &args::Check,
) -> Result<Asked, Failure> {
    let system = system.unwrap_or(GENERIC);
    Ok(Asked {
        system: system.to_owned(),
        requirement: systems::requirement(system, tree)?,
        replicas: arguments.replicas,
        connections: arguments.connections,
        migrates_elsewhere: false,
        for_move: arguments.purpose == Some(args::Purpose::Move),
        now: SystemTime::now(),
    })
}

fn names(loaded: &Loaded, wanted: &[String]) -> Result<Vec<String>, Failure> {
    let known = &loaded.settings.databases;
    if wanted.is_empty() {
        return Ok(known.keys().cloned().collect());
    }
    for name in wanted {
        if !known.contains_key(name) {
            let failure = Failure::new(Exit::Usage, format!("there is no database \"{name}\""));
            let near = nearest(name, known.keys().map(String::as_str));
            return Err(match near {
                Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
                None => failure.hint("pgmoor config check lists them"),
            });
        }
    }
    Ok(wanted.to_vec())
}

/// How an endpoint is written down.
fn configuration(
    name: &str,
    settings: &EndpointSettings,
    loaded: &Loaded,
    surroundings: &Surroundings,
) -> Configuration {
    let node = loaded.tree.at(&["endpoints", name, "url"]);
    let origin = node.map(|node| node.origin.clone());
    let origin = match origin.unwrap_or(Origin::Default) {
        Origin::Default => format!("endpoints.{name}"),
        origin => origin.to_string(),
    };
    let mut configuration = match &settings.url {
        Some(url) => of_url(origin, url, surroundings),
        None => Configuration::without_address(origin),
    };
    configuration.exposed = exposed::note(loaded);
    configuration.credential = credential(settings);
    if settings
        .url
        .as_ref()
        .is_some_and(ConnectionText::was_trimmed)
    {
        configuration.blanks.push(format!("endpoints.{name}.url"));
    }
    if let Some(credential) = &settings.credential {
        configuration.allows_unverified_tls = credential.allow_unverified_tls;
        let password = credential.password.as_ref().map(|it| it.secret().expose());
        if password.is_some_and(|password| password.trim() != password) {
            let place = format!("endpoints.{name}.credential.password");
            configuration.blanks.push(place);
        }
        if let Some(file) = &credential.file {
            let what = match credential.provider() {
                CredentialProvider::Passfile => "passfile",
                _ => "password file",
            };
            let file = SecretFile::look(what, file.path());
            if what == "password file" && file.has_blanks() {
                configuration.blanks.push(file.path.display().to_string());
            }
            configuration.secret_files.push(file);
        }
    }
    configuration
}

fn of_url(origin: String, url: &ConnectionText, surroundings: &Surroundings) -> Configuration {
    let text = Secret::new(url.expose().to_owned());
    let address =
        pgmoor::endpoint::Endpoint::load(url.expose(), &address::environment(surroundings));
    Configuration::of_text(origin, &text, address)
}

fn credential(settings: &EndpointSettings) -> CredentialKind {
    if settings.cloud_sql.as_ref().is_some_and(|it| it.iam) {
        return CredentialKind::CloudSql;
    }
    let Some(credential) = &settings.credential else {
        return CredentialKind::Address;
    };
    match credential.provider() {
        CredentialProvider::Password
        | CredentialProvider::File
        | CredentialProvider::Passfile
        | CredentialProvider::Service => CredentialKind::Password,
        // Somebody else's program or service supplies it.
        CredentialProvider::Command | CredentialProvider::Vault => CredentialKind::Command,
        CredentialProvider::Aws => CredentialKind::Aws,
        CredentialProvider::Google => CredentialKind::Google,
        CredentialProvider::Azure => CredentialKind::Azure,
        CredentialProvider::Certificate | CredentialProvider::None => CredentialKind::Address,
    }
}

/// A configuration that did not load stands in the report as what is wrong with it.
fn not_in_order(
    global: &Global,
    arguments: &args::Check,
    failure: Failure,
) -> Result<Examination, Failure> {
    let name = global.config.as_ref().map_or_else(
        || crate::config::load::DEFAULT_FILE.to_owned(),
        |path| path.display().to_string(),
    );
    let mut configuration = Configuration::without_address(&name);
    configuration.problems = failure.problems;
    let tree = Node::empty(Origin::Default);
    // One of the configuration's own is not known now.
    let system = arguments.system.as_deref();
    let asked = asked(system, &tree, arguments).or_else(|_| asked(None, &tree, arguments))?;
    let subject = Subject {
        name,
        endpoint: None,
        database: None,
        configuration,
        connector: None,
        target: None,
    };
    Ok(Examination { subject, asked })
}
