//! One statement of what makes a database, and all of them in order.

use std::fmt;

use serde::Serialize;

/// When a statement is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Before the rows: all that rows need to be put somewhere.
    BeforeData,
    /// After the rows: indexes, constraints, triggers, rules, policies.
    AfterData,
    /// At last: owners, privileges, comments, settings, materialized views, publications.
    Rest,
}

/// What a statement has to do with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// It only says something: it takes no time.
    Definition,
    /// It makes an index of the rows of its table; others of the same table can be made at the same time.
    Index,
    /// It checks all rows of its table, or makes an index of them, and has the table for itself.
    Constraint,
    /// It checks all rows of its table against another's.
    ForeignKey,
    /// It computes a materialized view.
    Refresh,
}

/// What a statement says, without a semicolon at its end. What holds a password shows itself to nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sql {
    text: String,
    is_secret: bool,
}

impl Sql {
    pub(super) fn plain(text: String) -> Self {
        Self {
            text,
            is_secret: false,
        }
    }

    pub(super) fn secret(text: String) -> Self {
        Self {
            text,
            is_secret: true,
        }
    }

    /// For the server.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For people.
    pub fn shown(&self) -> &str {
        if self.is_secret { "***" } else { &self.text }
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Sql {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

/// A statement, or a few that are one act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// When.
    pub section: Section,
    /// What it has to do with rows.
    pub work: Work,
    /// The kind of the object, in PostgreSQL's words.
    pub kind: &'static str,
    /// Its name, with its table.
    pub name: String,
    /// The table whose rows it waits for, when it is `AfterData` and belongs to one.
    pub table: Option<String>,
    /// What it says.
    pub sql: Sql,
    /// The statements that come before it, by their places; all are before its own.
    pub after: Vec<usize>,
}

/// What does not get to the target, or gets there other than it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Loss {
    /// The kind of the object, in PostgreSQL's words.
    pub kind: String,
    /// Its name, with its table.
    pub name: String,
    /// What is lost, as `owner`; empty when it is the object as a whole.
    pub property: String,
    /// Why.
    pub reason: String,
}

/// All statements in an order in which they can be run, and what they do not carry.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Script {
    /// In order.
    pub statements: Vec<Statement>,
    /// What they do not carry.
    pub losses: Vec<Loss>,
}

impl Script {
    /// What every session that runs statements begins with: nothing of the user's is called in place of
    /// PostgreSQL's own, constants are read as they were written, bodies of functions are not looked into before all they use is there, and no
    /// time limit of the server's ends a long one.
    pub const SESSION: [&str; 14] = [
        "SET search_path = ''",
        "SET check_function_bodies = off",
        "SET default_tablespace = ''",
        "SET default_table_access_method = heap",
        "SET client_min_messages = warning",
        "SET TimeZone = 'UTC'",
        "SET DateStyle = 'ISO, YMD'",
        "SET IntervalStyle = postgres",
        "SET lc_monetary = 'C'",
        "SET xmloption = content",
        "SET row_security = off",
        "SET statement_timeout = 0",
        "SET lock_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
    ];

    /// Those of one section.
    pub fn section(&self, section: Section) -> impl Iterator<Item = &Statement> {
        self.statements
            .iter()
            .filter(move |statement| statement.section == section)
    }
}
