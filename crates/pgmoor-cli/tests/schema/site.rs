//! A server, a directory of migrations, a configuration, and the commands that use them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pgmoor_testkit::{Pgmoor, PgmoorBuilder, Postgres, write_private};
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Site {
    pub(crate) postgres: Postgres,
    dir: TempDir,
}

impl Site {
    pub(crate) async fn new(files: &[(&str, &str)]) -> Self {
        let site = Self {
            postgres: Postgres::start().await,
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(site.migrations()).unwrap();
        for (name, text) in files {
            site.write(name, text);
        }
        write_private(&site.config(), site.yaml(""));
        site
    }

    pub(crate) fn migrations(&self) -> PathBuf {
        self.dir.path().join("migrations")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("pgmoor.yaml")
    }

    /// The superuser in the clients' database.
    pub(crate) async fn admin(&self) -> tokio_postgres::Client {
        let password = self.postgres.admin_password();
        self.postgres.connect_as("postgres", password, "app").await
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.migrations().join(name), text).unwrap();
    }

    /// The configuration, with more settings of the migrations.
    pub(crate) fn yaml(&self, more: &str) -> String {
        format!(
            "databases: {{ app: {{ url: \"{}\", schema: {{ dir: \"{}\"{more} }} }} }}",
            self.postgres.url(),
            self.migrations().display()
        )
    }

    /// A gateway that runs the migrations.
    pub(crate) fn pgmoor(&self) -> PgmoorBuilder {
        Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor")).config(&self.yaml(""))
    }

    /// `pgmoor --config … schema …`, as a process without a terminal.
    pub(crate) fn schema(&self, arguments: &[&str]) -> Command {
        schema(&self.config(), arguments)
    }

    /// Runs it to its end: exit code, standard output, standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.schema(arguments).output().unwrap();
        let text = |bytes| self.redacted(&String::from_utf8(bytes).unwrap());
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Without what differs between runs.
    fn redacted(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "DIR");
        let words = text.split_inclusive(char::is_whitespace);
        let mut redacted = String::new();
        let mut before = "";
        for word in words {
            let bare = word.trim();
            let is_time = bare.len() >= 19 && bare.as_bytes()[10] == b'T';
            let is_number = before.trim() == "in" && bare.parse::<u64>().is_ok();
            match is_time || is_number {
                true => redacted.push_str(&word.replace(bare, if is_time { "TIME" } else { "N" })),
                false => redacted.push_str(word),
            }
            before = word;
        }
        redacted
    }
}

pub(crate) fn schema(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgmoor"));
    command
        .env_clear()
        .arg("--config")
        .arg(config)
        .arg("schema")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
