//! Arguments of `pgmoor import`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pgmoor_ops::system::{Application, SECRETS};

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
