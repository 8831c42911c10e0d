//! The parameters of an address under libpq's names, still text, still open to defaults.

use std::collections::BTreeMap;

use pgmoor_wire::Secret;

use super::environment::Environment;
use super::error::{EndpointError, shown};
use super::notice::Notice;
use super::raw::{Dialect, Form, Raw};
use super::{Endpoint, form, known, resolve, service, translate};

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
    pub(super) service_loaded: bool,
    pub(super) form: Form,
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
        translate::connection_string(form::read(text)?)
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
        let mut raw = Raw::new(Dialect::Libpq, Form::Keywords);
        for (name, value) in parts {
            raw.push(name.as_ref(), value.into());
        }
        translate::connection_string(raw)
    }

    /// The value of a libpq parameter, if it is set.
    pub fn get(&self, name: &str) -> Option<&Secret<String>> {
        self.values.get(name).map(|value| &value.text)
    }

    /// All libpq parameters that are set, by name.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &Secret<String>)> {
        self.values.iter().map(|(name, value)| (*name, &value.text))
    }

    /// All server settings that are set (`search_path` and the like), in the order of the address.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How the address was understood where that was not literally.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
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

    pub(super) fn set(&mut self, name: &'static str, text: Secret<String>) {
        self.values.insert(
            name,
            Value {
                text,
                variable: None,
            },
        );
    }

    pub(super) fn set_setting(&mut self, name: &str, value: String) {
        self.settings.retain(|(given, _)| given != name);
        self.settings.push((name.to_owned(), value));
    }

    pub(super) fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(Notice::new(text));
    }
}
