//! The guides by application: their commands are run, one after the other, and say what the pages say.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgmoor_testkit::{Ca, Postgres};

/// Commands of a page and what they are said to print.
struct Guide {
    files: Vec<(String, String)>,
    script: String,
    prints: Vec<String>,
}

impl Guide {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/guide")
            .join(name);
        let page = fs::read_to_string(path).unwrap();
        let mut guide = Self {
            files: Vec::new(),
            script: "set -eu\n".to_owned(),
            prints: Vec::new(),
        };
        for (index, block) in page.split("```").enumerate() {
            let (head, text) = block.split_once('\n').unwrap_or((block, ""));
            match head.split_once(' ') {
                _ if index % 2 == 0 => {}
                Some(("yaml", file)) => guide.file(file, text),
                None if head == "console" => guide.console(text),
                _ => assert_eq!(head, "sh", "what is not run is a block of sh"),
            }
        }
        guide
    }

    /// A file is there from the place on where it stands.
    fn file(&mut self, name: &str, text: &str) {
        self.files.push((name.to_owned(), text.to_owned()));
    }

    fn console(&mut self, text: &str) {
        for line in text.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => {
                    self.script.push_str(command);
                    self.script.push('\n');
                }
                None => self.prints.push(line.to_owned()),
            }
        }
    }
}

async fn run(name: &str, databases: &[&str]) {
    let authority = Ca::new("guides");
    let postgres = Postgres::builder().tls(&authority).start().await;
    for database in databases {
        let sql = format!("create database {database} owner app");
        postgres.psql(&sql).await;
    }
    let guide = Guide::read(name);
    let site = tempfile::tempdir().unwrap();
    let place = |text: &str| {
        text.replace(
            "db.example.com:5432",
            &format!("127.0.0.1:{}", postgres.port()),
        )
        .replace("POSTGRES_HOST=db.example.com", "POSTGRES_HOST=127.0.0.1")
        .replace(
            "POSTGRES_PORT=5432",
            &format!("POSTGRES_PORT={}", postgres.port()),
        )
    };
    for (file, text) in &guide.files {
        fs::write(site.path().join(file), place(text)).unwrap();
    }
    let secrets = site.path().join("secrets/corp-ca");
    fs::create_dir_all(&secrets).unwrap();
    fs::copy(authority.root_path(), secrets.join("ca.crt")).unwrap();
    // The server of the bundled endpoint is not root's, and has to reach its directory.
    open(site.path());
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_pgmoor"));
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );

    let output = Command::new("timeout")
        .args(["120", "sh", "-c", &place(&guide.script)])
        .env_clear()
        .env("PATH", path)
        .env("DB_PASSWORD", postgres.app_password())
        .current_dir(site.path())
        .output()
        .unwrap();

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{name}: {all}");
    assert!(!guide.prints.is_empty());
    for line in &guide.prints {
        assert!(
            all.lines().any(|printed| printed == line),
            "{name} does not print {line:?} but\n{all}"
        );
    }
}

fn open(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn who_follows_the_page_on_langsmith_ends_connected_with_all_rows() {
    run("langsmith.md", &["langsmith"]).await;
}

#[tokio::test]
async fn who_follows_the_page_on_coder_ends_connected_with_all_rows() {
    run("coder.md", &["coder"]).await;
}

#[tokio::test]
async fn who_follows_the_page_on_backstage_ends_connected_with_all_rows() {
    run("backstage.md", &["backstage"]).await;
}

#[tokio::test]
async fn who_follows_the_page_on_prisme_ends_connected_with_all_rows() {
    run("prisme.md", &["permissions", "users", "collections"]).await;
}

#[test]
fn every_page_is_run() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    let mut pages: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();

    assert_eq!(
        pages,
        [
            "README.md",
            "backstage.md",
            "coder.md",
            "langsmith.md",
            "prisme.md"
        ]
    );
}
