//! Reads the environment and the flags of Coder's version 2, also where they stand in values of its chart.

use std::collections::BTreeMap;

use pgmoor::settings::{Data, Node};
use pgmoor_wire::Secret;

use super::NAME;
use crate::system::address::{self, Dollars};
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Login, Meaning, Parameters, Told};
use crate::system::reference::Reference;
use crate::system::token;
use crate::system::values::{Values, Variable, variables};

/// Flags and the variables that they stand for.
const FLAGS: [(&str, &str); 5] = [
    ("--postgres-url", "CODER_PG_CONNECTION_URL"),
    ("--postgres-url-file", "CODER_PG_CONNECTION_URL_FILE"),
    ("--postgres-auth", "CODER_PG_AUTH"),
    ("--postgres-conn-max-open", "CODER_PG_CONN_MAX_OPEN"),
    ("--postgres-conn-max-idle", "CODER_PG_CONN_MAX_IDLE"),
];

/// How many connections it opens when nobody says.
const CONNECTIONS: u32 = 10;

/// Whether these are values of its chart.
pub(in crate::system) fn claims(root: &Node) -> bool {
    let keys = ["env", "command", "commandArgs", "serviceAccount", "image"];
    keys.iter().any(|key| root.at(&["coder", key]).is_some())
}

/// Whether these are its variables.
pub(in crate::system) fn claims_variables(variables: &Node) -> bool {
    let entries = variables.entries().unwrap_or_default();
    entries
        .iter()
        .any(|entry| entry.key.starts_with("CODER_PG_"))
}

type Variables = BTreeMap<String, Variable>;

/// Reads the values of its chart.
pub(in crate::system) fn read(values: &Values, findings: &mut Findings) -> Option<Meaning> {
    let mut all: Variables = values
        .root
        .at(&["coder", "env"])
        .map(variables)
        .unwrap_or_default()
        .into_iter()
        .collect();
    for key in ["command", "commandArgs"] {
        if let Some(list) = values.root.at(&["coder", key]) {
            flags(list, &mut all);
        }
    }
    let mut meaning = meaning(&all, values, &values.root, findings)?;
    if let Some(Login::Token(token)) = meaning.databases.first().map(|one| one.login.clone()) {
        let key = token::annotation(&token.value);
        let block = values.block(&["coder"]);
        meaning.identity = block
            .as_ref()
            .and_then(|block| block.text(&["serviceAccount", "annotations", key]));
        if meaning.identity.is_none() {
            findings
                .note(
                    &token.origin,
                    format!("the service account has no annotation \"{key}\""),
                )
                .why("with EKS Pod Identity none is needed")
                .then("without it, write it at \"coder.serviceAccount.annotations\"");
        }
    }
    Some(meaning)
}

/// Reads a file of variables.
pub(in crate::system) fn read_variables(
    variables: &Node,
    findings: &mut Findings,
) -> Option<Meaning> {
    let all = variables
        .entries()
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| match &entry.value.data {
            Data::Scalar(text) => Some((
                entry.key.clone(),
                Variable::Text(Told::new(text.clone(), &entry.value.origin)),
            )),
            _ => None,
        })
        .collect();
    meaning(&all, &Values::default(), variables, findings)
}

/// Takes flags for the variables that they stand for; a flag wins.
fn flags(list: &Node, all: &mut Variables) {
    let items = list.items();
    for (index, item) in items.iter().enumerate() {
        let Data::Scalar(text) = &item.data else {
            continue;
        };
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some((value.to_owned(), &item.origin))),
            None => {
                let next = items.get(index + 1).and_then(|next| match &next.data {
                    Data::Scalar(text) => Some((text.clone(), &next.origin)),
                    _ => None,
                });
                (text.as_str(), next)
            }
        };
        let known = FLAGS.iter().find(|(name, _)| *name == flag);
        if let (Some((_, variable)), Some((value, origin))) = (known, value) {
            let told = Variable::Text(Told::new(value, origin));
            all.insert((*variable).to_owned(), told);
        }
    }
}

