//! The whole configuration file, composed of each crate's sections, and what is between them.

use pgmoor::settings::{
    Absent, BundledSettings, Data, EndpointSettings, Endpoints, Loader, Node, Place, Problem, join,
};
use pgmoor_gateway::settings::{DatabaseSettings, Databases, GatewaySettings, check_references};
use pgmoor_ops::requirement::Systems;

use super::systems;

/// The endpoint that exists without being configured.
pub(crate) const BUNDLED: &str = "bundled";
/// The database and the user that exist when none are configured.
pub(crate) const APP: &str = "app";

/// The admin database of every gateway.
const CONSOLE: &str = "pgmoor";

pgmoor::choices! {
    /// How much is logged.
    pub(crate) enum LogLevel {
        /// Only what someone must act on.
        Error = "error",
        /// Also what pgmoor coped with.
        Warn = "warn",
        /// Also changes of state.
        Info = "info",
        /// Also every session.
        Debug = "debug",
        /// Also every message's kind; never its contents.
        Trace = "trace",
    }
}

pgmoor::choices! {
    /// How log lines look.
    pub(crate) enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

pgmoor::settings! {
    /// The log, on standard error.
    pub(crate) struct LogSettings {
        /// How much is logged; the variable `PGMOOR_LOG` overrides it, also by module.
        level: LogLevel = "info", since "0.1";
        /// How log lines look.
        format: LogFormat = "text", since "0.1";
    }
}

pgmoor::settings! {
    /// The configuration of pgmoor.
    pub(crate) struct Settings {
        /// The databases that clients ask for, by the name they use. Without any there is one, `app`,
        /// served from the bundled endpoint.
        databases: Databases, since "0.1";
        /// The servers that databases are served from. The endpoint `bundled` is always there: a server
        /// that pgmoor creates and runs itself.
        endpoints: Endpoints, since "0.1";
        /// The applications that databases are for, besides those that are built in: what each needs.
        systems: Systems, since "0.1";
        /// The gateway that clients connect to.
        gateway: GatewaySettings, since "0.1";
        /// The log, on standard error.
        log: LogSettings, since "0.1";
    }
}

/// Reports names that mean nothing, also when the settings could not be loaded for other reasons.
pub(crate) fn check_names(tree: &Node, loader: &mut Loader<'_>) {
    let keys = |section: &str| -> Vec<&str> {
        let entries = tree.entry(section).and_then(|entry| entry.value.entries());
        entries
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.key.as_str())
            .collect()
    };
    let mut databases = keys("databases");
    if databases.is_empty() {
        databases.push(APP);
    }
    let mut endpoints = keys("endpoints");
    if !endpoints.contains(&BUNDLED) {
        endpoints.push(BUNDLED);
    }
    check_references(&databases, &endpoints, tree, loader);
    check_choice(&endpoints, tree, loader);
    systems::check_names(tree, loader);
    if let Some(entry) = tree.at(&["databases"]).and_then(|node| node.entry(CONSOLE)) {
        loader.report(
            Problem::new(
                &entry.origin,
                format!("a database cannot be named \"{CONSOLE}\""),
            )
            .cause("that is the admin database, which answers SHOW, PAUSE and RESUME")
            .hint(format!(
                "choose another name, and set \"dbname: {CONSOLE}\" if the server's is so"
            )),
        );
    }
}

/// Reports databases that do not say which of several endpoints serves them.
fn check_choice(endpoints: &[&str], tree: &Node, loader: &mut Loader<'_>) {
    let Some(example) = endpoints.iter().find(|name| **name != BUNDLED) else {
        return;
    };
    let databases = tree
        .entry("databases")
        .and_then(|entry| entry.value.entries())
        .unwrap_or_default();
    let is_set = |database: &Node, key: &str| {
        database
            .entry(key)
            .is_some_and(|entry| entry.value.data != Data::Null)
    };
    for database in databases {
        let says = is_set(&database.value, "endpoint") || is_set(&database.value, "url");
        if says || database.value.entries().is_none() {
            continue;
        }
        loader.report(
            Problem::new(
                &database.origin,
                format!("\"databases.{}\" has no endpoint", database.key),
            )
            .hint(format!(
                "add \"endpoint: {example}\"; there are {}",
                endpoints.join(", ")
            )),
        );
    }
}

/// Lets the tree say where the url of an endpoint was set that a database has of its own.
pub(crate) fn note_inline_endpoints(tree: &mut Node) {
    let databases = tree
        .entry("databases")
        .and_then(|entry| entry.value.entries())
        .unwrap_or_default();
    let urls: Vec<_> = databases
        .iter()
        .filter_map(|database| {
            Some((
                database.key.clone(),
                database.value.entry("url")?.value.clone(),
            ))
        })
        .collect();
    for (name, url) in urls {
        tree.put(&["endpoints".to_owned(), name, "url".to_owned()], url);
    }
}

