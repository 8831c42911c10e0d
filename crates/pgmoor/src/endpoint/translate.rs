//! From names and values in anybody's words to libpq's.

use pgmoor_wire::Secret;

use super::connection_string::{ConnectionString, Value};
use super::error::{EndpointError, shown};
use super::foreign::{self, Foreign, Rule};
use super::raw::{Dialect, Pair, Raw};
use super::words::SslMode;
use super::{known, server_settings};

/// Finds out what every name means; later ones win over earlier ones.
pub(super) fn connection_string(raw: Raw) -> Result<ConnectionString, EndpointError> {
    let given = ConnectionString {
        notices: raw.notices,
        port_quotable: raw.port_quotable,
        form: raw.form,
        ..Default::default()
    };
    let mut translation = Translation {
        given,
        weak: Vec::new(),
        certificate: None,
    };
    let is_prisma = |pair: &Pair| {
        foreign::find(raw.dialect, &pair.name).is_some_and(|foreign| foreign.from == "Prisma")
    };
    let prisma = raw.pairs.iter().any(is_prisma);
    for (index, pair) in raw.pairs.into_iter().enumerate() {
        translation.assign(raw.dialect, pair, index)?;
    }
    translation.apply_certificate()?;
    let Translation {
        mut given, weak, ..
    } = translation;
    for (name, value) in weak {
        given.values.entry(name).or_insert(Value {
            text: Secret::from(value),
            variable: None,
        });
    }
    if prisma
        && !given.values.contains_key("sslkey")
        && !given.values.contains_key("sslrootcert")
        && let Some(value) = given.values.remove("sslcert")
    {
        given.values.insert("sslrootcert", value);
        given.notice(
            "parameter \"sslcert\" was read as \"sslrootcert\", which is what Prisma means by it",
        );
    }
    Ok(given)
}

struct Translation {
    given: ConnectionString,
    /// What counts only where nothing else is said.
    weak: Vec<(&'static str, &'static str)>,
    /// What another driver says about the check of the certificate, and under which name.
    certificate: Option<(String, &'static str)>,
}

impl Translation {
    fn assign(&mut self, dialect: Dialect, pair: Pair, index: usize) -> Result<(), EndpointError> {
        let name = pair.name.as_str();
        if name == "requiressl" {
            let mode = if pair.value.expose().starts_with('1') {
                "require"
            } else {
                "prefer"
            };
            self.given.set("sslmode", Secret::from(mode));
        } else if let Some(keyword) = known::keyword(name).filter(|_| dialect != Dialect::Npgsql) {
            self.given.set(keyword.name, pair.value);
        } else if let Some(foreign) = foreign::find(dialect, name) {
            self.translate(foreign, &pair)?;
        } else if let Some(setting) = server_settings::find(name) {
            self.given.set_setting(setting, pair.value.expose().clone());
        } else if let Some(setting) = name
            .strip_prefix("options[")
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(server_settings::find)
        {
            self.given.set_setting(setting, pair.value.expose().clone());
        } else {
            return Err(unknown(dialect, &pair, index));
        }
        Ok(())
    }