fn meaning(
    all: &Variables,
    values: &Values,
    node: &Node,
    findings: &mut Findings,
) -> Option<Meaning> {
    let url = all.get("CODER_PG_CONNECTION_URL");
    let file = all.get("CODER_PG_CONNECTION_URL_FILE");
    let is_set = |variable: &&Variable| variable.text().is_none_or(|told| !told.value.is_empty());
    let (url, file) = (url.filter(is_set), file.filter(is_set));
    if let (Some(_), Some(file)) = (url, file) {
        findings
            .wrong(
                file.origin(),
                "\"CODER_PG_CONNECTION_URL_FILE\" is set beside \"CODER_PG_CONNECTION_URL\"",
            )
            .then("remove one of them; the address itself was taken");
    }
    let (mut address, mut login, seen) = match (url, file) {
        // The variable that has the address is there for pgmoor too.
        (Some(Variable::Text(url)), _) if values.root.data == Data::Null => {
            let variable = Reference::Variable("CODER_PG_CONNECTION_URL".to_owned());
            let known = url.with(Secret::new(url.value.clone()));
            address::referred(url.with(variable), Some(known), findings)
        }
        (Some(Variable::Text(url)), _) => {
            let read = address::read(&url.value, &url.origin, Dollars::Text, findings)?;
            let login = match read.password {
                Some(_) => Login::Password(address::inline_password(NAME, &url.origin, findings)),
                None => Login::Address,
            };
            (Address::Server(read.parameters), login, None)
        }
        (Some(Variable::Secret(told)), _) => {
            let known = match &told.value {
                Reference::Secret { name, key } => {
                    values.expect_key(&told.with(name.clone()), key, findings);
                    values.secret(name, key)
                }
                Reference::Variable(_) | Reference::File(_) => None,
            };
            address::referred(told.clone(), known, findings)
        }
        (None, Some(Variable::Text(file))) => {
            let reference = file.with(Reference::from_path(&file.value));
            (Address::Whole(reference), Login::Address, None)
        }
        (None, _) => (Address::Bundled, Login::Address, None),
    };
    let aws = aws(all, findings);
    match &mut address {
        Address::Server(parameters) => {
            complete(parameters, findings);
            if let Some(cloud) = aws {
                explicit_port(parameters, findings);
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
            if let Some(cloud) = aws {
                login = Login::Token(cloud);
            }
        }
        Address::Bundled | Address::CloudSql(_) => {}
    }
    Some(Meaning {
        system: Some(NAME),
        databases: vec![Database {
            name: Told::new(NAME.to_owned(), &node.origin),
            address,
            login,
            pool: pool(all, findings),
            rights: Vec::new(),
        }],
        identity: None,
    })
}

/// The driver's own defaults, which differ from libpq's.
fn complete(parameters: &mut Parameters, findings: &mut Findings) {
    let Some(host) = parameters.0.get("host").cloned() else {
        return;
    };
    if parameters.get("sslmode").is_none() {
        findings.note(
            &host.origin,
            "the address has no sslmode; Coder's driver takes it as require, and so was it here",
        );
        parameters.set("sslmode", "require", &host.origin);
    }
    if parameters.get("dbname").is_none()
        && let Some(user) = parameters.0.get("user").cloned()
    {
        parameters.put("dbname", Some(user));
    }
}

fn explicit_port(parameters: &mut Parameters, findings: &mut Findings) {
    if parameters.get("port").is_some() {
        return;
    }
    let origin = parameters
        .0
        .values()
        .next()
        .map_or(pgmoor::settings::Origin::Default, |told| {
            told.origin.clone()
        });
    findings
        .wrong(&origin, "the address has no port")
        .why("with awsiamrds, Coder signs a token for host and port of the address, and needs both")
        .then("write :5432; that was taken");
    parameters.set("port", "5432", &origin);
}

fn aws(all: &Variables, findings: &mut Findings) -> Option<Told<Cloud>> {
    let told = all.get("CODER_PG_AUTH")?.text()?;
    match told.value.as_str() {
        "" | "password" => None,
        "awsiamrds" => {
            let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .iter()
                .find_map(|name| all.get(*name)?.text())
                .map(|told| told.value.clone());
            Some(told.with(Cloud::Aws { region }))
        }
        _ => {
            findings
                .wrong(&told.origin, "\"CODER_PG_AUTH\" is none that there is")
                .then("write password or awsiamrds; it was taken as password");
            None
        }
    }
}

fn pool(all: &Variables, findings: &mut Findings) -> Option<Told<u32>> {
    let open = all.get("CODER_PG_CONN_MAX_OPEN").and_then(Variable::text);
    let open = open.and_then(|told| count(told, "CODER_PG_CONN_MAX_OPEN", findings));
    if let Some(idle) = all.get("CODER_PG_CONN_MAX_IDLE").and_then(Variable::text)
        && idle.value != "auto"
    {
        let most = open.as_ref().map_or(CONNECTIONS, |told| told.value);
        match idle.value.parse::<u32>() {
            Ok(idle_count) if idle_count <= most => {
                findings
                    .not_carried(&idle.origin, "\"CODER_PG_CONN_MAX_IDLE\"")
                    .why("it is about Coder's own connections, which go to pgmoor then")
                    .then("leave it as it is in Coder's environment");
            }
            _ => {
                findings
                    .wrong(
                        &idle.origin,
                        "\"CODER_PG_CONN_MAX_IDLE\" is no number up to CODER_PG_CONN_MAX_OPEN, nor \"auto\"",
                    )
                    .then(format!("write auto, or a number from 0 to {most}"));
            }
        }
    }
    open
}

/// A number of connections.
pub(super) fn count(told: &Told<String>, name: &str, findings: &mut Findings) -> Option<Told<u32>> {
    let number = told.value.parse::<u32>().ok();
    let number = number.filter(|number| (1..=100_000).contains(number));
    if number.is_none() {
        findings
            .wrong(
                &told.origin,
                format!("\"{name}\" is no number of connections"),
            )
            .then("write a number from 1 on; it was left out");
    }
    number.map(|number| told.with(number))
}
