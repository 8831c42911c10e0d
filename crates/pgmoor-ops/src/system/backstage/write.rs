//! Writes Backstage's `backend.database`.

use std::time::Duration;

use super::PREFIX;
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Instance, Login, Meaning, Parameters};
use crate::system::reference::Reference;
use crate::system::tree::Tree;
use crate::system::writing::cannot;

const TITLE: &str = "Backstage";
/// What makes Backstage divide its plugins by schemas.
const SHARED: [&str; 2] = ["create_table", "create_schema"];

/// Keys that say where its databases are.
pub(in crate::system) fn owned() -> Vec<Vec<String>> {
    [
        "client",
        "connection",
        "pluginDivisionMode",
        "prefix",
        "role",
    ]
    .map(|key| ["backend", "database", key].map(str::to_owned).to_vec())
    .to_vec()
}

/// Writes them.
pub(in crate::system) fn write(meaning: &Meaning, findings: &mut Findings) -> Tree {
    let mut block = Tree::map([("client", "pg".into())]);
    if let [database] = meaning.databases.as_slice()
        && database.rights == SHARED
    {
        shared(database, &mut block, findings);
    } else {
        each(meaning, &mut block, findings);
    }
    let mut tree = Tree::default();
    tree.set(&["backend", "database"], block);
    tree
}

fn shared(database: &Database, block: &mut Tree, findings: &mut Findings) {
    block.set(&["pluginDivisionMode"], "schema");
    block.set(&["ensureSchemaExists"], Tree::Flag(true));
    block.set(&["ensureExists"], Tree::Flag(false));
    if let Address::Whole(told) = &database.address {
        block.set(&["connection"], secret(&told.value));
    } else {
        let mut connection = connection(database, findings);
        connection.set(&["database"], dbname(database));
        block.set(&["connection"], connection);
    }
    common(database, block);
}

fn each(meaning: &Meaning, block: &mut Tree, findings: &mut Findings) {
    let Some(first) = meaning.databases.first() else {
        return;
    };
    for database in &meaning.databases {
        if let Address::Whole(_) = database.address {
            cannot(
                TITLE,
                database,
                "a whole address in a secret, with a database for each plugin",
                findings,
            );
        }
    }
    let prefix = prefix(meaning);
    if prefix != PREFIX {
        block.set(&["prefix"], prefix.as_str());
    }
    if first.rights == ["create_table"] {
        block.set(&["ensureExists"], Tree::Flag(false));
    }
    let base = connection(first, findings);
    block.set(&["connection"], base.clone());
    common(first, block);
    for database in &meaning.databases {
        let name = dbname(database);
        let id = match name.strip_prefix(&prefix).filter(|id| !id.is_empty()) {
            Some(id) => id.to_owned(),
            None => {
                findings
                    .note(
                        &database.name.origin,
                        format!("which plugin has the database \"{name}\" is not known"),
                    )
                    .then(format!(
                        "it is at \"plugin.{name}\": rename that to the plugin's id"
                    ));
                name.clone()
            }
        };
        let own = connection(database, findings);
        let mut plugin = if own == base {
            Tree::default()
        } else {
            Tree::map([("connection", own)])
        };
        if !name.starts_with(&prefix) || name == prefix {
            plugin.set(&["connection", "database"], name.as_str());
        }
        block.set(&["plugin", &id], plugin);
    }
}

/// How the names of all databases begin: Backstage's own way, or up to the last sign that parts words.
fn prefix(meaning: &Meaning) -> String {
    let names: Vec<String> = meaning.databases.iter().map(dbname).collect();
    if names.iter().any(|name| name.starts_with(PREFIX)) || names.len() < 2 {
        return PREFIX.to_owned();
    }
    let mut common = names[0].clone();
    for name in &names[1..] {
        while !name.starts_with(&common) {
            common.pop();
        }
    }
    match common.rfind(['_', '-']) {
        Some(at) => common[..=at].to_owned(),
        None => PREFIX.to_owned(),
    }
}

fn dbname(database: &Database) -> String {
    let named = match &database.address {
        Address::Server(parameters) => parameters.get("dbname").map(str::to_owned),
        Address::CloudSql(instance) => instance.dbname.as_ref().map(|told| told.value.clone()),
        Address::Bundled | Address::Whole(_) => None,
    };
    named.unwrap_or_else(|| database.name.value.clone())
}

fn common(database: &Database, block: &mut Tree) {
    if let Some(role) = database.parameters().and_then(|one| one.get("role")) {
        block.set(&["role"], role);
    }
    if let Some(pool) = &database.pool {
        block.set(
            &["knexConfig", "pool", "max"],
            Tree::Number(pool.value.into()),
        );
    }
}

/// The connection without the database.
fn connection(database: &Database, findings: &mut Findings) -> Tree {
    match &database.address {
        Address::Bundled => {
            cannot(TITLE, database, "a PostgreSQL that comes with it", findings);
            Tree::default()
        }
        Address::Whole(_) => Tree::default(),
        Address::CloudSql(instance) => cloud_sql(database, instance, findings),
        Address::Server(parameters) => server(database, parameters, findings),
    }
}

