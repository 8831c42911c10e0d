//! `pgmoor render`: the values of an application, with the gateway as its database or without.

use std::fs;
use std::path::{Path, PathBuf};

use pgmoor::settings::Problem;
use pgmoor_ops::system::{Reference, Rendered, Severity, Target, Through, lines, merged, render};
use pgmoor_ops::yaml;
use serde_json::json;

use super::import;
use crate::args::{Global, Render, Way};
use crate::config::load::DEFAULT_FILE;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA, say};

/// Prints them, or writes them into the file that is wanted.
pub(super) fn run(global: &Global, arguments: &Render, output: Output) -> Result<Exit, Failure> {
    if arguments.merge.is_some() && arguments.target == Target::Env {
        return Err(
            Failure::new(Exit::Usage, "--merge edits YAML, and variables are none")
                .hint("leave --merge out"),
        );
    }
    let path = global
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let text = import::read(&path)?;
    let mut problems = Vec::new();
    let read = yaml::parse(&text, &path, &mut problems);
    let configuration = match (read, problems.is_empty()) {
        (Ok(configuration), true) => configuration,
        (Ok(_), false) => return Err(failed(problems)),
        (Err(problem), _) => return Err(failed(vec![problem])),
    };
    let secrets = arguments.secrets_dir.trim_end_matches('/');
    let through = match arguments.through {
        Way::Gateway => Through::Gateway {
            address: arguments.gateway.clone(),
            password: password(&arguments.login)?,
        },
        Way::Direct => Through::Direct {
            identity: arguments.identity.clone(),
        },
    };
    let rendered = render(&configuration, arguments.target, &through, secrets);
    let text = match &rendered.tree {
        Some(tree) => Some(match (&arguments.merge, arguments.target) {
            (Some(path), _) => merged(&import::read(path)?, path, tree, &rendered.owned)
                .map_err(|problem| failed(vec![problem]))?,
            (None, Target::Env) => lines(tree),
            (None, _) => tree.print(),
        }),
        None => None,
    };
    if let (Some(path), Some(text)) = (&arguments.write, &text) {
        write(path, arguments.merge.as_deref(), text)?;
    }
    report(&rendered, text.as_deref(), arguments, output);
    match text {
        Some(_) => Ok(Exit::Ok),
        None => Ok(Exit::Refused),
    }
}

fn failed(problems: Vec<Problem>) -> Failure {
    Failure {
        exit: Exit::Usage,
        problems,
    }
}

/// Where the password of the gateway's user is: `${NAME}`, `file:PATH`, or `NAME/KEY` of a Secret.
fn password(text: &str) -> Result<Reference, Failure> {
    if let Some(reference) = Reference::parse(text) {
        return Ok(reference);
    }
    match text.split_once('/') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() && !key.contains('/') => {
            Ok(Reference::secret(name, key))
        }
        // What was given may be the password itself.
        _ => Err(
            Failure::new(Exit::Usage, "--login does not say where the password is")
                .hint("write NAME/KEY of a Kubernetes Secret, ${VARIABLE} or file:PATH"),
        ),
    }
}

fn write(path: &Path, edited: Option<&Path>, text: &str) -> Result<(), Failure> {
    if edited != Some(path) {
        return import::create(path, text);
    }
    fs::write(path, text).map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot write \"{}\"", path.display()))
            .cause(pgmoor::settings::plain(&error))
    })
}

fn report(rendered: &Rendered, text: Option<&str>, arguments: &Render, output: Output) {
    if output.format == Format::Json {
        output.json(&json!({
            "schema": SCHEMA,
            "ok": text.is_some(),
            "values": text,
            "findings": rendered.findings.iter().map(import::as_json).collect::<Vec<_>>(),
        }));
        return;
    }
    if let Some(text) = text.filter(|_| arguments.write.is_none()) {
        output.data(text);
    }
    import::tell(&rendered.findings);
    let left = rendered
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::NotCarried)
        .count();
    if left > 0 {
        say(&format!("left for you: {left}"));
    }
}
