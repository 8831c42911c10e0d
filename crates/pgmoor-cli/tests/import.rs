//! `pgmoor import` by the binary: its results load, and no secret gets out.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgmoor_testkit::{Ca, write_private};
use serde_json::Value;
use tempfile::TempDir;

/// Secrets of the samples, as they stand there and as they are meant.
const SECRETS: [&str; 8] = [
    "p%40ss%2Fw0rd%3F",
    "p@ss/w0rd?",
    "s3cr%25t",
    "s3cr%t",
    "pw%21",
    "pw!",
    "auth:pw@",
    "not-a-real-secret",
];

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pgmoor-ops/tests/system/samples")
}

/// A directory with a copy of all samples.
fn site() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(samples()).unwrap() {
        let path = entry.unwrap().path();
        let to = directory.path().join(path.file_name().unwrap());
        fs::copy(&path, to).unwrap();
    }
    // A secret that others can read stops the start.
    let secret = directory.path().join("client-secret.txt");
    fs::remove_file(&secret).unwrap();
    write_private(&secret, "not-a-real-secret\n");
    directory
}

/// Exit code, standard output, standard error.
fn run(
    directory: &Path,
    arguments: &[&str],
    variables: &[(String, String)],
) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pgmoor"))
        .env_clear()
        .envs(variables.to_vec())
        .current_dir(directory)
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

/// Makes what a result refers to: keys of Secrets, certificates, and a value for each variable.
fn make_references(directory: &Path, yaml: &str) -> Vec<(String, String)> {
    let authority = Ca::new("imported");
    let certificate = authority.server();
    let mount = directory.join("secrets").display().to_string();
    for part in yaml.split(&format!("{mount}/")).skip(1) {
        let end = part.find(['"', '&', '\'', ' ', '\n']).unwrap_or(part.len());
        let path = directory.join("secrets").join(&part[..end]);
        if part.starts_with("NAME/KEY") || path.exists() {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let root = fs::read_to_string(authority.root_path()).unwrap();
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("key") => certificate.key_pem().to_owned(),
            Some("pem") if part.contains("client") => certificate.chain_pem().to_owned(),
            Some("pem") => root,
            _ if part[..end].ends_with("password") => "geheim".to_owned(),
            _ => "postgres://u:geheim@db.example/d".to_owned(),
        };
        write_private(&path, text);
    }
    let root = fs::read_to_string(authority.root_path()).unwrap();
    fs::write(directory.join("rds-ca.pem"), root).unwrap();
    yaml.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split("${").skip(1))
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| (name.to_owned(), "db.example".to_owned()))
        .collect()
}

#[test]
fn every_sample_that_can_be_read_gives_a_configuration_that_is_in_order() {
    let mut count = 0;
    for entry in fs::read_dir(samples()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".yaml") || !name.contains('_') || name.contains("mixed") {
            continue;
        }
        let site = site();
        let mount = site.path().join("secrets").display().to_string();

        let (code, out, err) = run(
            site.path(),
            &[
                "import",
                &name,
                "--secrets-dir",
                &mount,
                "--write",
                "pgmoor.yaml",
            ],
            &[],
        );
        assert_eq!((code, out.as_str()), (0, ""), "{name}: {err}");
        let yaml = fs::read_to_string(site.path().join("pgmoor.yaml")).unwrap();
        let variables = make_references(site.path(), &yaml);
        let (code, _, err) = run(site.path(), &["config", "check"], &variables);

        assert_eq!(code, 0, "{name}: {err}\n{yaml}");
        count += 1;
    }
    assert_eq!(count, 15);
}

#[test]
fn no_secret_of_a_sample_is_printed() {
    let site = site();
    for entry in fs::read_dir(samples()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".yaml") {
            continue;
        }
        for form in ["text", "json"] {
            let (_, out, err) = run(site.path(), &["import", &name, "-o", form], &[]);

            for secret in SECRETS {
                assert!(!out.contains(secret), "{name}: {out}");
                assert!(!err.contains(secret), "{name}: {err}");
            }
        }
    }
}

#[test]
fn refusal_ends_with_1_and_says_where_as_text_and_as_json() {
    let site = site();

    let (code, out, err) = run(site.path(), &["import", "prismeai_mixed_engines.yaml"], &[]);
    let (json_code, json, _) = run(
        site.path(),
        &["import", "prismeai_mixed_engines.yaml", "-o", "json"],
        &[],
    );

    assert_eq!((code, out.as_str(), json_code), (1, "", 1));
    assert!(
        err.contains(
            "refused: prismeai_mixed_engines.yaml:7:21: the storage \"users\" is on MongoDB"
        ),
        "{err}"
    );
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["configuration"], Value::Null);
    let findings = json["findings"].as_array().unwrap();
    let refused: Vec<_> = findings
        .iter()
        .filter(|finding| finding["severity"] == "refused")
        .collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["line"], 7);
    assert_eq!(refused[0]["file"], "prismeai_mixed_engines.yaml");
}

#[test]
fn standard_input_is_a_file_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pgmoor"))
        .env_clear()
        .args(["import", "-", "-o", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"DATABASE_URL=postgres://u:geheim@h/d\n")
        .unwrap();
    drop(stdin);

    let output = child.wait_with_output().unwrap();

    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["application"], "env");
    let yaml = json["configuration"].as_str().unwrap();
    assert!(yaml.contains("url: \"${DATABASE_URL}\""), "{yaml}");
}

#[test]
fn files_that_cannot_be_read_or_are_there_already_end_with_2() {
    let site = site();
    fs::write(site.path().join("binary.yaml"), [0xff, 0xfe, 0]).unwrap();
    fs::write(site.path().join("there.yaml"), "mine\n").unwrap();

    for (arguments, said) in [
        (&["import", "gone.yaml"][..], "cannot read \"gone.yaml\""),
        (&["import", "."], "it is a directory"),
        (&["import", "binary.yaml"], "it is not UTF-8 text"),
        (
            &["import", "coder_v1_rds_iam.yaml", "--write", "there.yaml"],
            "it must not exist yet",
        ),
        (&["import"], "<FILE>"),
        (&["import", "x", "--from", "oracle"], "possible values"),
    ] {
        let (code, out, err) = run(site.path(), arguments, &[]);

        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
    let kept = fs::read_to_string(site.path().join("there.yaml")).unwrap();
    assert_eq!(kept, "mine\n");
}
