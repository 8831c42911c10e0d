//! Certificates, keys and revocation lists: what is refused, and what happens when they change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pgmoor::connector::ConnectError;
use pgmoor_testkit::{Ca, Certificate, Postgres};

use crate::common::{ask, connect, connector, local, named, open, refused, told};

const WHO: &str = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";

async fn with_certificates(server: &Ca, clients: &Ca) -> Postgres {
    Postgres::builder()
        .tls(server)
        .client_ca(clients)
        .hba("hostssl all all all cert")
        .start()
        .await
}

fn shown(certificate: &Certificate) -> String {
    format!(
        "sslmode=require sslcert={} sslkey={}",
        certificate.chain_path().display(),
        certificate.key_path().display()
    )
}

#[tokio::test]
async fn client_certificate_logs_in_instead_of_a_password() {
    let ca = Ca::default();
    let postgres = with_certificates(&ca, &ca).await;

    let mut connection = connect(&local(&postgres, &shown(&ca.client("app"))))
        .await
        .expect("login");

    assert_eq!(
        ask(&mut connection.stream, WHO).await.expect("name"),
        "/CN=app"
    );
}

#[tokio::test]
async fn missing_foreign_and_misnamed_client_certificates_are_told_apart() {
    let (ca, other) = (Ca::default(), Ca::new("somebody else"));
    let postgres = with_certificates(&ca, &ca).await;

    let none = refused(&local(&postgres, "sslmode=require")).await;
    assert_eq!(none.sqlstate().as_str(), "28000", "{none}");
    let misnamed = refused(&local(&postgres, &shown(&ca.client("root")))).await;
    assert_eq!(misnamed.sqlstate().as_str(), "28000", "{misnamed}");
    let foreign = refused(&local(&postgres, &shown(&other.client("app")))).await;
    assert!(
        told(&foreign).contains("check its ssl_ca_file"),
        "{}",
        told(&foreign)
    );
}

#[tokio::test]
async fn sslcertmode_withholds_or_insists() {
    let ca = Ca::default();
    let asks = with_certificates(&ca, &ca).await;
    let silent = Postgres::builder().tls(&ca).start().await;
    let shown = shown(&ca.client("app"));

    let withheld = refused(&local(&asks, &format!("{shown} sslcertmode=disable"))).await;
    assert_eq!(withheld.sqlstate().as_str(), "28000");
    assert!(
        connect(&local(&asks, &format!("{shown} sslcertmode=require")))
            .await
            .is_ok()
    );
    let unasked = refused(&local(&silent, &format!("{shown} sslcertmode=require"))).await;
    assert!(
        matches!(unasked, ConnectError::CertificateNotAsked { .. }),
        "{unasked}"
    );
}

#[tokio::test]
async fn key_that_others_can_read_is_refused_with_the_command_that_helps() {
    let ca = Ca::default();
    let postgres = with_certificates(&ca, &ca).await;
    let certificate = ca.client("app");
    fs::set_permissions(certificate.key_path(), PermissionsExt::from_mode(0o644)).unwrap();

    let error = refused(&local(&postgres, &shown(&certificate))).await;

    let text = told(&error);
    assert!(text.contains("can be read by others (mode 0644)"), "{text}");
    assert!(text.contains("hint: run: chmod"), "{text}");
}

#[tokio::test]
async fn encrypted_and_foreign_keys_are_named() {
    let ca = Ca::default();
    let postgres = with_certificates(&ca, &ca).await;
    let (certificate, other) = (ca.client("app"), ca.client("app"));
    fs::write(certificate.key_path(), other.key_pem()).unwrap();
    let foreign = refused(&local(&postgres, &shown(&certificate))).await;
    assert!(
        told(&foreign).contains("do not work together"),
        "{}",
        told(&foreign)
    );

    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(certificate.key_path(), text).unwrap();
    let encrypted = refused(&local(&postgres, &shown(&certificate))).await;
    assert!(
        told(&encrypted).contains("is encrypted"),
        "{}",
        told(&encrypted)
    );
    assert!(
        told(&encrypted).contains("openssl pkey"),
        "{}",
        told(&encrypted)
    );
}

