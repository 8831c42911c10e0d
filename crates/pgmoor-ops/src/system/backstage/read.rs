//! Reads Backstage's databases: one for each plugin, or one for all with a schema for each.

use pgmoor::settings::{Data, Node, Origin};

use super::config::{OVERRIDE, merged};
use super::connection::{Connection, as_map};
use super::{NAME, PLUGINS, PREFIX};
use crate::system::finding::{Explain, Findings};
use crate::system::input::{Files, Include, laid_over};
use crate::system::meaning::{Address, Database, Login, Meaning, Told};
use crate::system::reference::Reference;
use crate::system::values::Block;

/// Whether these are its files.
pub(in crate::system) fn claims(root: &Node) -> bool {
    root.at(&["backend", "database"]).is_some()
        || root.at(&["app", "baseUrl"]).is_some() && root.entry("backend").is_some()
}

/// Whether these are its variables.
pub(in crate::system) fn claims_variables(variables: &Node) -> bool {
    let start = format!("{OVERRIDE}backend_database");
    let entries = variables.entries().unwrap_or_default();
    entries.iter().any(|entry| entry.key.starts_with(&start))
}

/// Reads them; `plugins` are those that have a database, besides those that the files name.
pub(in crate::system) fn read(
    files: &Files,
    plugins: &[String],
    include: &Include<'_>,
    findings: &mut Findings,
) -> Option<Meaning> {
    let root = merged(
        &files.documents,
        files.variables.as_ref(),
        include,
        findings,
    );
    let Some(node) = root.at(&["backend", "database"]) else {
        findings
            .refused(&root.origin, "\"backend.database\" is not there")
            .then("give all files of Backstage in their order, the one that has it among them");
        return None;
    };
    let block = Block {
        node,
        path: "backend.database".to_owned(),
    };
    if !is_postgres(&block, findings) {
        return None;
    }
    let Some(connection) = node.at(&["connection"]) else {
        findings
            .refused(&node.origin, "\"backend.database.connection\" is not there")
            .then("Backstage needs it too; give all of its files in their order");
        return None;
    };
    let mode = block.text(&["pluginDivisionMode"]);
    let shared = mode.as_ref().is_some_and(|told| told.value == "schema");
    if let Some(reference) = whole(connection) {
        return whole_meaning(reference, shared, &block, findings);
    }
    let base = as_map(connection, findings)?;
    let reading = Reading {
        block,
        base,
        include,
    };
    let databases = match mode.as_ref().map(|told| told.value.as_str()) {
        Some("schema") => reading.shared(findings).into_iter().collect(),
        None | Some("database") => reading.each(plugins, findings),
        Some(_) => {
            let origin = mode.map_or(Origin::Default, |told| told.origin);
            findings
                .refused(&origin, "\"pluginDivisionMode\" is none that there is")
                .then("write database or schema");
            return None;
        }
    };
    Some(Meaning {
        system: Some(NAME),
        databases,
        identity: None,
    })
}

/// An address that is a variable or a file, and nothing else.
fn whole(connection: &Node) -> Option<Told<Reference>> {
    match &connection.data {
        Data::Scalar(text) => {
            Reference::parse(text).map(|reference| Told::new(reference, &connection.origin))
        }
        _ => None,
    }
}

fn whole_meaning(
    reference: Told<Reference>,
    shared: bool,
    block: &Block<'_>,
    findings: &mut Findings,
) -> Option<Meaning> {
    if !shared {
        findings
            .refused(&reference.origin, "the address is known only where Backstage runs")
            .why("each plugin has a database of its own at that server, so that the address has to be taken apart")
            .then("write \"connection\" as a map of host, port, user and password, each with a variable of its own");
        return None;
    }
    let mut rights = vec!["create_table"];
    let makes = block.flag(&["ensureExists"], findings);
    if block.is_on(&["ensureSchemaExists"], findings) || makes.is_none_or(|told| told.value) {
        rights.push("create_schema");
    }
    Some(Meaning {
        system: Some(NAME),
        databases: vec![Database {
            name: reference.with("backstage".to_owned()),
            address: Address::Whole(reference),
            login: Login::Address,
            pool: None,
            rights,
        }],
        identity: None,
    })
}

