//! A connection of Backstage, as its driver understands it, and the parameters that it comes to.

use std::path::Path;

use pgmoor::settings::{Data, Entry, Loader, Node, Origin, Place, Span, Value};
use pgmoor_wire::Secret;

use crate::system::address::{self, Dollars};
use crate::system::finding::{Explain, Findings, Severity};
use crate::system::input::Include;
use crate::system::meaning::{Address, Cloud, Instance, Login, Parameters, Told};
use crate::system::reference::Reference;
use crate::system::token;

/// Settings of the server that a connection may carry.
pub(super) const CARRIED: [&str; 8] = [
    "application_name",
    "fallback_application_name",
    "options",
    "client_encoding",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "search_path",
];
/// What is read by itself.
const KNOWN: [&str; 11] = [
    "type",
    "host",
    "port",
    "user",
    "password",
    "database",
    "ssl",
    "tokenCredential",
    "instance",
    "ipAddressType",
    "region",
];
/// The name that the code reads, and the one that the guide has.
const OFFSETS: [&str; 2] = ["tokenRenewableOffsetTime", "tokenRenewalOffsetTime"];

/// A connection as a map, whether it was written as one or as an address.
pub(super) fn as_map(node: &Node, findings: &mut Findings) -> Option<Node> {
    let text = match &node.data {
        Data::Map(_) => return Some(node.clone()),
        Data::Scalar(text) => text,
        Data::Null | Data::List(_) => return None,
    };
    let origin = &node.origin;
    let read = address::read(text, origin, Dollars::Variables, findings)?;
    let mut entries = Vec::new();
    let mut push = |key: &str, data: Data| {
        entries.push(Entry {
            key: key.to_owned(),
            origin: origin.clone(),
            value: Node {
                data,
                origin: origin.clone(),
            },
        });
    };
    let mut tls: Vec<(&str, String)> = Vec::new();
    let mut mode = None;
    let is_libpqs = text.contains("uselibpqcompat=true");
    for (name, told) in &read.parameters.0 {
        let text = told.value.clone();
        match name.as_str() {
            "dbname" => push("database", Data::Scalar(text)),
            "sslmode" => mode = Some(text),
            "sslrootcert" if text == "system" => {
                findings
                    .wrong(origin, "sslrootcert=system fails in Backstage's driver")
                    .why("it looks for a file of that name")
                    .then("leave it out: the driver trusts the usual authorities anyway");
            }
            "sslrootcert" => tls.push(("ca", format!("file:{text}"))),
            "sslcert" => tls.push(("cert", format!("file:{text}"))),
            "sslkey" => tls.push(("key", format!("file:{text}"))),
            name => push(name, Data::Scalar(text)),
        }
    }
    if let Some(password) = &read.password {
        push("password", Data::Scalar(password.expose().clone()));
    }
    match mode.as_deref() {
        Some("no-verify") => tls.push(("rejectUnauthorized", "false".to_owned())),
        // As libpq means it, because the address says so.
        Some("prefer" | "require") if is_libpqs && tls.is_empty() => {
            tls.push(("rejectUnauthorized", "false".to_owned()));
        }
        Some(mode @ ("prefer" | "require" | "verify-ca")) => {
            findings
                .note(origin, format!("sslmode={mode} was taken as verify-full"))
                .why("Backstage's driver verifies certificate and name with each of them");
        }
        _ => {}
    }
    if !tls.is_empty() || mode.as_deref().is_some_and(|mode| mode != "disable") {
        let tls = tls.into_iter().map(|(key, text)| Entry {
            key: key.to_owned(),
            origin: origin.clone(),
            value: Node::scalar(text, origin.clone()),
        });
        push("ssl", Data::Map(tls.collect()));
    }
    Some(Node {
        data: Data::Map(entries),
        origin: origin.clone(),
    })
}

/// Reads a connection whose maps are merged already.
pub(super) struct Connection<'a> {
    /// Its map.
    pub(super) node: &'a Node,
    /// What a password of its own is called by.
    pub(super) name: &'a str,
    /// Reads files that hold a value which is no secret.
    pub(super) include: &'a Include<'a>,
}

