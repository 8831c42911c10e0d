//! Files in memory, and what importing them says.

use std::path::Path;
use std::sync::Arc;

use pgmoor_ops::system::{Application, Imported, Input, Origins, SECRETS, import, write};
use pgmoor_wire::Secret;

pub(crate) fn input(name: &str, text: &str) -> Input {
    Input {
        path: Arc::from(Path::new(name)),
        text: Secret::new(text.to_owned()),
    }
}

/// Imports files that name no others.
pub(crate) fn imported(files: &[(&str, &str)]) -> Imported {
    imported_as(None, files)
}

pub(crate) fn imported_as(from: Option<Application>, files: &[(&str, &str)]) -> Imported {
    let inputs: Vec<Input> = files.iter().map(|(name, text)| input(name, text)).collect();
    let include = |path: &Path| Err(format!("no file {}", path.display()));
    import(&inputs, from, &[], &include)
}

/// The pgmoor.yaml of a result that there is.
pub(crate) fn yaml(imported: &Imported) -> String {
    let meaning = imported.meaning.as_ref().unwrap_or_else(|| {
        panic!("refused: {}", said(imported));
    });
    let origins = Origins {
        from: "it",
        findings: &[],
        secrets: SECRETS,
    };
    write(meaning, &origins)
}

/// All findings, a line each: `wrong: v.yaml:3:5: what; cause; hint`.
pub(crate) fn said(imported: &Imported) -> String {
    let lines: Vec<String> = imported
        .findings
        .iter()
        .map(|finding| {
            let problem = &finding.problem;
            let mut line = format!("{}: {}", finding.severity.as_str(), problem.headline());
            for part in [&problem.cause, &problem.hint].into_iter().flatten() {
                line.push_str("; ");
                line.push_str(part);
            }
            line
        })
        .collect();
    lines.join("\n")
}

/// Fails unless one of the findings begins with this: `wrong: v.yaml:3: what`, without the column.
#[track_caller]
pub(crate) fn assert_said(imported: &Imported, start: &str) {
    let all = said(imported);
    let without_column = |line: &str| {
        let mut parts: Vec<&str> = line.splitn(5, ':').collect();
        if parts.len() == 5 && parts[3].parse::<u32>().is_ok() {
            parts.remove(3);
        }
        parts.join(":")
    };
    assert!(
        all.lines()
            .any(|line| without_column(line).starts_with(start)),
        "nothing begins with {start:?} in\n{all}"
    );
}

/// The line of pgmoor.yaml that begins with this.
#[track_caller]
pub(crate) fn line(yaml: &str, start: &str) -> String {
    let found = yaml
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with(start));
    found
        .unwrap_or_else(|| panic!("no line begins with {start:?} in\n{yaml}"))
        .to_owned()
}
