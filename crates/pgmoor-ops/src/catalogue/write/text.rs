//! Parts of statements.

use crate::catalogue::relation::{Column, Table};
use crate::sql::{identifier, literal};

/// `WITH (fillfactor=90)`, from `name=value`.
pub(super) fn storage(options: &[String]) -> String {
    match options.is_empty() {
        true => String::new(),
        false => format!(" WITH ({})", parameters(options)),
    }
}

/// `fillfactor='90', toast.x='y'`, from `name=value`.
pub(super) fn parameters(options: &[String]) -> String {
    let one = |option: &String| {
        let (name, value) = option.split_once('=').unwrap_or((option, "true"));
        let name = name
            .split('.')
            .map(identifier)
            .collect::<Vec<_>>()
            .join(".");
        format!("{name}={}", literal(value))
    };
    options.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// ` OPTIONS (name 'value')`, from `name=value`.
pub(super) fn foreign_options(options: &[String]) -> String {
    let one = |option: &String| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        format!("{} {}", identifier(name), literal(value))
    };
    match options.is_empty() {
        true => String::new(),
        false => format!(
            " OPTIONS ({})",
            options.iter().map(one).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Settings whose value is a list of names, kept as it is written.
const LISTS: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `search_path TO a, b`, from `name=value`.
pub(super) fn setting(setting: &str) -> String {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    let is_list = LISTS.iter().any(|list| list.eq_ignore_ascii_case(name));
    let name = name
        .split('.')
        .map(identifier)
        .collect::<Vec<_>>()
        .join(".");
    match is_list {
        true => format!("{name} TO {}", list(value)),
        false => format!("{name} TO {}", literal(value)),
    }
}

/// A list of names as it is stored, `"a ""b""", c`, as literals.
fn list(value: &str) -> String {
    let mut items = Vec::new();
    let mut item = String::new();
    let (mut quoted, mut characters) = (false, value.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                item.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            ' ' if !quoted => {}
            _ => item.push(character),
        }
    }
    items.push(item);
    items
        .iter()
        .map(|item| literal(item))
        .collect::<Vec<_>>()
        .join(", ")
}

/// ` COLLATE x`, or nothing.
pub(super) fn collate(collation: Option<&String>) -> String {
    collation.map_or_else(String::new, |collation| format!(" COLLATE {collation}"))
}

/// The definition of a column within `CREATE TABLE`. Defaults come later, as they may need what is made later.
pub(super) fn column(table: &Table, column: &Column, target: u32) -> String {
    let name = identifier(&column.name);
    let mut text = match table.of_type {
        Some(_) => format!("{name} WITH OPTIONS"),
        None => format!("{name} {}", column.type_name),
    };
    if table.form == crate::catalogue::relation::TableForm::Foreign {
        text += &foreign_options(&column.foreign_options);
    }
    if table.of_type.is_none() {
        text += &collate(column.collation.as_ref());
    }
    if let (Some(generated), Some(expression)) = (&column.generated, &column.default) {
        let how = if generated == "v" {
            "VIRTUAL"
        } else {
            "STORED"
        };
        text += &format!(" GENERATED ALWAYS AS ({expression}) {how}");
    }
    match &column.not_null_by {
        Some(by) if target >= 18 && by.validated && column.not_null => {
            let no_inherit = if by.no_inherit { " NO INHERIT" } else { "" };
            text += &format!(" CONSTRAINT {} NOT NULL{no_inherit}", identifier(&by.name));
        }
        Some(by) if !by.validated => {}
        _ if column.not_null => text += " NOT NULL",
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{parameters, setting};

    #[test]
    fn lists_of_names_are_written_name_by_name() {
        assert_eq!(
            setting(r#"search_path="a ""b"", c", public"#),
            r#"search_path TO 'a "b", c', 'public'"#
        );
        assert_eq!(
            setting("timezone=Europe/Berlin"),
            "timezone TO 'Europe/Berlin'"
        );
        assert_eq!(setting("app.tenant=it's"), "app.tenant TO 'it''s'");
    }

    #[test]
    fn storage_parameters_are_quoted() {
        assert_eq!(
            parameters(&[
                "fillfactor=90".to_owned(),
                "toast.autovacuum_enabled=false".to_owned()
            ]),
            "fillfactor='90', toast.autovacuum_enabled='false'"
        );
    }
}