impl Settings {
    /// Fills in what a configuration may leave out, and reports what does not fit together.
    pub(crate) fn complete(&mut self, tree: &Node, loader: &mut Loader<'_>) {
        self.add_default_database(tree, loader);
        self.choose_bundled_endpoint();
        self.name_inline_endpoints(tree, loader);
        self.add_bundled_endpoint(loader);
        self.name_bundled_databases();
        self.check_data_directories(tree, loader);
    }

    fn add_default_database(&mut self, tree: &Node, loader: &mut Loader<'_>) {
        if !self.databases.is_empty() {
            return;
        }
        if let Some(endpoint) = self.endpoints.keys().find(|name| *name != BUNDLED) {
            let origin = tree
                .entry("endpoints")
                .map_or(&tree.origin, |entry| &entry.origin);
            loader.report(
                Problem::new(
                    origin,
                    "there are endpoints, but no database is served from them",
                )
                .hint(format!(
                    "add \"databases: {{ {APP}: {{ endpoint: {endpoint} }} }}\""
                )),
            );
            return;
        }
        let place = Place {
            key: "databases.app",
            range: None,
        };
        if let Some(mut database) = DatabaseSettings::absent(&place, loader) {
            database.endpoint = Some(BUNDLED.to_owned());
            self.databases.insert(APP.to_owned(), database);
        }
    }

    /// Where only the bundled endpoint is, it need not be named.
    fn choose_bundled_endpoint(&mut self) {
        if self.endpoints.keys().any(|name| name != BUNDLED) {
            return;
        }
        for database in self
            .databases
            .values_mut()
            .filter(|database| database.url.is_none())
        {
            database.endpoint.get_or_insert_with(|| BUNDLED.to_owned());
        }
    }

    /// A database with a `url` of its own gets an endpoint of the same name.
    fn name_inline_endpoints(&mut self, tree: &Node, loader: &mut Loader<'_>) {
        for (name, database) in &mut self.databases {
            let Some(url) = database.url.take() else {
                continue;
            };
            if self.endpoints.contains_key(name) || name == BUNDLED {
                let origin = tree
                    .at(&["databases", name, "url"])
                    .map_or(&tree.origin, |node| &node.origin);
                loader.report(
                    Problem::new(origin, format!("\"databases.{name}.url\" makes an endpoint \"{name}\", which exists already"))
                        .hint(format!("write \"endpoint: {name}\" in place of the url, or rename that endpoint")),
                );
                continue;
            }
            let key = join("endpoints", name);
            if let Some(mut endpoint) = EndpointSettings::absent(
                &Place {
                    key: &key,
                    range: None,
                },
                loader,
            ) {
                endpoint.url = Some(url);
                self.endpoints.insert(name.clone(), endpoint);
                database.endpoint = Some(name.clone());
            }
        }
    }

    fn add_bundled_endpoint(&mut self, loader: &mut Loader<'_>) {
        let is_used = self
            .databases
            .values()
            .any(|database| database.endpoint.as_deref() == Some(BUNDLED));
        if !is_used || self.endpoints.contains_key(BUNDLED) {
            return;
        }
        let place = Place {
            key: "endpoints.bundled",
            range: None,
        };
        if let (Some(mut endpoint), Some(bundled)) = (
            EndpointSettings::absent(&place, loader),
            BundledSettings::absent(&place, loader),
        ) {
            endpoint.bundled = Some(bundled);
            self.endpoints.insert(BUNDLED.to_owned(), endpoint);
        }
    }

    /// A bundled server has no database of its own choice: each is named as clients ask for it.
    fn name_bundled_databases(&mut self) {
        for (name, database) in &mut self.databases {
            let endpoint = database
                .endpoint
                .as_ref()
                .and_then(|endpoint| self.endpoints.get(endpoint));
            if endpoint.is_some_and(|endpoint| endpoint.bundled.is_some()) {
                database.dbname.get_or_insert_with(|| name.clone());
            }
        }
    }

    /// Two servers in one directory would destroy it, if PostgreSQL let them.
    fn check_data_directories(&self, tree: &Node, loader: &mut Loader<'_>) {
        let directories: Vec<_> = self
            .endpoints
            .iter()
            .filter_map(|(name, endpoint)| Some((name, &endpoint.bundled.as_ref()?.data_dir)))
            .collect();
        for (index, (name, directory)) in directories.iter().enumerate() {
            let Some((first, _)) = directories[..index]
                .iter()
                .find(|(_, other)| other == directory)
            else {
                continue;
            };
            let origin = tree
                .at(&["endpoints", name, "bundled"])
                .map_or(&tree.origin, |node| &node.origin);
            loader.report(
                Problem::new(
                    origin,
                    format!("the endpoints \"{first}\" and \"{name}\" share one data directory"),
                )
                .cause(format!("both have data_dir \"{}\"", directory.display()))
                .hint(format!(
                    "give \"endpoints.{name}.bundled.data_dir\" a directory of its own"
                )),
            );
        }
    }
}
