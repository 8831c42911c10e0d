//! What a configuration says about databases, whosever words it uses.
//!
//! Texts are in the words of pgmoor.yaml: `${NAME}` is a variable, `$${` a literal `${`.

use std::collections::BTreeMap;
use std::time::Duration;

use pgmoor::settings::Origin;

use super::reference::Reference;

/// A value, and where it was said. Two are equal when they say the same, wherever.
#[derive(Clone, Debug)]
pub struct Told<T> {
    /// What.
    pub value: T,
    /// Where.
    pub origin: Origin,
}

impl<T> Told<T> {
    /// What was said there.
    pub fn new(value: T, origin: &Origin) -> Self {
        Self {
            value,
            origin: origin.clone(),
        }
    }

    /// Another value from the same place.
    pub fn with<U>(&self, value: U) -> Told<U> {
        Told::new(value, &self.origin)
    }
}

impl<T: PartialEq> PartialEq for Told<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Told<T> {}

/// Parameters of a connection by libpq's names, server settings among them (`search_path`, `role`).
/// Never a password. Files of TLS are paths, as [`Reference::path`] writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(pub BTreeMap<String, Told<String>>);

impl Parameters {
    /// The value of one, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|told| told.value.as_str())
    }

    /// Sets one.
    pub fn set(&mut self, name: &str, value: impl Into<String>, origin: &Origin) {
        self.0
            .insert(name.to_owned(), Told::new(value.into(), origin));
    }

    /// Sets one to what was said, if anything was.
    pub fn put(&mut self, name: &str, told: Option<Told<String>>) {
        if let Some(told) = told {
            self.0.insert(name.to_owned(), told);
        }
    }

    /// Whether the server's certificate is verified, as far as this says.
    pub fn verifies(&self) -> bool {
        match self.get("sslmode") {
            Some("verify-ca" | "verify-full") => true,
            Some("disable" | "no-verify") => false,
            _ => self.get("sslrootcert").is_some(),
        }
    }
}

/// All databases of one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// The application, as requirements name it: `langsmith`, `coder`, `backstage`, `prisme`.
    pub system: Option<&'static str>,
    /// In the order of the application's own documentation.
    pub databases: Vec<Database>,
    /// What the cloud knows the application's service accounts as: a role's ARN, an e-mail address, a
    /// client id.
    pub identity: Option<Told<String>>,
}

/// A database of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// What clients of pgmoor call it.
    pub name: Told<String>,
    /// Where it is.
    pub address: Address,
    /// How to log in.
    pub login: Login,
    /// How many connections a process of the application opens at most.
    pub pool: Option<Told<u32>>,
    /// What its role must be allowed to do, where that is not what the application needs as it comes.
    pub rights: Vec<&'static str>,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// It comes with the application.
    Bundled,
    /// A whole connection string, which is a secret.
    Whole(Told<Reference>),
    /// Host, port, user, database and all else.
    Server(Parameters),
    /// An instance of Cloud SQL, reached by its name.
    CloudSql(Instance),
}

/// An instance of Cloud SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `project:region:instance`.
    pub instance: Told<String>,
    /// Whom to log in as.
    pub user: Option<Told<String>>,
    /// The database.
    pub dbname: Option<Told<String>>,
    /// `PUBLIC`, `PRIVATE` or `PSC`.
    pub ip_type: Option<Told<String>>,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// By what the address says: nothing, a client certificate, or the password of a whole one.
    Address,
    /// By a password.
    Password(Told<Reference>),
    /// By a token of a cloud.
    Token(Told<Cloud>),
    /// By a provider of pgmoor's that no application has, of this name.
    Other(Told<String>),
}

/// A cloud, and which identity there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// AWS IAM.
    Aws {
        /// The region, where it is said.
        region: Option<String>,
    },
    /// IAM of Google.
    Google,
    /// Entra ID.
    Azure {
        /// The tenant, for a secret of an application.
        tenant_id: Option<String>,
        /// The application or managed identity; without one, whatever the workload has.
        client_id: Option<String>,
        /// The secret of an application.
        client_secret: Option<Reference>,
        /// Whether it is the machine's own managed identity or the one of `client_id`, and nothing else.
        managed: bool,
        /// How long before its end a token is renewed.
        renewal: Option<Duration>,
    },
}

impl Cloud {
    /// The one whose identity is whatever the workload has.
    pub fn azure() -> Self {
        Self::Azure {
            tenant_id: None,
            client_id: None,
            client_secret: None,
            managed: false,
            renewal: None,
        }
    }

    /// As `credential.provider` names it.
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Aws { .. } => "aws",
            Self::Google => "google",
            Self::Azure { .. } => "azure",
        }
    }
}

impl Database {
    /// The parameters of its address, where it has any.
    pub fn parameters(&self) -> Option<&Parameters> {
        match &self.address {
            Address::Server(parameters) => Some(parameters),
            Address::Bundled | Address::Whole(_) | Address::CloudSql(_) => None,
        }
    }

    /// Whether a token is sent to a server that was not verified.
    pub fn trusts_blindly(&self) -> bool {
        matches!(self.login, Login::Token(_))
            && self
                .parameters()
                .is_some_and(|parameters| !parameters.verifies())
    }
}
