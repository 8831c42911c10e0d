//! Configuration files: any text is read or refused, and no password is told.

/// The loading of the command line tool, which is a program and has no library.
#[path = "../../crates/pgmoor-cli/src/config"]
#[allow(dead_code, reason = "the program uses all of it")]
mod config {
    pub(crate) mod surroundings;

    pub(crate) mod systems;

    pub(crate) mod settings;

    pub(crate) mod address;

    pub(crate) mod load;
}

use std::path::PathBuf;

use config::load::{Source, load_text};
use config::surroundings::Surroundings;
use pgmoor::settings::Value;

/// A configuration with a password; what is fuzzed stands behind it.
const SECRET: &str =
    "endpoints:\n  e:\n    url: \"postgres://u:qzx7@h/d\"\n    pool_timeout: qzx\n";

/// A text by itself, and the same text behind a section with a password.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    load(text);
    if text.contains("qz") {
        return;
    }
    let told = load(&format!("{SECRET}{text}"));
    assert!(!told.contains("qzx7"), "{told}");
}

/// Loads and tells what became of it.
fn load(text: &str) -> String {
    let surroundings = Surroundings {
        variables: vec![("NAME".to_owned(), "value".to_owned())],
        unreadable: Vec::new(),
        directory: PathBuf::from("/nonexistent"),
    };
    let source = Source::File(PathBuf::from("p.yaml"));
    match load_text(Some(text), source, &surroundings, &mut Vec::new()) {
        Ok(loaded) => format!("{:?} {:?}", loaded.settings.show(), loaded.tree),
        Err(problems) => format!("{problems} {problems:?}"),
    }
}
