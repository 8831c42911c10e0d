//! Writes values of Prisme.ai's core chart.

use super::STORES;
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Login, Meaning, Parameters};
use crate::system::reference::Reference;
use crate::system::tree::Tree;
use crate::system::writing::{cannot, plain_url, secret_to_make};

const TITLE: &str = "Prisme.ai";
/// Where the bundle of authorities is mounted.
const MOUNT: &str = "/etc/ssl/extra";

/// Keys that say where its databases are.
pub(in crate::system) fn owned() -> Vec<Vec<String>> {
    STORES
        .map(|(_, path, _)| path.map(str::to_owned).to_vec())
        .to_vec()
}

/// Writes them.
pub(in crate::system) fn write(meaning: &Meaning, findings: &mut Findings) -> Tree {
    let mut tree = Tree::default();
    for (name, path, _) in STORES {
        match meaning.databases.iter().find(|one| one.name.value == name) {
            Some(database) => {
                let block = store(database, &mut tree, findings);
                tree.set(&path, block);
            }
            None => {
                let origin = meaning
                    .databases
                    .first()
                    .map_or(pgmoor::settings::Origin::Default, |one| {
                        one.name.origin.clone()
                    });
                findings
                    .refused(&origin, format!("there is no database \"{name}\""))
                    .why("Prisme.ai has three storages, all on one engine")
                    .then("add it to databases, with permissions, users and collections as names");
            }
        }
    }
    for other in &meaning.databases {
        if STORES.iter().all(|(name, _, _)| *name != other.name.value) {
            findings
                .refused(
                    &other.name.origin,
                    format!(
                        "{TITLE} has no place for a database \"{}\"",
                        other.name.value
                    ),
                )
                .then("it has permissions, users and collections");
        }
    }
    tree
}

fn store(database: &Database, tree: &mut Tree, findings: &mut Findings) -> Tree {
    let mut block = Tree::map([("driver", "postgresql".into())]);
    match &database.address {
        Address::Bundled => cannot(TITLE, database, "a PostgreSQL that comes with it", findings),
        Address::CloudSql(_) => cannot(TITLE, database, "the connector of Cloud SQL", findings),
        Address::Whole(told) => match &told.value {
            Reference::Secret { name, key } => secret(name, key, &mut block),
            Reference::Variable(_) | Reference::File(_) => cannot(
                TITLE,
                database,
                "the address is in a variable or file, and the chart takes it from a Secret",
                findings,
            ),
        },
        Address::Server(parameters) => server(database, parameters, &mut block, tree, findings),
    }
    match &database.login {
        Login::Address | Login::Password(_) => {}
        Login::Other(told) => {
            let what = format!("the provider \"{}\"", told.value);
            cannot(TITLE, database, &what, findings);
        }
        Login::Token(told) => match &told.value {
            Cloud::Aws { .. } => cannot(TITLE, database, "IAM of AWS", findings),
            Cloud::Google => cannot(TITLE, database, "IAM of Google Cloud", findings),
            Cloud::Azure {
                client_id: Some(client),
                managed: true,
                ..
            } => block.set(&["azureManagedIdentityClientId"], client.as_str()),
            Cloud::Azure {
                client_id: None,
                managed: true,
                ..
            } => block.set(&["azureSystemIdentity"], Tree::Flag(true)),
            Cloud::Azure { .. } => cannot(
                TITLE,
                database,
                "Entra ID by anything but a managed identity",
                findings,
            ),
        },
    }
    block
}

fn secret(name: &str, key: &str, block: &mut Tree) {
    block.set(&["existingSecret"], name);
    if key != "url" {
        block.set(&["secretKeys", "url"], key);
    }
}

fn server(
    database: &Database,
    parameters: &Parameters,
    block: &mut Tree,
    tree: &mut Tree,
    findings: &mut Findings,
) {
    let mut parameters = parameters.clone();
    if parameters.get("sslcert").is_some() {
        cannot(TITLE, database, "a certificate of the client", findings);
    }
    let authority = parameters.get("sslrootcert").map(str::to_owned);
    if let Some(authority) = authority.filter(|authority| authority != "system") {
        parameters.0.remove("sslrootcert");
        let file = match Reference::from_path(&authority) {
            Reference::Secret { name, key } => {
                bundle(&name, &key, database, tree, findings);
                format!("{MOUNT}/{key}")
            }
            _ => authority,
        };
        block.set(&["tlsCaFile"], file);
    }
    if matches!(database.login, Login::Password(_)) {
        let url = plain_url(TITLE, database, &parameters, findings);
        let name = format!("core-{}", database.name.value);
        secret_to_make(&name, "url", database, &url, findings);
        secret(&name, "url", block);
    } else {
        let user = parameters.0.remove("user");
        block.set(&["url"], plain_url(TITLE, database, &parameters, findings));
        if let Some(user) = user {
            block.set(&["user"], user.value.replace("$${", "${"));
        }
    }
}

/// All storages have one bundle of authorities.
fn bundle(name: &str, key: &str, database: &Database, tree: &mut Tree, findings: &mut Findings) {
    let path = ["global", "extraCABundle"];
    let wanted = Tree::map([
        ("existingSecret", name.into()),
        ("key", key.into()),
        ("mountPath", MOUNT.into()),
    ]);
    if tree.at(&path).is_some_and(|known| *known != wanted) {
        cannot(
            TITLE,
            database,
            "an authority of its own: there is one bundle for all",
            findings,
        );
    }
    tree.set(&path, wanted);
}
