//! Writes values of LangSmith's chart.

use super::{FEATURES, NAME, SERVICES};
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Login, Meaning, Parameters};
use crate::system::reference::Reference;
use crate::system::token::{LABEL, annotation};
use crate::system::tree::Tree;
use crate::system::writing::{cannot, plain_url, secret_to_make};

const TITLE: &str = "LangSmith";

/// Keys that say where its databases are.
pub(in crate::system) fn owned() -> Vec<Vec<String>> {
    let main = ["postgres", "external"].map(str::to_owned).to_vec();
    let features = FEATURES.iter().map(|feature| {
        [feature, "postgres", "external"]
            .map(str::to_owned)
            .to_vec()
    });
    std::iter::once(main).chain(features).collect()
}

/// Writes them.
pub(in crate::system) fn write(meaning: &Meaning, findings: &mut Findings) -> Tree {
    let mut tree = Tree::default();
    let mains = meaning
        .databases
        .iter()
        .filter(|one| !FEATURES.contains(&one.name.value.as_str()));
    if let Some(second) = mains.clone().nth(1) {
        findings
            .refused(
                &second.name.origin,
                format!(
                    "{TITLE} has no place for a database \"{}\"",
                    second.name.value
                ),
            )
            .then(format!("it has \"{NAME}\", {}", FEATURES.join(", ")));
    }
    for database in &meaning.databases {
        let feature = FEATURES
            .iter()
            .find(|feature| **feature == database.name.value);
        external(feature.copied(), database, &mut tree, findings);
    }
    let token = meaning.databases.iter().find_map(|one| match &one.login {
        Login::Token(told) => Some((one, &told.value)),
        _ => None,
    });
    if let Some((database, cloud)) = token {
        identities(meaning, database, cloud, &mut tree, findings);
    }
    tree
}

fn external(
    feature: Option<&'static str>,
    database: &Database,
    tree: &mut Tree,
    findings: &mut Findings,
) {
    let mut block = Tree::default();
    let default_key = match feature {
        None => "connection_url",
        Some(_) => "postgres_connection_url",
    };
    block.set(
        &["enabled"],
        Tree::Flag(database.address != Address::Bundled),
    );
    match &database.address {
        Address::Bundled => {}
        Address::Whole(told) => match &told.value {
            Reference::Secret { name, key } if feature.is_none() || key == default_key => {
                block.set(&["existingSecretName"], name.as_str());
                if key != default_key {
                    block.set(&["connectionUrlSecretKey"], key.as_str());
                }
            }
            Reference::Secret { .. } => cannot(
                TITLE,
                database,
                &format!("its Secret has to have the address under \"{default_key}\""),
                findings,
            ),
            Reference::Variable(_) | Reference::File(_) => cannot(
                TITLE,
                database,
                "the address is in a variable or file, and the chart takes it from a Secret",
                findings,
            ),
        },
        Address::CloudSql(_) => cannot(TITLE, database, "the connector of Cloud SQL", findings),
        Address::Server(parameters) => {
            let url = server(feature, database, parameters, &mut block, tree, findings);
            if matches!(database.login, Login::Password(_)) {
                let secret = match feature {
                    None => "langsmith-postgres".to_owned(),
                    Some(feature) => format!("langsmith-{}-postgres", feature.to_lowercase()),
                };
                secret_to_make(&secret, default_key, database, &url, findings);
                block.set(&["existingSecretName"], secret);
            } else {
                block.set(&["connectionUrl"], url);
            }
        }
    }
    match &database.login {
        Login::Address | Login::Password(_) => {}
        Login::Other(told) => cannot(
            TITLE,
            database,
            &format!("the provider \"{}\"", told.value),
            findings,
        ),
        Login::Token(told) => {
            let name = match &told.value {
                Cloud::Aws { .. } => "aws",
                Cloud::Google => "gcp",
                Cloud::Azure { client_secret, .. } => {
                    if client_secret.is_some() {
                        cannot(
                            TITLE,
                            database,
                            "Entra ID by an application's secret",
                            findings,
                        );
                    }
                    "azure"
                }
            };
            let key = match feature {
                None => "iamAuthProvider",
                Some(_) => "iamProvider",
            };
            block.set(&[key], name);
        }
    }
    match feature {
        None => tree.set(&["postgres", "external"], block),
        Some(feature) => {
            tree.set(&[feature, "enabled"], Tree::Flag(true));
            tree.set(&[feature, "postgres", "external"], block);
        }
    }
}

