//! The reference page: every key in Markdown.

use std::fmt::Write;

use super::environment::variable;
use super::sample::{one_line, yaml};
use super::shape::{Field, Section, Shape};

/// Writes the reference page for a whole configuration.
pub fn reference(root: &Section, intro: &str) -> String {
    let mut out = String::from(intro.trim_end());
    out.push('\n');
    for field in &root.fields {
        write_field(&mut out, field, &mut Vec::new());
    }
    out
}

fn write_field(out: &mut String, field: &Field, path: &mut Vec<String>) {
    path.push(field.name.to_owned());
    match field.shape.inner() {
        Shape::Section(section) => write_section(out, &one_line(field.doc), section, path),
        Shape::Map(name, value) => {
            path.push(format!("<{name}>"));
            if let Shape::Section(section) = value.inner() {
                write_section(out, &one_line(field.doc), section, path);
            }
            path.pop();
        }
        Shape::Scalar(_) | Shape::Choice(_) | Shape::List(_) | Shape::Optional(_) => {
            write_key(out, field, path)
        }
    }
    path.pop();
}

/// Keys first, sections below them after, so that a heading never cuts a section in two.
fn write_section(out: &mut String, doc: &str, section: &Section, path: &mut Vec<String>) {
    let _ = write!(out, "\n## `{}`\n\n{doc}\n", path.join("."));
    let about = one_line(section.doc);
    if about != doc {
        let _ = write!(out, "\n{about}\n");
    }
    let is_section =
        |field: &&Field| matches!(field.shape.inner(), Shape::Section(_) | Shape::Map(..));
    for field in section.fields.iter().filter(|field| !is_section(field)) {
        write_field(out, field, path);
    }
    for field in section.fields.iter().filter(is_section) {
        write_field(out, field, path);
    }
}

fn write_key(out: &mut String, field: &Field, path: &[String]) {
    let _ = write!(
        out,
        "\n### `{}`\n\n{}\n\n",
        path.join("."),
        one_line(field.doc)
    );
    if let Shape::Choice(words) = choice_of(&field.shape) {
        for choice in words {
            let _ = writeln!(out, "- `{}`: {}", choice.word, one_line(choice.doc));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "| type | {} |\n|---|---|", kind(&field.shape));
    let default = field
        .default
        .as_ref()
        .map_or_else(|| "none".to_owned(), |node| format!("`{}`", yaml(node)));
    let _ = writeln!(out, "| default | {} |", default.replace('|', "\\|"));
    if let Some(range) = field.range {
        let _ = writeln!(out, "| range | {} |", range_in_words(range));
    }
    if let Some(example) = field.example {
        let _ = writeln!(out, "| example | `{example}` |");
    }
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let _ = writeln!(
        out,
        "| environment | `{}` |\n| since | {} |",
        variable(&keys),
        field.since
    );
}

fn choice_of(shape: &Shape) -> &Shape {
    match shape.inner() {
        Shape::List(item) => item.inner(),
        other => other,
    }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Optional(inner) => kind(inner),
        Shape::Scalar(kind) => format!("{}: {}", kind.name, kind.allowed),
        Shape::Choice(_) => "one of the words above".to_owned(),
        Shape::List(item) => match item.inner() {
            Shape::Scalar(kind) => format!("list of {}: {}", kind.name, kind.allowed),
            _ => "list of the words above".to_owned(),
        },
        Shape::Map(..) | Shape::Section(_) => "section".to_owned(),
    }
}

fn range_in_words(range: &str) -> String {
    match range.split_once("..=") {
        Some((low, "")) => format!("{low} or more"),
        Some(("", high)) => format!("up to {high}"),
        Some((low, high)) => format!("{low} to {high}"),
        None => range.to_owned(),
    }
}
