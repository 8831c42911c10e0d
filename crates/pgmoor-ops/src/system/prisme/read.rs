//! Reads Prisme.ai's storages.

use pgmoor::settings::{Data, Entry, Node, Origin};

use super::{NAME, STORES};
use crate::system::address::{self, Dollars};
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Login, Meaning, Parameters, Told};
use crate::system::reference::Reference;
use crate::system::token;
use crate::system::values::{Block, Values};

const KEYS: [&str; 9] = [
    "driver",
    "url",
    "user",
    "password",
    "existingSecret",
    "secretKeys",
    "tlsCaFile",
    "azureSystemIdentity",
    "azureManagedIdentityClientId",
];

/// Whether these are values of its chart.
pub(in crate::system) fn claims(root: &Node) -> bool {
    STORES.iter().any(|(_, path, _)| root.at(path).is_some())
}

/// Whether these are its variables.
pub(in crate::system) fn claims_variables(variables: &Node) -> bool {
    STORES.iter().any(|(_, _, prefix)| {
        ["HOST", "DRIVER"].iter().any(|key| {
            variables
                .entry(&format!("{prefix}_STORAGE_{key}"))
                .is_some()
        })
    })
}

/// Reads the values of its chart.
pub(in crate::system) fn read(values: &Values, findings: &mut Findings) -> Option<Meaning> {
    if !is_postgres(values, findings) {
        return None;
    }
    let mut meaning = Meaning {
        system: Some(NAME),
        ..Meaning::default()
    };
    for (name, path, _) in STORES {
        let Some(block) = values.block(&path) else {
            continue;
        };
        block.expect(&KEYS, findings);
        meaning
            .databases
            .extend(store(name, &block, values, findings));
    }
    let servers = servers(&meaning);
    if servers > 1 {
        findings.note(
            &values.root.origin,
            format!("the three storages are on {servers} servers; each has an endpoint of its own"),
        );
    }
    Some(meaning)
}

fn servers(meaning: &Meaning) -> usize {
    let mut servers: Vec<(Option<&str>, Option<&str>)> = meaning
        .databases
        .iter()
        .filter_map(Database::parameters)
        .map(|parameters| (parameters.get("host"), parameters.get("port")))
        .collect();
    servers.sort_unstable();
    servers.dedup();
    servers.len()
}

/// Whether all of them are PostgreSQL; else says why not, and why all have to be one.
fn is_postgres(values: &Values, findings: &mut Findings) -> bool {
    let mut engines: Vec<(&str, String, Origin)> = Vec::new();
    for (name, path, _) in STORES {
        let block = values.block(&path);
        let driver = block.as_ref().and_then(|block| block.text(&["driver"]));
        let (engine, origin) = match (&driver, &block) {
            (Some(told), _) => (told.value.clone(), told.origin.clone()),
            (None, Some(block)) => ("mongodb".to_owned(), block.node.origin.clone()),
            (None, None) => ("mongodb".to_owned(), values.root.origin.clone()),
        };
        engines.push((name, engine, origin));
    }
    let others: Vec<_> = engines
        .iter()
        .filter(|(_, engine, _)| !matches!(engine.as_str(), "postgresql" | "postgres"))
        .collect();
    let Some((name, engine, origin)) = others.first() else {
        return true;
    };
    let named = match engine.as_str() {
        "mongodb" => "MongoDB",
        other => other,
    };
    if others.len() == engines.len() {
        findings
            .refused(origin, format!("the storages are on {named}, which is no PostgreSQL"))
            .why("\"driver\" is mongodb unless it is set")
            .then("pgmoor serves PostgreSQL only: move to it by Prisme.ai's own guide, with \"driver: postgresql\" in all three storages");
        return false;
    }
    let rest: Vec<&str> = engines
        .iter()
        .filter(|(_, engine, _)| matches!(engine.as_str(), "postgresql" | "postgres"))
        .map(|(name, _, _)| *name)
        .collect();
    findings
        .refused(
            origin,
            format!(
                "the storage \"{name}\" is on {named}, and {} on PostgreSQL",
                rest.join(" and ")
            ),
        )
        .why("a deployment has one engine for all three storages: they refer to each other")
        .then("set \"driver: postgresql\" in all three, each with its database");
    // What else is wrong is worth knowing at once.
    for (name, path, _) in STORES {
        if let Some(block) = values.block(&path)
            && rest.contains(&name)
        {
            precedence(&block, findings);
        }
    }
    false
}

