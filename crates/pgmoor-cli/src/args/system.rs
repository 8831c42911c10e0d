//! Arguments of `pgmoor import` and `pgmoor render`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use pgmoor_ops::system::{Application, SECRETS, Target};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The application's files, in the order in which it lays them over each other; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Whose they are [default: recognised by what is in them]
    #[arg(long, value_name = "APPLICATION", value_parser = application())]
    pub(crate) from: Option<Application>,
    /// The plugins of Backstage that have a database of their own
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) plugins: Vec<String>,
    /// The directory that keys of Kubernetes Secrets are mounted in, as DIR/NAME/KEY
    #[arg(long, value_name = "DIR", default_value = SECRETS)]
    pub(crate) secrets_dir: String,
    /// Write the configuration into this file, which must not exist, in place of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

fn application() -> impl TypedValueParser<Value = Application> {
    let names = Application::ALL.map(|(_, name, _)| name);
    PossibleValuesParser::new(names).map(|name| {
        let found = Application::ALL
            .into_iter()
            .find(|(_, known, _)| *known == name);
        found.expect("it is one of these names").0
    })
}

/// How the application gets to its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// By the gateway.
    Gateway,
    /// By its own means.
    Direct,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// Whose values
    #[arg(value_name = "APPLICATION", value_parser = target())]
    pub(crate) target: Target,
    /// How the application gets to its database: by the gateway, or by its own means
    #[arg(long, value_enum, default_value = "gateway", value_name = "WAY")]
    pub(crate) through: Way,
    /// Where the application reaches the gateway [default: where it listens]
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["identity"])]
    pub(crate) gateway: Option<String>,
    /// Where the password of the gateway's user is: NAME/KEY of a Kubernetes Secret, ${VARIABLE}, file:PATH
    #[arg(long, value_name = "REFERENCE", default_value = "pgmoor-app/password")]
    pub(crate) login: String,
    /// What the cloud knows the application's service accounts as: a role's ARN, an e-mail address, a client id
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// The directory that pgmoor.yaml has keys of Kubernetes Secrets in, as DIR/NAME/KEY
    #[arg(long, value_name = "DIR", default_value = SECRETS)]
    pub(crate) secrets_dir: String,
    /// Edit the values of this file, and print all of it: other keys and comments stay
    #[arg(long, value_name = "FILE")]
    pub(crate) merge: Option<PathBuf>,
    /// Write into this file in place of standard output; it must not exist, or be the one of --merge
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

fn target() -> impl TypedValueParser<Value = Target> {
    let names = Target::ALL.map(|(_, name)| name);
    PossibleValuesParser::new(names).map(|name| {
        let found = Target::ALL.into_iter().find(|(_, known)| *known == name);
        found.expect("it is one of these names").0
    })
}
