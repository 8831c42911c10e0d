//! Checks of TLS.

use std::time::{Duration, SystemTime};

use pgmoor_ops::report::DatabaseReport;
use pgmoor_testkit::{Ca, Certificate, Postgres, outward_address};

use crate::site::{Look, fires, leads, passes};

/// The year in which the test kit's certificates expire begins so long after 1970.
const UNTIL_2070: Duration = Duration::from_secs(3_155_760_000);

/// A server with a certificate, and the address to it with full verification by `ca`.
async fn server(certificate: &Certificate) -> Postgres {
    Postgres::builder().certificate(certificate).start().await
}

fn verified(postgres: &Postgres, ca: &Ca) -> String {
    format!(
        "{}?sslmode=verify-full&sslrootcert={}",
        postgres.url(),
        ca.root_path().display()
    )
}

async fn look(url: &str) -> DatabaseReport {
    Look::at(url).report().await
}

#[tokio::test]
async fn a_server_that_is_who_it_should_be_passes() {
    let ca = Ca::default();
    let postgres = server(&ca.server()).await;
    let report = look(&verified(&postgres, &ca)).await;

    passes(&report, "PGM-TLS-001");
    passes(&report, "PGM-TLS-003");
    passes(&report, "PGM-TLS-004");
    passes(&report, "PGM-TLS-005");
    passes(&report, "PGM-TLS-006");
    passes(&report, "PGM-TLS-007");
    passes(&report, "PGM-TLS-008");
    passes(&report, "PGM-TLS-011");
    passes(&report, "PGM-TLS-012");
}

#[tokio::test]
async fn a_server_without_tls_is_found_where_tls_is_demanded() {
    let postgres = Postgres::start().await;
    let url = format!("{}?sslmode=require", postgres.url());
    leads(&look(&url).await, "PGM-TLS-003");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_the_only_finding() {
    let ca = Ca::default();
    let postgres = server(&ca.server()).await;
    let url = format!(
        "{}?sslmode=verify-full&sslrootcert=/no/such/file",
        postgres.url()
    );
    leads(&look(&url).await, "PGM-TLS-001");

    let (one, other) = (ca.client("app"), ca.client("app"));
    let url = |key: &Certificate| {
        format!(
            "{}&sslcert={}&sslkey={}",
            verified(&postgres, &ca),
            one.chain_path().display(),
            key.key_path().display()
        )
    };
    leads(&look(&url(&other)).await, "PGM-TLS-002");
    passes(&look(&url(&one)).await, "PGM-TLS-002");
}

#[tokio::test]
async fn an_older_version_of_tls_is_found() {
    let ca = Ca::default();
    let postgres = Postgres::builder()
        .tls(&ca)
        .conf("ssl_max_protocol_version", "TLSv1.2");
    let postgres = postgres.start().await;
    fires(&look(&verified(&postgres, &ca)).await, "PGM-TLS-004");

    let newer = format!(
        "{}&ssl_min_protocol_version=TLSv1.3",
        verified(&postgres, &ca)
    );
    leads(&look(&newer).await, "PGM-TLS-004");
}

#[tokio::test]
async fn a_certificate_that_is_not_found_good_is_the_only_finding_and_says_why() {
    let (ca, other) = (Ca::new("ours"), Ca::new("theirs"));
    let postgres = server(&other.server()).await;
    let report = look(&verified(&postgres, &ca)).await;
    let finding = leads(&report, "PGM-TLS-005");
    assert!(finding.seen.contains("CN=theirs"), "{finding:?}");

    let elsewhere = ca.issue("db").names(["db.example.com"]).finish();
    let postgres = server(&elsewhere).await;
    let report = look(&verified(&postgres, &ca)).await;
    let finding = leads(&report, "PGM-TLS-006");
    assert!(finding.seen.contains("db.example.com"), "{finding:?}");

    let expired = ca
        .issue("localhost")
        .names(["127.0.0.1"])
        .expired()
        .finish();
    let postgres = server(&expired).await;
    let report = look(&verified(&postgres, &ca)).await;
    let finding = leads(&report, "PGM-TLS-007");
    assert!(finding.seen.contains("2021-12-31"), "{finding:?}");

    let revoked = ca.server();
    let list = ca.revoke(&[&revoked]);
    let postgres = server(&revoked).await;
    let url = format!("{}&sslcrl={}", verified(&postgres, &ca), list.display());
    leads(&look(&url).await, "PGM-TLS-011");
}

#[tokio::test]
async fn certificates_that_expire_soon_are_warned_of() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).client_ca(&ca).start().await;
    let own = ca.client("app");
    let url = format!(
        "{}&sslcert={}&sslkey={}",
        verified(&postgres, &ca),
        own.chain_path().display(),
        own.key_path().display()
    );
    passes(&look(&url).await, "PGM-TLS-009");

    let mut look = Look::at(&url);
    look.asked.now = SystemTime::UNIX_EPOCH + UNTIL_2070 - Duration::from_secs(20 * 86_400);
    let report = look.report().await;
    fires(&report, "PGM-TLS-007");
    fires(&report, "PGM-TLS-009");
}

#[tokio::test]
async fn what_is_wrong_with_the_client_certificate_is_told_apart() {
    let ca = Ca::default();
    let demanding = "hostssl all all all scram-sha-256 clientcert=verify-ca";
    let postgres = Postgres::builder().tls(&ca).client_ca(&ca).hba(demanding);
    let postgres = postgres.start().await;
    let none = verified(&postgres, &ca);
    let with = |own: &Certificate| {
        format!(
            "{none}&sslcert={}&sslkey={}",
            own.chain_path().display(),
            own.key_path().display()
        )
    };
    leads(&look(&none).await, "PGM-TLS-008");

    let expired = ca.issue("app").for_client().expired().finish();
    leads(&look(&with(&expired)).await, "PGM-TLS-009");

    let strange = Ca::new("somebody").client("app");
    leads(&look(&with(&strange)).await, "PGM-TLS-010");

    let report = look(&with(&ca.client("app"))).await;
    passes(&report, "PGM-TLS-008");
    passes(&report, "PGM-TLS-009");
    passes(&report, "PGM-TLS-010");
}

#[tokio::test]
async fn sessions_without_tls_are_found_where_the_server_could_have_it() {
    let ca = Ca::default();
    let here = outward_address().to_string();
    let listening = Postgres::builder().tls(&ca).conf("listen_addresses", "*");
    let postgres = listening.clone().start().await;
    let at = |postgres: &Postgres, mode: &str| {
        let url = postgres.url().replace("127.0.0.1", &here);
        format!("{url}?sslmode={mode}")
    };
    let report = look(&at(&postgres, "disable")).await;
    fires(&report, "PGM-TLS-012");
    fires(&report, "PGM-TLS-013");

    let strict = listening.hba("hostnossl all all all reject").start().await;
    let report = look(&at(&strict, "require")).await;
    passes(&report, "PGM-TLS-012");
    passes(&report, "PGM-TLS-013");
}
