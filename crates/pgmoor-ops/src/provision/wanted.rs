//! What an application shall have on its server.

use crate::requirement::{Right, SystemSettings};
use crate::sql::unfit_name;

/// The role whose members log in by IAM: Amazon.
pub(super) const RDS_IAM: &str = "rds_iam";
/// Those whose members do at Google's: a person, a service account.
pub(super) const GOOGLE_IAM: [&str; 2] = ["cloudsqliamuser", "cloudsqliamserviceaccount"];

/// How a role logs in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// With a password.
    Password,
    /// With a token of IAM: Amazon RDS and Aurora.
    RdsIam,
    /// With a token of Entra ID: Azure. The server looks for an identity of the role's name, unless one is
    /// given by its object.
    Entra(Option<EntraObject>),
    /// With a token of Google: Cloud SQL and AlloyDB, whose own command makes the user.
    GoogleIam,
    /// It is made by other means, such as Vault.
    Elsewhere,
}

/// An object of Entra ID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntraObject {
    /// Its number, as `az` shows it as `id` or `principalId`.
    pub id: String,
    /// `user`, `group` or `service`.
    pub kind: &'static str,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WantedRole {
    /// Its name.
    pub name: String,
    /// How it logs in; it does not without one, and is taken on by `SET ROLE`.
    pub login: Option<Identity>,
    /// How many connections it may have; as it is without one.
    pub connection_limit: Option<u32>,
    /// Whether it gets a new password although it is there already.
    pub reset_password: bool,
}

impl WantedRole {
    /// One that logs in so.
    pub fn login(name: &str, identity: Identity) -> Self {
        Self {
            name: name.to_owned(),
            login: Some(identity),
            connection_limit: None,
            reset_password: false,
        }
    }

    /// One that owns, and that others take on.
    pub fn group(name: &str) -> Self {
        Self {
            login: None,
            ..Self::login(name, Identity::Elsewhere)
        }
    }
}

/// An extension and the schema that it shall be in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WantedExtension {
    /// Its name.
    pub name: String,
    /// Its schema; the application's without one.
    pub schema: Option<String>,
    /// Whether the application can do without.
    pub optional: bool,
}

/// What an application shall have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The role that the application logs in as.
    pub role: WantedRole,
    /// Others: the one that runs migrations, the one that owns.
    pub others: Vec<WantedRole>,
    /// The one of these that owns what the application uses.
    pub owner: String,
    /// The one that takes on the owner by `SET ROLE`, where one does.
    pub member: Option<String>,
    /// What the application must be allowed to do.
    pub rights: Vec<Right>,
    /// The database.
    pub database: String,
    /// Databases that it needs besides; they get no extensions.
    pub further: Vec<String>,
    /// Their encoding.
    pub encoding: String,
    /// The schema of its tables.
    pub schema: String,
    /// Its extensions.
    pub extensions: Vec<WantedExtension>,
    /// The roles whose belongings in these databases become the owner's.
    pub take_over: Vec<String>,
}

impl Wanted {
    /// What this system needs, as `role` in `database`, which owns all of it.
    pub fn new(system: &SystemSettings, role: WantedRole, database: &str) -> Self {
        let extensions = system
            .extensions
            .iter()
            .map(|(name, extension)| WantedExtension {
                name: name.clone(),
                schema: extension.schema.clone(),
                optional: extension.optional,
            });
        Self {
            owner: role.name.clone(),
            role,
            others: Vec::new(),
            member: None,
            rights: system.rights.clone(),
            database: database.to_owned(),
            further: system
                .databases
                .iter()
                .filter(|further| *further != database)
                .cloned()
                .collect(),
            encoding: system.encoding.clone(),
            schema: system.schema.clone(),
            extensions: extensions.collect(),
            take_over: Vec::new(),
        }
    }

    /// That every name stays what it is: PostgreSQL cuts long ones off, and neither psql nor `pg_dump` take
    /// one with a control character.
    ///
    /// # Errors
    /// A name that would not, and why.
    pub fn check_names(&self) -> Result<(), (String, String)> {
        let schemas = self.extensions.iter().filter_map(|e| e.schema.as_ref());
        let roles = self.roles().map(|role| &role.name).chain(&self.take_over);
        let names = [&self.database, &self.schema].into_iter();
        for name in roles.chain(names).chain(&self.further).chain(schemas) {
            let control = name.chars().any(char::is_control);
            let control = control.then(|| "it has a control character".to_owned());
            if let Some(why) = unfit_name(name).or(control) {
                return Err((name.clone(), why));
            }
        }
        Ok(())
    }

    /// All roles, the application's first.
    pub fn roles(&self) -> impl Iterator<Item = &WantedRole> {
        std::iter::once(&self.role).chain(&self.others)
    }

    /// All databases, the application's own first.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.database)
            .chain(&self.further)
            .map(String::as_str)
    }

    /// Whether the application logs in as a role that neither owns nor has the rights of the one that does.
    pub fn is_apart(&self) -> bool {
        let name = &self.role.name;
        *name != self.owner && self.member.as_ref() != Some(name)
    }

    /// The same without what an apply does each time it is asked to.
    #[must_use]
    pub(super) fn lasting(&self) -> Self {
        let mut same = self.clone();
        same.role.reset_password = false;
        for other in &mut same.others {
            other.reset_password = false;
        }
        same
    }
}
