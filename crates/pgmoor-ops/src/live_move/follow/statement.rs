//! From a change to the statement that does the same at the other side.
//!
//! A statement is made once for each form of a change (table, which values are sent, which are NULL where that
//! matters) and prepared there; its parameters are the values as they came, as text.

use pgmoor_wire::pgoutput::{Old, Row, Value};

use super::shape::{Own, Shape};

/// The form of a change: changes of one form are done by one statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// A new row.
    Insert,
    /// A changed row.
    Update {
        /// What it is found by.
        by: By,
        /// Which values of the new row were not sent, as they did not change.
        unchanged: Vec<bool>,
        /// Whether a value changes that the server lets nobody change, so that the row is made anew.
        anew: bool,
    },
    /// A row that goes.
    Delete {
        /// What it is found by.
        by: By,
    },
}

/// What a row is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum By {
    /// Its key, which is in the new row.
    New,
    /// Its key, which is sent before the new row.
    Key,
    /// All of its values; those that are NULL.
    All(Vec<bool>),
}

/// A change of one row.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowChange<'a> {
    /// A new row.
    Insert(Row<'a>),
    /// A changed row.
    Update(Option<Old<'a>>, Row<'a>),
    /// A row that goes.
    Delete(Old<'a>),
}

impl<'a> RowChange<'a> {
    /// The form of the change, and the values that its statement takes, in order; `None` when nothing is left to do.
    pub(super) fn form(self, shape: &Shape) -> Option<(Form, Vec<Option<&'a [u8]>>)> {
        match self {
            Self::Insert(new) => Some((Form::Insert, taken(shape, new).collect())),
            Self::Delete(old) => {
                let by = by(old);
                let values = found_by(shape, &by, old_row(old)).collect();
                Some((Form::Delete { by }, values))
            }
            Self::Update(old, new) => update(shape, old, new),
        }
    }
}

fn update<'a>(
    shape: &Shape,
    old: Option<Old<'a>>,
    new: Row<'a>,
) -> Option<(Form, Vec<Option<&'a [u8]>>)> {
    let by = old.map_or(By::New, by);
    let unchanged: Vec<bool> = new
        .values()
        .map(|value| value == Value::Unchanged)
        .collect();
    let anew = is_anew(shape, old, new);
    let mut values: Vec<_> = if anew {
        taken(shape, new).collect()
    } else {
        set(shape, new).collect()
    };
    let form = Form::Update {
        by,
        unchanged,
        anew,
    };
    if values.is_empty() && !anew {
        return None;
    }
    let Form::Update { by, .. } = &form else {
        return None;
    };
    values.extend(found_by(shape, by, old.map_or(new, old_row)));
    Some((form, values))
}

/// Whether the row is made anew: an identity of the kind that the server lets nobody change has changed, or may have.
fn is_anew(shape: &Shape, old: Option<Old<'_>>, new: Row<'_>) -> bool {
    let mut always = shape
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.own == Own::IdentityAlways);
    let value = |row: Row<'_>, place: usize| row.values().nth(place).and_then(bytes).map(Vec::from);
    match old {
        // What is in the key did not change; of anything else nobody knows.
        None => always.any(|(_, column)| !column.is_key),
        Some(Old::Key(old)) => {
            always.any(|(place, column)| !column.is_key || value(old, place) != value(new, place))
        }
        Some(Old::Full(old)) => always.any(|(place, _)| value(old, place) != value(new, place)),
    }
}

fn by(old: Old<'_>) -> By {
    match old {
        Old::Key(_) => By::Key,
        Old::Full(row) => By::All(row.values().map(|value| value == Value::Null).collect()),
    }
}

fn old_row(old: Old<'_>) -> Row<'_> {
    match old {
        Old::Key(row) | Old::Full(row) => row,
    }
}

fn bytes(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Text(bytes) | Value::Binary(bytes) => Some(bytes),
        Value::Null | Value::Unchanged => None,
    }
}

/// The values of a new row that the server takes.
fn taken<'a>(shape: &Shape, row: Row<'a>) -> impl Iterator<Item = Option<&'a [u8]>> {
    let columns = shape.columns.iter().zip(row.values());
    let taken = columns
        .filter(|(column, value)| column.own != Own::Generated && *value != Value::Unchanged);
    taken.map(|(_, value)| bytes(value))
}

/// The values that an update sets.
fn set<'a>(shape: &Shape, row: Row<'a>) -> impl Iterator<Item = Option<&'a [u8]>> {
    let columns = shape.columns.iter().zip(row.values());
    let set =
        columns.filter(|(column, value)| column.own == Own::Nothing && *value != Value::Unchanged);
    set.map(|(_, value)| bytes(value))
}

