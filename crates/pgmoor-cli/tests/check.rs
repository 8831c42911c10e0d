//! `pgmoor check` as a process: what it takes, what it prints, how it ends.

use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use pgmoor_testkit::{Postgres, Signal, Stop, free_port, signal, wait_for, write_private};
use serde_json::Value;
use tempfile::TempDir;

fn pgmoor(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pgmoor").expect("is built");
    command.env_clear().current_dir(directory).args(arguments);
    command
}

/// How a command ended.
trait Outcome {
    /// Exit code, standard output, standard error.
    fn outcome(&mut self) -> (i32, String, String);
}

impl Outcome for Command {
    fn outcome(&mut self) -> (i32, String, String) {
        let output = self.output().expect("runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("is text");
        let code = output.status.code().expect("ended by itself");
        (code, text(output.stdout), text(output.stderr))
    }
}

fn outcome(mut command: Command) -> (i32, String, String) {
    command.outcome()
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("standard output is JSON and nothing else")
}

#[tokio::test]
async fn an_address_alone_is_enough_and_its_password_stays_out_of_the_arguments() {
    let postgres = Postgres::start().await;
    let here = directory();
    write_private(&here.path().join("url"), format!("{}\n", postgres.url()));
    let check = ["check", "-o", "json", "--url"];

    let by_variable = pgmoor(here.path(), &[&check[..], &["env:DATABASE_URL"]].concat())
        .env("DATABASE_URL", postgres.url())
        .outcome();
    let by_file = pgmoor(here.path(), &[&check[..], &["file:url"]].concat()).outcome();
    let by_input = pgmoor(here.path(), &[&check[..], &["-"]].concat())
        .write_stdin(postgres.url())
        .outcome();

    for (code, text, _) in [by_variable, by_file, by_input] {
        assert_eq!(code, 0, "{text}");
        let report = json(&text);
        assert_eq!(report["kind"], "check");
        assert_eq!(report["databases"][0]["connected"], true);
        assert!(!text.contains(postgres.app_password()));
    }
}

#[tokio::test]
async fn the_exit_code_says_what_is_wrong_and_is_the_same_in_every_form() {
    let postgres = Postgres::start().await;
    let nobody = format!("postgres://app@127.0.0.1:{}/app", free_port());
    let here = format!("127.0.0.1:{}", postgres.port());
    let half = format!(
        "{},{here}",
        nobody.split(['@', '/']).nth(3).expect("a host")
    );
    let half = postgres.url().replace(&here, &half);
    let cases = [
        (0, postgres.url(), &[][..]),
        (0, half.clone(), &[]),
        (1, half, &["--strict"]),
        (2, "postgres:/what".to_owned(), &[]),
        (3, nobody, &[]),
        (3, postgres.url_of("app", "wrong", "app"), &[]),
    ];
    let here = directory();
    for (expected, url, more) in cases {
        for form in ["text", "json"] {
            let mut command = pgmoor(here.path(), &["check", "--url", "env:URL", "-o", form]);
            command.env("URL", &url).args(more);
            let (code, stdout, stderr) = outcome(command);
            assert_eq!(code, expected, "{form} {more:?}\n{stdout}\n{stderr}");
            if form == "json" {
                json(&stdout);
            }
        }
    }
}

#[tokio::test]
async fn every_database_of_the_configuration_is_looked_at_unless_one_is_named() {
    let postgres = Postgres::start().await;
    let here = directory();
    let yaml = format!(
        "databases:\n  app: {{ url: \"{0}\" }}\n  other: {{ url: \"{0}\", system: coder }}\n",
        postgres.url()
    );
    write_private(&here.path().join("pgmoor.yaml"), yaml);

    let (code, stdout, stderr) = outcome(pgmoor(here.path(), &["check", "-o", "json"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let names = |text: &str| -> Vec<String> {
        let report = json(text);
        let databases = report["databases"].as_array().expect("a list").clone();
        let name = |database: &Value| format!("{}/{}", database["name"], database["system"]);
        databases
            .iter()
            .map(|it| name(it).replace('"', ""))
            .collect()
    };
    assert_eq!(names(&stdout), ["app/generic", "other/coder"]);

    let (_, stdout, _) = outcome(pgmoor(here.path(), &["check", "-o", "json", "-d", "other"]));
    assert_eq!(names(&stdout), ["other/coder"]);

    let (code, _, stderr) = outcome(pgmoor(here.path(), &["check", "-d", "othr"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("did you mean \"other\"?"), "{stderr}");
}

#[test]
fn checks_are_listed_explained_and_chosen_by_their_ids() {
    let here = directory();
    let (code, list, _) = outcome(pgmoor(here.path(), &["check", "--list"]));
    assert_eq!(code, 0);
    assert!(
        list.contains("PGM-NET-001  the host's name has an address"),
        "{list}"
    );

    let (code, one, _) = outcome(pgmoor(here.path(), &["explain", "pgm-net-001"]));
    assert_eq!(code, 0);
    assert!(one.starts_with("PGM-NET-001 (network)"), "{one}");

    let (code, _, stderr) = outcome(pgmoor(here.path(), &["explain", "PGM-NET-01"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("did you mean PGM-NET-001?"), "{stderr}");

    let only = [
        "check",
        "--url",
        "postgres:/what",
        "--only",
        "PGM-CFG-003",
        "-o",
        "json",
    ];
    let (_, stdout, _) = outcome(pgmoor(here.path(), &only));
    let checks = json(&stdout)["databases"][0]["checks"].clone();
    assert_eq!(checks.as_array().expect("a list").len(), 1);
}

#[test]
fn a_configuration_that_is_not_in_order_is_reported_like_everything_else() {
    let here = directory();
    let failed = |yaml: &str| {
        write_private(&here.path().join("pgmoor.yaml"), yaml);
        let (code, stdout, stderr) = outcome(pgmoor(here.path(), &["check", "-o", "json"]));
        assert_eq!(code, 2, "{stdout}{stderr}");
        let report = json(&stdout);
        let checks = report["databases"][0]["checks"].as_array().expect("a list");
        let failed = checks.iter().filter(|check| check["status"] == "fail");
        let ids = failed.map(|check| check["id"].as_str().expect("an id").to_owned());
        ids.collect::<Vec<_>>()
    };
    let address = |url: &str| format!("databases: {{ app: {{ url: \"{url}\" }} }}\n");

    let unset = address("postgres://app:${PGMOOR_TEST_UNSET}@db.example.com/app");
    assert_eq!(failed(&unset), ["PGM-CFG-002"]);
    assert_eq!(
        failed("databases: { app: { pool: { sise: 3 } } }\n"),
        ["PGM-CFG-001"]
    );
    let typo = address("postgres://app@db.example.com/app?sslmod=require");
    assert_eq!(failed(&typo), ["PGM-CFG-001"]);
}

#[tokio::test]
async fn a_report_is_written_to_a_file_in_the_form_of_its_name() {
    let postgres = Postgres::start().await;
    let here = directory();
    for name in ["report.html", "report.json", "report.txt"] {
        let mut command = pgmoor(
            here.path(),
            &["check", "--url", "env:URL", "--report", name],
        );
        command.env("URL", postgres.url());
        let (code, stdout, stderr) = outcome(command);
        assert_eq!(code, 0, "{stdout}{stderr}");
        let text = std::fs::read_to_string(here.path().join(name)).expect("is written");
        let begins = match name {
            "report.html" => "<!DOCTYPE html>",
            "report.json" => "{",
            _ => "app: postgresql://app:***@",
        };
        assert!(text.starts_with(begins), "{name}: {text}");
        assert!(!text.contains(postgres.app_password()), "{name}");
    }
}

#[tokio::test]
async fn a_database_that_comes_later_is_waited_for_and_one_that_does_not_is_given_up() {
    let postgres = Postgres::start().await;
    postgres.stop(Stop::Fast).await;
    let here = directory();
    let mut late = pgmoor(here.path(), &["check", "--url", "env:URL", "--wait", "2s"]);
    let (code, _, stderr) = late.env("URL", postgres.url()).outcome();
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("waiting for app: connection refused"),
        "{stderr}"
    );

    let url = postgres.url();
    let path = here.path().to_owned();
    let waiting = tokio::task::spawn_blocking(move || {
        let mut command = pgmoor(&path, &["check", "--url", "env:URL", "--wait", "2m"]);
        command.env("URL", url).outcome()
    });
    postgres.start_again().await;
    let (code, stdout, stderr) = waiting.await.expect("ended");
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[tokio::test]
async fn who_watches_is_told_what_changes_and_ends_it_by_a_signal() {
    let postgres = Postgres::start().await;
    let here = directory();
    let log = here.path().join("log");
    let program = assert_cmd::cargo::cargo_bin("pgmoor");
    let mut child = std::process::Command::new(program)
        .args([
            "check",
            "--url",
            "env:URL",
            "--watch=200ms",
            "--timeout",
            "5s",
        ])
        .env_clear()
        .env("URL", postgres.url())
        .current_dir(here.path())
        .stdout(std::fs::File::create(&log).expect("the file can be made"))
        .spawn()
        .expect("starts");
    let patience = Duration::from_secs(60);
    let says = |what: &'static str| {
        let log = log.clone();
        move || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            std::future::ready(text.contains(what))
        }
    };
    wait_for("the first report", patience, says("1 database")).await;
    postgres.stop(Stop::Fast).await;
    wait_for("the change", patience, says("PGM-NET-002 ok -> FAIL")).await;
    postgres.start_again().await;
    wait_for("the way back", patience, says("PGM-NET-002 FAIL -> ok")).await;
    signal(child.id(), Signal::INT);
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(0));
}

/// On a terminal of 24 lines, as script(1) of util-linux gives one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_screen_is_written_anew_with_what_did_not_pass_and_what_changed() {
    let postgres = Postgres::start().await;
    let here = directory();
    let log = here.path().join("log");
    let program = assert_cmd::cargo::cargo_bin("pgmoor");
    let watch = format!(
        "stty rows 24 cols 80; exec '{}' check --url env:URL --watch=200ms --timeout 5s",
        program.display()
    );
    let mut child = std::process::Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &watch])
        .arg(&log)
        .env("URL", postgres.url())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .current_dir(here.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("script(1) starts");
    let frames = || -> Vec<String> {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let frames = text.split("\x1b[H").skip(1).map(str::to_owned);
        frames.collect()
    };
    let patience = Duration::from_secs(60);
    let shows = |what: &'static str| {
        let is_shown = frames().last().is_some_and(|frame| frame.contains(what));
        std::future::ready(is_shown)
    };
    wait_for("the first screen", patience, || shows("Ctrl-C ends it")).await;
    postgres.stop(Stop::Fast).await;
    wait_for("the change", patience, || shows("PGM-NET-002 ok -> FAIL")).await;
    // The terminal goes away.
    child.kill().expect("ends");
    child.wait().expect("ended");

    for frame in frames() {
        assert!(frame.lines().count() <= 24, "{frame}");
    }
}

#[tokio::test]
async fn waiting_ends_at_once_where_it_changes_nothing() {
    let postgres = Postgres::start().await;
    let here = directory();
    let wrong = postgres.url_of("app", "wrong", "app");

    let mut command = pgmoor(
        here.path(),
        &["check", "--wait", "10m", "-o", "json", "--url", "env:URL"],
    );
    let (code, text, _) = command.env("URL", wrong).outcome();

    assert_eq!(code, 3, "{text}");
    assert_eq!(json(&text)["databases"][0]["first"], "PGM-LOG-011");
    let refused = postgres
        .log()
        .matches("password authentication failed")
        .count();
    assert_eq!(refused, 1, "an account may be locked after a few");
}

#[tokio::test]
async fn what_is_written_can_be_judged_where_no_server_is() {
    let here = directory();
    let url = format!(
        "postgres://app@127.0.0.1:{}/app?sslmode=verify-full&sslrootcert=system",
        free_port()
    );
    let arguments = [
        "check",
        "--category",
        "configuration",
        "-o",
        "json",
        "--url",
        &url,
    ];

    let (code, text, _) = outcome(pgmoor(here.path(), &arguments));

    assert_eq!(code, 0, "{text}");
    let bad = url.replace("verify-full", "sideways");
    let arguments = ["check", "--category", "configuration", "--url", &bad];
    assert_eq!(outcome(pgmoor(here.path(), &arguments)).0, 2);
}

#[tokio::test]
async fn a_move_is_judged_by_where_it_goes() {
    let (from, to) = (Postgres::start().await, Postgres::start().await);
    from.psql("create extension citext").await;
    let here = directory();
    let yaml = format!(
        "databases: {{ app: {{ endpoint: old }} }}\nendpoints: {{ old: {{ url: \"{}\" }}, new: {{ url: \"{}\" }} }}\n",
        from.url(),
        to.url()
    );
    write_private(&here.path().join("pgmoor.yaml"), yaml);
    let of = |report: &Value, id: &str| -> String {
        let checks = report["databases"][0]["checks"].as_array().expect("checks");
        let check = checks
            .iter()
            .find(|check| check["id"] == id)
            .expect("is judged");
        format!(
            "{}: {}",
            check["status"].as_str().expect("status"),
            check["seen"].as_str().expect("seen")
        )
    };

    let arguments = [
        "--config",
        "pgmoor.yaml",
        "check",
        "--for",
        "move",
        "--to",
        "new",
        "-o",
        "json",
    ];
    let (_, text, err) = outcome(pgmoor(here.path(), &arguments));
    assert_eq!(
        of(&json(&text), "PGM-MOV-021"),
        "ok: citext, plpgsql",
        "{err}"
    );

    let by_url = [
        "check", "--for", "move", "--to", "env:TO", "-o", "json", "--url", "env:FROM",
    ];
    let mut command = pgmoor(here.path(), &by_url);
    let (_, text, _) = command
        .env("TO", to.url())
        .env("FROM", from.url())
        .outcome();
    assert_eq!(of(&json(&text), "PGM-MOV-021"), "ok: citext, plpgsql");
    assert!(!text.contains(to.app_password()));

    let wrong = [
        "--config",
        "pgmoor.yaml",
        "check",
        "--for",
        "move",
        "--to",
        "knew",
    ];
    let (code, _, err) = outcome(pgmoor(here.path(), &wrong));
    assert_eq!(code, 2);
    assert!(err.contains("did you mean \"new\"?"), "{err}");
}
