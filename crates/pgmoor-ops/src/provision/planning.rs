//! From what is wanted and what is there to steps. It asks nobody.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::found::Found;
use super::wanted::{Identity, Wanted};
use crate::plan::{Place, Plan, Step};
use crate::sql::{identifier, literal};

/// Something for which no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Impossible {
    /// What cannot be.
    pub what: String,
    /// What can be done about it.
    pub hint: String,
}

/// The steps that lead from what is there to what is wanted.
///
/// # Errors
/// What keeps it from being possible, all of it.
pub fn plan(wanted: &Wanted, found: &Found) -> Result<Plan, Vec<Impossible>> {
    let mut planner = Planner {
        wanted,
        found,
        role: identifier(&wanted.role).into_owned(),
        database: identifier(&wanted.database).into_owned(),
        acts_as_role: false,
        steps: Vec::new(),
        present: Vec::new(),
        impossible: Vec::new(),
    };
    planner.role();
    planner.database();
    planner.schema();
    planner.schemas_of_extensions();
    planner.extensions();
    planner.search_path();
    planner.membership();
    match planner.impossible.is_empty() {
        true => Ok(Plan {
            fingerprint: fingerprint(wanted, found),
            present: planner.present,
            steps: planner.steps,
        }),
        false => Err(planner.impossible),
    }
}

/// Differs where what is wanted or what is there differs.
fn fingerprint(wanted: &Wanted, found: &Found) -> String {
    let mut hasher = DefaultHasher::new();
    (wanted, found).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

struct Planner<'a> {
    wanted: &'a Wanted,
    found: &'a Found,
    role: String,
    database: String,
    /// A step needs that the login can become the role.
    acts_as_role: bool,
    steps: Vec<Step>,
    present: Vec<String>,
    impossible: Vec<Impossible>,
}

