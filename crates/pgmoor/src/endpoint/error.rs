//! Why an address was refused. No variant ever carries a password or a piece of text that may be one.

use std::path::PathBuf;

/// What is wrong with an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text cannot be taken apart.
    #[error("cannot read {form}: {problem}")]
    Syntax {
        /// What the text was read as.
        form: &'static str,
        /// What is wrong and where; never a piece of text that may be a password.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A parameter has a name that nobody knows.
    #[error("unknown parameter {name}{}", .nearest.map(|n| format!("; nearest is \"{n}\"")).unwrap_or_default())]
    UnknownParameter {
        /// The name in quotes, or its place where the name may be part of a password.
        name: String,
        /// The known name that is most like it.
        nearest: Option<&'static str>,
    },
    /// A parameter has a value that it cannot have.
    #[error("parameter \"{name}\" {problem}")]
    InvalidValue {
        /// The parameter.
        name: String,
        /// What is wrong with the value, which is quoted unless it may be a secret.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Two settings contradict each other.
    #[error("{problem}")]
    Conflict {
        /// Which, and why they cannot both hold.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// It asks for what pgmoor does not do.
    #[error("{what} is not supported")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What to do instead.
        hint: String,
    },
    /// The address names a service, and no service file was given to look it up in.
    #[error("service {name} was not looked up")]
    ServiceNotLoaded {
        /// The service, in quotes.
        name: String,
    },
    /// No service file has the named service.
    #[error("no definition of service {name}{}", .searched.as_ref().map(|s| format!(" in {s}")).unwrap_or_default())]
    ServiceNotFound {
        /// The service, in quotes.
        name: String,
        /// The files that were read.
        searched: Option<String>,
    },
    /// A line of a service file cannot be read.
    #[error("line {line} of the service file {problem}")]
    ServiceLine {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A service file cannot be read.
    #[error("cannot read service file {}", .path.display())]
    ReadServiceFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl EndpointError {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { hint, .. } | Self::InvalidValue { hint, .. } => hint.clone(),
            Self::Conflict { hint, .. } | Self::Unsupported { hint, .. } => Some(hint.clone()),
            Self::UnknownParameter { nearest: Some(nearest), .. } => Some(format!("write {nearest}, or remove the parameter")),
            Self::UnknownParameter { nearest: None, .. } => Some(
                "remove it; write a server setting as options=-c name=value (in a URI options=-c%20name%3Dvalue)".to_owned(),
            ),
            Self::ServiceNotLoaded { .. } => {
                Some("write host, port, dbname and user out, or load the address together with its service file".to_owned())
            }
            Self::ServiceNotFound { .. } => Some("add a section of that name to the service file".to_owned()),
            Self::ServiceLine { .. } => Some("write lines as name=value under a [section]".to_owned()),
            Self::ReadServiceFile { .. } => None,
        }
    }

    /// Whether trying again without a change could help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ReadServiceFile { .. } => true,
            Self::Syntax { .. }
            | Self::UnknownParameter { .. }
            | Self::InvalidValue { .. }
            | Self::Conflict { .. }
            | Self::Unsupported { .. }
            | Self::ServiceNotLoaded { .. }
            | Self::ServiceNotFound { .. }
            | Self::ServiceLine { .. } => false,
        }
    }

    pub(super) fn syntax(form: &'static str, problem: impl Into<String>, hint: &str) -> Self {
        Self::Syntax {
            form,
            problem: problem.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }

    pub(super) fn value(name: &str, problem: impl Into<String>) -> Self {
        Self::InvalidValue {
            name: name.to_owned(),
            problem: problem.into(),
            hint: None,
        }
    }

    pub(super) fn value_hint(name: &str, problem: impl Into<String>, hint: &str) -> Self {
        Self::InvalidValue {
            name: name.to_owned(),
            problem: problem.into(),
            hint: Some(hint.to_owned()),
        }
    }
}

/// Quotes a wrong value, unless another parameter may have slipped into it: `sslmode=require;password=…`.
pub(super) fn shown(value: &str) -> String {
    if value.contains(['=', ';', '@', '&', '?']) {
        return "what is written, which is not shown since it may hold a password".to_owned();
    }
    format!("{value:?}")
}
