//! What a query gives, in text form.

use std::str::FromStr;

/// One row: values as the server wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row(pub(super) Vec<Option<Vec<u8>>>);

impl Row {
    /// The value of a column, from 0; `None` when it is NULL or there is no such column.
    pub fn get(&self, column: usize) -> Option<&[u8]> {
        self.0.get(column)?.as_deref()
    }

    /// As text; `None` also when it is not UTF-8.
    pub fn text(&self, column: usize) -> Option<&str> {
        std::str::from_utf8(self.get(column)?).ok()
    }

    /// As a number or whatever else is read of a text; `None` also when it is none.
    pub fn parse<T: FromStr>(&self, column: usize) -> Option<T> {
        self.text(column)?.parse().ok()
    }

    /// As a truth; `None` when it is NULL.
    pub fn flag(&self, column: usize) -> Option<bool> {
        self.get(column).map(|value| value == b"t")
    }
}

/// What one statement gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its rows.
    pub rows: Vec<Row>,
    /// Its command tag, `INSERT 0 1`; empty for an empty statement.
    pub tag: String,
}

impl Answer {
    /// How many rows its command tag tells.
    pub fn count(&self) -> u64 {
        count(&self.tag)
    }
}

/// The number at the end of a command tag; 0 where there is none.
pub(super) fn count(tag: &str) -> u64 {
    let number = tag.rsplit(' ').next().map(str::parse);
    number.and_then(Result::ok).unwrap_or_default()
}