/// A Secret wins over what stands beside it, without a word.
fn precedence(block: &Block<'_>, findings: &mut Findings) {
    if block.text(&["existingSecret"]).is_none() {
        return;
    }
    for ignored in block.set_among(&["url", "user", "password"]) {
        findings
            .wrong(
                &ignored.origin,
                format!(
                    "\"{}.{}\" is ignored: \"existingSecret\" is set",
                    block.path, ignored.value
                ),
            )
            .why("the chart takes the Secret and says nothing")
            .then("remove one of the two");
    }
}

fn store(
    name: &str,
    block: &Block<'_>,
    values: &Values,
    findings: &mut Findings,
) -> Option<Database> {
    precedence(block, findings);
    let (mut address, mut login, seen) = match block.text(&["existingSecret"]) {
        Some(secret) => from_secret(&secret, block, values, findings),
        None => inline(name, block, findings)?,
    };
    let identity = identity(block, findings);
    let authority = authority(block, values);
    match &mut address {
        Address::Server(parameters) => {
            if let Some(authority) = authority {
                if parameters.get("sslmode").is_none() {
                    findings.note(
                        &authority.origin,
                        "with \"tlsCaFile\" and no sslmode, the server was taken to be verified: sslmode=verify-full",
                    );
                    parameters.set("sslmode", "verify-full", &authority.origin);
                }
                parameters.put("sslrootcert", Some(authority));
            }
            if let Some(cloud) = identity {
                login = token::login(cloud, parameters, findings);
            }
        }
        Address::Whole(reference) => {
            if let Some(seen) = seen {
                let shown = super::super::own::url(&seen);
                findings.note(
                    &reference.origin,
                    format!("the address stays in its Secret; without its password it is {shown}"),
                );
            }
            if let Some(authority) = authority {
                findings
                    .not_carried(
                        &authority.origin,
                        "\"tlsCaFile\" cannot be added to an address that is in a Secret",
                    )
                    .then("add \"sslrootcert=…\" to the address in the Secret");
            }
            if let Some(cloud) = identity {
                login = Login::Token(cloud);
            }
        }
        Address::Bundled | Address::CloudSql(_) => {}
    }
    Some(Database {
        name: Told::new(name.to_owned(), &block.node.origin),
        address,
        login,
        pool: None,
        rights: Vec::new(),
    })
}

fn from_secret(
    secret: &Told<String>,
    block: &Block<'_>,
    values: &Values,
    findings: &mut Findings,
) -> (Address, Login, Option<Parameters>) {
    let field = |key: &str| block.text(&["secretKeys", key]).map(|told| told.value);
    let key = field("url").unwrap_or_else(|| "url".to_owned());
    values.expect_key(secret, &key, findings);
    let reference = secret.with(Reference::secret(&secret.value, &key));
    let known = values.secret(&secret.value, &key);
    let (mut address, mut login, seen) = address::referred(reference, known, findings);
    if let Some(user) = field("user") {
        let known = values.secret(&secret.value, &user);
        match (&mut address, known) {
            (Address::Server(parameters), Some(user)) => {
                let text = Dollars::Text.ours(user.value.expose().trim());
                parameters.set("user", text, &user.origin);
            }
            _ => {
                findings
                    .not_carried(&secret.origin, "the user in a key of its own in the Secret")
                    .then("add the user to the address in the Secret");
            }
        }
    }
    if let Some(password) = field("password") {
        // It goes over a password that may be in the address.
        values.expect_key(secret, &password, findings);
        let reference = Reference::secret(&secret.value, &password);
        login = Login::Password(secret.with(reference));
    }
    (address, login, seen)
}

fn inline(
    name: &str,
    block: &Block<'_>,
    findings: &mut Findings,
) -> Option<(Address, Login, Option<Parameters>)> {
    let Some(url) = block.text(&["url"]) else {
        findings
            .refused(
                &block.node.origin,
                format!("\"{}\" does not say where the database is", block.path),
            )
            .then("set \"url\" or \"existingSecret\"");
        return None;
    };
    let read = address::read(&url.value, &url.origin, Dollars::Text, findings)?;
    let mut parameters = read.parameters;
    let user = block.text(&["user"]);
    parameters.put(
        "user",
        user.or_else(|| parameters.0.get("user").cloned())
            .map(|told| told.with(Dollars::Text.ours(&told.value))),
    );
    let password = block.text(&["password"]).map(|told| told.origin);
    let password = password.or_else(|| read.password.map(|_| url.origin.clone()));
    let login = match password {
        Some(origin) => Login::Password(address::inline_password(name, &origin, findings)),
        None => Login::Address,
    };
    Some((Address::Server(parameters), login, None))
}

