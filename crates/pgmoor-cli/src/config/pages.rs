//! The sample, the reference page and the JSON Schema of the whole configuration.

use std::fmt::Write;

use pgmoor::settings::{Section, Shape, Value, reference, sample, schema};

use super::load::RESERVED;
use super::settings::Settings;

/// The sample configuration file.
pub(crate) fn sample_file() -> String {
    sample(
        &root(),
        "The configuration of pgmoor: every key with its default.\n\
         As it is, this file changes nothing. Remove the # before a key to set it.\n\
         ${VAR} takes a value from the environment; file:PATH takes a secret from a file.",
    )
}

/// The reference page.
pub(crate) fn reference_page() -> String {
    let mut intro = String::from(
        "# Configuration\n\n\
         <!-- Made by `pgmoor config reference`; do not edit. -->\n\n\
         pgmoor reads one YAML file: the one named by `--config` or `PGMOOR_CONFIG`, else `pgmoor.yaml` in the\n\
         current directory, else none: then one database `app` is served from a bundled server.\n\n\
         - Every key can be set from the environment, which wins over the file: `PGMOOR_` and the key's parts\n  \
         in capitals, joined by two underscores. Lists are separated by commas.\n\
         - `${VAR}` anywhere in a value is replaced from the environment; `${VAR:-default}` has a default, and\n  \
         `$${` stands for a literal `${`.\n\
         - A secret may be written `file:PATH`. The file must not be readable by others (`chmod 600`; in\n  \
         Kubernetes `defaultMode: 0440` with `fsGroup`); one line break at its end is dropped.\n\
         - Relative paths start at the directory of the file; set from the environment, at the current directory.\n\
         - An unknown key, a bad value, an unset variable or a `PGMOOR_` variable that means nothing stops the\n  \
         start. `pgmoor config check` tells beforehand; `pgmoor config show --origin` tells what is in effect\n  \
         and where it was set.\n\n\
         ## Variables that are no keys\n\n| variable | meaning |\n|---|---|\n",
    );
    for (name, meaning) in RESERVED {
        let _ = writeln!(intro, "| `{name}` | {meaning} |");
    }
    reference(&root(), &intro)
}

/// The JSON Schema.
pub(crate) fn json_schema() -> String {
    let schema = schema(&root(), "Configuration of pgmoor");
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

fn root() -> Section {
    match Settings::shape() {
        Shape::Section(section) => section,
        Shape::Scalar(_)
        | Shape::Choice(_)
        | Shape::List(_)
        | Shape::Map(..)
        | Shape::Optional(_) => {
            unreachable!("a struct's shape is a section")
        }
    }
}
