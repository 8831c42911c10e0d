//! What an application needs of its database: data, checked by `check` and made by `provision`.
//!
//! Those of well-known applications are built in ([`BUILT_IN`]), in the words of the configuration; a
//! configuration adds its own under `systems`, from nothing or on top of one of these.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// The systems by name.
pub type Systems = BTreeMap<String, SystemSettings>;

/// The system of a database that names none.
pub const GENERIC: &str = "generic";

/// The systems that are known without being configured: name, and the section as it would be written.
pub const BUILT_IN: &[(&str, &str)] = &[
    (GENERIC, include_str!("requirement/generic.yaml")),
    ("backstage", include_str!("requirement/backstage.yaml")),
    ("coder", include_str!("requirement/coder.yaml")),
    ("langsmith", include_str!("requirement/langsmith.yaml")),
    ("prisme", include_str!("requirement/prisme.yaml")),
];

pgmoor::choices! {
    /// What an application's role must be allowed to do.
    pub enum Right {
        /// Make tables, and what goes with them, in its schema.
        CreateTable = "create_table",
        /// Make schemas in its database.
        CreateSchema = "create_schema",
        /// Install extensions, as a migration of the application does.
        CreateExtension = "create_extension",
        /// Make databases.
        CreateDatabase = "create_database",
        /// Make roles.
        CreateRole = "create_role",
        /// Take on another role by `SET ROLE`.
        SetRole = "set_role",
    }
}

pgmoor::choices! {
    /// What an application keeps in its session, which a pooler in transaction mode must take care of.
    pub enum SessionUse {
        /// Statements prepared once and run often.
        PreparedStatements = "prepared_statements",
        /// Advisory locks that outlive a transaction.
        AdvisoryLocks = "advisory_locks",
        /// `LISTEN`.
        Listen = "listen",
        /// Settings made by `SET`, such as `search_path`.
        Settings = "settings",
        /// Settings given when it connects, such as `search_path` or `lock_timeout`.
        StartupParameters = "startup_parameters",
        /// Temporary tables.
        TemporaryTables = "temporary_tables",
    }
}

pgmoor::settings! {
    /// An extension that an application needs.
    pub struct ExtensionSettings {
        /// The schema it must be in; without it any that is on the search path.
        schema: Option<String>, example "public", since "0.1";
        /// The oldest version that will do.
        min_version: Option<String>, example "0.5.0", since "0.1";
        /// Whether the application can do without.
        optional: bool = "false", since "0.1";
    }
}

pgmoor::settings! {
    /// What an application needs of its database.
    pub struct SystemSettings {
        /// The system that this one begins as: a built-in one (`generic`, `backstage`, `coder`, `langsmith`,
        /// `prisme`). What is set here is laid over it.
        extends: Option<String>, example "langsmith", since "0.1";
        /// What people call it.
        title: Option<String>, example "our portal", since "0.1";
        /// The oldest major version of PostgreSQL that it runs on.
        min_version: u32 = "12", range "10..=99", since "0.1";
        /// The encoding that its database must have.
        encoding: String = "UTF8", since "0.1";
        /// The schema that its tables are in.
        schema: String = "public", since "0.1";
        /// The extensions that it needs, by name.
        extensions: BTreeMap<String, ExtensionSettings>, since "0.1";
        /// What its role must be allowed to do.
        rights: Vec<Right> = ["create_table"], since "0.1";
        /// Databases that it needs besides its own, on the same server.
        databases: Vec<String>, example "backstage_plugin_catalog", since "0.1";
        /// What it keeps in its sessions.
        session_uses: Vec<SessionUse>, since "0.1";
        /// How many of its processes run at once.
        replicas: NonZeroU32 = "1", range "1..=100000", since "0.1";
        /// How many connections one of these opens at most.
        connections: NonZeroU32 = "10", range "1..=100000", since "0.1";
        /// How long a round trip to the server may take before it is felt.
        max_round_trip: Duration = "5ms", range "1ms..=10s", since "0.1";
        /// Its encryption keys and the like, which have to stay the same when its data moves.
        secrets: Vec<String>, example "API_KEY_SALT", since "0.1";
    }
}

impl SystemSettings {
    /// The extensions it cannot do without.
    pub fn required_extensions(&self) -> impl Iterator<Item = (&str, &ExtensionSettings)> {
        let all = self.extensions.iter();
        all.filter(|(_, extension)| !extension.optional)
            .map(|(name, extension)| (name.as_str(), extension))
    }

    /// How many connections all of its processes open at most.
    pub fn total_connections(&self) -> u64 {
        u64::from(self.replicas.get()) * u64::from(self.connections.get())
    }

    /// Whether it has to be allowed to do this.
    pub fn needs(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}
