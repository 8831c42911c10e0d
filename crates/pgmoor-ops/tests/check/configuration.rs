//! Checks of what is written: where nothing is connected to, the text itself is what is looked at.

use std::os::unix::fs::PermissionsExt;

use pgmoor::settings::{Origin, Problem};
use pgmoor_ops::facts::configuration::{Configuration, CredentialKind};
use pgmoor_ops::report::DatabaseReport;
use pgmoor_testkit::{Ca, private_dir, write_private};

use crate::site::{Look, fires, leads, passes};

const GOOD: &str =
    "postgres://app:geheim@db.example.com/app?sslmode=verify-full&sslrootcert=/etc/ca.crt";

/// Looks at what is written only.
async fn written(url: &str) -> DatabaseReport {
    Look::written(url).report().await
}

async fn changed(url: &str, change: impl FnOnce(&mut Configuration)) -> DatabaseReport {
    let mut look = Look::written(url);
    change(&mut look.configuration);
    look.report().await
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_the_only_finding() {
    let report = written("postgres:/db.example.com/app").await;
    let finding = leads(&report, "PGM-CFG-003");
    assert!(finding.seen.contains("\"://\""), "{finding:?}");

    passes(&written(GOOD).await, "PGM-CFG-003");
}

#[tokio::test]
async fn a_configuration_that_does_not_load_says_all_that_is_wrong_with_it() {
    let report = changed("", |configuration| {
        configuration.address = None;
        let unknown = Problem::new(&Origin::Default, "unknown key \"sise\"");
        let unset = Problem {
            missing_variable: Some("PGPASSWORD".into()),
            ..Problem::new(&Origin::Default, "\"x\" needs the variable \"PGPASSWORD\"")
        };
        configuration.problems = vec![unknown.hint("did you mean \"size\"?"), unset];
    })
    .await;
    let finding = fires(&report, "PGM-CFG-001");
    assert!(finding.seen.contains("\"sise\""), "{finding:?}");
    let finding = fires(&report, "PGM-CFG-002");
    let hint = finding.hint.as_deref().unwrap();
    assert!(hint.contains("export PGPASSWORD=…"), "{finding:?}");

    let report = written(GOOD).await;
    passes(&report, "PGM-CFG-001");
    passes(&report, "PGM-CFG-002");
}

#[tokio::test]
async fn characters_that_are_not_encoded_are_named_and_the_password_is_not() {
    let report = written("postgres://app:p@ss#w@db.example.com/app").await;
    let finding = fires(&report, "PGM-CFG-004");
    let hint = finding.hint.as_deref().unwrap();
    assert!(hint.contains("\"@\" as %40, \"#\" as %23"), "{finding:?}");
    assert!(!format!("{report:?}").contains("ss#w"), "{report:?}");

    let report = written("postgres://app:p/ss@db.example.com/app").await;
    leads(&report, "PGM-CFG-004");

    passes(&written(GOOD).await, "PGM-CFG-004");
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_is_the_only_finding() {
    let report = written("postgres://app@db.example.com/app?sslmod=require").await;
    let finding = leads(&report, "PGM-CFG-005");
    assert!(finding.seen.contains("sslmode"), "{finding:?}");

    passes(&written(GOOD).await, "PGM-CFG-005");
}

#[tokio::test]
async fn public_authorities_without_a_look_at_the_name_are_the_only_finding() {
    let report =
        written("postgres://app@db.example.com/app?sslrootcert=system&sslmode=require").await;
    leads(&report, "PGM-CFG-006");

    passes(
        &written("postgres://app@db.example.com/app?sslrootcert=system").await,
        "PGM-CFG-006",
    );
}

#[tokio::test]
async fn line_breaks_around_a_secret_are_found_wherever_they_stand() {
    let found = |report: &DatabaseReport, place: &str| {
        let finding = fires(report, "PGM-CFG-007");
        assert!(finding.seen.contains(place), "{finding:?}");
    };
    found(&written(&format!("{GOOD}\n")).await, "the address");
    found(
        &written("host=db user=app password='geheim '").await,
        "password in the address",
    );
    let dir = private_dir("secret");
    let path = dir.path().join("password");
    for (content, blanks) in [
        ("geheim\n\n", true),
        (" geheim", true),
        ("geheim\n", false),
        ("geheim", false),
    ] {
        write_private(&path, content);
        let file = pgmoor_ops::facts::configuration::SecretFile::look("password file", &path);
        assert_eq!(file.has_blanks(), blanks, "{content:?}");
    }

    passes(&written(GOOD).await, "PGM-CFG-007");
}

#[tokio::test]
async fn an_address_without_a_scheme_is_shown_with_one() {
    let report = written("sa@project.iam@db.example.com:5432/app").await;
    let finding = fires(&report, "PGM-CFG-008");
    let hint = finding.hint.as_deref().unwrap();
    assert!(
        hint.contains("postgresql://sa%40project.iam@db.example.com"),
        "{finding:?}"
    );

    passes(&written(GOOD).await, "PGM-CFG-008");
}

#[tokio::test]
async fn addresses_in_other_drivers_words_are_shown_in_libpqs() {
    for url in [
        "postgresql+psycopg2://app:geheim@db.example.com/app",
        "jdbc:postgresql://db.example.com/app?user=app&password=geheim&ssl=true",
        "postgresql://app:geheim@db.example.com/app?schema=public&connection_limit=5",
        "Host=db.example.com;Username=app;Password=geheim;SSL Mode=Require",
    ] {
        let report = written(url).await;
        let finding = fires(&report, "PGM-CFG-009");
        assert!(
            finding
                .hint
                .as_deref()
                .unwrap()
                .contains("postgresql://app:***@"),
            "{finding:?}"
        );
        assert!(!format!("{report:?}").contains("geheim"), "{report:?}");
    }

    passes(&written(GOOD).await, "PGM-CFG-009");
}

#[tokio::test]
async fn files_with_secrets_that_others_can_read_are_found() {
    let ca = Ca::default();
    let key = ca.client("app");
    let dir = private_dir("files");
    let passfile = dir.path().join("passfile");
    write_private(&passfile, "*:*:*:*:geheim\n");
    let url = format!(
        "host=db.example.com user=app sslmode=verify-full sslrootcert={} sslcert={} sslkey={} passfile={}",
        ca.root_path().display(),
        key.chain_path().display(),
        key.key_path().display(),
        passfile.display(),
    );
    let report = written(&url).await;
    passes(&report, "PGM-CFG-010");
    passes(&report, "PGM-CFG-011");

    for path in [key.key_path(), &passfile] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    let report = written(&url).await;
    let finding = fires(&report, "PGM-CFG-010");
    assert!(
        finding.hint.as_deref().unwrap().starts_with("chmod 06"),
        "{finding:?}"
    );
    let finding = fires(&report, "PGM-CFG-011");
    assert!(
        finding.hint.as_deref().unwrap().contains("chmod 0600"),
        "{finding:?}"
    );
}

#[tokio::test]
async fn a_secret_in_a_file_that_everybody_can_read_is_found() {
    let report = changed(GOOD, |configuration| {
        configuration.exposed = Some("pgmoor.yaml can be read by everybody".to_owned());
    });
    fires(&report.await, "PGM-CFG-012");

    passes(&written(GOOD).await, "PGM-CFG-012");
}

#[tokio::test]
async fn a_password_beside_a_clouds_identity_is_found() {
    let by_iam = |configuration: &mut Configuration| configuration.credential = CredentialKind::Aws;
    fires(&changed(GOOD, by_iam).await, "PGM-CFG-013");

    let alone = GOOD.replace(":geheim", "");
    passes(&changed(&alone, by_iam).await, "PGM-CFG-013");
}

#[tokio::test]
async fn a_token_that_would_not_be_sent_is_the_only_finding() {
    let by_iam =
        |configuration: &mut Configuration| configuration.credential = CredentialKind::Azure;
    let alone = GOOD.replace(":geheim", "");
    for mode in ["disable", "prefer", "require"] {
        let url = format!("postgres://app@db.example.com/app?sslmode={mode}");
        leads(&changed(&url, by_iam).await, "PGM-CFG-014");
    }
    let allowed = |configuration: &mut Configuration| {
        by_iam(configuration);
        configuration.allows_unverified_tls = true;
    };
    let report = changed("postgres://app@db.example.com/app?sslmode=require", allowed).await;
    fires(&report, "PGM-CFG-014");

    passes(&changed(&alone, by_iam).await, "PGM-CFG-014");
}

#[tokio::test]
async fn encryption_that_verifies_nobody_is_found_unless_the_server_is_here() {
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let report = written(&format!("postgres://app@db.example.com/app?sslmode={mode}")).await;
        fires(&report, "PGM-CFG-015");
    }
    let here = written("postgres://app@127.0.0.1/app").await;
    assert_eq!(
        crate::site::finding(&here, "PGM-CFG-015").status,
        pgmoor_ops::report::Status::Skip
    );

    passes(&written(GOOD).await, "PGM-CFG-015");
}
