//! The forms of a report, on standard output and in a file.

use std::path::Path;

use pgmoor::settings::plain;
use pgmoor_ops::report::{self, Report};

use crate::exit::Exit;
use crate::output::{Failure, Form};

/// A report in this form.
pub(super) fn write(report: &Report, form: Form) -> String {
    match form {
        Form::Text => report::text(report),
        Form::Html => report::html(report),
        Form::Json => {
            let mut text = serde_json::to_string_pretty(report).expect("a report is plain JSON");
            text.push('\n');
            text
        }
    }
}

/// Writes a report to a file, in the form that its name ends with: `.html`, `.json`, else text.
pub(super) fn save(report: &Report, path: &Path) -> Result<(), Failure> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let form = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("html" | "htm") => Form::Html,
        Some("json") => Form::Json,
        _ => Form::Text,
    };
    let text = anstream::adapter::strip_str(&write(report, form)).to_string();
    std::fs::write(path, text).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("cannot write the report to {}", path.display()),
        )
        .cause(plain(&error))
    })
}
