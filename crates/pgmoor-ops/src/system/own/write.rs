//! Writes a meaning as a commented pgmoor.yaml.

use std::fmt::Write as _;

use pgmoor::settings::{Origin, quote, write_duration};

use super::url;
use crate::system::finding::{Finding, Severity};
use crate::system::meaning::{
    Address, Cloud, Database, Instance, Login, Meaning, Parameters, Told,
};
use crate::system::reference::{Reference, SECRETS};

/// What goes into the file besides the meaning.
#[derive(Clone, Copy, Debug)]
pub struct Origins<'a> {
    /// What it was made of, for the first line.
    pub from: &'a str,
    /// What is left to be done, as remarks.
    pub findings: &'a [Finding],
    /// The directory that keys of Kubernetes Secrets are mounted in, as `DIRECTORY/NAME/KEY`.
    pub secrets: &'a str,
}

/// One endpoint and the databases that it serves.
struct Endpoint<'a> {
    name: String,
    first: &'a Database,
    /// Whether databases name theirs themselves.
    shared: bool,
}

/// Writes it. Nothing in it is secret, as nothing in a meaning is.
pub fn write(meaning: &Meaning, origins: &Origins<'_>) -> String {
    let mut out = String::new();
    remark(
        &mut out,
        0,
        &format!("Made of {} by pgmoor import.", origins.from),
    );
    remark(
        &mut out,
        0,
        "No secret is in it: ${NAME} is a variable, file:PATH a file that others cannot read.",
    );
    if references(meaning).any(|one| matches!(one, Reference::Secret { .. })) {
        let place = format!("{}/NAME/KEY", origins.secrets);
        remark(
            &mut out,
            0,
            &format!("Keys of Kubernetes Secrets are mounted as {place}."),
        );
    }
    let open = origins.findings.iter().filter(|finding| {
        matches!(
            finding.severity,
            Severity::NotCarried | Severity::Wrong | Severity::Refused
        )
    });
    for finding in open {
        let problem = &finding.problem;
        let mut text = format!("- {}", problem.headline());
        for part in [&problem.cause, &problem.hint].into_iter().flatten() {
            let _ = write!(text, "; {part}");
        }
        remark(&mut out, 0, &text);
    }
    out.push_str("\ndatabases:\n");
    let endpoints = endpoints(meaning);
    let mut systems: Vec<(String, &Database)> = Vec::new();
    for database in &meaning.databases {
        write_database(&mut out, database, meaning.system, &endpoints, &mut systems);
    }
    out.push_str("\nendpoints:\n");
    for endpoint in &endpoints {
        write_endpoint(&mut out, endpoint, meaning.identity.as_ref());
    }
    if !systems.is_empty() {
        out.push_str("\nsystems:\n");
        for (name, database) in &systems {
            let _ = writeln!(out, "  {}:", quote(name));
            let _ = writeln!(out, "    extends: {}", meaning.system.unwrap_or("generic"));
            if let Some(schema) = schema(database) {
                let _ = writeln!(out, "    schema: {}", quote(schema));
            }
            if !database.rights.is_empty() {
                let _ = writeln!(out, "    rights: [{}]", database.rights.join(", "));
            }
        }
    }
    if origins.secrets == SECRETS {
        out
    } else {
        out.replace(&format!("{SECRETS}/"), &format!("{}/", origins.secrets))
    }
}