    fn translate(&mut self, foreign: &'static Foreign, pair: &Pair) -> Result<(), EndpointError> {
        let name = &pair.name;
        let from = foreign.from;
        let value = pair.value.expose();
        let said = |what: String| format!("parameter {name:?} of {from} {what}");
        match foreign.rule {
            Rule::Ignore(what) => self.given.notice(said(format!("{what} and was dropped"))),
            Rule::Rename(ours) => {
                self.given.set(ours, pair.value.clone());
                if from != "Npgsql" {
                    self.given.notice(said(format!("was read as {ours:?}")));
                }
            }
            Rule::Millis(ours) => {
                let millis: u64 = value.parse().map_err(|_| {
                    EndpointError::value(
                        name,
                        format!("must be a number of milliseconds, not {}", shown(value)),
                    )
                })?;
                let seconds = millis.div_ceil(1000).to_string();
                self.given
                    .notice(said(format!("was read as {ours}={seconds}")));
                self.given.set(ours, Secret::new(seconds));
            }
            Rule::Words(ours, words) | Rule::Default(ours, words) => {
                let word =
                    foreign::word(words, value).ok_or_else(|| unknown_word(name, words, pair))?;
                if word.is_empty() {
                    return Ok(());
                }
                if from != "Npgsql" || fold_differs(name, ours) {
                    self.given
                        .notice(said(format!("was read as {ours}={word}")));
                }
                match (foreign.rule, known::keyword(ours)) {
                    (_, None) => self.given.set_setting(ours, word.to_owned()),
                    (Rule::Default(..), Some(_)) => self.weak.push((ours, word)),
                    (_, Some(_)) => self.given.set(ours, Secret::from(word)),
                }
            }
            Rule::Certificate(words) => {
                let word =
                    foreign::word(words, value).ok_or_else(|| unknown_word(name, words, pair))?;
                if !word.is_empty() {
                    self.given
                        .notice(said(format!("was read as sslmode={word}")));
                    self.certificate = Some((name.clone(), word));
                }
            }
            Rule::Setting(setting) => {
                self.given
                    .notice(said(format!("was read as server setting {setting:?}")));
                self.given.set_setting(setting, value.clone());
            }
            Rule::Identifier(setting) => {
                self.given
                    .notice(said(format!("was read as server setting {setting:?}")));
                self.given
                    .set_setting(setting, format!("\"{}\"", value.replace('"', "\"\"")));
            }
            Rule::Refuse(hint) => {
                return Err(EndpointError::Unsupported {
                    what: said(String::new()).trim_end().to_owned(),
                    hint: hint.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Joins what another driver says about the certificate with `sslmode`, in whatever order they came;
    /// it never weakens a mode that verifies, and never turns on TLS that is off.
    fn apply_certificate(&mut self) -> Result<(), EndpointError> {
        let Some((name, word)) = self.certificate.take() else {
            return Ok(());
        };
        let mode = self
            .given
            .get("sslmode")
            .and_then(|mode| SslMode::from_word(mode.expose()));
        match (mode, SslMode::from_word(word).unwrap_or_default()) {
            (Some(mode @ (SslMode::VerifyCa | SslMode::VerifyFull)), wanted) if wanted < mode => {
                Err(EndpointError::Conflict {
                    problem: format!(
                        "sslmode={mode} verifies the certificate, and parameter {name:?} asks not to"
                    ),
                    hint: format!("drop {name:?} or sslmode"),
                })
            }
            (Some(SslMode::Disable), _) => Ok(()),
            (Some(SslMode::Allow | SslMode::Prefer), SslMode::Prefer) => Ok(()),
            (Some(_) | None, _) => {
                self.given.set("sslmode", Secret::from(word));
                Ok(())
            }
        }
    }
}

fn fold_differs(theirs: &str, ours: &str) -> bool {
    let fold = |text: &str| text.replace([' ', '_'], "").to_ascii_lowercase();
    fold(theirs) != fold(ours)
}

fn unknown_word(
    name: &str,
    words: &'static [(&'static str, &'static str)],
    pair: &Pair,
) -> EndpointError {
    let known: Vec<&str> = words
        .iter()
        .map(|(theirs, _)| *theirs)
        .filter(|word| !word.is_empty())
        .collect();
    let value = pair.value.expose();
    EndpointError::value_hint(
        name,
        format!("cannot be {}", shown(value)),
        &format!("it is one of {}", known.join(", ")),
    )
}

/// The error for a name that nobody knows; it is quoted only where it cannot be part of a password.
fn unknown(dialect: Dialect, pair: &Pair, index: usize) -> EndpointError {
    let similarity = |known: &str| {
        strsim::jaro_winkler(&pair.name.to_ascii_lowercase(), &known.to_ascii_lowercase())
    };
    let candidates = known::KEYWORDS
        .iter()
        .map(|keyword| keyword.name)
        .chain(foreign::names());
    let candidates = candidates.chain(server_settings::SETTINGS.iter().copied());
    let nearest = candidates
        .filter(|_| dialect != Dialect::Npgsql)
        .map(|known| (similarity(known), known))
        .filter(|(similarity, _)| *similarity >= 0.85)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known);
    let is_name = pair.name.len() <= 64
        && pair
            .name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-. ".contains(c));
    let name = if is_name && (pair.quotable || nearest.is_some()) {
        format!("{:?}", pair.name)
    } else {
        format!("in place {}", index + 1)
    };
    EndpointError::UnknownParameter { name, nearest }
}
