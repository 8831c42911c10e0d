//! What is on the server already, read and not judged.

mod read;

mod inside;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(super) use inside::schemas;

/// The login that provisions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as pg_roles has them")]
pub struct Login {
    /// Its name.
    pub name: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Whether it may make databases.
    pub create_database: bool,
    /// Whether it has what a provider gives in place of a superuser, who may install any extension there is.
    pub provider_admin: bool,
}

/// A role, and what the login may do with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as pg_roles has them")]
pub struct FoundRole {
    /// Its name.
    pub name: String,
    /// Whether it may log in.
    pub login: bool,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may make databases.
    pub create_database: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// How many connections it may have; -1 for any number.
    pub connection_limit: i64,
    /// When its password expired, where it has.
    pub expired: Option<String>,
    /// Whether it is the one that the server began with, whose belongings the system needs.
    pub first: bool,
    /// Whether the login can act as it.
    pub can_use: bool,
    /// Whether the login can make others its members, also itself.
    pub can_grant: bool,
    /// Whether the login can change its attributes.
    pub can_alter: bool,
    /// The roles that it is a member of, directly.
    pub member_of: Vec<String>,
    /// How many databases and tablespaces it owns besides the databases in question.
    pub shared_elsewhere: i64,
    /// Whether it owns a database or tablespace at all.
    pub owns_shared: bool,
}

/// An extension that could be installed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Available {
    /// Its name.
    pub name: String,
    /// Whether only a superuser can install it.
    pub superuser: bool,
    /// Whether whoever may create in the database can install it all the same (from 13 on).
    pub trusted: bool,
    /// The extensions it needs itself.
    pub requires: Vec<String>,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct FoundDatabase {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Its encoding.
    pub encoding: String,
    /// What of `connect` and `temporary` the application's role lacks.
    pub missing: Vec<String>,
    /// Whether the owner-to-be may make schemas in it.
    pub owner_creates: bool,
    /// What is in it.
    #[serde(skip)]
    pub inside: Inside,
}

/// What is in a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct Inside {
    /// Whether the login may create schemas here.
    pub login_creates: bool,
    /// The schemas in question, those that are there.
    pub schemas: Vec<FoundSchema>,
    /// The installed extensions, and the schema of each.
    pub extensions: BTreeMap<String, String>,
    /// The search path that a role has here.
    pub search_paths: BTreeMap<String, String>,
    /// What of those whose belongings are taken over is theirs.
    #[serde(default)]
    pub belongings: Vec<Belonging>,
    /// How many objects in the schema belong to roles whose rights the owner-to-be does not have.
    pub foreign: BTreeMap<String, i64>,
    /// Whether the owner-to-be owns anything here.
    pub owner_owns: bool,
    /// What the application's role may not do with what is in the schema.
    pub closed: Vec<Closed>,
    /// What it may not do with what the owner-to-be will make there: by kind (`tables`, `sequences`,
    /// `functions`).
    pub closed_later: BTreeMap<String, Vec<String>>,
    /// Extensions by their owner, of those whose belongings are taken over.
    pub owned_extensions: BTreeMap<String, Vec<String>>,
}

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct FoundSchema {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether the application's role may use what is in it.
    pub role_uses: bool,
    /// What of `usage` and `create` the owner-to-be lacks.
    pub owner_lacks: Vec<String>,
}

/// Something that somebody owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Belonging {
    /// Whose it is.
    pub owner: String,
    /// As `ALTER` calls it: `table`.
    pub kind: String,
    /// As SQL names it.
    pub name: String,
    /// The schema that it is in, if it is in one, in which the owner-to-be may not create.
    pub closed_schema: Option<String>,
}

/// Something in the schema that the application's role may not use as it has to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Closed {
    /// Whose it is.
    pub owner: String,
    /// As `GRANT` calls it: `table`, `sequence`, `routine`.
    pub kind: String,
    /// As SQL names it.
    pub name: String,
    /// What is missing: `select`, …
    pub missing: Vec<String>,
}

/// Everything that a plan goes by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// As PostgreSQL counts: `150004` is 15.4.
    pub version: u32,
    /// Who provisions.
    pub login: Login,
    /// The roles that matter, by name.
    pub roles: BTreeMap<String, FoundRole>,
    /// The databases in question, those that are there.
    pub databases: Vec<FoundDatabase>,
    /// The extensions in question that could be installed.
    pub available: Vec<Available>,
    /// The functions of Azure that make roles of identities, as far as they are in this database: by name, and
    /// by the number of an object.
    pub entra: (bool, bool),
}

impl Found {
    /// The database of this name.
    pub fn database(&self, name: &str) -> Option<&FoundDatabase> {
        self.databases.iter().find(|database| database.name == name)
    }
}
