//! What the guides and examples show: every configuration is in order, every command is one, every
//! link leads somewhere. Reference pages are made from the code and are not looked at here.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use pgmoor_testkit::{Ca, write_private};
use tempfile::TempDir;

/// A verifier of the password "geheim".
const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
/// Directories that configurations name; here they are one that the test made.
const DIRECTORIES: [&str; 3] = ["/etc/pgmoor", "/run/secrets", "/var/lib/pgmoor"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below the root with this ending that people wrote.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["", "docs", "docs/adr", "docs/guide", "examples"] {
        collect(
            &root().join(directory),
            ending,
            directory == "examples",
            &mut found,
        );
    }
    found.sort();
    found
}

fn collect(directory: &Path, ending: &str, deep: bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("is readable").path();
        if deep && path.is_dir() {
            collect(&path, ending, deep, found);
        } else if path.extension().is_some_and(|own| own == ending) {
            found.push(path);
        }
    }
}

/// A fenced block of a guide: where it stands and what is in it.
struct Block {
    place: String,
    text: String,
}

/// The blocks of this language.
fn blocks(path: &Path, language: &str) -> Vec<Block> {
    let text = fs::read_to_string(path).expect("is text");
    let mut blocks = Vec::new();
    let mut open: Option<(bool, Block)> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(words)) => {
                let block = Block {
                    place: format!("{}:{}", path.display(), index + 1),
                    text: String::new(),
                };
                open = Some((words == language, block));
            }
            (Some(_), Some(_)) => {
                let wanted = open.take().filter(|(wanted, _)| *wanted);
                blocks.extend(wanted.map(|(_, block)| block));
            }
            (Some((_, block)), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block is not closed", path.display());
    blocks
}

/// A directory with the files that configurations of the guides name.
fn surroundings() -> TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    let own = |name: &str| directory.path().join(name);
    let authority = Ca::new("guides");
    let certificate = authority.server();
    let authority = fs::read(authority.root_path()).expect("the authority has a file");
    for name in ["client-ca.crt", "server-ca.crt"] {
        fs::write(own(name), &authority).expect("write");
    }
    for name in ["tls.crt", "client.crt"] {
        fs::write(own(name), certificate.chain_pem()).expect("write");
    }
    for (name, text) in [
        ("tls.key", certificate.key_pem()),
        ("client.key", certificate.key_pem()),
        ("app.password", "geheim\n"),
        ("server.password", "geheim\n"),
        ("passfile", "*:*:*:*:geheim\n"),
        ("userlist.txt", "\"app\" \"geheim\"\n"),
    ] {
        write_private(&own(name), text);
    }
    directory
}

/// The names in `${NAME}`; those with a default need no value.
fn variables(yaml: &str) -> Vec<(String, String)> {
    yaml.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| {
            let value = if name.ends_with("VERIFIER") {
                VERIFIER
            } else {
                "geheim"
            };
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// What `config check` says against a configuration, if anything.
fn refusal(yaml: &str) -> Option<String> {
    let directory = surroundings();
    let here = directory.path().display().to_string();
    let placed = DIRECTORIES
        .iter()
        .fold(yaml.to_owned(), |text, known| text.replace(known, &here));
    fs::write(directory.path().join("pgmoor.yaml"), placed).expect("write");
    let output = Command::cargo_bin("pgmoor")
        .expect("is built")
        .env_clear()
        .envs(variables(yaml))
        .current_dir(directory.path())
        .args(["config", "check"])
        .output()
        .expect("runs");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_configuration_in_the_guides_is_in_order() {
    let mut problems = Vec::new();
    let mut count = 0;
    for page in files("md") {
        for block in blocks(&page, "yaml") {
            count += 1;
            problems.extend(refusal(&block.text).map(|why| format!("{}\n{why}", block.place)));
        }
    }

    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 0, "the guides have configurations");
}

#[test]
fn every_example_is_in_order() {
    let mut count = 0;
    let examples = files("yaml")
        .into_iter()
        .filter(|path| path.ends_with("pgmoor.yaml"));
    for path in examples {
        count += 1;
        let yaml = fs::read_to_string(&path).expect("is text");

        assert_eq!(refusal(&yaml), None, "{}", path.display());
    }
    assert!(count >= 5, "{count} examples");
}

#[test]
fn a_configuration_that_is_not_in_order_is_found() {
    let why = refusal("databases: { app: { pool: { sise: 3 } } }\n").expect("is refused");

    assert!(why.contains("did you mean \"size\"?"), "{why}");
}

#[test]
fn every_command_line_in_the_guides_is_understood() {
    let mut problems = Vec::new();
    for page in files("md") {
        for block in blocks(&page, "console") {
            for line in block.text.lines() {
                let Some(words) = line.strip_prefix("$ pgmoor ") else {
                    continue;
                };
                let output = Command::cargo_bin("pgmoor")
                    .expect("is built")
                    .args(understood(words))
                    .output()
                    .expect("runs");
                if !output.status.success() {
                    problems.push(format!("{}: {line}", block.place));
                }
            }
        }
    }

    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The line's command and options up to what is somebody else's, with `--help` at the end.
fn understood(line: &str) -> Vec<&str> {
    let own = line.split(" -- ").next().unwrap_or(line);
    let own = own.split(['|', '>', '&', '\'', '#']).next().unwrap_or(own);
    let mut words: Vec<&str> = own.split_whitespace().collect();
    if let Some(psql) = words.iter().position(|word| *word == "psql") {
        words.truncate(psql + 1);
    }
    words.push("--help");
    words
}

#[test]
fn every_link_in_the_guides_leads_to_a_file() {
    let mut problems = Vec::new();
    for page in files("md") {
        let text = fs::read_to_string(&page).expect("is text");
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|(target, _)| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or(target);
            let base = page.parent().expect("a page is in a directory");
            if !file.is_empty() && !base.join(file).exists() {
                problems.push(format!("{}: {target}", page.display()));
            }
        }
    }

    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Everything between two backticks, outside fenced blocks.
fn spans(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2);
    outside
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// The sources of all crates: path and text.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    collect(&root().join("crates"), "rs", true, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("is text");
            (path.display().to_string(), text)
        })
        .collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .any(|found| found == word)
}

