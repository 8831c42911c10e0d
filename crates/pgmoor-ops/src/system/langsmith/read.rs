//! Reads LangSmith's settings for PostgreSQL.

use pgmoor::settings::Node;

use super::{FEATURES, NAME, identity, tls};
use crate::system::address::{self, Dollars};
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Address, Cloud, Database, Login, Meaning, Parameters, Told};
use crate::system::reference::Reference;
use crate::system::token;
use crate::system::values::{Block, Values, variables};

/// Keys of `postgres.external`, and of a feature's.
const MAIN: [&str; 13] = [
    "enabled",
    "connectionUrl",
    "host",
    "port",
    "user",
    "password",
    "database",
    "schema",
    "existingSecretName",
    "connectionUrlSecretKey",
    "iamAuthProvider",
    "customTls",
    "clientCert",
];
const FEATURE: [&str; 10] = [
    "enabled",
    "connectionUrl",
    "host",
    "port",
    "user",
    "password",
    "database",
    "schema",
    "existingSecretName",
    "iamProvider",
];
/// What says where a database is.
const PLACES: [&str; 7] = [
    "connectionUrl",
    "existingSecretName",
    "host",
    "port",
    "user",
    "password",
    "database",
];

/// Which of the two kinds a database is: they have other keys, and other defaults.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Main,
    Feature,
}

impl Kind {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Main => &MAIN,
            Self::Feature => &FEATURE,
        }
    }

    /// The key for the cloud, and what the other kind calls it.
    fn provider(self) -> (&'static str, &'static str) {
        match self {
            Self::Main => ("iamAuthProvider", "iamProvider"),
            Self::Feature => ("iamProvider", "iamAuthProvider"),
        }
    }
}

/// Whether these are values of its chart.
pub(in crate::system) fn claims(root: &Node) -> bool {
    root.at(&["postgres", "external"]).is_some()
        || FEATURES
            .iter()
            .any(|feature| root.at(&[feature, "postgres"]).is_some())
        || root.at(&["config", "langsmithLicenseKey"]).is_some()
}

/// Reads the values of its chart.
pub(in crate::system) fn read(values: &Values, findings: &mut Findings) -> Meaning {
    let mut meaning = Meaning {
        system: Some(NAME),
        ..Meaning::default()
    };
    let external = values.block(&["postgres", "external"]);
    let main = match &external {
        Some(block) => database(NAME, Kind::Main, block, values, findings),
        None => Some(bundled(NAME, &values.root)),
    };
    meaning.databases.extend(main);
    for feature in FEATURES {
        let Some(block) = values.block(&[feature]) else {
            continue;
        };
        let off = block
            .flag(&["enabled"], findings)
            .is_some_and(|enabled| !enabled.value);
        if off {
            continue;
        }
        if let Some(external) = block.block(&["postgres", "external"]) {
            let read = database(feature, Kind::Feature, &external, values, findings);
            meaning.databases.extend(read);
        }
    }
    if let Some(block) = values.block(&["smithdb", "config", "metastore"]) {
        findings
            .not_carried(&block.node.origin, "the metastore of SmithDB")
            .why("it is a database of another program, with settings of its own")
            .then("add a database and an endpoint for it by hand, if pgmoor shall serve it");
    }
    let token = meaning.databases.iter().find_map(|one| match &one.login {
        Login::Token(told) => Some(told.clone()),
        Login::Address | Login::Password(_) | Login::Other(_) => None,
    });
    if let Some(token) = token {
        meaning.identity = identity::identity(values, &token.value, &token.origin, findings);
    }
    meaning
}

fn bundled(name: &str, node: &Node) -> Database {
    Database {
        name: Told::new(name.to_owned(), &node.origin),
        address: Address::Bundled,
        login: Login::Address,
        pool: None,
        rights: Vec::new(),
    }
}