fn identity(block: &Block<'_>, findings: &mut Findings) -> Option<Told<Cloud>> {
    let client = block.text(&["azureManagedIdentityClientId"]);
    let system = block
        .flag(&["azureSystemIdentity"], findings)
        .filter(|told| told.value);
    if let (Some(client), Some(_)) = (&client, &system) {
        findings
            .wrong(
                &client.origin,
                "\"azureManagedIdentityClientId\" and \"azureSystemIdentity\" are both set",
            )
            .then("set one of them; the client id was taken");
    }
    let origin = match (&client, &system) {
        (Some(told), _) => told.origin.clone(),
        (None, Some(told)) => told.origin.clone(),
        (None, None) => return None,
    };
    if let Some(password) = block.set_among(&["password"]).first() {
        findings
            .wrong(
                &password.origin,
                "\"password\" has no effect beside an identity of Azure",
            )
            .then("remove it");
    }
    let cloud = Cloud::Azure {
        tenant_id: None,
        client_id: client.map(|told| told.value),
        client_secret: None,
        managed: true,
        renewal: None,
    };
    Some(Told::new(cloud, &origin))
}

/// The file of authorities: a key of a Secret where that is known, else the path that the chart has.
fn authority(block: &Block<'_>, values: &Values) -> Option<Told<String>> {
    let file = block.text(&["tlsCaFile"])?;
    let bundle = values.block(&["global", "extraCABundle"]);
    let of_bundle = bundle.and_then(|bundle| {
        let name = bundle
            .text(&["existingSecret"])
            .or_else(|| bundle.text(&["existingConfigMap"]))?;
        let key = bundle.text(&["key"]).map(|told| told.value);
        let last = file.value.rsplit('/').next().unwrap_or_default().to_owned();
        let mount = bundle.text(&["mountPath"])?.value;
        let is_in = file.value.starts_with(mount.trim_end_matches('/'));
        is_in.then(|| Reference::secret(&name.value, key.as_deref().unwrap_or(&last)))
    });
    match of_bundle.and_then(|reference| reference.path()) {
        Some(path) => Some(file.with(path)),
        None => Some(file),
    }
}

/// Reads its variables: as a block each, so that one set of rules holds for both.
pub(in crate::system) fn read_variables(
    variables: &Node,
    findings: &mut Findings,
) -> Option<Meaning> {
    let mut root = Node::empty(variables.origin.clone());
    for (_, path, prefix) in STORES {
        let keys = [
            ("DRIVER", "driver"),
            ("HOST", "url"),
            ("USER", "user"),
            ("PASSWORD", "password"),
            ("TLS_CA_FILE", "tlsCaFile"),
        ];
        let entries: Vec<Entry> = keys
            .iter()
            .filter_map(|(variable, key)| {
                let entry = variables.entry(&format!("{prefix}_STORAGE_{variable}"))?;
                Some(Entry {
                    key: (*key).to_owned(),
                    ..entry.clone()
                })
            })
            .collect();
        if entries.is_empty() {
            continue;
        }
        let keys: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
        let block = Node {
            data: Data::Map(entries),
            origin: variables.origin.clone(),
        };
        root.put(&keys, block);
    }
    let mut meaning = read(&Values::of(root), findings)?;
    for database in &mut meaning.databases {
        let store = STORES
            .iter()
            .find(|(name, _, _)| *name == database.name.value);
        let Some((_, _, prefix)) = store else {
            continue;
        };
        let text = |key: &str| {
            let node = &variables.entry(&format!("{prefix}_STORAGE_{key}"))?.value;
            match &node.data {
                Data::Scalar(text) => Some(Told::new(text.clone(), &node.origin)),
                _ => None,
            }
        };
        if let Some(blind) = text("TLS_SELF_SIGNED").filter(|told| told.value == "true") {
            findings
                .wrong(&blind.origin, "the server's certificate is not verified")
                .then("name its authority in TLS_CA_FILE instead; sslmode=no-verify was taken");
            if let Address::Server(parameters) = &mut database.address {
                parameters.set("sslmode", "no-verify", &blind.origin);
                parameters.0.remove("sslrootcert");
            }
        }
        let most = text("POOL_MAX").and_then(|told| Some(told.with(told.value.parse().ok()?)));
        database.pool = most.filter(|told| told.value > 0);
        // The variable that has the password is there for pgmoor too.
        if let Login::Password(told) = &mut database.login
            && text("PASSWORD").is_some()
        {
            told.value = Reference::Variable(format!("{prefix}_STORAGE_PASSWORD"));
        }
    }
    Some(meaning)
}
