//! Writes values of Coder's chart of version 2.

use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Login, Meaning, Parameters};
use crate::system::reference::{Reference, SECRETS};
use crate::system::token::annotation;
use crate::system::tree::Tree;
use crate::system::writing::{cannot, only, plain_url, secret_to_make};

const TITLE: &str = "Coder";
const SECRET: (&str, &str) = ("coder-postgres", "url");

/// Variables that say where its database is, by their names in the list.
pub(in crate::system) fn owned() -> Vec<Vec<String>> {
    [
        "CODER_PG_CONNECTION_URL",
        "CODER_PG_CONNECTION_URL_FILE",
        "CODER_PG_AUTH",
        "CODER_PG_CONN_MAX_OPEN",
    ]
    .map(|name| ["coder", "env", name].map(str::to_owned).to_vec())
    .to_vec()
}

/// Writes them.
pub(in crate::system) fn write(meaning: &Meaning, findings: &mut Findings) -> Tree {
    let mut tree = Tree::default();
    let Some(database) = only(TITLE, meaning, findings) else {
        return tree;
    };
    let mut variables = Vec::new();
    match &database.address {
        Address::Bundled => {}
        Address::Whole(told) => match &told.value {
            Reference::Secret { name, key } => variables.push(from_secret(name, key)),
            Reference::File(path) => {
                variables.push(variable("CODER_PG_CONNECTION_URL_FILE", path));
            }
            Reference::Variable(name) => cannot(
                TITLE,
                database,
                &format!(
                    "the address is in the variable {name}, and the chart takes it from a Secret"
                ),
                findings,
            ),
        },
        Address::CloudSql(_) => cannot(TITLE, database, "the connector of Cloud SQL", findings),
        Address::Server(parameters) => {
            let url = plain_url(TITLE, database, parameters, findings);
            mounts(parameters, &mut tree);
            if matches!(database.login, Login::Password(_)) {
                secret_to_make(SECRET.0, SECRET.1, database, &url, findings);
                variables.push(from_secret(SECRET.0, SECRET.1));
            } else {
                variables.push(variable("CODER_PG_CONNECTION_URL", &url));
            }
        }
    }
    token(meaning, database, &mut variables, &mut tree, findings);
    if let Some(pool) = &database.pool {
        variables.push(variable("CODER_PG_CONN_MAX_OPEN", &pool.value.to_string()));
    }
    if !variables.is_empty() {
        tree.set(&["coder", "env"], Tree::List(variables));
    }
    tree
}

fn variable(name: &str, value: &str) -> Tree {
    Tree::map([("name", name.into()), ("value", value.into())])
}

fn from_secret(name: &str, key: &str) -> Tree {
    let from = Tree::map([(
        "secretKeyRef",
        Tree::map([("name", name.into()), ("key", key.into())]),
    )]);
    Tree::map([
        ("name", "CODER_PG_CONNECTION_URL".into()),
        ("valueFrom", from),
    ])
}

fn token(
    meaning: &Meaning,
    database: &Database,
    variables: &mut Vec<Tree>,
    tree: &mut Tree,
    findings: &mut Findings,
) {
    let cloud = match &database.login {
        Login::Address | Login::Password(_) => return,
        Login::Other(told) => {
            let what = format!("the provider \"{}\"", told.value);
            return cannot(TITLE, database, &what, findings);
        }
        Login::Token(told) => &told.value,
    };
    let region = match cloud {
        Cloud::Aws { region } => region,
        Cloud::Google => return cannot(TITLE, database, "IAM of Google Cloud", findings),
        Cloud::Azure { .. } => return cannot(TITLE, database, "Entra ID of Azure", findings),
    };
    variables.push(variable("CODER_PG_AUTH", "awsiamrds"));
    if let Some(region) = region {
        variables.push(variable("AWS_REGION", region));
    }
    let key = annotation(cloud);
    match &meaning.identity {
        Some(identity) => tree.set(
            &["coder", "serviceAccount", "annotations", key],
            identity.value.as_str(),
        ),
        None => {
            findings
                .not_carried(
                    &database.name.origin,
                    format!("the annotation \"{key}\" of the service account"),
                )
                .why("pgmoor.yaml does not say what the cloud knows it as")
                .then("name it by --identity; with EKS Pod Identity none is needed");
        }
    }
}

/// Secrets with files that the address names are mounted where it looks for them.
fn mounts(parameters: &Parameters, tree: &mut Tree) {
    let mut names: Vec<String> = ["sslrootcert", "sslcert", "sslkey", "sslcrl"]
        .iter()
        .filter_map(|name| match Reference::from_path(parameters.get(name)?) {
            Reference::Secret { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return;
    }
    let volume = |name: &String| {
        let secret = Tree::map([
            ("secretName", name.as_str().into()),
            ("defaultMode", Tree::Number(0o440)),
        ]);
        Tree::map([("name", format!("pg-{name}").into()), ("secret", secret)])
    };
    let mount = |name: &String| {
        Tree::map([
            ("name", format!("pg-{name}").into()),
            ("mountPath", format!("{SECRETS}/{name}").into()),
            ("readOnly", Tree::Flag(true)),
        ])
    };
    tree.set(
        &["coder", "volumes"],
        Tree::List(names.iter().map(volume).collect()),
    );
    tree.set(
        &["coder", "volumeMounts"],
        Tree::List(names.iter().map(mount).collect()),
    );
}
