//! Rules about words, in every text file of the repository.

use std::path::Path;

use super::{Finding, Rule};

/// Words that must not be used, and what to say instead. Split, as this file is looked at too.
const WORDS: &[(&str, &str, &str)] = &[
    ("up", "stream", "server, endpoint or server connection"),
    ("down", "stream", "client or client connection"),
    ("white", "list", "allow"),
    ("black", "list", "refuse"),
];

/// Hosts of package registries, as parts.
const REGISTRIES: &[&[&str]] = &[
    &["crates", "io"],
    &["registry", "npmjs", "org"],
    &["registry", "yarnpkg", "com"],
    &["pypi", "org"],
    &["files", "pythonhosted", "org"],
    &["proxy", "golang", "org"],
    &["sum", "golang", "org"],
    &["repo", "maven", "apache", "org"],
    &["repo1", "maven", "org"],
];

/// What one file's text shows.
pub(crate) fn look(path: &Path, text: &str) -> Vec<Finding> {
    if path.file_name().is_some_and(|name| name == "Cargo.lock") {
        return Vec::new(); // Cargo writes it, and names its registry in every line.
    }
    let mut findings = Vec::new();
    let finding = |rule, index: usize, what: String| Finding {
        rule,
        path: path.to_owned(),
        line: index + 1,
        what,
    };
    for (index, line) in text.lines().enumerate() {
        if let Some(word) = registry(line) {
            findings.push(finding(Rule::RegistryHost, index, format!("\"{word}\"")));
        }
        if !is_prose_or_code(path) {
            continue;
        }
        if let Some((word, instead)) = glossary(line) {
            findings.push(finding(
                Rule::Glossary,
                index,
                format!("\"{word}\": say {instead}"),
            ));
        }
        if todo_without_number(line) {
            findings.push(finding(
                Rule::TodoWithoutNumber,
                index,
                line.trim().to_owned(),
            ));
        }
    }
    findings
}

fn is_prose_or_code(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(
        extension,
        Some("rs" | "md" | "yaml" | "yml" | "sh" | "py" | "toml")
    )
}

fn glossary(line: &str) -> Option<(String, &'static str)> {
    let line = line.to_lowercase();
    WORDS.iter().find_map(|(first, second, instead)| {
        let word = format!("{first}{second}");
        line.contains(&word).then_some((word, *instead))
    })
}

fn registry(line: &str) -> Option<String> {
    let mut hosts = REGISTRIES.iter().map(|parts| parts.join("."));
    hosts.find(|host| line.contains(host.as_str()))
}

fn todo_without_number(line: &str) -> bool {
    ["TODO", "FIXME"].iter().any(|mark| {
        line.match_indices(mark).any(|(at, _)| {
            let is_letter = |c: char| c.is_alphanumeric() || c == '_' || c == '"';
            let after = &line[at + mark.len()..];
            let is_word = !line[..at].ends_with(is_letter) && !after.starts_with(is_letter);
            // As prose has it: a TODO, TODOs, "TODO".
            let is_mark = after.starts_with([':', '(']);
            is_word && is_mark && !after.starts_with("(#")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<Rule> {
        look(Path::new(path), text)
            .iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn a_word_of_the_field_is_answered_with_ours() {
        let line = format!("/// The Up{} connection.", "stream");

        let found = look(Path::new("crates/a/src/b.rs"), &line);

        assert_eq!(found[0].rule, Rule::Glossary);
        assert!(
            found[0]
                .what
                .ends_with("say server, endpoint or server connection")
        );
    }

    #[test]
    fn a_registry_is_named_in_no_file_but_the_lock_file_of_cargo() {
        let line = ["https://registry", "npmjs", "org/pg"].join(".");

        assert_eq!(
            rules("tests/drivers/node/package-lock.json", &line),
            [Rule::RegistryHost]
        );
        assert_eq!(rules("Cargo.lock", &line), []);
    }

    #[test]
    fn a_todo_needs_the_number_of_an_issue() {
        let mark = ["TO", "DO"].concat();

        assert_eq!(
            rules("a.rs", &format!("// {mark}: later")),
            [Rule::TodoWithoutNumber]
        );
        assert_eq!(rules("a.rs", &format!("// {mark}(#12): later")), []);
        assert_eq!(rules("a.md", &format!("no {mark} is left")), []);
    }
}
