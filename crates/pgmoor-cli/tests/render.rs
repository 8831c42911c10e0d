//! `pgmoor render` by the binary.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const CONFIGURATION: &str = "databases: { coder: { endpoint: pg, system: coder, pool: { size: 7 } } }\n\
    endpoints: { pg: { url: \"postgres://coder@db.example:5432/coder?sslmode=verify-full&sslrootcert=system\", credential: { provider: aws } } }\n";

fn site() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("pgmoor.yaml"), CONFIGURATION).unwrap();
    directory
}

/// Exit code, standard output, standard error.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pgmoor"))
        .env_clear()
        .current_dir(directory)
        .arg("render")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn values_file_is_edited_in_place_and_keeps_what_is_not_about_the_database() {
    let site = site();
    let values = "# ours\ncoder:\n  env:\n    - name: CODER_ACCESS_URL\n      value: https://coder\n    - name: CODER_PG_AUTH\n      value: password\n  replicas: 2 # two\n";
    fs::write(site.path().join("values.yaml"), values).unwrap();
    let arguments = [
        "coder",
        "--through",
        "direct",
        "--identity",
        "arn:aws:iam::1:role/coder",
        "--merge",
        "values.yaml",
        "--write",
        "values.yaml",
    ];

    let (code, out, err) = run(site.path(), &arguments);

    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let edited = fs::read_to_string(site.path().join("values.yaml")).unwrap();
    for part in [
        "# ours\n",
        "value: https://coder\n",
        "replicas: 2 # two\n",
        "value: awsiamrds\n",
        "eks.amazonaws.com/role-arn: \"arn:aws:iam::1:role/coder\"",
        "CODER_PG_CONN_MAX_OPEN",
    ] {
        assert!(edited.contains(part), "{part} in\n{edited}");
    }
    let (_, _, _) = run(site.path(), &arguments);
    let again = fs::read_to_string(site.path().join("values.yaml")).unwrap();
    assert_eq!(again, edited, "a second time changes nothing");
}

#[test]
fn what_was_rendered_is_imported_again() {
    let site = site();
    let (code, _, err) = run(
        site.path(),
        &["coder", "--through", "direct", "--write", "values.yaml"],
    );
    assert_eq!(code, 0, "{err}");

    let output = Command::new(env!("CARGO_BIN_EXE_pgmoor"))
        .env_clear()
        .current_dir(site.path())
        .args(["import", "values.yaml", "-o", "json"])
        .output()
        .unwrap();

    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let yaml = json["configuration"].as_str().unwrap();
    assert!(
        yaml.contains(
            "url: \"postgres://coder@db.example:5432/coder?sslmode=verify-full&sslrootcert=system\""
        ),
        "{yaml}"
    );
    assert!(yaml.contains("provider: aws"), "{yaml}");
    assert!(yaml.contains("pool: { size: 7 }"), "{yaml}");
}

#[test]
fn refusal_ends_with_1_and_what_cannot_be_read_or_written_with_2() {
    let site = site();
    fs::write(site.path().join("there.yaml"), "a: [\n").unwrap();

    for (arguments, expected, said) in [
        (&["langsmith"][..], 1, "use: pgmoor render coder"),
        (
            &["coder", "--merge", "gone.yaml"],
            2,
            "cannot read \"gone.yaml\"",
        ),
        (
            &["coder", "--merge", "there.yaml"],
            2,
            "there.yaml:2:1: the file is not valid YAML",
        ),
        (
            &["coder", "--write", "there.yaml"],
            2,
            "it must not exist yet",
        ),
        (
            &["coder", "--login", "geheim99"],
            2,
            "write NAME/KEY of a Kubernetes Secret",
        ),
        (&["env", "--merge", "there.yaml"], 2, "leave --merge out"),
        (&["oracle"], 2, "possible values"),
    ] {
        let (code, out, err) = run(site.path(), arguments);

        assert_eq!((code, out.as_str()), (expected, ""), "{arguments:?}: {err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
        assert!(!err.contains("geheim99"), "{err}");
    }
    let (code, out, _) = run(site.path(), &["langsmith", "-o", "json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["ok"]), (1, &Value::Bool(false)));
    assert_eq!(json["findings"][0]["severity"], "refused");
}
