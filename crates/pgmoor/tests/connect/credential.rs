//! Credentials that change while they are in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use pgmoor::Secret;
use pgmoor::connector::{ConnectError, Connector};
use pgmoor::credential::{
    Command, CommandProvider, Credential, CredentialProvider, FileProvider, NoCredential,
    PassfileProvider, PasswordProvider, Request, Supply,
};
use pgmoor_testkit::{Ca, Postgres, ScriptedServer, backend};

use crate::common::{connector_with, open, told};

fn base(postgres: &Postgres) -> String {
    format!(
        "host=127.0.0.1 port={} user=app dbname=app",
        postgres.port()
    )
}

fn write(path: &Path, content: &str) {
    let next = path.with_extension("next");
    fs::write(&next, content).unwrap();
    fs::set_permissions(&next, PermissionsExt::from_mode(0o600)).unwrap();
    fs::rename(&next, path).unwrap();
}

fn by_file(postgres: &Postgres, path: &Path) -> Connector {
    connector_with(&base(postgres), Arc::new(FileProvider::new(path)), None)
}

#[tokio::test]
async fn rotated_password_file_needs_no_restart_in_either_order() {
    let postgres = Postgres::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pw");
    write(&path, &format!("{}\n", postgres.app_password()));
    let connector = by_file(&postgres, &path);
    assert!(open(&connector).await.is_ok());

    postgres.psql("alter role app password 'zwei'").await;
    let error = open(&connector).await.expect_err("the file is old");
    assert_eq!(error.sqlstate().as_str(), "28P01");
    write(&path, "zwei\n");
    assert!(open(&connector).await.is_ok());

    write(&path, "drei");
    assert!(open(&connector).await.is_err());
    postgres.psql("alter role app password 'drei'").await;
    assert!(open(&connector).await.is_ok());
}

#[tokio::test]
async fn password_rotated_in_the_middle_of_a_login_is_read_again_within_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pw");
    write(&path, "old\n");
    let server = ScriptedServer::tcp().await;
    let text = format!(
        "host=127.0.0.1 port={} user=app dbname=app sslmode=disable",
        server.port()
    );
    let rotated = path.clone();
    let _serving = server.serve(move |mut connection| {
        let path = rotated.clone();
        async move {
            connection.expect_startup().await;
            connection.send(&backend::auth_cleartext()).await;
            let password = connection.expect(b'p').await.strings().concat();
            if password == "old" {
                // Between what was sent and the answer to it.
                write(&path, "new\n");
                connection.send(&backend::fatal("28P01", "no")).await;
            } else {
                assert_eq!(password, "new");
                connection.send(&backend::auth_ok()).await;
                connection.greet().await;
                connection.stall().await;
            }
        }
    });
    let connector = connector_with(&text, Arc::new(FileProvider::new(&path)), None);

    assert!(open(&connector).await.is_ok());
}

#[tokio::test]
async fn unchanged_password_is_not_tried_twice() {
    let postgres = Postgres::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pw");
    write(&path, "falsch");

    assert!(open(&by_file(&postgres, &path)).await.is_err());

    let failures = postgres
        .log()
        .matches("password authentication failed")
        .count();
    assert_eq!(failures, 1, "{}", postgres.log());
}

#[tokio::test]
async fn missing_password_file_is_named() {
    let postgres = Postgres::start().await;
    let error = open(&by_file(&postgres, Path::new("/no/such/file")))
        .await
        .expect_err("missing");
    assert!(matches!(error, ConnectError::Credential { .. }));
    assert!(
        told(&error).contains("cause: cannot read /no/such/file"),
        "{}",
        told(&error)
    );
}

#[tokio::test]
async fn token_that_was_rejected_is_minted_anew_within_the_same_login() {
    let postgres = Postgres::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    write(&path, postgres.app_password());
    let cat = Command::new(vec!["cat".into(), path.display().to_string()]);
    let provider = Arc::new(CommandProvider::new(cat));
    let connector = connector_with(&base(&postgres), provider, None);
    assert!(open(&connector).await.is_ok());

    postgres.psql("alter role app password 'neu'").await;
    write(&path, "neu");

    assert!(
        open(&connector).await.is_ok(),
        "the cached token is stale, the next one is not"
    );
}