/// The values that a row is found by.
fn found_by<'a>(shape: &Shape, by: &By, row: Row<'a>) -> impl Iterator<Item = Option<&'a [u8]>> {
    let is_all = matches!(by, By::All(_));
    let columns = shape.columns.iter().zip(row.values());
    let wanted = columns.filter(move |(column, value)| match is_all {
        true => *value != Value::Null && column.own != Own::Generated,
        false => column.is_key,
    });
    wanted.map(|(_, value)| bytes(value))
}

/// The statement of a form, with as many parameters as [`RowChange::form`] gives values.
///
/// # Errors
/// Why there is none: the table does not tell its rows apart.
pub(super) fn sql(shape: &Shape, form: &Form) -> Result<String, &'static str> {
    let table = &shape.table;
    let mut number = Numbers(0);
    match form {
        Form::Insert => {
            let columns: Vec<_> = shape
                .columns
                .iter()
                .filter(|column| column.own != Own::Generated)
                .collect();
            if columns.is_empty() {
                return Ok(format!("insert into {table} default values"));
            }
            let names = columns.iter().map(|column| column.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            let values = columns.iter().map(|_| number.next());
            let values = values.collect::<Vec<_>>().join(", ");
            let overriding = overriding(shape);
            Ok(format!(
                "insert into {table} ({names}){overriding} values ({values})"
            ))
        }
        Form::Delete { by } => {
            let found = predicate(shape, by, &mut number)?;
            Ok(format!("delete from only {table} where {found}"))
        }
        Form::Update {
            by,
            unchanged,
            anew: false,
        } => {
            let set = shape.columns.iter().zip(unchanged);
            let set = set.filter(|(column, unchanged)| column.own == Own::Nothing && !**unchanged);
            let set = set.map(|(column, _)| format!("{} = {}", column.name, number.next()));
            let set = set.collect::<Vec<_>>().join(", ");
            let found = predicate(shape, by, &mut number)?;
            Ok(format!("update only {table} set {set} where {found}"))
        }
        Form::Update { by, unchanged, .. } => anew(shape, by, unchanged, &mut number),
    }
}

/// A row is taken out and put in again, with the large values that were not sent taken from what it was.
fn anew(
    shape: &Shape,
    by: &By,
    unchanged: &[bool],
    number: &mut Numbers,
) -> Result<String, &'static str> {
    let table = &shape.table;
    let columns = shape.columns.iter().zip(unchanged);
    let columns = columns.filter(|(column, _)| column.own != Own::Generated);
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (column, unchanged) in columns {
        names.push(column.name.as_str());
        values.push(match unchanged {
            true => format!("gone.{}", column.name),
            false => format!("{}::{}", number.next(), column.type_name),
        });
    }
    let (names, values) = (names.join(", "), values.join(", "));
    let found = predicate(shape, by, number)?;
    Ok(format!(
        "with gone as (delete from only {table} where {found} returning *) \
         insert into {table} ({names}){} select {values} from gone",
        overriding(shape)
    ))
}

fn overriding(shape: &Shape) -> &'static str {
    let mut columns = shape.columns.iter();
    match columns.any(|column| column.own == Own::IdentityAlways) {
        true => " overriding system value",
        false => "",
    }
}

/// What one row is found by. All of a row is compared as it is written: types without equality have that, and values
/// that are equal but not the same are told apart.
fn predicate(shape: &Shape, by: &By, number: &mut Numbers) -> Result<String, &'static str> {
    let By::All(nulls) = by else {
        if shape.is_full {
            return Err("its changes do not say which row they are about");
        }
        let keys = shape.columns.iter().filter(|column| column.is_key);
        let keys: Vec<_> = keys
            .map(|column| format!("{} {} {}", column.name, column.equals, number.next()))
            .collect();
        return match keys.is_empty() {
            true => Err("it has no key that tells its rows apart"),
            false => Ok(keys.join(" and ")),
        };
    };
    let columns = shape.columns.iter().zip(nulls);
    let columns = columns.filter(|(column, is_null)| column.own != Own::Generated || **is_null);
    let all: Vec<_> = columns
        .filter(|(column, _)| column.own != Own::Generated)
        .map(|(column, is_null)| match is_null {
            true => format!("{} is null", column.name),
            false => format!(
                "{0} is not null and pg_catalog.concat({0}) = {1}",
                column.name,
                number.next()
            ),
        })
        .collect();
    let table = &shape.table;
    let all = match all.is_empty() {
        true => "true".to_owned(),
        false => all.join(" and "),
    };
    // Rows that are the same in all values are as good as each other: one of them is meant.
    Ok(format!(
        "ctid = (select ctid from only {table} where {all} limit 1)"
    ))
}

/// `$1`, `$2` and on.
struct Numbers(usize);

impl Numbers {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("${}", self.0)
    }
}
