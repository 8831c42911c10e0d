//! From files to a meaning: recognises whose they are, and has them read.

use std::path::Path;

use pgmoor::settings::Origin;

use super::finding::{Explain, Finding, Findings, Severity};
use super::input::{Files, Form, Include, Input};
use super::meaning::Meaning;
use super::values::Values;
use super::{backstage, coder, environment, langsmith, prisme};

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// LangSmith: values of its Helm chart, or its environment.
    Langsmith,
    /// Coder, of both versions: values of its Helm chart, environment, flags.
    Coder,
    /// Backstage: `app-config*.yaml`.
    Backstage,
    /// Prisme.ai: values of its core chart, or its environment.
    Prisme,
    /// `DATABASE_URL` or `PG…` variables.
    Env,
    /// One address.
    Url,
}

impl Application {
    /// All, as they are named on the command line.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Langsmith, "langsmith", "LangSmith"),
        (Self::Coder, "coder", "Coder"),
        (Self::Backstage, "backstage", "Backstage"),
        (Self::Prisme, "prisme", "Prisme.ai"),
        (Self::Env, "env", "environment variables"),
        (Self::Url, "url", "an address"),
    ];

    /// As it is named on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(known, _, _)| *known == self)
            .map_or("", |(_, name, _)| *name)
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(known, _, _)| *known == self)
            .map_or("", |(_, _, title)| *title)
    }
}

/// What became of the files.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Whose they are, if that is known.
    pub application: Option<Application>,
    /// What they say; none where something in them was refused.
    pub meaning: Option<Meaning>,
    /// What there is to say about them, in the order of the files.
    pub findings: Vec<Finding>,
}

/// Reads the files of an application, in the order in which it would lay them over each other. `plugins` are
/// those of Backstage that have databases; without any, the usual ones. `include` reads files that these
/// files name, but none with a secret.
pub fn import(
    inputs: &[Input],
    from: Option<Application>,
    plugins: &[String],
    include: &Include<'_>,
) -> Imported {
    let mut findings = Findings::default();
    let form = match from {
        Some(Application::Env) => Some(Form::Lines),
        Some(Application::Url) => Some(Form::Address),
        _ => None,
    };
    let files = Files::read(inputs, form, &mut findings);
    let values = Values::new(&files);
    let application = from.or_else(|| recognise(&files, &values));
    let meaning = match application {
        Some(application) => read(
            application,
            &files,
            &values,
            plugins,
            include,
            &mut findings,
        ),
        None => {
            let origin = inputs
                .first()
                .map_or(Origin::Default, |input| Origin::file(&input.path, 1, 1));
            if findings.0.is_empty() {
                findings
                    .refused(&origin, "cannot tell whose configuration this is")
                    .why("no key of LangSmith, Coder, Backstage or Prisme.ai is in it, no DATABASE_URL and no address")
                    .then("say so: --from langsmith, coder, backstage, prisme, env or url");
            }
            None
        }
    };
    let refused = findings
        .0
        .iter()
        .any(|finding| finding.severity == Severity::Refused);
    let paths: Vec<&Path> = inputs.iter().map(|input| &*input.path).collect();
    Imported {
        application,
        meaning: meaning.filter(|_| !refused),
        findings: findings.in_order(&paths),
    }
}

fn recognise(files: &Files, values: &Values) -> Option<Application> {
    let root = &values.root;
    let by_values = [
        (prisme::claims(root), Application::Prisme),
        (backstage::claims(root), Application::Backstage),
        (langsmith::claims(root), Application::Langsmith),
        (coder::claims_first(root), Application::Coder),
        (coder::claims(root), Application::Coder),
    ];
    if let Some((_, application)) = by_values.into_iter().find(|(claimed, _)| *claimed) {
        return Some(application);
    }
    if let Some(variables) = &files.variables {
        let by_variables = [
            (
                langsmith::claims_variables(variables),
                Application::Langsmith,
            ),
            (coder::claims_variables(variables), Application::Coder),
            (
                backstage::claims_variables(variables),
                Application::Backstage,
            ),
            (prisme::claims_variables(variables), Application::Prisme),
        ];
        let known = by_variables.into_iter().find(|(claimed, _)| *claimed);
        return Some(known.map_or(Application::Env, |(_, application)| application));
    }
    (!files.addresses.is_empty()).then_some(Application::Url)
}

fn read(
    application: Application,
    files: &Files,
    values: &Values,
    plugins: &[String],
    include: &Include<'_>,
    findings: &mut Findings,
) -> Option<Meaning> {
    let variables = files
        .variables
        .as_ref()
        .filter(|_| files.documents.is_empty());
    match (application, variables) {
        (Application::Langsmith, Some(variables)) => langsmith::read_variables(variables, findings),
        (Application::Langsmith, None) => Some(langsmith::read(values, findings)),
        (Application::Coder, Some(variables)) => coder::read_variables(variables, findings),
        (Application::Coder, None) if coder::claims_first(&values.root) => {
            coder::read_first(values, findings)
        }
        (Application::Coder, None) => coder::read(values, findings),
        (Application::Backstage, _) => backstage::read(files, plugins, include, findings),
        (Application::Prisme, Some(variables)) => prisme::read_variables(variables, findings),
        (Application::Prisme, None) => prisme::read(values, findings),
        (Application::Env, Some(variables)) => environment::read_variables(variables, findings),
        (Application::Env, None) => {
            findings.refused(&Origin::Default, "no file has lines NAME=value");
            None
        }
        (Application::Url, _) => environment::read_addresses(files, findings),
    }
}
