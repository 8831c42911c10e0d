//! The parameters of an address under libpq's names, still text, still open to defaults.

use std::collections::BTreeMap;

use pgmoor_wire::Secret;

use super::environment::Environment;
use super::error::{EndpointError, shown};
use super::foreign::{self, Foreign, Rule};
use super::notice::Notice;
use super::raw::{Dialect, Pair, Raw};
use super::{Endpoint, form, known, resolve, server_settings, service};

/// The parameters of an address by libpq's names, before defaults and before values are checked.
///
/// [`Endpoint::parse`] suffices where an address stands alone. This type is for filling in what the
/// address leaves open: from a service file, from the environment.
#[derive(Debug, Clone, Default)]
pub struct ConnectionString {
    pub(super) values: BTreeMap<&'static str, Value>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) notices: Vec<Notice>,
    pub(super) port_quotable: bool,
    service_loaded: bool,
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) text: Secret<String>,
    pub(super) variable: Option<&'static str>,
}

impl ConnectionString {
    /// Takes an address in any form apart; every name must be known.
    ///
    /// # Errors
    /// [`EndpointError::Syntax`], [`EndpointError::UnknownParameter`], or for foreign parameters
    /// [`EndpointError::InvalidValue`] and [`EndpointError::Unsupported`].
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        Self::from_raw(form::read(text)?)
    }

    /// Takes names and values that were never one text; foreign names and server settings included.
    ///
    /// # Errors
    /// As for [`ConnectionString::parse`].
    pub fn from_parts<N, V>(parts: impl IntoIterator<Item = (N, V)>) -> Result<Self, EndpointError>
    where
        N: AsRef<str>,
        V: Into<String>,
    {
        let mut raw = Raw::new(Dialect::Libpq);
        for (name, value) in parts {
            raw.push(name.as_ref(), value.into());
        }
        Self::from_raw(raw)
    }

    /// The value of a libpq parameter, if it is set.
    pub fn get(&self, name: &str) -> Option<&Secret<String>> {
        self.values.get(name).map(|value| &value.text)
    }

    /// All libpq parameters that are set, by name.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &Secret<String>)> {
        self.values.iter().map(|(name, value)| (*name, &value.text))
    }

    /// Fills in what is not set from the section of `contents` that `service` names; does nothing without
    /// a service.
    ///
    /// # Errors
    /// [`EndpointError::ServiceNotFound`], [`EndpointError::ServiceLine`].
    pub fn with_service(self, contents: &str) -> Result<Self, EndpointError> {
        let Some(name) = self.get("service").map(|name| name.expose().clone()) else {
            return Ok(self);
        };
        match service::section(contents, &name)? {
            Some(section) => Ok(self.with_section(section)),
            None => Err(EndpointError::ServiceNotFound {
                name: shown(&name),
                searched: None,
            }),
        }
    }

    pub(super) fn with_section(mut self, section: service::Section) -> Self {
        for (name, text) in section {
            self.values.entry(name).or_insert(Value {
                text,
                variable: None,
            });
        }
        self.service_loaded = true;
        self
    }

    /// Fills in what is still not set from PG* variables. A service wins over them: apply it before.
    pub fn with_environment(mut self, environment: &Environment) -> Self {
        for keyword in known::KEYWORDS {
            let Some(variable) = keyword.variable else {
                continue;
            };
            if let Some(text) = environment.variable(variable) {
                let value = Value {
                    text: Secret::from(text),
                    variable: Some(variable),
                };
                self.values.entry(keyword.name).or_insert(value);
            }
        }
        if environment
            .variable("PGREQUIRESSL")
            .is_some_and(|value| value.starts_with('1'))
        {
            let value = Value {
                text: Secret::from("require"),
                variable: Some("PGREQUIRESSL"),
            };
            self.values.entry("sslmode").or_insert(value);
        }
        for (variable, setting) in known::SETTING_VARIABLES {
            let given = self.settings.iter().any(|(name, _)| name == setting);
            if let Some(value) = environment.variable(variable).filter(|_| !given) {
                self.settings
                    .push(((*setting).to_owned(), value.to_owned()));
            }
        }
        if let Some(user) = environment.os_user() {
            self.values.entry("user").or_insert(Value {
                text: Secret::from(user),
                variable: None,
            });
        }
        self
    }

    /// Checks every value and makes the endpoint.
    ///
    /// # Errors
    /// [`EndpointError::InvalidValue`], [`EndpointError::Conflict`], [`EndpointError::Unsupported`], or
    /// [`EndpointError::ServiceNotLoaded`] when a service is named and was not applied.
    pub fn into_endpoint(self) -> Result<Endpoint, EndpointError> {
        if let Some(name) = self
            .get("service")
            .filter(|name| !name.expose().is_empty() && !self.service_loaded)
        {
            return Err(EndpointError::ServiceNotLoaded {
                name: shown(name.expose()),
            });
        }
        resolve::endpoint(self)
    }

    fn from_raw(raw: Raw) -> Result<Self, EndpointError> {
        let mut this = Self {
            notices: raw.notices,
            port_quotable: raw.port_quotable,
            ..Self::default()
        };
        let prisma = raw.pairs.iter().any(|pair| {
            foreign::find(raw.dialect, &pair.name).is_some_and(|foreign| foreign.from == "Prisma")
        });
        let mut weak = Vec::new();
        for (index, pair) in raw.pairs.into_iter().enumerate() {
            this.assign(raw.dialect, pair, index, &mut weak)?;
        }
        for (name, value) in weak {
            this.values.entry(name).or_insert(Value {
                text: Secret::from(value),
                variable: None,
            });
        }
        if prisma
            && !this.values.contains_key("sslkey")
            && !this.values.contains_key("sslrootcert")
            && let Some(value) = this.values.remove("sslcert")
        {
            this.values.insert("sslrootcert", value);
            this.notice("parameter \"sslcert\" was read as \"sslrootcert\", which is what Prisma means by it");
        }
        Ok(this)
    }

    fn assign(
        &mut self,
        dialect: Dialect,
        pair: Pair,
        index: usize,
        weak: &mut Vec<(&'static str, &'static str)>,
    ) -> Result<(), EndpointError> {
        let name = pair.name.as_str();
        if name == "requiressl" {
            let mode = if pair.value.expose().starts_with('1') {
                "require"
            } else {
                "prefer"
            };
            self.set("sslmode", Secret::from(mode));
        } else if let Some(keyword) = known::keyword(name).filter(|_| dialect != Dialect::Npgsql) {
            self.set(keyword.name, pair.value);
        } else if let Some(foreign) = foreign::find(dialect, name) {
            self.translate(foreign, &pair, weak)?;
        } else if let Some(setting) = server_settings::find(name) {
            self.set_setting(setting, pair.value.expose().clone());
        } else if let Some(setting) = name
            .strip_prefix("options[")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            self.set_setting(setting, pair.value.expose().clone());
        } else {
            return Err(unknown(dialect, &pair, index));
        }
        Ok(())
    }

    fn translate(
        &mut self,
        foreign: &'static Foreign,
        pair: &Pair,
        weak: &mut Vec<(&'static str, &'static str)>,
    ) -> Result<(), EndpointError> {
        let name = &pair.name;
        let from = foreign.from;
        let value = pair.value.expose();
        let said = |what: String| format!("parameter {name:?} of {from} {what}");
        match foreign.rule {
            Rule::Ignore(what) => self.notice(said(format!("{what} and was dropped"))),
            Rule::Rename(ours) => {
                self.set(ours, pair.value.clone());
                if from != "Npgsql" {
                    self.notice(said(format!("was read as {ours:?}")));
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
                self.notice(said(format!("was read as {ours}={seconds}")));
                self.set(ours, Secret::new(seconds));
            }
            Rule::Words(ours, words) | Rule::Default(ours, words) => {
                let word =
                    foreign::word(words, value).ok_or_else(|| unknown_word(name, words, pair))?;
                if word.is_empty() {
                    return Ok(());
                }
                if from != "Npgsql" || fold_differs(name, ours) {
                    self.notice(said(format!("was read as {ours}={word}")));
                }
                match (foreign.rule, known::keyword(ours)) {
                    (_, None) => self.set_setting(ours, word.to_owned()),
                    (Rule::Default(..), Some(_)) => weak.push((ours, word)),
                    (_, Some(_)) => self.set(ours, Secret::from(word)),
                }
            }
            Rule::Setting(setting) => {
                self.notice(said(format!("was read as server setting {setting:?}")));
                self.set_setting(setting, value.clone());
            }
            Rule::Identifier(setting) => {
                self.notice(said(format!("was read as server setting {setting:?}")));
                self.set_setting(setting, format!("\"{}\"", value.replace('"', "\"\"")));
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

    fn set(&mut self, name: &'static str, text: Secret<String>) {
        self.values.insert(
            name,
            Value {
                text,
                variable: None,
            },
        );
    }

    fn set_setting(&mut self, name: &str, value: String) {
        self.settings.retain(|(given, _)| given != name);
        self.settings.push((name.to_owned(), value));
    }

    fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(Notice::new(text));
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