#[tokio::test]
async fn rotated_client_certificate_is_used_without_a_restart() {
    let ca = Ca::default();
    let postgres = with_certificates(&ca, &ca).await;
    let (old, new) = (ca.client("app"), ca.issue("app").for_client().finish());
    let connector = connector(&local(&postgres, &shown(&old)));
    let serial = "select client_serial::text from pg_stat_ssl where pid = pg_backend_pid()";
    let mut first = open(&connector).await.expect("first");
    let before = ask(&mut first.stream, serial).await.expect("serial");

    replace(old.key_path(), new.key_pem());
    replace(old.chain_path(), new.chain_pem());

    let mut second = open(&connector).await.expect("second");
    assert_ne!(
        ask(&mut second.stream, serial).await.expect("serial"),
        before
    );
}

fn replace(path: &Path, content: &str) {
    let next = path.with_extension("next");
    fs::write(&next, content).unwrap();
    fs::set_permissions(&next, PermissionsExt::from_mode(0o600)).unwrap();
    fs::rename(&next, path).unwrap();
}

#[tokio::test]
async fn default_files_in_the_home_directory_are_found() {
    let (ca, other) = (Ca::default(), Ca::new("somebody else"));
    let postgres = Postgres::builder().tls(&ca).start().await;
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join(".postgresql");
    fs::create_dir(&directory).unwrap();
    let text = local(&postgres, "sslmode=require");
    let connector = crate::common::connector_with(
        &text,
        std::sync::Arc::new(pgmoor::credential::NoCredential),
        Some(home.path()),
    );
    assert!(
        open(&connector).await.is_ok(),
        "nothing is verified without the file"
    );

    fs::copy(other.root_path(), directory.join("root.crt")).unwrap();
    assert!(
        open(&connector).await.is_err(),
        "require becomes verify-ca with the file"
    );
    replace(
        &directory.join("root.crt"),
        &fs::read_to_string(ca.root_path()).unwrap(),
    );
    assert!(open(&connector).await.is_ok(), "and the file is read again");
}

#[tokio::test]
async fn revoked_certificate_is_refused() {
    let ca = Ca::default();
    let (good, bad) = (ca.server(), ca.server());
    let list = ca.revoke(&[&bad]);
    let verify = format!(
        "sslmode=verify-full sslrootcert={} sslcrl={}",
        ca.root_path().display(),
        list.display()
    );
    let revoked = Postgres::builder().certificate(&bad).start().await;
    let valid = Postgres::builder().certificate(&good).start().await;

    let text = told(&refused(&local(&revoked, &verify)).await);
    assert!(text.contains("Revoked"), "{text}");
    assert!(connect(&local(&valid, &verify)).await.is_ok());

    let directory = tempfile::tempdir().unwrap();
    fs::copy(&list, directory.path().join("0a1b2c3d.r0")).unwrap();
    let verify = format!(
        "sslmode=verify-ca sslrootcert={} sslcrldir={}",
        ca.root_path().display(),
        directory.path().display()
    );
    let text = told(&refused(&local(&revoked, &verify)).await);
    assert!(text.contains("Revoked"), "{text}");
    assert!(connect(&local(&valid, &verify)).await.is_ok());
}

#[tokio::test]
async fn expired_certificate_is_refused_and_intermediates_are_followed() {
    let ca = Ca::default();
    let below = ca.intermediate("below");
    let verify = format!(
        "sslmode=verify-full sslrootcert={}",
        ca.root_path().display()
    );
    let expired = ca
        .issue("localhost")
        .names(["localhost"])
        .expired()
        .finish();
    let expired = Postgres::builder().certificate(&expired).start().await;
    let chained = Postgres::builder()
        .certificate(&below.server())
        .start()
        .await;

    let text = told(&refused(&local(&expired, &verify)).await);
    assert!(text.to_lowercase().contains("expired"), "{text}");
    assert!(
        text.contains("hint: renew the server's certificate"),
        "{text}"
    );
    assert!(connect(&local(&chained, &verify)).await.is_ok());
}

#[tokio::test]
async fn common_name_counts_where_there_is_no_alternative_name() {
    let ca = Ca::default();
    let verify = format!(
        "sslmode=verify-full sslrootcert={}",
        ca.root_path().display()
    );
    let star = ca.issue("*.example").finish();
    let old = Postgres::builder().certificate(&star).start().await;
    assert!(connect(&named("db.example", &old, &verify)).await.is_ok());
    assert!(
        connect(&named("a.db.example", &old, &verify))
            .await
            .is_err()
    );

    let both = ca.issue("db.example").names(["other.example"]).finish();
    let new = Postgres::builder().certificate(&both).start().await;
    assert!(
        connect(&named("other.example", &new, &verify))
            .await
            .is_ok()
    );
    assert!(connect(&named("db.example", &new, &verify)).await.is_err());
}
