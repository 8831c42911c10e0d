//! Finds the configuration file, puts the environment over it, and loads the settings.

use std::fs;
use std::path::{Path, PathBuf};

use pgmoor::endpoint::Endpoint;
use pgmoor::settings::{
    ConnectionText, Loader, Node, Origin, Place, Problem, Problems, Seen, Value, overlay, plain,
};
use pgmoor_ops::yaml;

use super::address;
use super::settings::{Settings, check_names, note_inline_endpoints};
use super::surroundings::Surroundings;
use crate::output::chain;

/// The file that is used when none is named.
pub(crate) const DEFAULT_FILE: &str = "pgmoor.yaml";

/// Variables that are no keys of the file, and what they mean.
pub(crate) const RESERVED: &[(&str, &str)] = &[
    ("PGMOOR_CONFIG", "the configuration file, as --config"),
    (
        "PGMOOR_LOG",
        "what is logged, over log.level: a level, or levels by module such as info,pgmoor_gateway=debug",
    ),
    ("PGMOOR_OUTPUT", "text or json, as --output"),
    ("PGMOOR_COLOR", "auto, always or never, as --color"),
    (
        "PGMOOR_PG_BIN",
        "the directory of PostgreSQL's programs, for bundled endpoints and pgmoor psql",
    ),
];

/// A configuration file is written by people.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Where the configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// This file.
    File(PathBuf),
    /// No file: the built-in default.
    BuiltIn,
}

/// A configuration that is in order.
pub(crate) struct Loaded {
    /// What is in effect.
    pub(crate) settings: Settings,
    /// What was written, for `config show --origin`.
    pub(crate) tree: Node,
    /// Where.
    pub(crate) source: Source,
}

/// Loads the configuration: the named file, else `./pgmoor.yaml` if it is there, else the default.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(named: Option<&Path>, surroundings: &Surroundings) -> Result<Loaded, Problems> {
    load_noting(named, surroundings, &mut Vec::new())
}

/// As [`load`]; also tells the files that the outcome depends on, whichever it is.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_noting(
    named: Option<&Path>,
    surroundings: &Surroundings,
    files: &mut Vec<Seen>,
) -> Result<Loaded, Problems> {
    let source = find(named, surroundings);
    if let Source::File(path) = &source {
        files.push(Seen::now(surroundings.directory.join(path)));
    }
    let text = match &source {
        Source::File(path) => {
            let text = read(path, &surroundings.directory);
            Some(text.map_err(|problem| Problems(vec![problem]))?)
        }
        Source::BuiltIn => None,
    };
    load_text(text.as_deref(), source, surroundings, files)
}

/// Loads what the configuration file says, if there is one; also tells the files that it names.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load_text(
    text: Option<&str>,
    source: Source,
    surroundings: &Surroundings,
    files: &mut Vec<Seen>,
) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut tree = match (&source, text) {
        (Source::File(path), Some(text)) => match yaml::parse(text, path, &mut problems) {
            Ok(tree) => tree,
            Err(problem) => {
                problems.push(problem);
                return Err(Problems(problems));
            }
        },
        _ => Node::empty(Origin::Default),
    };
    let reserved: Vec<&str> = RESERVED.iter().map(|(name, _)| *name).collect();
    problems.extend(overlay(
        &mut tree,
        &Settings::shape(),
        surroundings.settings(),
        &reserved,
    ));
    problems.extend(
        surroundings
            .unreadable
            .iter()
            .map(|name| Problem::new(&Origin::environment(name), "its value is not UTF-8 text")),
    );
    let settings = load_tree(&tree, &source, surroundings, problems, files)?;
    note_inline_endpoints(&mut tree);
    Ok(Loaded {
        settings,
        tree,
        source,
    })
}

