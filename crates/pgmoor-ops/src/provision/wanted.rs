//! What an application shall have on its server.

use crate::requirement::SystemSettings;
use crate::sql::unfit_name;

/// How the role logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// With a password.
    Password,
    /// With a token of IAM: Amazon RDS and Aurora.
    RdsIam,
    /// It is made by other means, such as the provider's console.
    Elsewhere,
}

/// An extension and the schema that it shall be in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WantedExtension {
    /// Its name.
    pub name: String,
    /// Its schema; the application's without one.
    pub schema: Option<String>,
}

/// What an application shall have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The role that it logs in as.
    pub role: String,
    /// How.
    pub identity: Identity,
    /// How many connections the role may have; unlimited without.
    pub connection_limit: Option<u32>,
    /// The database.
    pub database: String,
    /// Its encoding.
    pub encoding: String,
    /// The schema of its tables.
    pub schema: String,
    /// Its extensions.
    pub extensions: Vec<WantedExtension>,
}

impl Wanted {
    /// What this system needs, as `role` in `database`.
    ///
    /// # Errors
    /// A name that PostgreSQL would not take as it is: which, and why.
    pub fn new(
        system: &SystemSettings,
        role: &str,
        identity: Identity,
        database: &str,
    ) -> Result<Self, (String, String)> {
        let extensions = system.required_extensions().map(|(name, extension)| {
            let schema = extension.schema.clone();
            WantedExtension {
                name: name.to_owned(),
                schema,
            }
        });
        let wanted = Self {
            role: role.to_owned(),
            identity,
            connection_limit: None,
            database: database.to_owned(),
            encoding: system.encoding.clone(),
            schema: system.schema.clone(),
            extensions: extensions.collect(),
        };
        let schemas = wanted.extensions.iter().filter_map(|e| e.schema.as_ref());
        let names = [&wanted.role, &wanted.database, &wanted.schema];
        for name in names.into_iter().chain(schemas) {
            // psql takes no such name in \connect, and pg_dump refuses them, too.
            let control = name.chars().any(char::is_control);
            let control = control.then(|| "it has a control character".to_owned());
            if let Some(why) = unfit_name(name).or(control) {
                return Err((name.clone(), why));
            }
        }
        Ok(wanted)
    }
}