impl Connection<'_> {
    fn text(&self, key: &str, findings: &mut Findings) -> Option<Told<String>> {
        let node = self.node.at(&[key])?;
        let Data::Scalar(text) = &node.data else {
            return None;
        };
        let told = Told::new(text.clone(), &node.origin);
        let Some(path) = text.strip_prefix("file:") else {
            return (!text.is_empty()).then_some(told);
        };
        match (self.include)(Path::new(path)) {
            Ok(text) => Some(told.with(text.trim_end().replace("${", "$${"))),
            Err(why) => {
                findings
                    .refused(
                        &node.origin,
                        format!("cannot read \"{path}\" for \"{key}\""),
                    )
                    .why(why)
                    .then("paths begin at the directory of the file that has them");
                None
            }
        }
    }

    /// Where it is and how to log in; the database is for the caller to say.
    pub(super) fn read(&self, findings: &mut Findings) -> Option<(Address, Login)> {
        let kind = self.text("type", findings);
        let origin = kind
            .as_ref()
            .map_or_else(|| self.node.origin.clone(), |told| told.origin.clone());
        match kind.as_ref().map_or("default", |told| told.value.as_str()) {
            "default" => {
                let mut parameters = self.parameters(findings);
                self.plain(&mut parameters);
                let login = self.password(findings);
                Some((Address::Server(parameters), login))
            }
            "azure" => {
                let mut parameters = self.parameters(findings);
                let cloud = Told::new(self.azure(findings), &origin);
                self.ignored_password(findings);
                let login = token::login(cloud, &mut parameters, findings);
                Some((Address::Server(parameters), login))
            }
            "rds" => {
                let mut parameters = self.parameters(findings);
                let region = self.rds(&parameters, findings);
                self.ignored_password(findings);
                let cloud = Told::new(Cloud::Aws { region }, &origin);
                let login = token::login(cloud, &mut parameters, findings);
                Some((Address::Server(parameters), login))
            }
            "cloudsql" => self.cloud_sql(&origin, findings),
            _ => {
                findings
                    .refused(&origin, "the type of the connection is none that there is")
                    .then("write default, azure, cloudsql or rds");
                None
            }
        }
    }

    fn parameters(&self, findings: &mut Findings) -> Parameters {
        let mut parameters = Parameters::default();
        for (key, name) in [("host", "host"), ("port", "port"), ("user", "user")] {
            let told = self.text(key, findings);
            parameters.put(name, told);
        }
        if parameters.get("host").is_none() {
            let origin = &self.node.origin;
            findings.note(
                origin,
                "no host is set; the driver takes localhost, and so was it here",
            );
            parameters.set("host", "localhost", origin);
        }
        // Absent when the variable is not set, and then it is the usual one.
        if let Some(port) = parameters.0.get("port").cloned()
            && let Some(Reference::Variable(name)) = Reference::parse(&port.value)
        {
            parameters.put("port", Some(port.with(format!("${{{name}:-5432}}"))));
        }
        self.tls(&mut parameters, findings);
        for entry in self.node.entries().unwrap_or_default() {
            let key = entry.key.as_str();
            if KNOWN.contains(&key) {
                continue;
            }
            if CARRIED.contains(&key) {
                let told = self.text(key, findings);
                parameters.put(key, told);
                continue;
            }
            findings
                .not_carried(&entry.origin, format!("\"connection.{key}\""))
                .why("it is about Backstage's own driver")
                .then("leave it in app-config");
        }
        parameters
    }

    /// Without `ssl` the driver uses none.
    fn plain(&self, parameters: &mut Parameters) {
        if parameters.get("sslmode").is_none() {
            parameters.set("sslmode", "disable", &self.node.origin);
        }
    }

    fn tls(&self, parameters: &mut Parameters, findings: &mut Findings) {
        let Some(node) = self.node.at(&["ssl"]) else {
            return;
        };
        let origin = &node.origin;
        let entries = match &node.data {
            Data::Scalar(text) if text == "true" => &[][..],
            Data::Map(entries) => entries,
            _ => return,
        };
        parameters.set("sslmode", "verify-full", origin);
        for entry in entries {
            let Data::Scalar(text) = &entry.value.data else {
                continue;
            };
            let at = &entry.value.origin;
            let (name, file) = match entry.key.as_str() {
                "rejectUnauthorized" if text == "false" => {
                    findings
                        .wrong(at, "the server's certificate is not verified")
                        .then("name its authority in \"ssl.ca\" and remove this");
                    parameters.set("sslmode", "no-verify", at);
                    continue;
                }
                "rejectUnauthorized" => continue,
                "ca" => ("sslrootcert", "ca.crt"),
                "cert" => ("sslcert", "client.crt"),
                "key" => ("sslkey", "client.key"),
                other => {
                    findings
                        .not_carried(at, format!("\"ssl.{other}\""))
                        .then("look whether the server's certificate has the host's name");
                    continue;
                }
            };
            match text.strip_prefix("file:") {
                Some(path) => parameters.set(name, path, at),
                None => {
                    let path = format!("./{file}");
                    findings
                        .not_carried(at, format!("the text of \"ssl.{}\"", entry.key))
                        .why("pgmoor takes certificates and keys from files")
                        .then(format!("write it into the file {path}"));
                    parameters.set(name, path, at);
                }
            }
        }
        if parameters.get("sslmode") == Some("verify-full")
            && parameters.get("sslrootcert").is_none()
        {
            parameters.set("sslrootcert", "system", origin);
        }
    }

    fn password(&self, findings: &mut Findings) -> Login {
        let Some(node) = self.node.at(&["password"]) else {
            return Login::Address;
        };
        let Data::Scalar(text) = &node.data else {
            return Login::Address;
        };
        if let Some(path) = text.strip_prefix("file:") {
            return Login::Password(Told::new(Reference::from_path(path), &node.origin));
        }
        Login::Password(address::password(
            self.name,
            &Secret::new(text.clone()),
            &node.origin,
            Dollars::Variables,
            findings,
        ))
    }

    fn ignored_password(&self, findings: &mut Findings) {
        if let Some(node) = self.node.at(&["password"]) {
            findings
                .wrong(&node.origin, "the password is replaced by a token")
                .why("the \"type\" of the connection counts here too: what a plugin says is laid over the base, which has it")
                .then("write \"type: default\" beside the password if it is to be used");
        }
    }

    fn azure(&self, findings: &mut Findings) -> Cloud {
        let node = self.node.at(&["tokenCredential"]);
        let text = |key: &str| match &node?.at(&[key])?.data {
            Data::Scalar(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let secret = node.and_then(|node| node.at(&["clientSecret"]));
        let (tenant, client) = (text("tenantId"), text("clientId"));
        let renewal = self.renewal(findings);
        match (tenant, client, secret) {
            (Some(tenant), Some(client), Some(secret)) => Cloud::Azure {
                tenant_id: Some(tenant),
                client_id: Some(client),
                client_secret: Some(client_secret(secret, findings)),
                managed: false,
                renewal,
            },
            (tenant, Some(client), secret) => {
                if tenant.is_some() || secret.is_some() {
                    let origin = node.map_or(&self.node.origin, |node| &node.origin);
                    findings
                        .wrong(origin, "\"tokenCredential\" is taken as a managed identity")
                        .why("a client secret needs tenantId, clientId and clientSecret, and one of them is missing")
                        .then("add the missing one, or leave clientId alone");
                }
                Cloud::Azure {
                    tenant_id: None,
                    client_id: Some(client),
                    client_secret: None,
                    managed: true,
                    renewal,
                }
            }
            (tenant, None, secret) => {
                if tenant.is_some() || secret.is_some() {
                    let origin = node.map_or(&self.node.origin, |node| &node.origin);
                    findings
                        .wrong(
                            origin,
                            "\"tokenCredential\" has no clientId, and what it has is ignored",
                        )
                        .why("without it the identity of the workload is used")
                        .then("add \"clientId\"");
                }
                Cloud::Azure {
                    tenant_id: None,
                    client_id: None,
                    client_secret: None,
                    managed: false,
                    renewal,
                }
            }
        }
    }

    fn renewal(&self, findings: &mut Findings) -> Option<std::time::Duration> {
        let block = self.node.at(&["tokenCredential"])?;
        let [read, documented] = OFFSETS.map(|key| block.entry(key));
        if let Some(documented) = documented {
            findings
                .wrong(
                    &documented.origin,
                    format!("Backstage does not read \"{}\"", OFFSETS[1]),
                )
                .why(format!(
                    "its guide has that name, and its code \"{}\"",
                    OFFSETS[0]
                ))
                .then(match read {
                    Some(_) => "remove it; the other one was taken",
                    None => "write the other name; it was taken as it is meant",
                });
        }
        let entry = read.or(documented)?;
        let place = Place {
            key: &entry.key,
            range: None,
        };
        let mut loader = Loader::for_defaults();
        let span = Span::load(&entry.value, &place, &mut loader);
        match loader.finish(span) {
            Ok(span) => Some(span.0),
            Err(problems) => {
                for problem in problems.0 {
                    findings.push(Severity::Wrong, problem);
                }
                None
            }
        }
    }

    /// The region, where it is said; what Backstage needs besides is looked at.
    fn rds(&self, parameters: &Parameters, findings: &mut Findings) -> Option<String> {
        let origin = &self.node.origin;
        for key in ["host", "port", "user"] {
            if self.node.at(&[key]).is_none() {
                findings
                    .wrong(origin, format!("\"connection.{key}\" is missing"))
                    .why("Backstage refuses a connection of type rds without it")
                    .then("set it");
            }
        }
        if let Some(port) = parameters.0.get("port")
            && !port.value.contains("${")
            && port.value.parse::<u16>().is_err()
        {
            findings
                .wrong(&port.origin, "\"connection.port\" is no number")
                .then("write a number from 1 to 65535");
        }
        let region = self.text("region", findings);
        if region.is_none() {
            findings
                .note(origin, "no region is set")
                .why("Backstage takes AWS_REGION or AWS_DEFAULT_REGION; pgmoor takes it from the host's name first");
        }
        region.map(|told| told.value)
    }

    fn cloud_sql(&self, origin: &Origin, findings: &mut Findings) -> Option<(Address, Login)> {
        let Some(instance) = self.text("instance", findings) else {
            findings
                .refused(origin, "\"connection.instance\" is missing")
                .why("type cloudsql reaches an instance by its name")
                .then("write \"instance: project:region:instance\"");
            return None;
        };
        self.ignored_password(findings);
        let ip_type = self.text("ipAddressType", findings);
        if let Some(told) = &ip_type
            && !matches!(told.value.as_str(), "PUBLIC" | "PRIVATE" | "PSC")
            && !told.value.contains("${")
        {
            findings
                .refused(
                    &told.origin,
                    "\"connection.ipAddressType\" is none that there is",
                )
                .then("write PUBLIC, PRIVATE or PSC");
            return None;
        }
        let instance = Instance {
            instance,
            user: self.text("user", findings),
            dbname: None,
            ip_type,
        };
        Some((Address::CloudSql(instance), Login::Address))
    }
}

fn client_secret(node: &Node, findings: &mut Findings) -> Reference {
    if let Data::Scalar(text) = &node.data
        && let Some(reference) = Reference::parse(text)
    {
        return reference;
    }
    findings
        .not_carried(&node.origin, "a client secret stands here in the clear; it was not copied")
        .then("set AZURE_CLIENT_SECRET where pgmoor runs, or write \"client_secret: file:PATH\" in place of it");
    Reference::Variable("AZURE_CLIENT_SECRET".to_owned())
}