fn database(
    name: &str,
    kind: Kind,
    block: &Block<'_>,
    values: &Values,
    findings: &mut Findings,
) -> Option<Database> {
    if !block.is_on(&["enabled"], findings) {
        if let Some(first) = block.set_among(&PLACES).first() {
            findings
                .wrong(
                    &first.origin,
                    format!(
                        "\"{}\" is ignored: \"{}.enabled\" is not true",
                        first.value, block.path
                    ),
                )
                .why("the chart runs a PostgreSQL of its own, and so does the result")
                .then("write \"enabled: true\" if this is the database in use");
        }
        return Some(bundled(name, block.node));
    }
    // The other kind's name for the cloud has a finding of its own.
    let mut known = kind.keys().to_vec();
    known.push(kind.provider().1);
    block.expect(&known, findings);
    let (address, login, seen) = place(name, kind, block, values, findings)?;
    let mut database = Database {
        name: Told::new(name.to_owned(), &block.node.origin),
        address,
        login,
        pool: None,
        rights: Vec::new(),
    };
    let mut cloud = cloud(kind, block, findings);
    if let Some(Told {
        value: Cloud::Aws { region },
        ..
    }) = &mut cloud
    {
        *region = common_region(values);
    }
    match &mut database.address {
        Address::Server(parameters) => {
            if let Some(schema) = block.text(&["schema"]) {
                let schema = schema.with(Dollars::Text.ours(&schema.value));
                if schema.value != "public" {
                    parameters.put("search_path", Some(schema));
                }
            }
            tls::complete(kind == Kind::Main, block, values, parameters, findings);
            if let Some(cloud) = cloud {
                if matches!(database.login, Login::Password(_)) {
                    ignored_password(&cloud, findings);
                }
                database.login = token::login(cloud, parameters, findings);
            }
        }
        Address::Whole(reference) => {
            whole(kind, block, reference, seen.as_ref(), findings);
            tls::authority_of_whole(values, seen.as_ref(), findings);
            if let Some(cloud) = cloud {
                if seen.is_some() {
                    ignored_password(&cloud, findings);
                }
                database.login = Login::Token(cloud);
            }
        }
        Address::Bundled | Address::CloudSql(_) => {}
    }
    Some(database)
}

/// The region that all containers are told.
fn common_region(values: &Values) -> Option<String> {
    let variables = variables(values.root.at(&["commonEnv"])?);
    let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    names.iter().find_map(|name| {
        let (_, variable) = variables.iter().find(|(known, _)| known == name)?;
        variable.text().map(|told| told.value.clone())
    })
}

pub(super) fn ignored_password(cloud: &Told<Cloud>, findings: &mut Findings) {
    findings
        .wrong(
            &cloud.origin,
            "there is a password although a cloud's token is to log in",
        )
        .why("with IAM the application sends the token in its place")
        .then("take the password out of the address");
}

/// Where it is, and how to log in; of an address that stays in its Secret also what is known of it.
fn place(
    name: &str,
    kind: Kind,
    block: &Block<'_>,
    values: &Values,
    findings: &mut Findings,
) -> Option<(Address, Login, Option<Parameters>)> {
    if let Some(secret) = block.text(&["existingSecretName"]) {
        let ignored = block.set_among(&PLACES);
        for other in ignored
            .iter()
            .filter(|one| one.value != "existingSecretName")
        {
            findings
                .wrong(
                    &other.origin,
                    format!(
                        "\"{}\" is ignored: \"existingSecretName\" is set",
                        other.value
                    ),
                )
                .why("with it the chart makes no Secret of these keys")
                .then("remove one of them");
        }
        let default = match kind {
            Kind::Main => "connection_url",
            Kind::Feature => "postgres_connection_url",
        };
        let key = match kind {
            Kind::Main => block.text(&["connectionUrlSecretKey"]),
            Kind::Feature => None,
        };
        let key = key.map_or_else(|| default.to_owned(), |told| told.value);
        values.expect_key(&secret, &key, findings);
        let reference = secret.with(Reference::secret(&secret.value, &key));
        let known = values.secret(&secret.value, &key);
        return Some(address::referred(reference, known, findings));
    }
    if let Some(url) = block.text(&["connectionUrl"]) {
        let parts = block.set_among(&PLACES);
        for other in parts.iter().filter(|one| one.value != "connectionUrl") {
            findings
                .wrong(
                    &other.origin,
                    format!("\"{}\" is ignored: \"connectionUrl\" is set", other.value),
                )
                .then("remove one of them");
        }
        let read = address::read(&url.value, &url.origin, Dollars::Text, findings)?;
        let login = match read.password {
            Some(_) => Login::Password(address::inline_password(name, &url.origin, findings)),
            None => Login::Address,
        };
        return Some((Address::Server(read.parameters), login, None));
    }
    parts(name, kind, block, findings)
}