fn load_tree(
    tree: &Node,
    source: &Source,
    surroundings: &Surroundings,
    problems: Vec<Problem>,
    files: &mut Vec<Seen>,
) -> Result<Settings, Problems> {
    let base = match source {
        Source::File(path) => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        Source::BuiltIn => PathBuf::new(),
    };
    let variables = |name: &str| surroundings.get(name);
    let mut loader = Loader::new(
        &variables,
        &surroundings.directory,
        &surroundings.directory.join(&base),
    );
    problems
        .into_iter()
        .for_each(|problem| loader.report(problem));
    let mut settings = Settings::load(
        tree,
        &Place {
            key: "",
            range: None,
        },
        &mut loader,
    );
    check_names(tree, &mut loader);
    if let Some(settings) = &mut settings {
        settings.complete(tree, &mut loader);
    }
    // What is wrong with an address as a value has been reported above.
    let mut scratch = Loader::new(
        &variables,
        &surroundings.directory,
        &surroundings.directory.join(base),
    );
    check_addresses(tree, surroundings, &mut scratch, &mut loader);
    files.extend_from_slice(loader.files());
    loader.finish(settings)
}

/// Reports addresses that cannot be read, also when the settings could not be loaded for other
/// reasons; they are read as they will be when they are used.
fn check_addresses(
    tree: &Node,
    surroundings: &Surroundings,
    scratch: &mut Loader<'_>,
    loader: &mut Loader<'_>,
) {
    let environment = address::environment(surroundings);
    for section in ["endpoints", "databases"] {
        let entries = tree.entry(section).and_then(|entry| entry.value.entries());
        for entry in entries.unwrap_or_default() {
            let (name, Some(url)) = (&entry.key, entry.value.entry("url")) else {
                continue;
            };
            let key = format!("{section}.{name}.url");
            let place = Place {
                key: &key,
                range: None,
            };
            let text = Option::<ConnectionText>::load(&url.value, &place, scratch);
            let Some(text) = text.flatten() else {
                continue;
            };
            let Err(error) = Endpoint::load(text.expose(), &environment) else {
                continue;
            };
            let problem = Problem::new(
                &url.value.origin,
                format!("cannot use the address of endpoint \"{name}\""),
            )
            .cause(chain(&error));
            loader.report(match error.hint() {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
    }
}

fn find(named: Option<&Path>, surroundings: &Surroundings) -> Source {
    // A variable that is set to nothing names nothing.
    match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Source::File(path.to_path_buf()),
        None if surroundings.directory.join(DEFAULT_FILE).exists() => {
            Source::File(PathBuf::from(DEFAULT_FILE))
        }
        None => Source::BuiltIn,
    }
}

fn read(path: &Path, directory: &Path) -> Result<String, Problem> {
    let problem = || {
        Problem::new(
            &Origin::Default,
            format!("cannot read the configuration file \"{}\"", path.display()),
        )
    };
    let path = directory.join(path);
    let metadata = fs::metadata(&path).map_err(|error| {
        problem()
            .cause(plain(&error))
            .hint("pgmoor config sample prints one to start from")
    })?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(problem().cause(if metadata.is_dir() {
            "it is a directory"
        } else {
            "it is no configuration file"
        }));
    }
    let bytes = fs::read(&path).map_err(|error| problem().cause(plain(&error)))?;
    String::from_utf8(bytes).map_err(|_| problem().cause("it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is loaded from this text and these variables; a file as such is not needed.
    fn load_with(text: &str, variables: &[(String, String)]) -> Result<Loaded, Problems> {
        let surroundings = Surroundings {
            variables: variables.to_vec(),
            unreadable: Vec::new(),
            directory: PathBuf::from("/nonexistent"),
        };
        let source = Source::File(PathBuf::from("p.yaml"));
        load_text(Some(text), source, &surroundings, &mut Vec::new())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_loading_panic(text in "([a-z]{1,3}|databases|gateway|listen|pool|size|[:,\\[\\]{}\"'&*|>#!%@`~?-]|: |- |\n|\n  |\\$\\{|file:|0|\t|é){0,40}") {
            let _ = load_with(&text, &[]);
        }

        #[test]
        fn no_variable_makes_loading_panic(
            name in "PGMOOR_([A-Z]{0,4}|DATABASES|GATEWAY|LISTEN|APP|POOL|SIZE|__|_|é){0,6}",
            value in any::<String>(),
        ) {
            let _ = load_with("", &[(name, value)]);
        }
    }
}
