//! Addresses that belong to no application that is known: `DATABASE_URL`, `PG…` variables, or one alone.

use pgmoor::settings::{Data, Node};
use pgmoor_wire::Secret;

use super::address::{self, Dollars};
use super::finding::{Explain, Findings};
use super::input::Files;
use super::meaning::{Address, Database, Login, Meaning, Parameters, Told};
use super::reference::Reference;
use super::tree::Tree;
use super::writing::{cannot, only};

/// The database that clients ask for when nothing names it better.
const NAME: &str = "app";

/// Names that addresses go by, the likelier ones first.
const URLS: [&str; 8] = [
    "DATABASE_URL",
    "POSTGRES_URL",
    "POSTGRESQL_URL",
    "PG_URL",
    "DB_URL",
    "DATABASE_URI",
    "SQLALCHEMY_DATABASE_URI",
    "JDBC_DATABASE_URL",
];

/// libpq's variables and its names.
const PARTS: [(&str, &str); 14] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGAPPNAME", "application_name"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGOPTIONS", "options"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
];

fn database(address: Address, login: Login, told: &Told<()>) -> Meaning {
    Meaning {
        system: None,
        databases: vec![Database {
            name: told.with(NAME.to_owned()),
            address,
            login,
            pool: None,
            rights: Vec::new(),
        }],
        identity: None,
    }
}

/// Reads variables.
pub(super) fn read_variables(variables: &Node, findings: &mut Findings) -> Option<Meaning> {
    let text = |name: &str| {
        let node = &variables.entry(name)?.value;
        match &node.data {
            Data::Scalar(text) if !text.is_empty() => Some(Told::new(text.clone(), &node.origin)),
            _ => None,
        }
    };
    if let Some((name, url)) = URLS.iter().find_map(|name| Some((*name, text(name)?))) {
        let reference = url.with(Reference::Variable(name.to_owned()));
        let known = url.with(Secret::new(url.value.clone()));
        let (address, login, seen) = address::referred(reference, Some(known), findings);
        if let Some(seen) = seen {
            let shown = super::own::url(&seen);
            findings.note(
                &url.origin,
                format!("the address stays in its variable; without its password it is {shown}"),
            );
        }
        return Some(database(address, login, &url.with(())));
    }
    let mut parameters = Parameters::default();
    for (variable, name) in PARTS {
        let told = text(variable);
        parameters.put(
            name,
            told.map(|told| told.with(Dollars::Text.ours(&told.value))),
        );
    }
    let Some(host) = parameters
        .0
        .get("host")
        .or_else(|| parameters.0.get("hostaddr"))
        .map(|told| told.with(()))
    else {
        findings
            .refused(&variables.origin, "no variable says where a database is")
            .then(format!("{} and PGHOST were looked for", URLS.join(", ")));
        return None;
    };
    let login = if let Some(told) = text("PGPASSWORD") {
        Login::Password(told.with(Reference::Variable("PGPASSWORD".to_owned())))
    } else {
        Login::Address
    };
    Some(database(Address::Server(parameters), login, &host))
}

/// Reads files that are an address and nothing else.
pub(super) fn read_addresses(files: &Files, findings: &mut Findings) -> Option<Meaning> {
    let [url] = files.addresses.as_slice() else {
        let origin = files
            .addresses
            .get(1)
            .map_or(pgmoor::settings::Origin::Default, |told| {
                told.origin.clone()
            });
        findings
            .refused(&origin, "one address is wanted")
            .then("give one file with one address in it");
        return None;
    };
    let read = address::read(
        url.value.expose(),
        &url.origin,
        Dollars::Variables,
        findings,
    )?;
    let login = match &read.password {
        Some(password) => Login::Password(address::password(
            NAME,
            password,
            &url.origin,
            Dollars::Variables,
            findings,
        )),
        None => Login::Address,
    };
    Some(database(
        Address::Server(read.parameters),
        login,
        &url.with(()),
    ))
}

/// Writes libpq's variables. A password is not among them.
pub(super) fn write(meaning: &Meaning, findings: &mut Findings) -> Tree {
    let mut tree = Tree::default();
    let Some(database) = only("a file of variables", meaning, findings) else {
        return tree;
    };
    let Some(parameters) = database.parameters() else {
        cannot(
            "libpq",
            database,
            "its address is not host, port, user and database",
            findings,
        );
        return tree;
    };
    for (name, told) in &parameters.0 {
        match PARTS.iter().find(|(_, known)| known == name) {
            Some((variable, _)) => tree.set(&[variable], told.value.replace("$${", "${")),
            None => {
                findings
                    .not_carried(&told.origin, format!("\"{name}\" of the address"))
                    .why("libpq has no variable for it")
                    .then("set it by PGOPTIONS=\"-c NAME=VALUE\"");
            }
        }
    }
    match &database.login {
        Login::Address => {}
        Login::Password(told) => {
            findings
                .not_carried(&database.name.origin, "the password")
                .then(format!("set PGPASSWORD or PGPASSFILE from {}", told.value));
        }
        Login::Token(told) => {
            let what = format!("a token of {}", told.value.provider());
            cannot("libpq", database, &what, findings);
        }
        Login::Other(told) => {
            let what = format!("the provider \"{}\"", told.value);
            cannot("libpq", database, &what, findings);
        }
    }
    tree
}
