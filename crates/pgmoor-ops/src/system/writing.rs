//! What all writers of an application's values need: refusals, addresses, Secrets that are yet to be made.

use super::finding::{Explain, Findings};
use super::meaning::{Database, Login, Meaning, Parameters};
use super::own;
use super::reference::Reference;

/// Refuses what the application cannot do, and says who can.
pub(super) fn cannot(application: &str, database: &Database, what: &str, findings: &mut Findings) {
    findings
        .refused(
            &database.name.origin,
            format!(
                "{application} cannot do itself what \"{}\" needs: {what}",
                database.name.value
            ),
        )
        .then("the gateway can: use --through gateway");
}

/// An address as an application takes it: nothing in it is pgmoor's.
pub(super) fn plain_url(
    application: &str,
    database: &Database,
    parameters: &Parameters,
    findings: &mut Findings,
) -> String {
    let text = own::url(parameters);
    if !text.starts_with("postgres://") {
        findings
            .refused(
                &database.name.origin,
                format!(
                    "the address of \"{}\" has variables in it",
                    database.name.value
                ),
            )
            .why(format!("{application} reads its address as it is written"))
            .then("write out what they stand for, or use --through gateway with --gateway");
    }
    text.replace("$${", "${")
}

/// A Secret with the whole address, for an application that takes the password in no other way.
pub(super) fn secret_to_make(
    secret: &str,
    key: &str,
    database: &Database,
    url: &str,
    findings: &mut Findings,
) {
    let Login::Password(password) = &database.login else {
        return;
    };
    let url = match url.split_once('@') {
        Some((user, rest)) => format!("{user}:PASSWORD@{rest}"),
        None => url.to_owned(),
    };
    let place = match &password.value {
        Reference::Secret { name, key } => format!("key \"{key}\" of the Secret \"{name}\""),
        Reference::Variable(name) => format!("the variable {name}"),
        Reference::File(path) => format!("the file {path}"),
    };
    findings
        .not_carried(
            &database.name.origin,
            format!("the Secret \"{secret}\" with the address under \"{key}\" is yours to make"),
        )
        .why("the application takes the password only as a part of the address, and pgmoor render copies none")
        .then(format!("it is {url} with the password, percent-encoded, from {place}"));
}

/// The database that an application has only one of.
pub(super) fn only<'a>(
    application: &str,
    meaning: &'a Meaning,
    findings: &mut Findings,
) -> Option<&'a Database> {
    if let Some(second) = meaning.databases.get(1) {
        findings
            .refused(
                &second.name.origin,
                format!(
                    "{application} has one database, and there are {}",
                    meaning.databases.len()
                ),
            )
            .then("render from a configuration that has this one only");
    }
    meaning.databases.first()
}
