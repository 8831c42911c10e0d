//! `pgmoor import`: the configuration of an application as a pgmoor.yaml.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use pgmoor::Secret;
use pgmoor::settings::{Origin, plain};
use pgmoor_ops::system::{Finding, Imported, Input, Origins, Severity, import, write};
use serde_json::{Value, json};

use crate::args::Import;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA, say};

/// A configuration is written by people.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Prints it, or writes it into the file that is wanted.
pub(super) fn run(arguments: &Import, output: Output) -> Result<Exit, Failure> {
    let inputs = arguments
        .files
        .iter()
        .map(|path| input(path))
        .collect::<Result<Vec<_>, _>>()?;
    let include = |path: &Path| read(path).map_err(|failure| reason(&failure));
    let imported = import(&inputs, arguments.from, &arguments.plugins, &include);
    let text = imported.meaning.as_ref().map(|meaning| {
        let from: Vec<String> = arguments
            .files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let title = imported.application.map_or("", |one| one.title());
        let origins = Origins {
            from: &format!("{} ({title})", from.join(", ")),
            findings: &imported.findings,
            secrets: arguments.secrets_dir.trim_end_matches('/'),
        };
        write(meaning, &origins)
    });
    if let (Some(path), Some(text)) = (&arguments.write, &text) {
        create(path, text)?;
    }
    report(&imported, text.as_deref(), arguments, output);
    match text {
        Some(_) => Ok(Exit::Ok),
        None => Ok(Exit::Refused),
    }
}

fn report(imported: &Imported, text: Option<&str>, arguments: &Import, output: Output) {
    if output.format == Format::Json {
        output.json(&json!({
            "schema": SCHEMA,
            "ok": text.is_some(),
            "application": imported.application.map(|one| one.name()),
            "configuration": text,
            "findings": imported.findings.iter().map(as_json).collect::<Vec<_>>(),
        }));
        return;
    }
    if let Some(text) = text.filter(|_| arguments.write.is_none()) {
        output.data(text);
    }
    let title = imported
        .application
        .map_or("nobody known", |one| one.title());
    say(&format!("read as the configuration of {title}"));
    tell(&imported.findings);
    say(&summary(&imported.findings, text.is_some()));
    if let Some(path) = arguments.write.as_ref().filter(|_| text.is_some()) {
        say(&format!("written: {}", path.display()));
        say(&format!(
            "next: pgmoor --config {} config check",
            path.display()
        ));
    }
}

/// Prints findings for people.
pub(super) fn tell(findings: &[Finding]) {
    for finding in findings {
        let problem = &finding.problem;
        say(&format!(
            "{}: {}",
            finding.severity.as_str(),
            problem.headline()
        ));
        for (label, text) in [("cause", &problem.cause), ("hint", &problem.hint)] {
            if let Some(text) = text {
                say(&format!("  {label}: {text}"));
            }
        }
    }
}

fn summary(findings: &[Finding], done: bool) -> String {
    let count = |severity: Severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    format!(
        "{}: {} wrong, {} not carried, {} noted",
        if done { "ok" } else { "refused" },
        count(Severity::Wrong) + count(Severity::Refused),
        count(Severity::NotCarried),
        count(Severity::Note),
    )
}

/// A finding as it stands in JSON documents.
pub(super) fn as_json(finding: &Finding) -> Value {
    let problem = &finding.problem;
    let (file, line, column) = match &problem.origin {
        Origin::File { path, line, column } => (
            json!(path.display().to_string()),
            json!(line),
            json!(column),
        ),
        Origin::Environment { .. } | Origin::Default => (Value::Null, Value::Null, Value::Null),
    };
    json!({
        "severity": finding.severity.as_str(),
        "what": problem.what,
        "file": file,
        "line": line,
        "column": column,
        "cause": problem.cause,
        "hint": problem.hint,
    })
}

fn input(path: &Path) -> Result<Input, Failure> {
    let text = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| cannot_read(path, plain(&error)))?;
        text_of(path, bytes)?
    } else {
        read(path)?
    };
    Ok(Input {
        path: Arc::from(path),
        text: Secret::new(text),
    })
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, plain(&error)))?;
    if metadata.is_dir() {
        return Err(cannot_read(path, "it is a directory"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| cannot_read(path, plain(&error)))?;
    text_of(path, bytes)
}

fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(cannot_read(path, "it is larger than 4 MiB")
            .hint("name the file with the settings of the database"));
    }
    let text = String::from_utf8(bytes).map_err(|_| cannot_read(path, "it is not UTF-8 text"))?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

fn cannot_read(path: &Path, cause: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, format!("cannot read \"{}\"", path.display())).cause(cause)
}

fn reason(failure: &Failure) -> String {
    let problem = failure.problems.first();
    let cause = problem.and_then(|problem| problem.cause.clone());
    cause.unwrap_or_default()
}

/// Writes a file that was not there before.
pub(super) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot create \"{}\"", path.display()))
                .cause(plain(&error))
                .hint("it must not exist yet: move it away, or write another one")
        })
}
