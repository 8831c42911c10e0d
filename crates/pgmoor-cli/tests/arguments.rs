//! What the command line accepts and refuses, and what the small commands print.

use std::fs;

use assert_cmd::Command;

fn pgmoor(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pgmoor").expect("is built");
    command.env_clear().args(arguments);
    command
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("is text")
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    for arguments in [
        &["psql", "postgres://app:geheim@db/app"][..],
        &["psql", "-d", "host=db password=geheim"][..],
        &["url", "--database=postgresql://app:geheim@db/app"][..],
        &["check", "--url", "app:geheim@db/app"][..],
        &[
            "check",
            "--url=jdbc:postgresql://db/app?user=app&password=geheim",
        ][..],
    ] {
        let output = pgmoor(arguments).output().expect("runs");

        assert_eq!(output.status.code(), Some(2));
        insta::allow_duplicates! {
            insta::assert_snapshot!(text(output.stderr), @r#"
            error: a password on the command line is refused
            cause: every user of this machine can read a process's arguments
            hint: put it into the configuration as ${VAR} or file:PATH, or use PGPASSFILE; --url takes env:NAME and file:PATH
            "#);
        }
    }
}

#[test]
fn a_mistyped_command_ends_with_code_2_and_the_nearest() {
    let output = pgmoor(&["confg"]).output().expect("runs");

    assert_eq!(output.status.code(), Some(2));
    assert!(text(output.stderr).contains("a similar subcommand exists: 'config'"));
}

#[test]
fn help_begins_with_examples_and_ends_with_the_exit_codes() {
    let help = text(pgmoor(&["--help"]).output().expect("runs").stdout);

    let position = |part: &str| {
        help.find(part)
            .unwrap_or_else(|| panic!("{part} is in {help}"))
    };
    assert!(
        position("Examples:") < position("Usage:") && position("Usage:") < position("Exit codes:")
    );
    assert!(help.contains(" 70  a bug in pgmoor"));
}

#[test]
fn every_command_has_an_example() {
    let page = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/cli.md"
    ))
    .expect("is there");

    for section in page.split("\n## ").skip(1) {
        assert!(section.contains("Examples:"), "{section}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "nushell"] {
        let script = text(
            pgmoor(&["completions", shell])
                .output()
                .expect("runs")
                .stdout,
        );
        assert!(
            script.contains("pgmoor") && script.contains("config"),
            "{shell}"
        );
    }
}

#[test]
fn man_pages_are_written_for_every_command() {
    let directory = tempfile::tempdir().expect("directory");

    pgmoor(&["man", directory.path().to_str().expect("is text")])
        .assert()
        .success();

    for page in ["pgmoor.1", "pgmoor-psql.1", "pgmoor-config-check.1"] {
        assert!(directory.path().join(page).exists(), "{page}");
    }
}

#[test]
fn the_version_is_json_when_asked_for() {
    let output = pgmoor(&["version", "-o", "json"]).output().expect("runs");

    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["servers"]["newest"], 18);
}

#[test]
fn waiting_for_a_gateway_that_does_not_come_ends_with_code_3_and_the_reason() {
    let directory = tempfile::tempdir().expect("directory");
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let mut command = pgmoor(&["wait", "--timeout", "300ms"]);
    command
        .current_dir(directory.path())
        .env("PGMOOR_GATEWAY__LISTEN", closed.to_string())
        .env("PGMOOR_GATEWAY__AUTH__USERS__APP__PASSWORD", "geheim");

    let output = command.output().expect("runs");

    assert_eq!(output.status.code(), Some(3));
    let address = closed.to_string();
    insta::assert_snapshot!(text(output.stderr).replace(&address, "ADDRESS"), @r"
    error: postgres://app:***@ADDRESS/app cannot be used after 300ms
    cause: cannot connect to ADDRESS: connection refused
    hint: see the output of pgmoor up, or wait longer with --timeout
    ");
}

#[test]
fn the_status_of_no_gateway_ends_with_code_3() {
    let directory = tempfile::tempdir().expect("directory");
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let mut command = pgmoor(&["status"]);
    command
        .current_dir(directory.path())
        .env("PGMOOR_GATEWAY__ADMIN", closed.to_string());

    let output = command.output().expect("runs");

    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(text(output.stderr).replace(&closed.to_string(), "ADDRESS"), @r"
    error: no gateway answers at ADDRESS
    cause: connection refused
    hint: start it with pgmoor up, or name its configuration with --config
    ");
}
