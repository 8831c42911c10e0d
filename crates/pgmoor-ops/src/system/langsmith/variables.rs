//! Reads the environment of LangSmith's containers, as Compose has it.

use pgmoor::settings::{Data, Node};
use pgmoor_wire::Secret;

use super::NAME;
use super::read::{by_name, ignored_password};
use crate::system::address;
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Database, Login, Meaning, Told};
use crate::system::reference::Reference;
use crate::system::token;

/// Whether these are variables of its containers.
pub(in crate::system) fn claims(variables: &Node) -> bool {
    variables.entry("POSTGRES_DATABASE_URI").is_some()
}

/// Reads the environment of its containers.
pub(in crate::system) fn read(variables: &Node, findings: &mut Findings) -> Option<Meaning> {
    let text = |name: &str| {
        let node = &variables.entry(name)?.value;
        match &node.data {
            Data::Scalar(text) if !text.is_empty() => Some(Told::new(text.clone(), &node.origin)),
            _ => None,
        }
    };
    let url = text("POSTGRES_DATABASE_URI");
    let Some(url) = url else {
        findings
            .refused(&variables.origin, "\"POSTGRES_DATABASE_URI\" is not set")
            .then("name the file that has it, or use --from env for other variables");
        return None;
    };
    let known = url.with(Secret::new(url.value.clone()));
    let reference = url.with(Reference::Variable("POSTGRES_DATABASE_URI".to_owned()));
    let (mut address, mut login, seen) = address::referred(reference, Some(known), findings);
    if seen.is_none() && matches!(address, Address::Whole(_)) {
        return None;
    }
    let cloud = text("POSTGRES_IAM_AUTH_PROVIDER");
    let cloud = cloud.and_then(|told| match by_name(&told.value) {
        Some(cloud) => Some(told.with(cloud)),
        None => {
            findings
                .wrong(
                    &told.origin,
                    "\"POSTGRES_IAM_AUTH_PROVIDER\" names no cloud that there is",
                )
                .then("write aws, gcp or azure; it was left out");
            None
        }
    });
    let schema = text("POSTGRES_SCHEMA").filter(|told| told.value != "public");
    let files = [
        ("sslcert", text("POSTGRES_TLS_CLIENT_CERT_PATH")),
        ("sslkey", text("POSTGRES_TLS_CLIENT_KEY_PATH")),
    ];
    match &mut address {
        Address::Server(parameters) => {
            parameters.put("search_path", schema);
            for (name, file) in files {
                parameters.put(name, file);
            }
            if let Some(cloud) = cloud {
                login = token::login(cloud, parameters, findings);
            }
        }
        _ => {
            let extra = files.into_iter().filter_map(|(_, told)| told).chain(schema);
            for told in extra {
                findings
                    .not_carried(
                        &told.origin,
                        "this cannot be added to an address in a variable",
                    )
                    .then("add it to the address: search_path=…, sslcert=…, sslkey=…");
            }
            if let Some(cloud) = cloud {
                ignored_password(&cloud, findings);
                login = Login::Token(cloud);
            }
        }
    }
    Some(Meaning {
        system: Some(NAME),
        databases: vec![Database {
            name: Told::new(NAME.to_owned(), &url.origin),
            address,
            login,
            pool: None,
            rights: Vec::new(),
        }],
        identity: None,
    })
}
