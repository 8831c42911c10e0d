//! `pgmoor status`: what a running gateway does.

use std::fmt::Write;

use serde_json::Value;

use crate::admin;
use crate::args::Global;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output};

/// Prints it.
pub(super) fn run(global: &Global, output: Output) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    let body = super::runtime().block_on(admin::get(&loaded.settings.gateway, "/status"))?;
    let status: Value = serde_json::from_slice(&body).map_err(|error| {
        Failure::new(Exit::Unreachable, "the answer of the gateway is no status").because(&error)
    })?;
    match output.format {
        Format::Json => output.json(&status),
        Format::Text => output.data(&text(&status)),
    }
    Ok(Exit::Ok)
}

/// For people: nested keys are indented, lists of records become tables.
fn text(status: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, status, 0);
    out
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    let Value::Object(entries) = value else {
        let _ = writeln!(out, "{}{}", "  ".repeat(depth), scalar(value));
        return;
    };
    let indent = "  ".repeat(depth);
    for (key, value) in entries {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                let _ = writeln!(out, "{indent}{key}:");
                write_value(out, value, depth + 1);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let _ = writeln!(out, "{indent}{key}:");
                write_table(out, items, depth + 1);
            }
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(scalar).collect();
                let _ = writeln!(out, "{indent}{key}: {}", items.join(", "));
            }
            _ => {
                let _ = writeln!(out, "{indent}{key}: {}", scalar(value));
            }
        }
    }
}

fn write_table(out: &mut String, rows: &[Value], depth: usize) {
    let Some(Value::Object(first)) = rows.first() else {
        return;
    };
    let columns: Vec<&String> = first.keys().collect();
    let cells: Vec<Vec<String>> =
        std::iter::once(columns.iter().map(|name| (*name).clone()).collect())
            .chain(rows.iter().map(|row| {
                columns
                    .iter()
                    .map(|name| scalar(&row[name.as_str()]))
                    .collect()
            }))
            .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            cells
                .iter()
                .map(|row: &Vec<String>| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in cells {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(out, "{}{}", "  ".repeat(depth), line.join("  ").trim_end());
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_become_a_table_and_sections_are_indented() {
        let status = json!({
            "version": "0.1.0",
            "clients": { "active": 2 },
            "pools": [
                { "database": "app", "idle": 12 },
                { "database": "longer name", "idle": 3 },
            ],
        });

        insta::assert_snapshot!(text(&status), @r"
        clients:
          active: 2
        pools:
          database     idle
          app          12
          longer name  3
        version: 0.1.0
        ");
    }
}
