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

    /// The administrator in the application's database.
    async fn in_shop(&self) -> tokio_postgres::Client {
        let password = self.postgres.admin_password();
        self.postgres.connect_as("postgres", password, "shop").await
    }

    /// The application's database and role as somebody else made them.
    async fn made_by_hand(&self) {
        for sql in [
            "create role shop login",
            "create database shop owner manager",
        ] {
            self.postgres.psql(sql).await;
        }
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
    site.made_by_hand().await;
    let shop = site.in_shop().await;
    shop.batch_execute(
        "create function public.no() returns event_trigger language plpgsql as \
         $$ begin raise 'not today'; end $$; \
         create event trigger no on ddl_command_start execute function public.no()",
    )
    .await
    .unwrap();
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

#[tokio::test]
async fn a_password_that_nobody_would_make_is_not_waited_for() {
    let site = Site::new().await;
    site.made_by_hand().await;
    let file = site.path("shop.password");
    let path = file.display().to_string();
    let arguments = ["apply", "--yes", "--password-file", &path];

    let (code, _, err) = site.run(&arguments);
    assert_eq!(code, 2, "{err}");
    assert!(
        err.contains("\"shop\" is there already and keeps its password"),
        "{err}"
    );
    assert!(err.contains("--reset-password"), "{err}");
    let extensions = "select count(*) from pg_namespace where nspname = 'shop'";
    let made = site
        .in_shop()
        .await
        .query_one(extensions, &[])
        .await
        .unwrap();
    assert_eq!(made.get::<_, i64>(0), 0, "nothing was done");

    let again = [
        "apply",
        "--yes",
        "--reset-password",
        "--password-file",
        &path,
    ];
    let (code, _, err) = site.run(&again);
    assert_eq!(code, 0, "{err}");
    let password = std::fs::read_to_string(&file).unwrap();
    let shop = site
        .postgres
        .connect_as("shop", password.trim_end(), "shop");
    shop.await.batch_execute("create table t ()").await.unwrap();

    // The second time the file stays what it is.
    let (code, out, err) = site.run(&arguments);
    assert_eq!(
        (code, out.as_str()),
        (0, "ok: 0 of 0 steps done\n"),
        "{err}"
    );
    assert!(err.contains(&format!("kept: {path}")), "{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), password);
}

#[tokio::test]
async fn what_postgresql_only_warns_about_ends_in_a_failure_that_says_what_is_left() {
    let site = Site::new().await;
    site.made_by_hand().await;
    let admin = site.in_shop().await;
    // What is granted is taken away at once: no statement fails.
    admin
        .batch_execute(
            "create schema shop authorization manager; create extension pg_trgm; \
             create function public.no() returns event_trigger language plpgsql security definer as \
             $$ begin revoke create on schema shop from shop; end $$; \
             create event trigger no on ddl_command_end when tag in ('GRANT') \
             execute function public.no()",
        )
        .await
        .unwrap();

    let (code, out, err) = site.run(&["apply", "--yes"]);

    assert_eq!(
        (code, out.as_str()),
        (1, "FAILED: 2 of 2 steps done\n"),
        "{err}"
    );
    assert!(
        err.contains("all steps are done, and the server is still not as wanted: let shop create in the schema shop"),
        "{err}"
    );
    assert!(err.contains("hint: the login lacks a right"), "{err}");
}

#[tokio::test]
async fn a_login_for_migrations_and_one_for_the_application_are_made_with_a_password_each() {
    let site = Site::new().await;
    let port = site.postgres.port();
    let yaml = std::fs::read_to_string(site.path("pgmoor.yaml")).unwrap();
    let yaml = yaml
        .replace(
            "system: ours }",
            "system: ours, schema: { endpoint: migrates, role: owns } }",
        )
        .replace(
            "endpoints: {",
            &format!(
                "endpoints: {{ migrates: {{ url: \"postgres://migrates@127.0.0.1:{port}/shop\" }},"
            ),
        );
    write_private(&site.path("pgmoor.yaml"), yaml);
    let (app, migrates) = (site.path("app.password"), site.path("migrates.json"));
    let (app_text, migrates_text) = (app.display().to_string(), migrates.display().to_string());

    let (code, _, err) = site.run(&["apply", "--yes", "--password-file", &app_text]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("gives \"migrates\" a password"), "{err}");
    let arguments = [
        "apply",
        "--yes",
        "--password-file",
        &app_text,
        "--migrations-secret-manifest",
        &migrates_text,
    ];
    let (code, _, err) = site.run(&arguments);

    assert_eq!(code, 0, "{err}");
    let secret: Value = serde_json::from_str(&std::fs::read_to_string(&migrates).unwrap()).unwrap();
    assert_eq!(secret["metadata"]["name"], "postgres-migrates");
    let password = secret["stringData"]["password"].as_str().unwrap();
    let migrates = site.postgres.connect_as("migrates", password, "shop").await;
    migrates
        .batch_execute("set role owns; create table t (id serial)")
        .await
        .unwrap();
    let password = std::fs::read_to_string(&app).unwrap();
    let shop = site
        .postgres
        .connect_as("shop", password.trim_end(), "shop")
        .await;
    shop.batch_execute("insert into t default values")
        .await
        .unwrap();
    let refused = shop.batch_execute("drop table t").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501");
}

#[tokio::test]
async fn what_another_role_owned_is_taken_over_and_what_is_not_is_told() {
    let site = Site::new().await;
    site.made_by_hand().await;
    let before =
        "create role before login; grant before to manager; alter database shop owner to before";
    site.postgres.psql(before).await;
    let admin = site.in_shop().await;
    admin
        .batch_execute(
            "create schema shop authorization before; set role before; \
             create table shop.t (id serial); create table shop.u (id int)",
        )
        .await
        .unwrap();
    drop(admin);

    let (code, out, err) = site.run(&["plan"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("  note  2 objects in schema shop of shop belong to before"),
        "{out}"
    );
    let (code, _, err) = site.run(&["apply", "--yes", "--take-over", "before"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("reassign owned by before to shop;"), "{err}");

    let sql = "select count(*) from pg_tables where tableowner = 'shop'";
    let owned = site.in_shop().await.query_one(sql, &[]).await.unwrap();
    assert_eq!(owned.get::<_, i64>(0), 2);
    let (code, _, err) = site.run(&["plan", "--take-over", "shop"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("\"shop\" is the owner already"), "{err}");
    let (code, _, err) = site.run(&["plan", "--entra-object", "1"]);
    assert_eq!(code, 2, "{err}");
    assert!(
        err.contains("--entra-object is for a login by Entra ID"),
        "{err}"
    );
}