fn references(meaning: &Meaning) -> impl Iterator<Item = Reference> {
    let of = |database: &Database| {
        let mut found = Vec::new();
        match &database.address {
            Address::Whole(told) => found.push(told.value.clone()),
            Address::Server(parameters) => {
                let files = ["sslrootcert", "sslcert", "sslkey", "sslcrl"];
                let paths = files.iter().filter_map(|name| parameters.get(name));
                found.extend(paths.map(Reference::from_path));
            }
            Address::Bundled | Address::CloudSql(_) => {}
        }
        match &database.login {
            Login::Password(told) => found.push(told.value.clone()),
            Login::Token(told) => {
                if let Cloud::Azure {
                    client_secret: Some(secret),
                    ..
                } = &told.value
                {
                    found.push(secret.clone());
                }
            }
            Login::Address | Login::Other(_) => {}
        }
        found
    };
    meaning
        .databases
        .iter()
        .flat_map(of)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The schema that its tables are in, where its search path is one name.
fn schema(database: &Database) -> Option<&str> {
    let path = database.parameters()?.get("search_path")?;
    let is_one = path
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-');
    is_one.then_some(path)
}

fn without_dbname(address: &Address) -> Address {
    match address {
        Address::Server(parameters) => {
            let mut parameters = parameters.clone();
            parameters.0.remove("dbname");
            Address::Server(parameters)
        }
        Address::CloudSql(instance) => Address::CloudSql(Instance {
            dbname: None,
            ..instance.clone()
        }),
        other => other.clone(),
    }
}

fn endpoints(meaning: &Meaning) -> Vec<Endpoint<'_>> {
    let mut endpoints: Vec<Endpoint<'_>> = Vec::new();
    for database in &meaning.databases {
        if let Some(known) = endpoints.iter_mut().find(|known| serves(known, database)) {
            known.shared = true;
            continue;
        }
        let name = match database.address {
            Address::Bundled => "bundled".to_owned(),
            _ => database.name.value.clone(),
        };
        endpoints.push(Endpoint {
            name,
            first: database,
            shared: false,
        });
    }
    endpoints
}

fn serves(endpoint: &Endpoint<'_>, database: &Database) -> bool {
    without_dbname(&endpoint.first.address) == without_dbname(&database.address)
        && endpoint.first.login == database.login
}

