//! What the commands print: results on standard output, talk on standard error.

use std::error::Error;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use pgmoor::settings::{Problem, Problems};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::Exit;

/// The version of every JSON document that is printed; within a major only additions are made.
pub(crate) const SCHEMA: &str = "1.0";

const ERROR: Style = AnsiColor::Red.on_default().bold();
const LABEL: Style = AnsiColor::Cyan.on_default().bold();
const STRONG: Style = Style::new().bold();

/// The form of results that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Text,
    /// One JSON document, also when the command fails.
    Json,
    /// One page for a browser; only reports have it.
    Html,
}

impl Form {
    /// The form of all that is no report.
    pub(crate) fn plain(self) -> Format {
        match self {
            Self::Text | Self::Html => Format::Text,
            Self::Json => Format::Json,
        }
    }
}

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document, also when the command fails.
    Json,
}

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes it so for the whole process.
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What failed, why, and what to do; a configuration has one for each thing wrong.
    pub(crate) problems: Vec<Problem>,
}

impl Failure {
    /// A failure of one thing.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            problems: vec![Problem::new(&pgmoor::settings::Origin::Default, what)],
        }
    }

    /// Adds the reason.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        if let Some(problem) = self.problems.last_mut() {
            problem.cause = Some(cause.into());
        }
        self
    }

    /// Adds an error and all that caused it as the reason.
    #[must_use]
    pub(crate) fn because(self, error: &(dyn Error + 'static)) -> Self {
        self.cause(chain(error))
    }

    /// Adds the advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = Some(hint.into());
        }
        self
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self {
            exit: Exit::Usage,
            problems: problems.0,
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = without_errno(&error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let part = without_errno(&cause.to_string());
        // Some libraries repeat their cause in their own text.
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = cause.source();
    }
    text
}

/// "Connection refused (os error 111)" is "connection refused" to people.
fn without_errno(text: &str) -> String {
    let Some((text, _)) = text.split_once(" (os error") else {
        return text.to_owned();
    };
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The form of results.
    pub(crate) format: Format,
}

impl Output {
    /// Prints a result as it is: data for other programs.
    pub(crate) fn data(self, text: &str) {
        // A reader that went away (`| head`) has all it wants.
        let _ = anstream::stdout()
            .write_all(text.as_bytes())
            .and_then(|()| anstream::stdout().flush());
    }

    /// Prints a JSON document.
    pub(crate) fn json(self, value: &impl Serialize) {
        let mut text = serde_json::to_string_pretty(value).expect("results are plain JSON");
        text.push('\n');
        self.data(&text);
    }

    /// Prints what failed: for people on standard error, and as JSON on standard output if that is
    /// the form of results.
    pub(crate) fn failure(self, failure: &Failure) {
        self.complain(failure);
        if self.format == Format::Json {
            self.json(&failure_json(failure));
        }
    }

    /// Prints what failed for people, on standard error.
    pub(crate) fn complain(self, failure: &Failure) {
        let mut stderr = anstream::stderr();
        for (index, problem) in failure.problems.iter().enumerate() {
            if index > 0 {
                let _ = writeln!(stderr);
            }
            let _ = writeln!(
                stderr,
                "{ERROR}error:{ERROR:#} {STRONG}{}{STRONG:#}",
                problem.headline()
            );
            for (label, text) in [("cause", &problem.cause), ("hint", &problem.hint)] {
                if let Some(text) = text {
                    let _ = writeln!(stderr, "{LABEL}{label}:{LABEL:#} {text}");
                }
            }
        }
    }
}

fn failure_json(failure: &Failure) -> Value {
    json!({
        "schema": SCHEMA,
        "ok": false,
        "exit_code": failure.exit.code(),
        "errors": failure.errors(),
    })
}

impl Failure {
    /// What failed, as it stands in JSON documents.
    pub(crate) fn errors(&self) -> Value {
        let errors: Vec<_> = self
            .problems
            .iter()
            .map(|problem| {
                let origin = match &problem.origin {
                    pgmoor::settings::Origin::Default => Value::Null,
                    origin => json!(origin.to_string()),
                };
                json!({ "error": problem.what, "at": origin, "cause": problem.cause, "hint": problem.hint })
            })
            .collect();
        Value::Array(errors)
    }
}

/// A line of talk on standard error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A question on standard error, which is answered on the same line.
pub(crate) fn ask(text: &str) {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Talk with a highlighted first word.
pub(crate) fn say_labelled(label: &str, text: &str) {
    let _ = writeln!(anstream::stderr(), "{LABEL}{label}{LABEL:#} {text}");
}
