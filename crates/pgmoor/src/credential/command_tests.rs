//! Commands that supply a credential: good, slow, silent and failing ones.

use std::path::Path;

use super::*;
use crate::endpoint::Host;

fn shell(script: &str) -> CommandProvider {
    CommandProvider::new(Command::new(vec![
        "/bin/sh".into(),
        "-c".into(),
        script.into(),
    ]))
}

async fn ask(provider: &CommandProvider) -> Result<Credential, CredentialError> {
    let host = Host::tcp("db.example", 5433);
    provider.credential(request(&host)).await
}

fn request(host: &Host) -> Request<'_> {
    Request {
        host,
        database: "app",
        user: "u",
    }
}

fn secret(credential: Credential) -> String {
    credential.secret.expect("secret").expose().clone()
}

fn runs(path: &Path) -> usize {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .count()
}

#[tokio::test]
async fn first_line_is_the_password_and_the_request_is_in_the_environment() {
    let provider = shell("printf '%s\\nrest\\n' \"$PGUSER@$PGHOST:$PGPORT/$PGDATABASE\"");
    assert_eq!(
        secret(ask(&provider).await.expect("credential")),
        "u@db.example:5433/app"
    );
}

#[tokio::test]
async fn environment_is_cleaned() {
    assert!(!is_inherited("PGPASSWORD"));
    assert!(!is_inherited("PGMOOR_DATABASES__APP__PASSWORD"));
    assert!(is_inherited("AWS_ROLE_ARN"));
    let provider = shell("env | cut -d= -f1 | grep -c CARGO || true");
    assert_eq!(secret(ask(&provider).await.expect("credential")), "0");
}

#[tokio::test]
async fn many_logins_run_it_once() {
    let directory = tempfile::tempdir().expect("directory");
    let log = directory.path().join("log");
    let provider = shell(&format!("echo run >> {}; echo pw", log.display()));

    let (a, b, c) = tokio::join!(ask(&provider), ask(&provider), ask(&provider));

    for credential in [a, b, c] {
        assert_eq!(secret(credential.expect("credential")), "pw");
    }
    assert_eq!(runs(&log), 1);
}

#[tokio::test]
async fn rejected_password_is_asked_for_again() {
    let directory = tempfile::tempdir().expect("directory");
    let log = directory.path().join("log");
    let provider = shell(&format!(
        "echo run >> {0}; wc -l < {0} | tr -d ' '",
        log.display()
    ));
    let first = ask(&provider).await.expect("credential");

    let host = Host::tcp("db.example", 5433);
    let another = provider.another(request(&host), &first).await;

    assert_eq!(secret(another.expect("credential")), "2");
    assert_eq!(secret(ask(&provider).await.expect("credential")), "2");
}

#[tokio::test]
async fn failure_is_told_without_the_output_and_not_repeated_at_once() {
    let directory = tempfile::tempdir().expect("directory");
    let log = directory.path().join("log");
    let provider = shell(&format!(
        "echo run >> {}; echo geheim; echo no route >&2; exit 3",
        log.display()
    ));

    let error = ask(&provider).await.expect_err("failure");
    let again = ask(&provider).await.expect_err("failure");

    assert_eq!(
        error.to_string(),
        "credential command \"/bin/sh\" failed with exit status: 3: no route"
    );
    assert!(matches!(again, CredentialError::BackOff { .. }));
    assert_eq!(runs(&log), 1);
}

#[tokio::test]
async fn complaint_that_repeats_the_secret_is_withheld() {
    let provider = shell("echo geheim; echo 'bad token geheim' >&2; exit 1");
    let error = ask(&provider).await.expect_err("failure");
    assert!(!format!("{error} {error:?}").contains("geheim"));
}

#[tokio::test]
async fn program_that_never_answers_is_ended() {
    let mut command = Command::new(vec![
        "/bin/sh".into(),
        "-c".into(),
        "sleep 1000 & wait".into(),
    ]);
    command.timeout = Duration::from_millis(50);
    let error = ask(&CommandProvider::new(command))
        .await
        .expect_err("timeout");
    assert!(matches!(error, CredentialError::Timeout { .. }));
}

#[tokio::test]
async fn missing_program_is_named() {
    let provider = CommandProvider::new(Command::new(vec!["/no/such/program".into()]));
    let error = ask(&provider).await.expect_err("missing");
    assert_eq!(
        error.to_string(),
        "cannot start credential command \"/no/such/program\""
    );
    assert!(!error.is_retryable());
}

#[test]
fn json_tells_password_user_and_end() {
    let json = br#"{"password":"pw\u0021","user":"iam","expires_at":"2030-01-01T00:00:00Z"}"#;
    let credential = parse(json, "x").expect("credential");
    assert_eq!(credential.user.as_deref(), Some("iam"));
    assert!(credential.expires_at.is_some());
    assert_eq!(secret(credential), "pw!");

    let error = parse(br#"{"token":"geheim"}"#, "command").expect_err("no password");
    assert_eq!(
        error.to_string(),
        "output of command is JSON without a text \"password\""
    );
    assert_eq!(secret(parse(b"{not json", "x").expect("text")), "{not json");
}
