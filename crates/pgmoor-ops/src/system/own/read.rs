//! Reads pgmoor.yaml itself as a meaning: what is written, not what variables and files hold.

use pgmoor::settings::{Data, Node, Origin};

use crate::requirement::BUILT_IN;
use crate::system::address::{self, Dollars};
use crate::system::finding::Findings;
use crate::system::meaning::{
    Address, Cloud, Database, Instance, Login, Meaning, Parameters, Told,
};
use crate::system::reference::{Reference, SECRETS};

/// One system may begin as another.
const MAX_DEPTH: usize = 8;

/// What the file says, but for identities, which it does not know.
pub(in crate::system) fn read(tree: &Node, secrets: &str, findings: &mut Findings) -> Meaning {
    let reader = Reader { tree, secrets };
    let mut meaning = Meaning::default();
    let databases = tree.at(&["databases"]).and_then(Node::entries);
    for entry in databases.unwrap_or_default() {
        let name = Told::new(entry.key.clone(), &entry.origin);
        let system = text(&entry.value, "system").and_then(|told| reader.built_in(&told.value));
        if meaning.system.is_none() {
            meaning.system = system;
        }
        meaning
            .databases
            .extend(reader.database(name, &entry.value, findings));
    }
    if meaning.databases.is_empty() {
        meaning.databases.push(Database {
            name: Told::new("app".to_owned(), &tree.origin),
            address: Address::Bundled,
            login: Login::Address,
            pool: None,
            rights: Vec::new(),
        });
    }
    meaning
}

fn text(node: &Node, key: &str) -> Option<Told<String>> {
    let node = node.at(&[key])?;
    match &node.data {
        Data::Scalar(text) if !text.is_empty() => Some(Told::new(text.clone(), &node.origin)),
        _ => None,
    }
}

struct Reader<'a> {
    tree: &'a Node,
    secrets: &'a str,
}