#[tokio::test]
async fn passfile_is_asked_by_host_port_database_and_user() {
    let postgres = Postgres::start().await;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".pgpass");
    let line = format!(
        "127.0.0.1:{}:app:app:{}\n",
        postgres.port(),
        postgres.app_password()
    );
    write(&path, &format!("127.0.0.1:1:app:app:falsch\n{line}"));

    let by_provider = connector_with(
        &base(&postgres),
        Arc::new(PassfileProvider::new(&path)),
        None,
    );
    assert!(open(&by_provider).await.is_ok());
    let none = Arc::new(pgmoor::credential::NoCredential);
    let by_default = connector_with(&base(&postgres), none.clone(), Some(home.path()));
    assert!(open(&by_default).await.is_ok());
    let named = format!("{} passfile={}", base(&postgres), path.display());
    assert!(
        open(&connector_with(&named, none.clone(), None))
            .await
            .is_ok()
    );

    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let ignored = open(&by_default).await.expect_err("ignored");
    assert!(
        matches!(ignored, ConnectError::NoPassword { .. }),
        "{ignored}"
    );
    let error = open(&connector_with(&named, none, None))
        .await
        .expect_err("refused");
    assert!(matches!(error, ConnectError::Credential { .. }), "{error}");
}

/// Supplies one token.
#[derive(Debug)]
struct Tokens(&'static str);

impl CredentialProvider for Tokens {
    fn name(&self) -> String {
        "test".to_owned()
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        let token = Credential::token(Secret::from(self.0), None);
        Box::pin(std::future::ready(Ok(token)))
    }
}

#[tokio::test]
async fn token_goes_out_only_inside_tls_with_a_verified_server_unless_the_operator_says_otherwise()
{
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    postgres.psql("alter role app password 'token'").await;
    let root = format!("sslrootcert={}", ca.root_path().display());
    let tokens = Arc::new(Tokens("token"));
    let at = |tls: &str| {
        let base = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=app dbname=app",
            postgres.port()
        );
        connector_with(&format!("{base} {tls}"), tokens.clone(), None)
    };

    for verified in [
        "sslmode=verify-full",
        "sslmode=verify-ca",
        "sslmode=require",
    ] {
        let connector = at(&format!("{verified} {root}"));
        assert!(open(&connector).await.is_ok(), "{verified}");
    }
    for (exposed, told_as) in [
        ("sslmode=disable", "not encrypted"),
        ("sslmode=allow", "not encrypted"),
        (
            "sslmode=prefer",
            "encrypted, but the server is not verified",
        ),
        (
            "sslmode=require",
            "encrypted, but the server is not verified",
        ),
    ] {
        let error = open(&at(exposed)).await.expect_err(exposed);
        assert!(
            told(&error).contains(told_as),
            "{exposed}: {}",
            told(&error)
        );
        assert!(told(&error).contains("allow_unverified_tls: true"));
        assert!(
            open(&at(exposed).exposing_tokens(true)).await.is_ok(),
            "{exposed}"
        );
    }
}

#[tokio::test]
async fn password_that_has_the_form_of_a_token_is_one_wherever_it_came_from() {
    let (ca, token) = (Ca::default(), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln");
    let postgres = Postgres::builder().tls(&ca).start().await;
    postgres
        .psql(&format!("alter role app password '{token}'"))
        .await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pw");
    write(&path, token);
    let base = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=app dbname=app",
        postgres.port()
    );
    let echo = ["echo", token].map(str::to_owned).into();
    let providers: [Arc<dyn CredentialProvider>; 3] = [
        Arc::new(FileProvider::new(&path)),
        Arc::new(CommandProvider::new(Command::new(echo))),
        Arc::new(PasswordProvider::new(Secret::from(token))),
    ];
    let verified = format!(
        "sslmode=verify-full sslrootcert={}",
        ca.root_path().display()
    );
    let at = |tls: &str, provider| connector_with(&format!("{base} {tls}"), provider, None);
    let own = |tls: &str| at(&format!("password={token} {tls}"), Arc::new(NoCredential));
    for provider in providers {
        let name = provider.name();
        let exposed = open(&at("sslmode=require", provider.clone())).await;
        let error = told(&exposed.expect_err(&name));
        assert!(
            error.contains("the token is not sent to"),
            "{name}: {error}"
        );
        assert!(!error.contains(token), "{name}: {error}");
        assert!(open(&at(&verified, provider)).await.is_ok(), "{name}");
    }
    let error = open(&own("sslmode=require")).await.expect_err("exposed");
    assert!(told(&error).contains("the token is not sent to"));
    assert!(open(&own(&verified)).await.is_ok());
    assert!(!postgres.log().contains("password authentication failed"));
}
