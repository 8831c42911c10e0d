//! Checks of the login.

use std::net::SocketAddr;
use std::time::Duration;

use pgmoor_ops::facts::configuration::CredentialKind;
use pgmoor_ops::report::DatabaseReport;
use pgmoor_testkit::zoo::{closes_after_startup, refuses_every_login};
use pgmoor_testkit::{Ca, Direction, FaultProxy, Postgres};

use crate::prepared::sql;
use crate::site::{Look, fires, leads, passes};

async fn look(url: &str) -> DatabaseReport {
    Look::at(url).report().await
}

/// As somebody who logs in by a token.
async fn by_token(url: &str) -> DatabaseReport {
    let mut look = Look::at(url);
    look.configuration.credential = CredentialKind::Aws;
    look.report().await
}

#[tokio::test]
async fn a_login_that_is_accepted_passes() {
    let postgres = Postgres::start().await;
    let report = look(&postgres.url()).await;

    passes(&report, "PGM-LOG-001");
    passes(&report, "PGM-LOG-002");
    passes(&report, "PGM-LOG-003");
    passes(&report, "PGM-LOG-004");
    passes(&report, "PGM-LOG-005");
    passes(&report, "PGM-LOG-006");
    passes(&report, "PGM-LOG-010");
    passes(&report, "PGM-LOG-011");
    passes(&report, "PGM-LOG-012");
    passes(&report, "PGM-LOG-013");
    passes(&report, "PGM-LOG-014");
    passes(&report, "PGM-LOG-015");
    passes(&report, "PGM-LOG-016");
}

#[tokio::test]
async fn a_server_that_breaks_off_or_is_not_ready_is_the_only_finding() {
    let at = |port: u16| format!("postgres://app:geheim@127.0.0.1:{port}/app");
    let closing = closes_after_startup().await;
    leads(&look(&at(closing.port())).await, "PGM-LOG-001");

    let starting = refuses_every_login("57P03", "the database system is starting up").await;
    leads(&look(&at(starting.port())).await, "PGM-LOG-002");

    let strange = refuses_every_login("XX000", "the moon is in the wrong place").await;
    let report = look(&at(strange.port())).await;
    let finding = leads(&report, "PGM-LOG-014");
    assert!(finding.seen.contains("the moon"), "{finding:?}");
}

#[tokio::test]
async fn a_server_that_is_full_is_the_only_finding() {
    let full = Postgres::builder()
        .conf("max_connections", "6")
        .conf("superuser_reserved_connections", "3");
    let postgres = full.start().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(postgres.connect().await);
    }
    leads(&look(&postgres.url()).await, "PGM-LOG-003");
}

#[tokio::test]
async fn nothing_to_log_in_with_is_the_only_finding() {
    let postgres = Postgres::start().await;
    let bare = format!("postgres://app@127.0.0.1:{}/app", postgres.port());
    leads(&look(&bare).await, "PGM-LOG-004");
}

#[tokio::test]
async fn a_login_that_our_settings_forbid_is_the_only_finding() {
    let trusting = Postgres::builder()
        .hba("host all all all trust")
        .start()
        .await;
    let url = format!("{}?require_auth=scram-sha-256", trusting.url());
    leads(&look(&url).await, "PGM-LOG-005");
    fires(&look(&trusting.url()).await, "PGM-LOG-015");
}

#[tokio::test]
async fn who_is_not_let_in_learns_why() {
    let hba = [
        "host all stranger all reject",
        "host all ghost all trust",
        "host all sleeper all trust",
        "host all all all scram-sha-256",
    ];
    let postgres = Postgres::builder().hba(&hba.join("\n")).start().await;
    sql(
        &postgres,
        "create role stranger login; create role sleeper nologin",
    )
    .await;
    sql(&postgres, "create database closed").await;
    sql(&postgres, "revoke connect on database closed from public").await;
    let as_user = |user: &str, database: &str| postgres.url_of(user, "geheim", database);

    leads(&look(&as_user("stranger", "app")).await, "PGM-LOG-006");
    leads(&look(&as_user("ghost", "app")).await, "PGM-LOG-010");
    leads(&look(&as_user("sleeper", "app")).await, "PGM-LOG-010");
    let report = look(&as_user("app", "app")).await;
    let finding = leads(&report, "PGM-LOG-011");
    assert!(!finding.seen.contains("geheim"), "{finding:?}");
    let right = |database: &str| postgres.url_of("app", postgres.app_password(), database);
    leads(&look(&right("nowhere")).await, "PGM-LOG-012");
    leads(&look(&right("closed")).await, "PGM-LOG-012");
    let standby = format!("{}?target_session_attrs=standby", postgres.url());
    leads(&look(&standby).await, "PGM-LOG-013");
}

