//! `pgmoor provision` by the binary: what it prints, what it writes, what it refuses.

#![allow(clippy::unwrap_used, missing_docs)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgmoor_testkit::{Postgres, write_private};
use serde_json::Value;
use tempfile::TempDir;

struct Site {
    postgres: Postgres,
    dir: TempDir,
}

impl Site {
    async fn new() -> Self {
        let postgres = Postgres::start().await;
        let sql = "create role manager login createrole createdb password 'manager'";
        postgres.psql(sql).await;
        let dir = tempfile::tempdir().unwrap();
        let app = format!("postgres://shop@127.0.0.1:{}/shop", postgres.port());
        let admin = postgres.url_of("manager", "manager", "postgres");
        let yaml = format!(
            "databases: {{ shop: {{ endpoint: primary, system: ours }} }}\n\
             systems: {{ ours: {{ schema: shop, extensions: {{ pg_trgm: {{}} }} }} }}\n\
             endpoints: {{ primary: {{ url: \"{app}\" }}, admin: {{ url: \"{admin}\" }} }}\n\
             gateway: {{ state_dir: \"{}/state\" }}\n",
            dir.path().display()
        );
        write_private(&dir.path().join("pgmoor.yaml"), yaml);
        Self { postgres, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_pgmoor"))
            .env_clear()
            .arg("--config")
            .arg(self.path("pgmoor.yaml"))
            .arg("provision")
            .args(arguments)
            .args(["--by", "admin"])
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_was_planned_is_made_and_the_password_is_in_its_file_only() {
    let site = Site::new().await;
    let (code, out, _) = site.run(&["plan"]);
    assert_eq!(code, 0);
    let name = out.split([' ', ':']).nth(1).unwrap().to_owned();
    let shown = out.replace(&name, "PLAN");
    insta::assert_snapshot!(shown);
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).0, 2);

    let file = site.path("shop.password");
    let written = file.display().to_string();
    let (code, _, err) = site.run(&["apply", "--password-file", &written]);
    assert_eq!(code, 4, "nobody is asked without a terminal: {err}");
    assert!(!file.exists());
    let (code, _, err) = site.run(&["apply", "--yes"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--password-file"), "{err}");
    let journal = site.path("journal.jsonl");
    let journal_text = journal.display().to_string();
    let arguments = [
        "apply",
        "--yes",
        "--plan",
        &name,
        "--password-file",
        &written,
        "--journal",
        &journal_text,
    ];
    let (code, out, err) = site.run(&arguments);

    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "ok: 7 of 7 steps done\n");
    assert_eq!((mode(&file), mode(&journal)), (0o600, 0o600));
    let password = std::fs::read_to_string(&file).unwrap();
    let password = password.trim_end();
    assert_eq!(password.len(), 32);
    let lines = std::fs::read_to_string(&journal).unwrap();
    for text in [&out, &err, &lines, &site.postgres.log()] {
        assert!(!text.contains(password));
    }
    let report: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&report["type"], &report["ok"]),
        (&"report".into(), &true.into())
    );
    let client = site.postgres.connect_as("shop", password, "shop").await;
    client.batch_execute("create table t ()").await.unwrap();

    let (code, out, _) = site.run(&["apply", "--yes"]);
    assert_eq!((code, out.as_str()), (0, "ok: 0 of 0 steps done\n"));
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).0, 0);
}

#[tokio::test]
async fn another_plan_than_the_one_agreed_on_is_refused() {
    let site = Site::new().await;
    let (_, out, _) = site.run(&["plan", "-o", "json"]);
    let plan: Value = serde_json::from_str(&out).unwrap();
    let name = plan["plan"]["fingerprint"].as_str().unwrap().to_owned();
    site.postgres.psql("create role shop").await;

    let file = site.path("password").display().to_string();
    let arguments = ["apply", "--yes", "--plan", &name, "--password-file", &file];
    let (code, _, err) = site.run(&arguments);

    assert_eq!(code, 1);
    assert!(
        err.contains("the server changed since the plan was made"),
        "{err}"
    );
    let databases = "select count(*) from pg_database where datname = 'shop'";
    assert_eq!(site.postgres.psql(databases).await, "0");
}

#[tokio::test]
async fn a_report_is_written_also_when_a_step_fails_and_a_file_is_never_overwritten() {
    let site = Site::new().await;
    // Nobody but a superuser may act for a superuser.
    site.postgres.psql("create role shop superuser login").await;
    let journal = site.path("journal");
    let journal_text = journal.display().to_string();

    let (code, out, _) = site.run(&["apply", "--yes", "--journal", &journal_text, "-o", "json"]);

    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (1, &false.into()), "{out}");
    assert!(
        report["errors"][0]["error"]
            .as_str()
            .unwrap()
            .starts_with("step ")
    );
    let lines = std::fs::read_to_string(&journal).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["ok"], false);
    let (code, _, err) = site.run(&["apply", "--yes", "--journal", &journal_text]);
    assert_eq!(code, 2);
    assert!(err.contains("it must not exist yet"), "{err}");
}

#[tokio::test]
async fn a_secret_manifest_has_what_a_chart_looks_for() {
    let site = Site::new().await;
    let file = site.path("secret.json");
    let (code, _, err) = site.run(&[
        "apply",
        "--yes",
        "--secret-manifest",
        &file.display().to_string(),
    ]);

    assert_eq!(code, 0, "{err}");
    assert_eq!(mode(&file), 0o600);
    let secret: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(secret["metadata"]["name"], "postgres-shop");
    assert_eq!(
        secret["stringData"]["port"],
        site.postgres.port().to_string()
    );
    let password = secret["stringData"]["password"].as_str().unwrap();
    site.postgres.connect_as("shop", password, "shop").await;
}