impl Reader<'_> {
    /// The built-in system that this one begins as.
    fn built_in(&self, name: &str) -> Option<&'static str> {
        let mut name = name.to_owned();
        for _ in 0..MAX_DEPTH {
            let next = self
                .tree
                .at(&["systems", &name])
                .and_then(|system| text(system, "extends"))
                .map(|told| told.value);
            match next {
                Some(next) if next != name => name = next,
                _ => break,
            }
        }
        BUILT_IN
            .iter()
            .map(|(known, _)| *known)
            .find(|known| *known == name && *known != "generic")
    }

    fn database(
        &self,
        name: Told<String>,
        node: &Node,
        findings: &mut Findings,
    ) -> Option<Database> {
        let endpoint = text(node, "endpoint");
        let dbname = text(node, "dbname");
        let system = text(node, "system");
        let system = system.and_then(|told| self.tree.at(&["systems", &told.value]));
        let (mut address, login) = match (text(node, "url"), &endpoint) {
            (Some(url), _) => self.url(&name.value, &url, findings)?,
            (None, Some(endpoint)) if self.tree.at(&["endpoints", &endpoint.value]).is_some() => {
                let node = self.tree.at(&["endpoints", &endpoint.value])?;
                self.endpoint(&name.value, node, findings)?
            }
            (None, _) => (Address::Bundled, Login::Address),
        };
        match &mut address {
            Address::Server(parameters) => {
                let named = dbname.or_else(|| parameters.0.get("dbname").cloned());
                parameters.put("dbname", Some(named.unwrap_or_else(|| name.clone())));
                let schema = system.and_then(|system| text(system, "schema"));
                if parameters.get("search_path").is_none() {
                    parameters.put("search_path", schema.filter(|told| told.value != "public"));
                }
            }
            Address::CloudSql(instance) => {
                let named = dbname.or_else(|| instance.dbname.clone());
                instance.dbname = Some(named.unwrap_or_else(|| name.clone()));
            }
            Address::Bundled | Address::Whole(_) => {}
        }
        let rights = system.and_then(|system| system.at(&["rights"]));
        let rights = rights.map(Node::items).unwrap_or_default();
        let known = ["create_table", "create_schema", "create_database"];
        let rights = known
            .into_iter()
            .filter(|known| {
                rights
                    .iter()
                    .any(|right| right.data == Data::Scalar((*known).to_owned()))
            })
            .collect();
        let pool = node.at(&["pool"]).and_then(|pool| text(pool, "size"));
        Some(Database {
            name,
            address,
            login,
            pool: pool.and_then(|told| Some(told.with(told.value.parse().ok()?))),
            rights,
        })
    }

    fn endpoint(
        &self,
        name: &str,
        node: &Node,
        findings: &mut Findings,
    ) -> Option<(Address, Login)> {
        if node.entry("bundled").is_some() {
            return Some((Address::Bundled, Login::Address));
        }
        let credential = node.at(&["credential"]);
        if let Some(instance) = node.at(&["cloud_sql"]) {
            let address = Address::CloudSql(Instance {
                instance: text(instance, "instance")?,
                user: text(instance, "user"),
                dbname: text(instance, "dbname"),
                ip_type: text(instance, "ip_type"),
            });
            let login = credential.map(|node| self.login(node, findings));
            return Some((address, login.unwrap_or(Login::Address)));
        }
        let url = text(node, "url")?;
        let (address, login) = self.url(name, &url, findings)?;
        let login = match credential {
            Some(node) => self.login(node, findings),
            None => login,
        };
        Some((address, login))
    }

    /// An address, which may have variables in it where its readers expect none.
    fn url(
        &self,
        name: &str,
        url: &Told<String>,
        findings: &mut Findings,
    ) -> Option<(Address, Login)> {
        if let Some(reference) = self.reference(&url.value) {
            return Some((Address::Whole(url.with(reference)), Login::Address));
        }
        let (text, variables) = without_variables(&url.value);
        let mut read = address::read(&text, &url.origin, Dollars::Words, findings)?;
        for told in read.parameters.0.values_mut() {
            told.value = with_variables(&told.value, &variables);
        }
        for file in ["sslrootcert", "sslcert", "sslkey", "sslcrl"] {
            if let Some(told) = read.parameters.0.get_mut(file) {
                told.value = self.path(&told.value);
            }
        }
        let login = match read.password {
            Some(password) => {
                let text = with_variables(password.expose(), &variables);
                match Reference::parse(&text) {
                    Some(reference) => Login::Password(url.with(reference)),
                    None => Login::Password(address::inline_password(name, &url.origin, findings)),
                }
            }
            None => Login::Address,
        };
        Some((Address::Server(read.parameters), login))
    }

    fn login(&self, node: &Node, findings: &mut Findings) -> Login {
        let provider = text(node, "provider");
        let password = text(node, "password");
        let file = text(node, "file");
        let origin = node.origin.clone();
        let provider = match (&provider, &password, &file) {
            (Some(told), _, _) => told.value.clone(),
            (None, Some(_), _) => "password".to_owned(),
            (None, None, Some(_)) => "file".to_owned(),
            (None, None, None) => {
                let keys = ["aws", "google", "azure", "vault", "command", "service"];
                let set = keys.into_iter().find(|key| node.entry(key).is_some());
                set.unwrap_or("password").to_owned()
            }
        };
        match provider.as_str() {
            "password" => match password {
                Some(told) => match self.reference(&told.value) {
                    Some(reference) => Login::Password(told.with(reference)),
                    None => {
                        Login::Password(address::inline_password("app", &told.origin, findings))
                    }
                },
                None => Login::Address,
            },
            "file" => match file {
                Some(told) => {
                    let reference = Reference::from_path(&self.path(&told.value));
                    Login::Password(told.with(reference))
                }
                None => Login::Address,
            },
            "none" | "certificate" => Login::Address,
            "aws" => {
                let region = node.at(&["aws"]).and_then(|aws| text(aws, "region"));
                let region = region.map(|told| told.value);
                Login::Token(Told::new(Cloud::Aws { region }, &origin))
            }
            "google" => Login::Token(Told::new(Cloud::Google, &origin)),
            "azure" => Login::Token(Told::new(self.azure(node), &origin)),
            other => Login::Other(Told::new(other.to_owned(), &origin)),
        }
    }

    fn azure(&self, credential: &Node) -> Cloud {
        let node = credential.at(&["azure"]);
        let get = |key: &str| node.and_then(|node| text(node, key));
        let secret = get("client_secret");
        let renewal = credential.at(&["renewal_offset"]).and_then(|node| {
            use pgmoor::settings::{Loader, Place, Span, Value};
            let place = Place {
                key: "renewal_offset",
                range: None,
            };
            Span::load(node, &place, &mut Loader::for_defaults())
        });
        Cloud::Azure {
            tenant_id: get("tenant_id").map(|told| told.value),
            client_id: get("client_id").map(|told| told.value),
            client_secret: secret.map(|told| {
                let variable = || Reference::Variable("AZURE_CLIENT_SECRET".to_owned());
                self.reference(&told.value).unwrap_or_else(variable)
            }),
            managed: get("source").is_some_and(|told| told.value == "managed_identity"),
            renewal: renewal.map(|span| span.0),
        }
    }

    fn reference(&self, text: &str) -> Option<Reference> {
        match text.strip_prefix("file:") {
            Some(path) => Some(Reference::from_path(&self.path(path))),
            None => Reference::parse(text),
        }
    }

    /// A path with the mounts of Secrets where a meaning has them.
    fn path(&self, path: &str) -> String {
        match path.strip_prefix(self.secrets) {
            Some(rest) if rest.starts_with('/') => format!("{SECRETS}{rest}"),
            _ => path.to_owned(),
        }
    }
}

