//! Every major version that this machine has: what their servers say differs, what is found must not.

use pgmoor_ops::report::Status;
use pgmoor_testkit::{Ca, Postgres, has_major};

use crate::prepared::sql;
use crate::site::{Look, leads};

#[tokio::test]
async fn every_major_version_is_judged_in_full_and_tells_its_refusals_apart() {
    let ca = Ca::default();
    let hba = [
        "host all stranger all reject",
        "host all ghost all trust",
        "host all sleeper all trust",
        "hostssl all certified all scram-sha-256 clientcert=CLIENTCERT",
    ];
    for major in (12..=18).filter(|major| has_major(*major)) {
        // Since 14 by this word only.
        let demanded = if major < 14 { "1" } else { "verify-ca" };
        let hba = hba.join("\n").replace("CLIENTCERT", demanded);
        let builder = Postgres::builder().major(major).tls(&ca).client_ca(&ca);
        let postgres = builder.hba(&hba).start().await;
        sql(
            &postgres,
            "create role stranger login; create role sleeper nologin; create role certified login",
        )
        .await;
        let url = |user: &str, password: &str, database: &str| {
            format!(
                "{}?sslmode=verify-full&sslrootcert={}",
                postgres.url_of(user, password, database),
                ca.root_path().display()
            )
        };

        let right = postgres.app_password();
        let mut look = Look::at(&url("app", right, "app"));
        look.asked.for_move = true;
        let report = look.report().await;
        assert!(report.connected, "{major}: {report:#?}");
        let unread = |seen: &str| seen.contains("cannot be read");
        for check in &report.checks {
            assert!(!unread(&check.seen), "{major}: {check:#?}");
            let is_move = check.id.starts_with("PGM-MOV-");
            assert!(
                is_move || check.status != Status::Fail,
                "{major}: {check:#?}"
            );
        }
        for (user, password, database, id) in [
            ("app", "wrong", "app", "PGM-LOG-011"),
            ("stranger", "wrong", "app", "PGM-LOG-006"),
            ("ghost", "wrong", "app", "PGM-LOG-010"),
            ("sleeper", "wrong", "app", "PGM-LOG-010"),
            ("app", right, "nowhere", "PGM-LOG-012"),
            ("certified", "wrong", "app", "PGM-TLS-008"),
        ] {
            let report = Look::at(&url(user, password, database)).report().await;
            leads(&report, id);
        }
    }
}