fn write_database<'a>(
    out: &mut String,
    database: &'a Database,
    system: Option<&'static str>,
    endpoints: &[Endpoint<'_>],
    systems: &mut Vec<(String, &'a Database)>,
) {
    let _ = writeln!(out, "  {}:", quote(&database.name.value));
    let endpoint = endpoints
        .iter()
        .find(|known| serves(known, database))
        .expect("each database has one");
    let _ = writeln!(out, "    endpoint: {}", quote(&endpoint.name));
    let dbname = match &database.address {
        Address::Server(parameters) => parameters.0.get("dbname"),
        Address::CloudSql(instance) => instance.dbname.as_ref(),
        Address::Bundled | Address::Whole(_) => None,
    };
    if let Some(dbname) = dbname.filter(|_| endpoint.shared) {
        came_from(out, 4, &dbname.origin);
        let _ = writeln!(out, "    dbname: {}", quote(&dbname.value));
    }
    if let Some(system) = system {
        let own = schema(database).filter(|schema| *schema != "public");
        let name = match own {
            Some(schema) => format!("{system}-{schema}"),
            None if !database.rights.is_empty() => format!("{system}-own"),
            None => system.to_owned(),
        };
        let _ = writeln!(out, "    system: {}", quote(&name));
        if name != system && systems.iter().all(|(known, _)| *known != name) {
            systems.push((name, database));
        }
    }
    if let Some(pool) = &database.pool {
        came_from(out, 4, &pool.origin);
        let _ = writeln!(out, "    pool: {{ size: {} }}", pool.value);
    }
}

fn write_endpoint(out: &mut String, endpoint: &Endpoint<'_>, identity: Option<&Told<String>>) {
    let database = endpoint.first;
    let _ = writeln!(out, "  {}:", quote(&endpoint.name));
    match &database.address {
        Address::Bundled => out.push_str("    bundled: {}\n"),
        Address::Whole(told) => {
            came_from(out, 4, &told.origin);
            let _ = writeln!(out, "    url: \"{}\"", told.value);
        }
        Address::Server(parameters) => {
            let parameters = parameters_of(parameters, endpoint.shared);
            told(out, &parameters);
            let text = url(&parameters).replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(out, "    url: \"{text}\"");
        }
        Address::CloudSql(instance) => cloud_sql(out, instance, endpoint.shared),
    }
    match &database.login {
        Login::Address => {}
        Login::Other(told) => {
            let _ = writeln!(
                out,
                "    credential:\n      provider: {}",
                quote(&told.value)
            );
        }
        Login::Password(told) => {
            came_from(out, 4, &told.origin);
            let _ = writeln!(out, "    credential:\n      password: \"{}\"", told.value);
        }
        Login::Token(told) => {
            came_from(out, 4, &told.origin);
            out.push_str("    credential:\n");
            if let Some(identity) = identity {
                remark(
                    out,
                    6,
                    &format!(
                        "The service account of pgmoor has to be {} ({}).",
                        identity.value, identity.origin
                    ),
                );
            }
            cloud(out, &told.value);
            if database.trusts_blindly() {
                remark(
                    out,
                    6,
                    "As the original did. Better: sslmode=verify-full and sslrootcert in the url.",
                );
                out.push_str("      allow_unverified_tls: true\n");
            }
        }
    }
}

fn parameters_of(parameters: &Parameters, shared: bool) -> Parameters {
    let mut parameters = parameters.clone();
    if shared {
        parameters.0.remove("dbname");
    }
    parameters
}

fn cloud_sql(out: &mut String, instance: &Instance, shared: bool) {
    came_from(out, 4, &instance.instance.origin);
    out.push_str("    cloud_sql:\n");
    let keys = [
        ("instance", Some(&instance.instance)),
        ("user", instance.user.as_ref()),
        ("dbname", instance.dbname.as_ref().filter(|_| !shared)),
        ("ip_type", instance.ip_type.as_ref()),
    ];
    for (key, told) in keys {
        if let Some(told) = told {
            let _ = writeln!(out, "      {key}: {}", quote(&told.value));
        }
    }
}

fn cloud(out: &mut String, cloud: &Cloud) {
    let _ = writeln!(out, "      provider: {}", cloud.provider());
    match cloud {
        Cloud::Google => {}
        Cloud::Aws { region } => {
            if let Some(region) = region {
                let _ = writeln!(out, "      aws: {{ region: {} }}", quote(region));
            }
        }
        Cloud::Azure {
            tenant_id,
            client_id,
            client_secret,
            managed,
            renewal,
        } => {
            let mut keys = Vec::new();
            if *managed {
                keys.push(("source", "managed_identity".to_owned()));
            } else if client_secret.is_some() {
                keys.push(("source", "client_secret".to_owned()));
            }
            keys.extend(tenant_id.clone().map(|text| ("tenant_id", text)));
            keys.extend(client_id.clone().map(|text| ("client_id", text)));
            keys.extend(
                client_secret
                    .as_ref()
                    .map(|secret| ("client_secret", secret.to_string())),
            );
            if !keys.is_empty() {
                out.push_str("      azure:\n");
            }
            for (key, value) in keys {
                let _ = writeln!(out, "        {key}: {}", quote(&value));
            }
            if let Some(renewal) = renewal {
                let _ = writeln!(out, "      renewal_offset: {}", write_duration(*renewal));
            }
        }
    }
}

/// Where each parameter was said.
fn told(out: &mut String, parameters: &Parameters) {
    let mut places: Vec<(String, Vec<&str>)> = Vec::new();
    let mut by_line: Vec<(&Origin, &str)> = parameters
        .0
        .iter()
        .map(|(name, told)| (&told.origin, name.as_str()))
        .collect();
    by_line.sort_by_key(|(origin, _)| match origin {
        Origin::File { line, column, .. } => (*line, *column),
        Origin::Environment { .. } | Origin::Default => (u32::MAX, 0),
    });
    for (origin, name) in by_line {
        let Some(place) = place(origin) else { continue };
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, names)) => names.push(name),
            None => places.push((place, vec![name])),
        }
    }
    match places.as_slice() {
        [(place, _)] => remark(out, 4, place),
        places => {
            for (place, names) in places {
                remark(out, 4, &format!("{place}: {}", names.join(", ")));
            }
        }
    }
}

fn place(origin: &Origin) -> Option<String> {
    match origin {
        Origin::File { path, line, .. } => Some(format!("{}:{line}", path.display())),
        Origin::Environment { variable } => Some(format!("variable {variable}")),
        Origin::Default => None,
    }
}

fn came_from(out: &mut String, indent: usize, origin: &Origin) {
    if let Some(place) = place(origin) {
        remark(out, indent, &place);
    }
}

/// A remark; what could end its line is replaced.
fn remark(out: &mut String, indent: usize, text: &str) {
    let shown = |letter: char| {
        let breaks = letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
        if breaks { '\u{fffd}' } else { letter }
    };
    let text: String = text.chars().map(shown).collect();
    let _ = writeln!(out, "{}# {text}", " ".repeat(indent));
}