#[tokio::test]
async fn a_certificate_for_somebody_else_is_the_only_finding() {
    let ca = Ca::default();
    let postgres = Postgres::builder()
        .tls(&ca)
        .client_ca(&ca)
        .hba("hostssl all all all cert");
    let postgres = postgres.start().await;
    let with = |name: &str| {
        let own = ca.client(name);
        format!(
            "postgres://app@127.0.0.1:{}/app?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            postgres.port(),
            ca.root_path().display(),
            own.chain_path().display(),
            own.key_path().display()
        )
    };
    leads(&look(&with("somebody")).await, "PGM-LOG-007");
    passes(&look(&with("app")).await, "PGM-LOG-007");
}

#[tokio::test]
async fn a_token_that_is_refused_is_told_from_a_role_that_may_not_use_one() {
    let ca = Ca::default();
    let verified = |postgres: &Postgres, password: &str| {
        let url = postgres.url_of("app", password, "app");
        format!(
            "{url}?sslmode=verify-full&sslrootcert={}",
            ca.root_path().display()
        )
    };
    // Nobody listens at that port: what the server says is what it says of a token that LDAP refuses.
    let judged = "hostssl all all all ldap ldapserver=127.0.0.1 ldapport=1 ldapprefix=\"uid=\" ldapsuffix=\"\"";
    let postgres = Postgres::builder().tls(&ca).hba(judged).start().await;
    leads(
        &by_token(&verified(&postgres, "token")).await,
        "PGM-LOG-008",
    );

    let plain = Postgres::builder()
        .tls(&ca)
        .hba("hostssl all all all password");
    let postgres = plain.start().await;
    let report = by_token(&verified(&postgres, "token")).await;
    let finding = leads(&report, "PGM-LOG-009");
    assert!(
        finding.hint.as_deref().unwrap().contains("grant rds_iam"),
        "{finding:?}"
    );

    let report = by_token(&verified(&postgres, postgres.app_password())).await;
    passes(&report, "PGM-LOG-008");
    passes(&report, "PGM-LOG-009");
}

#[tokio::test]
async fn a_password_that_is_shown_is_found() {
    let hba = "host all legacy all md5\nhost all app all password";
    let postgres = Postgres::builder().hba(hba).start().await;
    let fires_saying = |report: &DatabaseReport, what: &str| {
        let finding = fires(report, "PGM-LOG-015");
        assert!(finding.seen.contains(what), "{finding:?}");
    };
    fires_saying(&look(&postgres.url()).await, "clear text");

    sql(
        &postgres,
        "set password_encryption = 'md5'; create role legacy login password 'geheim'",
    )
    .await;
    fires_saying(
        &look(&postgres.url_of("legacy", "geheim", "app")).await,
        "MD5",
    );
}

#[tokio::test]
async fn clocks_that_do_not_agree_are_found() {
    let postgres = Postgres::start().await;
    // Nobody sets the clock of a server here: what was read is changed.
    for (seconds, leading) in [(-20.0, false), (400.0, true)] {
        let look = Look::at(&postgres.url());
        let report = look
            .changed(|facts| facts.server.as_mut().unwrap().clock.ahead += seconds)
            .await;
        match leading {
            true => leads(&report, "PGM-LOG-016"),
            false => fires(&report, "PGM-LOG-016"),
        };
    }
}

#[tokio::test]
async fn a_server_that_never_answers_the_login_does_not_hang_the_check() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::tcp(SocketAddr::from(([127, 0, 0, 1], postgres.port()))).await;
    proxy.stall(Direction::ToClient);
    let mut look = Look::at(&format!(
        "postgres://app:geheim@127.0.0.1:{}/app",
        proxy.port()
    ));
    look.limit = Duration::from_secs(1);
    let report = look.report().await;
    leads(&report, "PGM-NET-005");
}
