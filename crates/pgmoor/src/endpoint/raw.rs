//! Names and values as taken from a text, before anybody asked what the names mean.

use pgmoor_wire::Secret;

use super::known;
use super::notice::Notice;

/// Whose names an address uses where they differ from libpq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Libpq,
    SqlAlchemy,
    Jdbc,
    Npgsql,
}

/// In which form an address was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// `postgres://…` or `postgresql://…`, as libpq takes it.
    Uri,
    /// `host=… dbname=…`, as libpq takes it, or parts that never were one text.
    #[default]
    Keywords,
    /// `user:password@host:port/database` without a scheme.
    Schemeless,
    /// `postgresql+driver://…`.
    SqlAlchemy,
    /// `jdbc:postgresql://…`.
    Jdbc,
    /// `Host=…;Username=…`.
    Npgsql,
}

impl Form {
    /// What people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uri => "URI",
            Self::Keywords => "keywords and values",
            Self::Schemeless => "address without a scheme",
            Self::SqlAlchemy => "SQLAlchemy URL",
            Self::Jdbc => "JDBC URL",
            Self::Npgsql => "Npgsql connection string",
        }
    }

    /// Whether libpq reads it too.
    pub const fn is_libpqs(self) -> bool {
        match self {
            Self::Uri | Self::Keywords => true,
            Self::Schemeless | Self::SqlAlchemy | Self::Jdbc | Self::Npgsql => false,
        }
    }
}

/// One name and its value.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: Secret<String>,
    /// Whether an error may quote the name; not when it may be part of a password.
    pub(super) quotable: bool,
    /// Whether it stands behind a URI's `?`.
    pub(super) in_query: bool,
}

/// All names and values of one address, in its order.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) dialect: Dialect,
    pub(super) form: Form,
    pub(super) pairs: Vec<Pair>,
    pub(super) notices: Vec<Notice>,
    /// Whether a wrong port may be quoted: not when it may be a password that lost its `@host`.
    pub(super) port_quotable: bool,
}

impl Raw {
    pub(super) fn new(dialect: Dialect, form: Form) -> Self {
        Self {
            dialect,
            form,
            pairs: Vec::new(),
            notices: Vec::new(),
            port_quotable: true,
        }
    }

    pub(super) fn push(&mut self, name: &str, value: String) {
        self.pairs.push(Pair {
            name: name.to_owned(),
            value: Secret::new(value),
            quotable: true,
            in_query: false,
        });
    }

    pub(super) fn push_query(&mut self, name: String, value: Secret<String>, quotable: bool) {
        self.pairs.push(Pair {
            name,
            value,
            quotable,
            in_query: true,
        });
    }

    /// Adds a pair that follows others in one text, where a name right after a secret may belong to it
    /// (`password=two words=`).
    pub(super) fn push_after_secret(&mut self, name: String, value: Secret<String>) {
        let quotable = !self
            .pairs
            .last()
            .is_some_and(|last| known::is_secret(&last.name) || !last.quotable);
        self.pairs.push(Pair {
            name,
            value,
            quotable,
            in_query: false,
        });
    }

    pub(super) fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(Notice::new(text));
    }
}