/// The text with a word in place of each variable, and what each word stands for.
fn without_variables(text: &str) -> (String, Vec<String>) {
    let (mut out, mut variables, mut rest) = (String::new(), Vec::new(), text);
    while let Some(at) = rest.find("${") {
        let end = rest[at..].find('}').map(|end| at + end + 1);
        let Some(end) = end.filter(|_| !rest[..at].ends_with('$')) else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        out.push_str(&rest[..at]);
        out.push_str(&word(variables.len()));
        variables.push(rest[at..end].to_owned());
        rest = &rest[end..];
    }
    out.push_str(rest);
    (out, variables)
}

fn with_variables(text: &str, variables: &[String]) -> String {
    let replace =
        |text: String, (index, variable): (usize, &String)| text.replace(&word(index), variable);
    variables.iter().enumerate().fold(text.to_owned(), replace)
}

fn word(index: usize) -> String {
    format!("pgmoorvariable{index}x")
}

/// What somebody who connects has to know of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::system) struct Listening {
    pub(in crate::system) host: String,
    pub(in crate::system) port: String,
    pub(in crate::system) user: String,
    pub(in crate::system) has_tls: bool,
}

/// Where it listens, and as whom one logs in.
pub(in crate::system) fn listening(tree: &Node) -> Listening {
    let gateway = tree.at(&["gateway"]);
    let listen = gateway.and_then(|node| node.at(&["listen"]));
    let listen = listen.map(Node::items).unwrap_or_default();
    let first = listen.first().and_then(|node| match &node.data {
        Data::Scalar(text) => text.rsplit_once(':'),
        _ => None,
    });
    let (host, port) = first.unwrap_or(("127.0.0.1", "6432"));
    let host = match host.trim_matches(['[', ']']) {
        "0.0.0.0" | "::" | "*" | "" => "127.0.0.1",
        host => host,
    };
    let users = gateway
        .and_then(|node| node.at(&["auth", "users"]))
        .and_then(Node::entries);
    let user = users.and_then(|users| users.first());
    let mode = gateway
        .and_then(|node| node.at(&["tls"]))
        .and_then(|tls| text(tls, "mode"));
    Listening {
        host: host.to_owned(),
        port: port.to_owned(),
        user: user.map_or_else(|| "app".to_owned(), |user| user.key.clone()),
        has_tls: mode.is_some_and(|told| told.value != "disable"),
    }
}

/// The same databases as they are seen through the gateway: there, by the gateway's own login.
pub(in crate::system) fn through(
    meaning: &Meaning,
    gateway: &Listening,
    password: &Reference,
) -> Meaning {
    let origin = Origin::Default;
    let seen = |database: &Database| {
        let mut parameters = Parameters::default();
        parameters.set("host", gateway.host.as_str(), &origin);
        parameters.set("port", gateway.port.as_str(), &origin);
        parameters.set("user", gateway.user.as_str(), &origin);
        parameters.set("dbname", database.name.value.as_str(), &origin);
        let mode = if gateway.has_tls {
            "require"
        } else {
            "disable"
        };
        parameters.set("sslmode", mode, &origin);
        if let Some(path) = database
            .parameters()
            .and_then(|parameters| parameters.0.get("search_path"))
        {
            parameters.put("search_path", Some(path.clone()));
        }
        Database {
            name: database.name.clone(),
            address: Address::Server(parameters),
            login: Login::Password(Told::new(password.clone(), &origin)),
            pool: database.pool.clone(),
            rights: database.rights.clone(),
        }
    };
    Meaning {
        system: meaning.system,
        databases: meaning.databases.iter().map(seen).collect(),
        identity: None,
    }
}
