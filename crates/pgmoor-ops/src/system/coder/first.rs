//! Reads the values of Coder's chart of version 1.

use pgmoor::settings::Node;

use super::NAME;
use crate::system::address::Dollars;
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Login, Meaning, Parameters, Told};
use crate::system::reference::Reference;
use crate::system::token;
use crate::system::values::{Block, Values, Variable, variables};

const KEYS: [&str; 12] = [
    "default",
    "host",
    "port",
    "user",
    "database",
    "searchPath",
    "passwordSecret",
    "noPasswordEnv",
    "sslMode",
    "ssl",
    "connector",
    "password",
];

/// Whether these are values of that chart.
pub(in crate::system) fn claims(root: &Node) -> bool {
    let keys = ["default", "noPasswordEnv", "passwordSecret", "connector"];
    keys.iter().any(|key| root.at(&["postgres", key]).is_some()) || root.entry("coderd").is_some()
}

/// Reads them.
pub(in crate::system) fn read(values: &Values, findings: &mut Findings) -> Option<Meaning> {
    let mut meaning = Meaning {
        system: Some(NAME),
        ..Meaning::default()
    };
    let block = values.block(&["postgres"]);
    let external = block.as_ref().and_then(|block| {
        let default = block.flag(&["default", "enable"], findings);
        (!default.is_none_or(|told| told.value)).then(|| block.clone())
    });
    let mut database = match (&external, &block) {
        (Some(block), _) => external_database(block, values, findings)?,
        (None, block) => {
            let node = block.as_ref().map_or(&values.root, |block| block.node);
            if let Some(block) = block {
                trap(block, findings);
            }
            Database {
                name: Told::new(NAME.to_owned(), &node.origin),
                address: Address::Bundled,
                login: Login::Address,
                pool: None,
                rights: Vec::new(),
            }
        }
    };
    database.pool = pool(values, findings);
    if let Login::Token(token) = &database.login {
        let key = token::annotation(&token.value);
        let account = values.block(&["coderd"]);
        let account = account
            .as_ref()
            .and_then(|block| block.text(&["serviceAccount", "annotations", key]));
        meaning.identity = account.or_else(|| {
            let block = values.block(&["serviceAccount"])?;
            block.text(&["annotations", key])
        });
    }
    meaning.databases.push(database);
    Some(meaning)
}

/// Whoever forgets one switch has all the others ignored.
fn trap(block: &Block<'_>, findings: &mut Findings) {
    let ignored: Vec<&str> = KEYS[1..].to_vec();
    let set = block.set_among(&ignored);
    let Some(first) = set.first() else { return };
    let all: Vec<&str> = set.iter().map(|told| told.value.as_str()).collect();
    let origin = block
        .text(&["default", "enable"])
        .map_or_else(|| first.origin.clone(), |told| told.origin);
    findings
        .wrong(
            &origin,
            format!("the chart ignores {} of \"postgres\"", all.join(", ")),
        )
        .why("\"postgres.default.enable\" is true unless it is set to false, and then the chart runs a PostgreSQL of its own")
        .then("write \"postgres: {default: {enable: false}}\" if the other keys name the database in use; the result is what the chart does now");
}