/// The address, after all that the chart has keys of its own for.
fn server(
    feature: Option<&'static str>,
    database: &Database,
    parameters: &Parameters,
    block: &mut Tree,
    tree: &mut Tree,
    findings: &mut Findings,
) -> String {
    let mut parameters = parameters.clone();
    if let Some(schema) = parameters.0.remove("search_path") {
        block.set(&["schema"], schema.value.replace("$${", "${"));
    }
    let authority = parameters.get("sslrootcert").unwrap_or("system").to_owned();
    if authority != "system" {
        match Reference::from_path(&authority) {
            Reference::Secret { name, key } if parameters.get("sslmode") == Some("verify-full") => {
                tree.set(&["config", "customCa", "secretName"], name);
                tree.set(&["config", "customCa", "secretKey"], key);
                let origin = database.name.origin.clone();
                parameters.set("sslrootcert", "system", &origin);
            }
            Reference::Secret { .. } => cannot(
                TITLE,
                database,
                "an authority of its own goes with sslmode=verify-full only",
                findings,
            ),
            _ => cannot(
                TITLE,
                database,
                &format!(
                    "the authority is in the file {authority}, and the chart takes it from a Secret"
                ),
                findings,
            ),
        }
    }
    let files = [
        parameters.0.remove("sslcert"),
        parameters.0.remove("sslkey"),
    ];
    if let [Some(certificate), Some(key)] = files {
        let secrets = [certificate.value, key.value].map(|path| Reference::from_path(&path));
        match (feature, secrets) {
            (
                None,
                [
                    Reference::Secret {
                        name,
                        key: certificate,
                    },
                    Reference::Secret { name: same, key },
                ],
            ) if name == same => {
                block.set(&["customTls"], Tree::Flag(true));
                block.set(&["clientCert", "secretName"], name);
                block.set(&["clientCert", "certSecretKey"], certificate);
                block.set(&["clientCert", "keySecretKey"], key);
                tree.set(&["commonPodSecurityContext", "fsGroup"], Tree::Number(1000));
            }
            (Some(_), _) => cannot(TITLE, database, "a certificate of the client", findings),
            _ => cannot(
                TITLE,
                database,
                "certificate and key of the client have to be in one Kubernetes Secret",
                findings,
            ),
        }
    }
    plain_url(TITLE, database, &parameters, findings)
}

/// Every service account and every pod has to have its identity; none may be forgotten.
fn identities(
    meaning: &Meaning,
    database: &Database,
    cloud: &Cloud,
    tree: &mut Tree,
    findings: &mut Findings,
) {
    let derived = match cloud {
        Cloud::Azure { client_id, .. } => client_id.clone(),
        Cloud::Google => database
            .parameters()
            .and_then(|parameters| parameters.get("user"))
            .filter(|user| user.ends_with(".iam"))
            .map(|user| format!("{user}.gserviceaccount.com")),
        Cloud::Aws { .. } => None,
    };
    let identity = meaning.identity.as_ref().map(|told| told.value.clone());
    let key = annotation(cloud);
    match identity.or(derived) {
        Some(identity) => {
            for service in SERVICES {
                tree.set(
                    &[service, "serviceAccount", "annotations", key],
                    identity.as_str(),
                );
            }
        }
        None => {
            findings
                .not_carried(
                    &database.name.origin,
                    format!("the annotation \"{key}\" of the service accounts"),
                )
                .why("pgmoor.yaml does not say what the cloud knows them as")
                .then("name it by --identity, or give the pods their identity without annotations");
        }
    }
    if matches!(cloud, Cloud::Azure { .. }) {
        tree.set(&["commonLabels", LABEL], "true");
    }
    if let Cloud::Aws {
        region: Some(region),
    } = cloud
    {
        let variable = Tree::map([
            ("name", "AWS_REGION".into()),
            ("value", region.as_str().into()),
        ]);
        tree.set(&["commonEnv"], Tree::List(vec![variable]));
    }
}
