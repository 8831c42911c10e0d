//! Addresses as applications write them, taken apart into parameters and the password.

use pgmoor::endpoint::ConnectionString;
use pgmoor::settings::Origin;
use pgmoor_wire::Secret;

use super::finding::{Explain, Findings};
use super::meaning::{Address, Login, Parameters, Told};
use super::reference::Reference;

/// What an address says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) parameters: Parameters,
    pub(super) password: Option<Secret<String>>,
}

/// Whether `${` in a text is a variable, or just text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dollars {
    Variables,
    Text,
    /// A variable, and a word is in its place.
    Words,
}

impl Dollars {
    /// The text as pgmoor.yaml would have it.
    pub(super) fn ours(self, text: &str) -> String {
        match self {
            Self::Variables | Self::Words => text.to_owned(),
            Self::Text => text.replace("${", "$${"),
        }
    }
}

/// Takes an address apart; what cannot be read is refused, without a word of the text.
pub(super) fn read(
    text: &str,
    origin: &Origin,
    dollars: Dollars,
    findings: &mut Findings,
) -> Option<Read> {
    let given = match ConnectionString::parse(text) {
        Ok(given) => given,
        Err(error) => {
            let problem = findings.refused(origin, "cannot read the address");
            problem.cause = Some(crate::error::chain(&error));
            problem.hint = error.hint();
            return None;
        }
    };
    for notice in given.notices() {
        findings.note(origin, notice.as_str());
    }
    let mut read = Read::default();
    for (name, value) in given.parameters() {
        match name {
            "password" => {
                read.password = Some(value.clone()).filter(|secret| !secret.expose().is_empty());
            }
            "sslpassword" => {
                findings
                    .not_carried(origin, "the password of the client's key")
                    .then("add \"sslpassword\" to the url by ${VARIABLE}, or store the key without one");
            }
            _ => read
                .parameters
                .set(name, dollars.ours(value.expose()), origin),
        }
    }
    for (name, value) in given.settings() {
        read.parameters.set(name, dollars.ours(value), origin);
    }
    let port = read.parameters.get("port").unwrap_or_default();
    let is_number = |port: &str| port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0);
    let has_variable = match dollars {
        Dollars::Variables => port.contains("${"),
        Dollars::Text => false,
        Dollars::Words => true,
    };
    if !has_variable && !port.split(',').all(is_number) {
        // Not shown: it may be a password with an "@" that is missing behind it.
        findings
            .refused(origin, "the port of the address is no number")
            .then("write a number from 1 to 65535, or leave it out for 5432");
        return None;
    }
    Some(read)
}

/// A password that stands in the clear: refers to a variable that has yet to be set.
pub(super) fn inline_password(
    name: &str,
    origin: &Origin,
    findings: &mut Findings,
) -> Told<Reference> {
    let variable = variable(name);
    findings
        .not_carried(
            origin,
            "a password stands here in the clear; it was not copied",
        )
        .then(format!(
            "set {variable} where pgmoor runs, or write \"password: file:PATH\" in place of it"
        ));
    Told::new(Reference::Variable(variable), origin)
}

/// `engineInsightsAgent` gives `ENGINE_INSIGHTS_AGENT_PASSWORD`.
pub(super) fn variable(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && text.ends_with(|last: char| last.is_ascii_lowercase()) {
            text.push('_');
        }
        text.push(if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        });
    }
    let mut text = text.to_ascii_uppercase();
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        text.insert_str(0, "DATABASE_");
    }
    text + "_PASSWORD"
}

/// A password written in the file: `${NAME}` and nothing else stays one, text becomes a variable.
pub(super) fn password(
    name: &str,
    password: &Secret<String>,
    origin: &Origin,
    dollars: Dollars,
    findings: &mut Findings,
) -> Told<Reference> {
    let own = Reference::parse(password.expose());
    match own.filter(|own| matches!(own, Reference::Variable(_)) && dollars == Dollars::Variables) {
        Some(reference) => Told::new(reference, origin),
        None => inline_password(name, origin, findings),
    }
}

/// Whole address from a Secret or a variable. What is known of it and has no password is written out;
/// else the reference is kept, and everything in it stays where it is.
pub(super) fn referred(
    reference: Told<Reference>,
    known: Option<Told<Secret<String>>>,
    findings: &mut Findings,
) -> (Address, Login, Option<Parameters>) {
    let read = known.and_then(|known| {
        read(
            known.value.expose().trim(),
            &known.origin,
            Dollars::Text,
            findings,
        )
    });
    match read {
        Some(read) if read.password.is_none() => {
            (Address::Server(read.parameters), Login::Address, None)
        }
        Some(read) => (
            Address::Whole(reference),
            Login::Address,
            Some(read.parameters),
        ),
        None => (Address::Whole(reference), Login::Address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_for_passwords_have_the_databases_name() {
        for (name, expected) in [
            ("langsmith", "LANGSMITH_PASSWORD"),
            ("engineInsightsAgent", "ENGINE_INSIGHTS_AGENT_PASSWORD"),
            ("bs_catalog-2", "BS_CATALOG_2_PASSWORD"),
            ("7up", "DATABASE_7UP_PASSWORD"),
        ] {
            assert_eq!(variable(name), expected);
        }
    }

    #[test]
    fn a_password_in_an_address_that_cannot_be_read_is_told_to_nobody() {
        for text in [
            "postgres://u:tops3cret@h:port/d",
            "postgres://u:top s3cret@h/d?sslmode=tops3cret",
            "u:tops3cret",
            "postgres://u:tops3cret@h/d?password=tops3cret&x=1",
            "mysql://u:tops3cret@h/d",
        ] {
            let mut findings = Findings::default();
            let read = read(text, &Origin::Default, Dollars::Text, &mut findings);

            assert!(
                !format!("{findings:?}{read:?}").contains("s3cret"),
                "{text}"
            );
        }
    }
}