fn is_postgres(block: &Block<'_>, findings: &mut Findings) -> bool {
    let client = block.text(&["client"]);
    let Some(client) = client else {
        findings
            .refused(&block.node.origin, "\"backend.database.client\" is not set")
            .then("write \"client: pg\" for PostgreSQL");
        return false;
    };
    if client.value == "pg" {
        return true;
    }
    let what = if client.value.contains("sqlite") {
        "the database is SQLite, which is no PostgreSQL"
    } else {
        "the database is no PostgreSQL"
    };
    findings
        .refused(&client.origin, what)
        .why("there is no server whose connections pgmoor could serve")
        .then("start one with pgmoor up, and write \"client: pg\" with its address as connection: pgmoor render backstage prints it; Backstage fills the catalog again by itself, what else is in SQLite is not carried over");
    false
}

struct Reading<'a> {
    block: Block<'a>,
    base: Node,
    include: &'a Include<'a>,
}

impl Reading<'_> {
    /// One database with a schema for each plugin.
    fn shared(&self, findings: &mut Findings) -> Option<Database> {
        for entry in self.plugins() {
            if entry.1.entry("connection").is_some() {
                findings
                    .not_carried(
                        &entry.1.origin,
                        format!("the connection of the plugin \"{}\"", entry.0),
                    )
                    .why("all plugins are in one database here")
                    .then("add a database for it by hand");
            }
        }
        let name = match self.base.at(&["database"]) {
            Some(Node {
                data: Data::Scalar(text),
                origin,
            }) => Told::new(text.clone(), origin),
            _ => {
                findings
                    .wrong(&self.base.origin, "\"connection.database\" is not set")
                    .why("with pluginDivisionMode: schema all plugins are in it; the driver takes the user's name")
                    .then("set it; \"backstage\" was taken");
                Told::new("backstage".to_owned(), &self.base.origin)
            }
        };
        let mut rights = vec!["create_table"];
        let makes_schemas = self.block.is_on(&["ensureSchemaExists"], findings)
            || self
                .block
                .flag(&["ensureExists"], findings)
                .is_none_or(|told| told.value);
        if makes_schemas {
            rights.push("create_schema");
        }
        let mut database = self.database(&self.base, &name, self.block.node, findings)?;
        database.rights = rights;
        Some(database)
    }

    /// A database for each plugin.
    fn each(&self, plugins: &[String], findings: &mut Findings) -> Vec<Database> {
        let prefix = self.block.text(&["prefix"]);
        let prefix = prefix.map_or_else(|| PREFIX.to_owned(), |told| told.value);
        let named = self.plugins();
        let mut ids: Vec<String> = named.iter().map(|(id, _)| (*id).to_owned()).collect();
        if plugins.is_empty() {
            let usual: Vec<&str> = PLUGINS
                .into_iter()
                .filter(|plugin| !ids.iter().any(|id| id == plugin))
                .collect();
            findings
                .note(
                    &self.block.node.origin,
                    format!(
                        "databases for the plugins of a new Backstage were added: {}",
                        usual.join(", ")
                    ),
                )
                .why("each plugin has a database of its own, and the files do not say which plugins there are")
                .then("name them by --plugins, separated by commas");
            ids.extend(usual.into_iter().map(str::to_owned));
        } else {
            let missing: Vec<String> = plugins
                .iter()
                .filter(|plugin| !ids.contains(plugin))
                .cloned()
                .collect();
            ids.extend(missing);
        }
        let mut databases = Vec::new();
        for id in ids {
            let own = named.iter().find(|(known, _)| *known == id);
            let own = own.map(|(_, node)| *node);
            if let Some(database) = self.plugin(&id, own, &prefix, findings) {
                add(&mut databases, database, format!("{prefix}{id}"), findings);
            }
        }
        databases
    }

    fn plugin(
        &self,
        id: &str,
        own: Option<&Node>,
        prefix: &str,
        findings: &mut Findings,
    ) -> Option<Database> {
        let name = format!("{prefix}{id}");
        // The base's own database is for nobody in this mode.
        let mut base = self.base.clone();
        if let Data::Map(entries) = &mut base.data {
            entries.retain(|entry| entry.key != "database");
        }
        let Some(own) = own else {
            let told = Told::new(name, &self.block.node.origin);
            return self.database(&base, &told, self.block.node, findings);
        };
        if let Some(Node {
            data: Data::Scalar(client),
            origin,
        }) = own.at(&["client"])
            && client != "pg"
        {
            findings
                .not_carried(origin, format!("the database of the plugin \"{id}\""))
                .why("it is no PostgreSQL")
                .then("leave it as it is in app-config");
            return None;
        }
        let connection = match own.at(&["connection"]) {
            Some(node) => laid_over(&base, &as_map(node, findings)?),
            None => base,
        };
        let told = match connection.at(&["database"]) {
            Some(Node {
                data: Data::Scalar(text),
                origin,
            }) => Told::new(text.clone(), origin),
            _ => Told::new(name, &own.origin),
        };
        self.database(&connection, &told, own, findings)
    }

    /// What a connection comes to, for a database of this name at the server.
    fn database(
        &self,
        connection: &Node,
        name: &Told<String>,
        own: &Node,
        findings: &mut Findings,
    ) -> Option<Database> {
        let reader = Connection {
            node: connection,
            name: &name.value,
            include: self.include,
        };
        let (mut address, login) = reader.read(findings)?;
        let role = own
            .at(&["role"])
            .or_else(|| self.block.node.at(&["role"]))
            .and_then(|node| match &node.data {
                Data::Scalar(text) => Some(Told::new(text.clone(), &node.origin)),
                _ => None,
            });
        match &mut address {
            Address::Server(parameters) => {
                parameters.put("dbname", Some(name.clone()));
                parameters.put("role", role);
            }
            Address::CloudSql(instance) => {
                instance.dbname = Some(name.clone());
                if let Some(role) = role {
                    findings
                        .not_carried(&role.origin, "\"role\"")
                        .why("an instance that is reached by its name has no place for it")
                        .then(
                            "leave it in app-config: Backstage sets it on each connection itself",
                        );
                }
            }
            Address::Bundled | Address::Whole(_) => {}
        }
        let exists = Block {
            node: own,
            path: String::new(),
        };
        let makes = exists
            .flag(&["ensureExists"], findings)
            .or_else(|| self.block.flag(&["ensureExists"], findings));
        let rights = match makes {
            Some(told) if !told.value => vec!["create_table"],
            _ => Vec::new(),
        };
        Some(Database {
            name: name.clone(),
            address,
            login,
            pool: self.pool(own, findings),
            rights,
        })
    }

    fn pool(&self, own: &Node, findings: &mut Findings) -> Option<Told<u32>> {
        let path = ["knexConfig", "pool", "max"];
        let node = own.at(&path).or_else(|| self.block.node.at(&path))?;
        let Data::Scalar(text) = &node.data else {
            return None;
        };
        let number = text.parse::<u32>().ok().filter(|number| *number > 0);
        if number.is_none() {
            findings
                .wrong(
                    &node.origin,
                    "\"knexConfig.pool.max\" is no number of connections",
                )
                .then("write a number from 1 on; it was left out");
        }
        number.map(|number| Told::new(number, &node.origin))
    }

    fn plugins(&self) -> Vec<(&str, &Node)> {
        let entries = self
            .block
            .node
            .at(&["plugin"])
            .and_then(Node::entries)
            .unwrap_or_default();
        entries
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.value))
            .collect()
    }
}

/// Adds a database; clients know each by one name, so that a second one of the name needs another.
fn add(
    databases: &mut Vec<Database>,
    mut database: Database,
    other_name: String,
    findings: &mut Findings,
) {
    let Some(known) = databases.iter().find(|known| known.name == database.name) else {
        databases.push(database);
        return;
    };
    if known.address == database.address && known.login == database.login {
        return;
    }
    findings
        .note(
            &database.name.origin,
            format!(
                "the database \"{}\" is called \"{other_name}\" in pgmoor",
                database.name.value
            ),
        )
        .why("there is one of that name at another server")
        .then("let the plugin connect to it by that name");
    database.name.value = other_name;
    databases.push(database);
}
