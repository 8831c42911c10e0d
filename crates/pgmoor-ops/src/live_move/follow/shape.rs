//! What a table of the changes looks like at the side that receives them.

use std::collections::HashMap;

use pgmoor_wire::pgoutput::Relation;

use crate::sql::{identifier, qualified};

/// A table of the changes, and its columns as the receiving side has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// As it stands in SQL.
    pub(super) table: String,
    /// In the order of a change's values.
    pub(super) columns: Vec<Column>,
    /// Whether a row is told from others by all of its values.
    pub(super) is_full: bool,
}

/// A column of the changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// As it stands in SQL.
    pub(super) name: String,
    /// As it stands in SQL, with modifiers.
    pub(super) type_name: String,
    /// Whether it is part of what tells a row from others.
    pub(super) is_key: bool,
    /// What tells whether two values are equal, as it stands in SQL.
    pub(super) equals: String,
    /// What the receiving side makes of it by itself.
    pub(super) own: Own,
}

/// What a server makes of a column by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// Nothing: it takes what it is given.
    Nothing,
    /// It takes a value in a new row, if that is insisted on, and never another one later.
    IdentityAlways,
    /// It computes the value.
    Generated,
}

/// A column of the receiving side, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// As it stands in SQL, with modifiers.
    pub(super) type_name: String,
    /// `pg_attribute.attidentity`.
    pub(super) identity: String,
    /// `pg_attribute.attgenerated`.
    pub(super) generated: String,
    /// The operator by which its type's values are ordered and found equal, as it stands in SQL.
    pub(super) equals: String,
}

impl Shape {
    /// Of what the changes say, and what was found at the receiving side.
    ///
    /// # Errors
    /// What is missing there.
    pub(super) fn of(
        relation: &Relation<'_>,
        found: Option<&HashMap<String, Found>>,
    ) -> Result<Self, String> {
        let table = qualified(schema(relation), relation.name);
        let Some(found) = found else {
            return Err("there is no such table".to_owned());
        };
        let mut columns = Vec::with_capacity(relation.column_count());
        for column in relation.columns() {
            let Some(found) = found.get(column.name) else {
                return Err(format!("it has no column {}", identifier(column.name)));
            };
            columns.push(Column {
                name: identifier(column.name).into_owned(),
                type_name: found.type_name.clone(),
                is_key: column.is_key,
                equals: found.equals.clone(),
                own: match (found.generated.as_str(), found.identity.as_str()) {
                    ("", "a") => Own::IdentityAlways,
                    ("", _) => Own::Nothing,
                    _ => Own::Generated,
                },
            });
        }
        Ok(Self {
            table,
            columns,
            is_full: relation.replica_identity == b'f',
        })
    }
}

/// The schema; an empty one is PostgreSQL's own.
pub(super) fn schema<'a>(relation: &Relation<'a>) -> &'a str {
    match relation.schema {
        "" => "pg_catalog",
        schema => schema,
    }
}