/// Single fields, which the chart joins without encoding them.
fn parts(
    name: &str,
    kind: Kind,
    block: &Block<'_>,
    findings: &mut Findings,
) -> Option<(Address, Login, Option<Parameters>)> {
    let Some(host) = block.text(&["host"]) else {
        findings
            .refused(
                &block.node.origin,
                format!("\"{}\" does not say where the database is", block.path),
            )
            .then("set \"connectionUrl\", \"existingSecretName\" or \"host\"");
        return None;
    };
    let mut parameters = Parameters::default();
    let ours = |told: Told<String>| told.with(Dollars::Text.ours(&told.value));
    let defaults = [
        ("port", "port", "5432"),
        ("user", "user", "postgres"),
        ("database", "dbname", "postgres"),
    ];
    parameters.put("host", Some(ours(host.clone())));
    for (key, ours_key, default) in defaults {
        let told = block.text(&[key]);
        let told = told.unwrap_or_else(|| Told::new(default.to_owned(), &block.node.origin));
        let breaks = |text: &str| text.contains(['@', ':', '/', '?', '#', '%', ' ']);
        if breaks(&told.value) {
            unencoded(&told, &format!("\"{key}\""), findings);
        }
        parameters.put(ours_key, Some(ours(told)));
    }
    let login = match block.text(&["password"]) {
        Some(password) => {
            if password
                .value
                .contains(['@', ':', '/', '?', '#', '%', '[', ']', ' '])
            {
                unencoded(&password, "the password", findings);
            }
            Login::Password(address::inline_password(name, &password.origin, findings))
        }
        None => Login::Address,
    };
    if kind == Kind::Feature {
        // With a cloud this is looked into by whoever sends the token.
        parameters.set("sslmode", "disable", &host.origin);
        if block.text(&["iamProvider"]).is_none() {
            findings
                .wrong(&host.origin, "the connection is not encrypted")
                .why("of single fields the chart makes an address with sslmode=disable")
                .then("write a \"connectionUrl\" with sslmode=verify-full");
        }
    }
    Some((Address::Server(parameters), login, None))
}

fn unencoded(told: &Told<String>, what: &str, findings: &mut Findings) {
    findings
        .wrong(
            &told.origin,
            format!("{what} has characters in it that mean something else in an address"),
        )
        .why("the chart joins the fields without encoding them, so that the application reads another address")
        .then("use \"connectionUrl\" and encode them there; pgmoor takes the field as it is meant");
}

fn cloud(kind: Kind, block: &Block<'_>, findings: &mut Findings) -> Option<Told<Cloud>> {
    let (key, other) = kind.provider();
    if let Some(told) = block.text(&[other]) {
        let problem = findings.wrong(
            &told.origin,
            format!("\"{}.{other}\" has no effect", block.path),
        );
        problem.then(format!("it is called \"{key}\" here"));
    }
    let told = block.text(&[key])?;
    let cloud = by_name(&told.value);
    if cloud.is_none() {
        findings
            .wrong(
                &told.origin,
                format!("\"{}.{key}\" names no cloud that there is", block.path),
            )
            .then("write aws, gcp or azure; it was left out");
    }
    cloud.map(|cloud| told.with(cloud))
}

pub(super) fn by_name(name: &str) -> Option<Cloud> {
    match name {
        "aws" => Some(Cloud::Aws { region: None }),
        "gcp" => Some(Cloud::Google),
        "azure" => Some(Cloud::azure()),
        _ => None,
    }
}

/// What cannot be added to an address that stays in its Secret.
fn whole(
    kind: Kind,
    block: &Block<'_>,
    reference: &Told<Reference>,
    seen: Option<&Parameters>,
    findings: &mut Findings,
) {
    if let Some(seen) = seen {
        let shown = super::super::own::url(seen);
        findings.note(
            &reference.origin,
            format!("the address stays in its Secret; without its password it is {shown}"),
        );
    }
    let additions = [
        ("schema", "search_path=…"),
        ("clientCert", "sslcert=…&sslkey=…"),
    ];
    for (key, parameter) in additions {
        let told = block
            .set_among(&[key])
            .into_iter()
            .find(|_| kind == Kind::Main || key == "schema");
        let is_default = block
            .text(&[key])
            .is_some_and(|told| told.value == "public");
        if let Some(told) = told.filter(|_| !is_default) {
            findings
                .not_carried(
                    &told.origin,
                    format!("\"{key}\" cannot be added to an address that is in a Secret"),
                )
                .then(format!(
                    "add \"{parameter}\" to the address in the Secret, or write it out in \"url\""
                ));
        }
    }
}
