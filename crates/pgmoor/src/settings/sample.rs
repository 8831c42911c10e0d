//! The sample file: every key with its documentation and default, all commented out.

use super::node::{Data, Node};
use super::shape::{Field, Section, Shape};

const WIDTH: usize = 96;

/// Writes the sample for a whole configuration. As it is it changes nothing; a `#` directly before a
/// key is removed to set it.
pub fn sample(root: &Section, intro: &str) -> String {
    let mut out = String::new();
    comment(&mut out, 0, intro);
    for field in &root.fields {
        out.push('\n');
        write_field(&mut out, field, 0, false);
    }
    out
}

/// `commented` is set below a name that the user picks: nothing there is in effect by itself.
fn write_field(out: &mut String, field: &Field, indent: usize, commented: bool) {
    comment(out, indent, &remarks(field));
    match field.shape.inner() {
        Shape::Section(section) => {
            let commented = commented || matches!(field.shape, Shape::Optional(_));
            line(out, indent, commented, &format!("{}:", field.name));
            write_section(out, section, indent + 2, commented);
        }
        Shape::Map(_, value) => {
            line(out, indent, commented, &format!("{}:", field.name));
            line(
                out,
                indent + 2,
                true,
                &format!("{}:", sample_name(field.name)),
            );
            if let Shape::Section(section) = value.inner() {
                write_section(out, section, indent + 4, true);
            }
        }
        Shape::Scalar(_) | Shape::Choice(_) | Shape::List(_) | Shape::Optional(_) => {
            line(
                out,
                indent,
                true,
                &format!("{}: {}", field.name, written(field)),
            );
        }
    }
}

fn write_section(out: &mut String, section: &Section, indent: usize, commented: bool) {
    for field in &section.fields {
        write_field(out, field, indent, commented);
    }
}

fn remarks(field: &Field) -> String {
    let mut text = plain_doc(field.doc);
    if let Shape::Choice(words) = field.shape.inner() {
        for choice in words {
            text.push_str(&format!("\n{}: {}", choice.word, plain_doc(choice.doc)));
        }
    }
    text
}

/// The name used for a map's entry in the sample.
fn sample_name(field: &str) -> &'static str {
    match field {
        "endpoints" => "primary",
        _ => "app",
    }
}

/// The default or example as it would be written.
fn written(field: &Field) -> String {
    match (field.example, &field.default) {
        (_, Some(default)) => yaml(default),
        (Some(example), None) => quote_example(example),
        (None, None) => "".to_owned(),
    }
}

/// A node in YAML's flow style.
pub(super) fn yaml(node: &Node) -> String {
    match &node.data {
        Data::Null => "null".to_owned(),
        Data::Scalar(text) => quote(text),
        Data::List(items) => format!(
            "[{}]",
            items.iter().map(yaml).collect::<Vec<_>>().join(", ")
        ),
        Data::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| format!("{}: {}", quote(&entry.key), yaml(&entry.value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn quote_example(text: &str) -> String {
    if text.starts_with('[') {
        text.to_owned()
    } else {
        quote(text)
    }
}

/// Text as YAML, in quotes where they are needed.
pub fn quote(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
        && !text.starts_with(['-', '.'])
        || text.starts_with("./") && !text.contains(char::is_whitespace);
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off"
    );
    if is_plain && !is_word {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn line(out: &mut String, indent: usize, commented: bool, text: &str) {
    out.push_str(&" ".repeat(indent));
    if commented {
        out.push('#');
    }
    out.push_str(text);
    out.push('\n');
}

fn comment(out: &mut String, indent: usize, text: &str) {
    for paragraph in text.lines() {
        for part in wrap(paragraph, WIDTH - indent - 2) {
            let text = format!("{}# {part}", " ".repeat(indent));
            out.push_str(text.trim_end());
            out.push('\n');
        }
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("never empty");
        if !last.is_empty() && last.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

/// A doc comment as one line of text without Markdown's back quotes.
fn plain_doc(doc: &str) -> String {
    one_line(doc).replace('`', "")
}

/// A doc comment as one line.
pub(super) fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