impl Planner<'_> {
    fn step(&mut self, place: Place, title: String, sql: String, undo: Option<String>) {
        self.steps.push(Step {
            title,
            place,
            sql,
            undo,
            password_of: None,
        });
    }

    fn there(&mut self, what: String) {
        self.present.push(what);
    }

    fn impossible(&mut self, what: String, hint: &str) {
        let hint = hint.to_owned();
        self.impossible.push(Impossible { what, hint });
    }

    fn role(&mut self) {
        let (wanted, found, role) = (self.wanted, self.found, self.role.clone());
        let login = &found.login;
        let limit = wanted.connection_limit.map(i64::from);
        let may = login.superuser || login.create_role;
        match &found.role {
            None if wanted.identity == Identity::Elsewhere => self.impossible(
                format!("the role {role} does not exist, and its provider makes it, not SQL"),
                "make the user by the provider's console or command line, then plan again",
            ),
            None if !may => self.impossible(
                format!("{} may not make the role {role}", login.name),
                "use a login with CREATEROLE, or have a DBA run pgmoor provision sql",
            ),
            None => {
                let limit =
                    limit.map_or_else(String::new, |limit| format!(" connection limit {limit}"));
                self.step(
                    Place::Server,
                    format!("create the role {role}"),
                    format!("create role {role} login{limit}"),
                    Some(format!("drop role {role}")),
                );
                if wanted.identity == Identity::Password
                    && let Some(step) = self.steps.last_mut()
                {
                    step.password_of = Some(wanted.role.clone());
                }
            }
            Some(there) => {
                self.there(format!("role {role}"));
                if !there.login {
                    self.step(
                        Place::Server,
                        format!("let {role} log in"),
                        format!("alter role {role} login"),
                        Some(format!("alter role {role} nologin")),
                    );
                }
                if let Some(limit) = limit.filter(|limit| *limit != there.connection_limit) {
                    self.step(
                        Place::Server,
                        format!("allow {role} {limit} connections"),
                        format!("alter role {role} connection limit {limit}"),
                        Some(format!(
                            "alter role {role} connection limit {}",
                            there.connection_limit
                        )),
                    );
                }
            }
        }
        let has_iam = found.role.as_ref().is_some_and(|role| role.rds_iam);
        if wanted.identity == Identity::RdsIam && !has_iam {
            self.step(
                Place::Server,
                format!("let {role} log in by IAM, and no more with a password"),
                format!("grant rds_iam to {role}"),
                Some(format!("revoke rds_iam from {role}")),
            );
        }
    }

    fn database(&mut self) {
        let (wanted, found) = (self.wanted, self.found);
        let (role, database) = (self.role.clone(), self.database.clone());
        let login = &found.login;
        match &found.database {
            None if !(login.superuser || login.create_database) => self.impossible(
                format!("{} may not make the database {database}", login.name),
                "use a login with CREATEDB, or have a DBA run pgmoor provision sql",
            ),
            None => {
                self.acts_as_role = true;
                self.step(
                    Place::Server,
                    format!("create the database {database}, owned by {role}"),
                    format!(
                        "create database {database} owner {role} template template0 encoding {}",
                        literal(&wanted.encoding)
                    ),
                    Some(format!("drop database {database}")),
                );
            }
            Some(there) => {
                if !there.encoding.eq_ignore_ascii_case(&wanted.encoding) {
                    self.impossible(
                        format!(
                            "the database {database} has encoding {}, not {}",
                            there.encoding, wanted.encoding
                        ),
                        "an encoding is for ever: make another database and move the data there",
                    );
                }
                self.there(format!(
                    "database {database}, owned by {}",
                    identifier(&there.owner)
                ));
                if !there.connect {
                    self.step(
                        Place::Server,
                        format!("let {role} connect to {database}"),
                        format!("grant connect, temporary on database {database} to {role}"),
                        Some(format!(
                            "revoke connect, temporary on database {database} from {role}"
                        )),
                    );
                }
            }
        }
    }

    fn schema(&mut self) {
        let (wanted, found) = (self.wanted, self.found);
        let (role, name) = (self.role.clone(), identifier(&wanted.schema).into_owned());
        // A database that is made now has `public`, and before 15 everybody may create there; from 15 on
        // its owner may.
        if found.database.is_none() && wanted.schema == "public" {
            return;
        }
        let there = found
            .inside
            .schemas
            .iter()
            .find(|(schema, ..)| *schema == wanted.schema);
        match there {
            None => {
                self.acts_as_role = true;
                self.step(
                    Place::Database,
                    format!("create the schema {name}, owned by {role}"),
                    format!("create schema {name} authorization {role}"),
                    Some(format!("drop schema {name}")),
                );
            }
            Some((_, true, true)) => {
                self.there(format!("schema {name}, in which {role} may create"))
            }
            // Only what is missing: the undo must not take away what was there before.
            Some((_, may_use, _)) => {
                let missing = if *may_use { "create" } else { "usage, create" };
                self.step(
                    Place::Database,
                    format!("let {role} create in the schema {name}"),
                    format!("grant {missing} on schema {name} to {role}"),
                    Some(format!("revoke {missing} on schema {name} from {role}")),
                );
            }
        }
    }

    /// The schemas that extensions are to be in, besides that of the application: there, and open to it.
    fn schemas_of_extensions(&mut self) {
        let found = self.found;
        let role = self.role.clone();
        for schema in self.further_schemas() {
            let name = identifier(&schema).into_owned();
            let mut there = found.inside.schemas.iter();
            match there.find(|(known, ..)| *known == schema) {
                Some((_, true, _)) => {}
                Some(_) => self.step(
                    Place::Database,
                    format!("let {role} use what is in the schema {name}"),
                    format!("grant usage on schema {name} to {role}"),
                    Some(format!("revoke usage on schema {name} from {role}")),
                ),
                None if found.database.is_none() && schema == "public" => {}
                None => {
                    self.acts_as_role = true;
                    self.step(
                        Place::Database,
                        format!("create the schema {name}, owned by {role}"),
                        format!("create schema {name} authorization {role}"),
                        Some(format!("drop schema {name}")),
                    );
                }
            }
        }
    }

    /// The schemas that extensions are to be in and that are not the application's own.
    fn further_schemas(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let asked = self.wanted.extensions.iter();
        for schema in asked.filter_map(|extension| extension.schema.clone()) {
            if schema != self.wanted.schema && !names.contains(&schema) {
                names.push(schema);
            }
        }
        names
    }

    fn extensions(&mut self) {
        let (wanted, found) = (self.wanted, self.found);
        for extension in &wanted.extensions {
            let name = identifier(&extension.name).into_owned();
            let schema = extension.schema.as_ref().unwrap_or(&wanted.schema);
            let installed = found.inside.extensions.iter();
            let mut installed = installed.filter(|(known, _)| *known == extension.name);
            if let Some((_, there)) = installed.next() {
                if extension
                    .schema
                    .as_ref()
                    .is_some_and(|schema| schema != there)
                {
                    self.impossible(
                        format!("the extension {name} is in schema {}, not {}", identifier(there), identifier(schema)),
                        "others may use it there: move it with ALTER EXTENSION … SET SCHEMA when they do not",
                    );
                }
                self.there(format!("extension {name}, in schema {}", identifier(there)));
                continue;
            }
            let is_known =
                found.database.is_none() || found.inside.available.contains(&extension.name);
            if !is_known {
                self.impossible(
                    format!("the server does not have the extension {name}"),
                    "install its package on the server, or allow it in the provider's list of extensions",
                );
                continue;
            }
            let schema = identifier(schema).into_owned();
            // What the owner of a database may install there, its members may.
            self.acts_as_role |= !found.inside.create;
            self.step(
                Place::Database,
                format!("install the extension {name} in schema {schema}"),
                format!("create extension {name} schema {schema}"),
                Some(format!("drop extension {name}")),
            );
        }
    }

    fn search_path(&mut self) {
        let (wanted, found) = (self.wanted, self.found);
        let further = self.further_schemas();
        if wanted.schema == "public" && further.is_empty() {
            return;
        }
        let mut names = vec![wanted.schema.clone()];
        names.extend(further);
        if !names.iter().any(|name| name == "public") {
            names.push("public".into());
        }
        let names: Vec<String> = names
            .iter()
            .map(|name| identifier(name).into_owned())
            .collect();
        let path = names.join(", ");
        let (role, database) = (self.role.clone(), self.database.clone());
        let before = found.inside.search_path.as_ref();
        // As the server writes it down, names that need no quotes may have some.
        let plain = |path: &str| path.replace(['"', ' '], "");
        if before.is_some_and(|before| plain(before) == plain(&path)) {
            return self.there(format!("search path {path}"));
        }
        let of = format!("alter role {role} in database {database}");
        let undo = match before {
            Some(before) => format!("{of} set search_path = {before}"),
            None => format!("{of} reset search_path"),
        };
        self.step(
            Place::Server,
            format!("have {role} look in {path}"),
            format!("{of} set search_path = {path}"),
            Some(undo),
        );
    }

    /// A login that is no superuser has to be able to become the role for what the role shall own; where
    /// it is not, it is made so for as long as that takes.
    fn membership(&mut self) {
        let login = &self.found.login;
        if !self.acts_as_role || login.superuser || login.can_act_as_role {
            return;
        }
        let (role, own) = (self.role.clone(), identifier(&login.name).into_owned());
        let at = self
            .steps
            .iter()
            .position(|step| !step.sql.starts_with("create role"))
            .unwrap_or(self.steps.len());
        let grant = Step {
            title: format!("let {own} act as {role} until the end of this plan"),
            place: Place::Server,
            sql: format!("grant {role} to {own}"),
            undo: Some(format!("revoke {role} from {own}")),
            password_of: None,
        };
        self.steps.insert(at, grant);
        self.step(
            Place::Server,
            format!("let {own} act as {role} no more"),
            format!("revoke {role} from {own}"),
            None,
        );
    }
}
