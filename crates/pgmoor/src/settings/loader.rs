//! What loading needs besides the tree: variables, directories, and the list of problems so far.

use std::path::{Path, PathBuf};

use super::node::{Data, Node, Origin};
use super::problem::{Problem, Problems};
use super::seen::Seen;

/// Looks up an environment variable.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Carries one load of a configuration: it collects every problem instead of stopping at the first.
pub struct Loader<'a> {
    variables: &'a Variables<'a>,
    directory: PathBuf,
    base: PathBuf,
    problems: Vec<Problem>,
    files: Vec<Seen>,
}

/// Where in the configuration a value stands, and what its declaration allows.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The whole key, `databases.app.pool.size`.
    pub key: &'a str,
    /// The declared range, `"1..=100"`.
    pub range: Option<&'static str>,
}

impl<'a> Loader<'a> {
    /// A loader that reads `${VAR}` from `variables`. Relative paths that were set in the
    /// environment start from `directory`, defaults from `base` (the configuration file's
    /// directory, or `directory` when there is no file), and those in a file from that file.
    pub fn new(variables: &'a Variables<'a>, directory: &Path, base: &Path) -> Self {
        Self {
            variables,
            directory: directory.to_path_buf(),
            base: base.to_path_buf(),
            problems: Vec::new(),
            files: Vec::new(),
        }
    }

    /// A loader for declared defaults: no variables, and paths stay as written.
    pub fn for_defaults() -> Loader<'static> {
        Loader {
            variables: &|_| None,
            directory: PathBuf::new(),
            base: PathBuf::new(),
            problems: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Records a problem.
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Remembers what a file looks like that is about to be read.
    pub fn note_file(&mut self, path: &Path) {
        if !self.files.iter().any(|known| known.path() == path) {
            self.files.push(Seen::now(path));
        }
    }

    /// The files that were read so far, or were to be: once one of them changes, another load may end
    /// otherwise.
    pub fn files(&self) -> &[Seen] {
        &self.files
    }

    /// Whether anything was found wrong so far.
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Ends the load: the value if nothing was wrong, else every problem.
    ///
    /// # Errors
    /// All problems that were reported.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems(in_file_order(self.problems))),
        }
    }

    /// The text of a scalar with `${VAR}` filled in; reports and gives `None` when it is none.
    pub fn text(&mut self, node: &Node, place: &Place<'_>) -> Option<String> {
        let Data::Scalar(text) = &node.data else {
            self.report(
                Problem::new(
                    &node.origin,
                    format!("\"{}\" must be a single value", place.key),
                )
                .cause(format!("it is {}", node.kind())),
            );
            return None;
        };
        match node.origin {
            Origin::File { .. } => self.fill(text, node, place),
            // The environment is already what the user's shell made of it.
            Origin::Environment { .. } | Origin::Default => Some(text.clone()),
        }
    }

    /// A path as seen from where it was written.
    pub fn path(&self, written: &str, origin: &Origin) -> PathBuf {
        let start = match origin {
            Origin::File { .. } => self.directory.join(origin.directory().unwrap_or_default()),
            Origin::Environment { .. } => self.directory.clone(),
            Origin::Default => self.base.clone(),
        };
        let plain = written.strip_prefix("./").unwrap_or(written);
        if start.as_os_str().is_empty() {
            PathBuf::from(written)
        } else {
            start.join(plain)
        }
    }

    /// Replaces `${VAR}` and `${VAR:-default}`; `$${` stands for `${`.
    fn fill(&mut self, text: &str, node: &Node, place: &Place<'_>) -> Option<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                filled.push_str(&rest[..start - 1]);
                filled.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            filled.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                self.report(
                    Problem::new(
                        &node.origin,
                        format!("\"{}\" has a \"${{\" that is never closed", place.key),
                    )
                    .hint("close it with \"}\", or write \"$${\" for a literal \"${\""),
                );
                return None;
            };
            let inside = &rest[start + 2..start + length];
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            match (self.variables)(name).filter(|value| default.is_none() || !value.is_empty()) {
                Some(value) => filled.push_str(&value),
                None => match default {
                    Some(default) => filled.push_str(default),
                    None => {
                        let problem = Problem::new(
                            &node.origin,
                            format!(
                                "\"{}\" needs the environment variable \"{name}\"",
                                place.key
                            ),
                        );
                        self.report(Problem {
                            cause: Some(format!("{name} is not set")),
                            hint: Some(format!("set {name}, or write ${{{name}:-default}}")),
                            missing_variable: Some(name.into()),
                            ..problem
                        });
                        return None;
                    }
                },
            }
            rest = &rest[start + length + 1..];
        }
        filled.push_str(rest);
        Some(filled)
    }
}

fn in_file_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| match &problem.origin {
        Origin::File { line, column, .. } => (0, *line, *column),
        Origin::Environment { .. } => (1, 0, 0),
        Origin::Default => (2, 0, 0),
    });
    problems.dedup();
    problems
}
