//! One Rust file, with a copy in which comments and literals are blank, so that the other rules
//! look at code alone; and the rules that need no more than that.

use std::path::{Path, PathBuf};

use super::{Finding, Rule};

/// The most lines that a file should have.
const LONGEST_FILE: usize = 500;

/// A Rust file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// As long as `text`, line for line; comments, strings and characters are spaces.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: PathBuf, text: String) -> Source {
        let code = blank(&text);
        Source { path, text, code }
    }

    /// The code line by line: number from 1, text, and whether it is test code.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let tests_begin = if is_test_file(&self.path) {
            0
        } else {
            tests_begin(&self.code).unwrap_or(usize::MAX)
        };
        self.code
            .lines()
            .enumerate()
            .map(move |(index, line)| (index + 1, line, index >= tests_begin))
    }

    pub(crate) fn finding(&self, rule: Rule, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            rule,
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }
}

/// Whether all of a file is there only for tests.
pub(crate) fn is_test_file(path: &Path) -> bool {
    path.iter()
        .any(|part| part == "tests" || part == "pgmoor-testkit")
        || path
            .file_stem()
            .is_some_and(|stem| stem == "tests" || stem.to_string_lossy().ends_with("_tests"))
}

/// The line, from 0, at which the file's own module of tests begins; tests come last in a file.
/// A `mod tests;` whose text is another file begins nothing.
fn tests_begin(code: &str) -> Option<usize> {
    let lines: Vec<&str> = code.lines().collect();
    lines.windows(2).position(|pair| {
        pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod ") && pair[1].contains('{')
    })
}

/// What one file alone shows.
pub(crate) fn look(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.text.trim_start().starts_with("//!") {
        findings.push(source.finding(
            Rule::Purpose,
            1,
            "the file does not begin with //! and what it is for",
        ));
    }
    let length = source.text.lines().count();
    if length > LONGEST_FILE {
        findings.push(source.finding(
            Rule::FileLength,
            1,
            format!("{length} lines, over {LONGEST_FILE}"),
        ));
    }
    for (number, line, is_test) in source.lines() {
        if is_test && line.contains("sleep(") {
            findings.push(source.finding(
                Rule::SleepInTest,
                number,
                "wait for a condition instead",
            ));
        }
        if !is_test && line.contains(".unwrap()") {
            findings.push(source.finding(
                Rule::Unwrap,
                number,
                "expect(\"why it cannot fail\") instead",
            ));
        }
    }
    findings
}

/// Replaces what is in comments and literals with spaces; line breaks stay.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` when none begins there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let length = match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => string(rest),
        ['r', '"' | '#', ..] if !follows_word(chars, at) => raw_string(rest),
        ['\'', '\\', ..] => rest[3..]
            .iter()
            .position(|c| *c == '\'')
            .map_or(rest.len(), |p| p + 4),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    };
    at + length
}

/// Whether `at` is inside a word; `b` and `c` are letters of literals, as in `br"…"`.
fn follows_word(chars: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|index| chars[index]);
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match before(1) {
        Some('b' | 'c') => is_word(before(2)),
        other => is_word(other),
    }
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0; // A raw identifier, as r#type.
    }
    let body = 2 + hashes;
    let closes = |at: &usize| {
        rest[*at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    (body..rest.len())
        .find(closes)
        .map_or(rest.len(), |at| at + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(path.into(), text.into())
    }

    #[test]
    fn comments_and_literals_are_blank_and_lines_stay() {
        let code = blank(
            "let a = \"{ \\\" }\"; // }\nlet b = r#\"\"{\"#; /* { /* } */ */ x('{', '\\'', &'a ())",
        );

        assert!(!code.contains(['{', '}', '"']), "{code}");
        assert!(code.contains("&'a ()"), "{code}");
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn a_raw_identifier_is_not_a_string() {
        assert_eq!(blank("r#type { for\"x\" }"), "r#type { for    }");
    }

    #[test]
    fn sleep_counts_in_tests_and_unwrap_outside_of_them() {
        let text = "//! A file.\nfn a() { sleep(); x.unwrap(); }\n#[cfg(test)]\nmod tests { fn b() { sleep(); x.unwrap(); } }\n";

        let found: Vec<(Rule, usize)> = look(&source("crates/a/src/b.rs", text))
            .into_iter()
            .map(|finding| (finding.rule, finding.line))
            .collect();

        assert_eq!(found, [(Rule::Unwrap, 2), (Rule::SleepInTest, 4)]);
    }

    #[test]
    fn a_module_of_tests_in_another_file_begins_no_tests_here() {
        let text = "//! A file.\n#[cfg(test)]\nmod tests;\nfn a() { x.unwrap(); }\n";

        let found = look(&source("crates/a/src/b.rs", text));

        assert_eq!(found[0].rule, Rule::Unwrap);
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        let found = look(&source("crates/a/src/b.rs", "use std::io;\n"));

        assert_eq!(found[0].rule, Rule::Purpose);
    }
}