/// Whether a path such as `pool::SharedPool` or `Session::end` is one of the code: the last name
/// stands in a file of the module or in one that has the type.
fn is_in_code(path: &str, sources: &[(String, String)]) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let [.., place, name] = parts.as_slice() else {
        return true;
    };
    let is_type = place.starts_with(|first: char| first.is_ascii_uppercase());
    sources.iter().any(|(file, text)| {
        let is_module =
            file.ends_with(&format!("/{place}.rs")) || file.contains(&format!("/{place}/"));
        let is_crate = file.contains(&format!("/{}/src/", place.replace('_', "-")));
        (is_module || is_crate || is_type && has_word(text, place)) && has_word(text, name)
    })
}

#[test]
fn every_name_in_the_architecture_and_the_decisions_is_in_the_code() {
    let sources = sources();
    let mut pages = vec![root().join("ARCHITECTURE.md")];
    collect(&root().join("docs/adr"), "md", false, &mut pages);
    let mut problems = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("is text");
        for span in spans(&text) {
            let is_path = span.contains("::") && span.split("::").all(is_name);
            let is_file = span.ends_with(".rs")
                && span.chars().all(|letter| !letter.is_whitespace())
                && span != "NAME.rs"
                && !span.contains("/NAME.rs");
            let known = match (is_path, is_file) {
                (true, _) => is_in_code(&span, &sources),
                (_, true) => sources
                    .iter()
                    .any(|(file, _)| file.ends_with(&format!("/{span}"))),
                (false, false) => true,
            };
            if !known {
                problems.push(format!("{}: {span}", page.display()));
            }
        }
    }

    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether a test such as `gateway/login::a_fact`, or an act of the attacks, is in a file of that name.
fn is_test(name: &str, sources: &[(String, String)]) -> bool {
    let Some((file, function)) = name.split_once("::") else {
        return false;
    };
    let (head, end) = (format!("fn {function}("), format!("/{file}.rs"));
    let act = name.strip_prefix("attacks/");
    sources
        .iter()
        .filter(|(path, _)| path.ends_with(&end))
        .any(|(path, text)| {
            let before = text.find(&head).map(|at| &text[..at]);
            let attributes = before.and_then(|text| text.rsplit(['}', ';']).next());
            let is_marked = attributes.is_some_and(|text| text.contains("test"));
            let is_played = act.is_some_and(|act| {
                let list = path.replace(&end, "/attacks/mod.rs");
                sources
                    .iter()
                    .any(|(path, text)| *path == list && text.contains(&format!(" {act},")))
            });
            before.is_some() && (is_marked || is_played)
        })
}

/// The tests that a part of a guide names, from its heading on; those of them that are not there are told.
fn tests_of(page: &str, heading: &str, sources: &[(String, String)]) -> (usize, String) {
    let page = fs::read_to_string(root().join("docs").join(page)).expect("is text");
    let (_, part) = page.split_once(heading).expect("there is a heading");
    let part = part.split("\n## ").next().unwrap_or_default();
    let names = spans(part).into_iter();
    let names: Vec<String> = names
        .filter(|span| span.contains('/') && span.contains("::") && !span.contains('…'))
        .collect();
    let missing = names.iter().filter(|name| !is_test(name, sources));
    let missing: Vec<&String> = missing.collect();
    assert!(missing.is_empty(), "{missing:?}");
    (names.len(), part.to_owned())
}

#[test]
fn every_test_that_the_list_of_attacks_names_is_there() {
    let sources = sources();

    let (count, attacks) = tests_of("reliability.md", "## Attacks", &sources);

    assert!(count > 90, "only {count} are named");
    for item in 1..=22 {
        assert!(attacks.contains(&format!("\n| {item} | ")), "item {item}");
    }
    assert!(!is_test("gateway/login::no_such_test", &sources));
    assert!(!is_test("attacks/login::no_such_act", &sources));
    // A function that is no test.
    assert!(!is_test("gateway/login::refused", &sources));
}

#[test]
fn every_test_that_the_guide_to_identities_names_is_there() {
    let (count, _) = tests_of("identity.md", "## What is tested", &sources());
    assert!(count > 12, "only {count} are named");
}
