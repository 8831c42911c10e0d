//! One address, without any configuration, as a subject of the checks.

use std::io::Read;
use std::sync::Arc;

use pgmoor::Secret;
use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::{Endpoint, Environment};
use pgmoor::settings::{Node, Origin};
use pgmoor_ops::facts::configuration::Configuration;
use pgmoor_ops::facts::{Destination, Subject};
use pgmoor_ops::preflight::Examination;

use super::subjects::asked;
use crate::args::{self, Global};
use crate::config::surroundings::Surroundings;
use crate::exit::Exit;
use crate::output::Failure;

/// An address is a line; whatever is longer than this is none.
const MAX_ADDRESS: u64 = 64 * 1024;

/// What `--url` names.
///
/// # Errors
/// There is no text to read, or no such system. An address that cannot be read is no error here: it is what
/// the report is about.
pub(super) fn examination(
    url: &str,
    global: &Global,
    arguments: &args::Check,
) -> Result<Examination, Failure> {
    let surroundings = Surroundings::of_process();
    let (origin, text) = text(url, &surroundings)?;
    let tree = tree(global, arguments)?;
    let asked = asked(arguments.system.as_deref(), &tree, arguments)?;
    // What is typed is completed as psql completes it.
    let environment = Environment::from_variables(surroundings.variables.iter().cloned());
    let address = Endpoint::load(text.expose().trim(), &environment);
    let connector = match &address {
        Ok(address) => Some(connector(address, &environment)?),
        Err(_) => None,
    };
    let target = match &arguments.to {
        Some(to) => Some(target(to, &surroundings, &environment)?),
        None => None,
    };
    let configuration = Configuration::of_text(origin, &text, address);
    let endpoint = configuration.endpoint();
    let name = endpoint.and_then(Endpoint::database);
    let subject = Subject {
        name: name.unwrap_or("the address").to_owned(),
        endpoint: None,
        database: None,
        configuration,
        connector,
        target,
    };
    Ok(Examination { subject, asked })
}

fn connector(address: &Endpoint, environment: &Environment) -> Result<Connector, Failure> {
    Connector::with_home(address.clone(), Arc::new(NoCredential), environment.home())
        .map_err(|error| Failure::new(Exit::Usage, "cannot use the address").because(&error))
}

/// What `--to` names beside an address.
fn target(
    to: &str,
    surroundings: &Surroundings,
    environment: &Environment,
) -> Result<Destination, Failure> {
    let (origin, text) = text(to, surroundings)?;
    let address = Endpoint::load(text.expose().trim(), environment);
    let address = address.map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("cannot read the target's address ({origin})"),
        )
        .because(&error)
    })?;
    let name = address.database().unwrap_or("the target").to_owned();
    Ok(Destination {
        name,
        connector: connector(&address, environment)?,
        database: None,
    })
}

/// The address itself, and what to call the place where it stands.
fn text(url: &str, surroundings: &Surroundings) -> Result<(String, Secret<String>), Failure> {
    let failed = |what: String| Failure::new(Exit::Usage, what);
    if url == "-" {
        let mut text = String::new();
        let read = std::io::stdin().take(MAX_ADDRESS).read_to_string(&mut text);
        read.map_err(|error| {
            failed("cannot read the address from standard input".to_owned()).because(&error)
        })?;
        return Ok(("standard input".to_owned(), Secret::new(text)));
    }
    if let Some(name) = url.strip_prefix("env:") {
        let text = surroundings.get(name).ok_or_else(|| {
            failed(format!("the environment variable \"{name}\" is not set"))
                .hint(format!("export {name}=postgres://…"))
        })?;
        return Ok((format!("environment variable {name}"), Secret::new(text)));
    }
    if let Some(path) = url.strip_prefix("file:") {
        let read = std::fs::File::open(path).and_then(|file| {
            let mut text = String::new();
            file.take(MAX_ADDRESS).read_to_string(&mut text)?;
            Ok(text)
        });
        let text = read.map_err(|error| failed(format!("cannot read {path}")).because(&error))?;
        return Ok((path.to_owned(), Secret::new(text)));
    }
    Ok(("--url".to_owned(), Secret::new(url.to_owned())))
}

/// The configuration, for its systems, where one is named and there is one.
fn tree(global: &Global, arguments: &args::Check) -> Result<Node, Failure> {
    match (&arguments.system, &global.config) {
        (Some(_), Some(_)) => Ok(super::super::load_configuration(global)?.tree),
        _ => Ok(Node::empty(Origin::Default)),
    }
}