fn external_database(
    block: &Block<'_>,
    values: &Values,
    findings: &mut Findings,
) -> Option<Database> {
    block.expect(&KEYS, findings);
    if block.text(&["host"]).is_none() {
        findings
            .refused(
                &block.node.origin,
                "\"postgres\" does not say where the database is",
            )
            .then("set \"postgres.host\"");
        return None;
    }
    let mut parameters = Parameters::default();
    let ours = |told: Told<String>| told.with(Dollars::Text.ours(&told.value));
    for (key, name, default) in [
        ("host", "host", None),
        ("port", "port", Some("5432")),
        ("user", "user", Some("coder")),
        ("database", "dbname", Some("coder")),
        ("searchPath", "search_path", None),
        ("sslMode", "sslmode", Some("require")),
    ] {
        let default = default.map(|text| Told::new(text.to_owned(), &block.node.origin));
        parameters.put(name, block.text(&[key]).map(ours).or(default));
    }
    if let Some(port) = parameters.0.get("port")
        && !port.value.parse::<u16>().is_ok_and(|port| port > 0)
    {
        findings
            .refused(&port.origin, "\"postgres.port\" is no port")
            .then("write a number from 1 to 65535");
        return None;
    }
    for (key, name) in [
        ("rootCertSecret", "sslrootcert"),
        ("certSecret", "sslcert"),
        ("keySecret", "sslkey"),
    ] {
        let told = block.secret_key(&["ssl", key, "name"], &["ssl", key, "key"], "");
        let Some(told) = told else { continue };
        if let Reference::Secret { key: field, .. } = &told.value
            && field.is_empty()
        {
            findings
                .wrong(
                    &told.origin,
                    format!("\"postgres.ssl.{key}.key\" is not set"),
                )
                .then("name the key of the Secret; it was left out");
            continue;
        }
        parameters.put(name, told.value.path().map(|path| told.with(path)));
    }
    let login = login(block, &mut parameters, values, findings);
    Some(Database {
        name: Told::new(NAME.to_owned(), &block.node.origin),
        address: Address::Server(parameters),
        login,
        pool: None,
        rights: Vec::new(),
    })
}

fn login(
    block: &Block<'_>,
    parameters: &mut Parameters,
    values: &Values,
    findings: &mut Findings,
) -> Login {
    if let Some(inline) = block.text(&["password"]) {
        findings
            .wrong(&inline.origin, "\"postgres.password\" is no key of the chart")
            .why("the chart reads the password from the Secret that \"passwordSecret\" names, field \"password\"")
            .then("put it into that Secret, and take it out of the file; it was not copied");
    }
    let connector = block.text(&["connector"]);
    let is_aws = match connector.as_ref().map(|told| told.value.as_str()) {
        None | Some("postgres") => false,
        Some("awsiamrds") => true,
        Some(_) => {
            if let Some(told) = &connector {
                findings
                    .wrong(&told.origin, "\"postgres.connector\" is none that there is")
                    .then("write postgres or awsiamrds; it was taken as postgres");
            }
            false
        }
    };
    let secret = block.text(&["passwordSecret"]);
    if let Some(connector) = connector.filter(|_| is_aws) {
        if let Some(secret) = secret {
            findings
                .wrong(&secret.origin, "\"postgres.passwordSecret\" has no effect")
                .why("with the connector awsiamrds a token is the password");
        }
        let region = region(values).map(|told| told.value);
        return token::login(connector.with(Cloud::Aws { region }), parameters, findings);
    }
    match secret {
        Some(secret) => {
            values.expect_key(&secret, "password", findings);
            Login::Password(secret.with(Reference::secret(&secret.value, "password")))
        }
        None => Login::Address,
    }
}

/// Environment variables of its containers, wherever the values have them.
fn environment(values: &Values) -> Vec<(String, Variable)> {
    let places = [
        ["coderd", "extraEnvs"],
        ["coderd", "env"],
        ["postgres", "env"],
    ];
    places
        .iter()
        .filter_map(|path| values.root.at(path))
        .flat_map(variables)
        .collect()
}

fn region(values: &Values) -> Option<Told<String>> {
    let variables = environment(values);
    ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| {
            let (_, variable) = variables.iter().find(|(known, _)| known == name)?;
            variable.text().cloned()
        })
}

fn pool(values: &Values, findings: &mut Findings) -> Option<Told<u32>> {
    let variables = environment(values);
    let (_, variable) = variables
        .iter()
        .find(|(name, _)| name == "CODER_MAX_DB_CONNECTIONS")?;
    let told = variable.text()?;
    super::second::count(told, "CODER_MAX_DB_CONNECTIONS", findings)
}