fn cloud_sql(database: &Database, instance: &Instance, findings: &mut Findings) -> Tree {
    if database.login != Login::Address {
        cannot(
            TITLE,
            database,
            "a login at Cloud SQL without IAM",
            findings,
        );
    }
    let mut tree = Tree::map([("type", "cloudsql".into())]);
    tree.set(&["instance"], instance.instance.value.as_str());
    let keys = [
        ("user", &instance.user),
        ("ipAddressType", &instance.ip_type),
    ];
    for (key, told) in keys {
        if let Some(told) = told {
            if told.value == "AUTO" {
                cannot(TITLE, database, "ip_type AUTO", findings);
            }
            tree.set(&[key], told.value.as_str());
        }
    }
    tree
}

fn server(database: &Database, parameters: &Parameters, findings: &mut Findings) -> Tree {
    let mut tree = Tree::default();
    let kind = match &database.login {
        Login::Token(told) => match &told.value {
            Cloud::Aws { .. } => Some("rds"),
            Cloud::Azure { .. } => Some("azure"),
            Cloud::Google => {
                cannot(
                    TITLE,
                    database,
                    "IAM of Google Cloud but by the connector (cloud_sql)",
                    findings,
                );
                None
            }
        },
        Login::Other(told) => {
            let what = format!("the provider \"{}\"", told.value);
            cannot(TITLE, database, &what, findings);
            None
        }
        Login::Address | Login::Password(_) => None,
    };
    if let Some(kind) = kind {
        tree.set(&["type"], kind);
    }
    for (name, key) in [("host", "host"), ("port", "port"), ("user", "user")] {
        let Some(text) = parameters.get(name) else {
            continue;
        };
        let text = text.replace(":-5432}", "}");
        match text.parse::<u64>().ok().filter(|_| name == "port") {
            Some(number) => tree.set(&[key], Tree::Number(number)),
            None => tree.set(&[key], text),
        }
    }
    if let Login::Password(told) = &database.login {
        tree.set(&["password"], secret(&told.value));
    }
    if let Login::Token(told) = &database.login {
        token(&told.value, &mut tree);
    }
    if let Some(tls) = tls(database, parameters, findings) {
        tree.set(&["ssl"], tls);
    }
    let done = ["host", "port", "user", "dbname", "role"];
    for (name, told) in &parameters.0 {
        if done.contains(&name.as_str()) || name.starts_with("ssl") {
            continue;
        }
        if super::connection::CARRIED.contains(&name.as_str()) {
            tree.set(&[name], told.value.as_str());
        } else {
            findings
                .not_carried(&told.origin, format!("\"{name}\" of the address"))
                .why("Backstage's driver has no key of that meaning");
        }
    }
    tree
}

fn token(cloud: &Cloud, tree: &mut Tree) {
    match cloud {
        Cloud::Google => {}
        Cloud::Aws { region } => {
            if let Some(region) = region {
                tree.set(&["region"], region.as_str());
            }
        }
        Cloud::Azure {
            tenant_id,
            client_id,
            client_secret,
            renewal,
            ..
        } => {
            let keys = [("tenantId", tenant_id), ("clientId", client_id)];
            for (key, value) in keys {
                if let Some(value) = value {
                    tree.set(&["tokenCredential", key], value.as_str());
                }
            }
            if let Some(reference) = client_secret {
                tree.set(&["tokenCredential", "clientSecret"], secret(reference));
            }
            if let Some(renewal) = renewal {
                tree.set(
                    &["tokenCredential", "tokenRenewableOffsetTime"],
                    span(*renewal),
                );
            }
        }
    }
}

fn span(renewal: Duration) -> Tree {
    Tree::map([(
        "milliseconds",
        Tree::Number(u64::try_from(renewal.as_millis()).unwrap_or(u64::MAX)),
    )])
}

fn secret(reference: &Reference) -> Tree {
    match (reference, reference.path()) {
        (_, Some(path)) => Tree::map([("$file", path.into())]),
        (other, None) => other.to_string().into(),
    }
}

fn tls(database: &Database, parameters: &Parameters, findings: &mut Findings) -> Option<Tree> {
    let root = parameters
        .get("sslrootcert")
        .filter(|root| *root != "system");
    let mut tree = Tree::default();
    match (parameters.get("sslmode"), parameters.get("sslrootcert")) {
        (Some("disable") | None, None) => return None,
        (Some("verify-full"), _) => {}
        (Some("no-verify"), _) | (Some("require"), None) => {
            tree.set(&["rejectUnauthorized"], Tree::Flag(false));
        }
        (mode, _) => {
            let mode = mode.unwrap_or("prefer");
            cannot(TITLE, database, &format!("sslmode={mode}"), findings);
            return None;
        }
    }
    for (key, file) in [
        ("ca", root),
        ("cert", parameters.get("sslcert")),
        ("key", parameters.get("sslkey")),
    ] {
        if let Some(file) = file {
            tree.set(&[key, "$file"], file);
        }
    }
    Some(if tree == Tree::default() {
        Tree::Flag(true)
    } else {
        tree
    })
}
