//! Users of HashiCorp Vault: every way to log in there, leases that are renewed, replaced and revoked, and
//! what is told when it does not work. The users really exist, and are really dropped.

use std::time::Duration;

use pgmoor_testkit::identity::vault::{AUTH_ROLE, ROLE, STATIC_ROLE, STATIC_USER};
use pgmoor_testkit::identity::{Fault, Reply, VaultStandIn};
use pgmoor_testkit::{Ca, Pgmoor, PgmoorBuilder, Postgres, wait_for, write_private};
use tempfile::TempDir;

use crate::site::{STUCK, Variables, client, refused, who};

pub(crate) struct Site {
    pub(crate) vault: VaultStandIn,
    postgres: Postgres,
    files: TempDir,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let postgres = Postgres::start().await;
        Self {
            vault: VaultStandIn::start(&postgres).await,
            postgres,
            files: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.files.path().join(name);
        write_private(&path, content);
        path.display().to_string()
    }

    /// `vault` is what stands in that section, besides the address.
    pub(crate) fn gateway(&self, vault: &str) -> PgmoorBuilder {
        self.gateway_at(&self.vault.url(""), vault)
    }

    fn gateway_at(&self, address: &str, vault: &str) -> PgmoorBuilder {
        let port = self.postgres.port();
        Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
            .config(&format!(
                "databases: {{ app: {{ endpoint: one, pool: {{ mode: transaction, size: 4, lifetime: 1s, checkout_timeout: 3s }} }} }}\n\
                 endpoints:\n  one:\n    url: \"postgres://127.0.0.1:{port}/app\"\n    credential:\n      \
                 vault: {{ address: \"{address}\", {vault} }}"
            ))
            .gateway("auth: { trust: [loopback], users: { app: { password: unused } } }")
            .env("HOME", &self.files.path().display().to_string())
    }

    pub(crate) fn by_token(&self) -> PgmoorBuilder {
        let token = self.file("token", &self.vault.token());
        self.gateway(&format!("role: {ROLE}, token_file: {token}"))
    }
}

#[tokio::test]
async fn every_way_to_log_in_at_vault_leads_to_a_user_of_its_own() {
    let site = Site::new().await;
    let (role_id, secret_id) = site.vault.app_role();
    let secret_file = site.file("secret-id", &secret_id);
    let (jwt, sink) = (
        site.file("jwt", &site.vault.jwt()),
        site.file("sink", &site.vault.token()),
    );
    let none = Variables::new;
    let ways: [(&str, Variables, String); 6] = [
        (
            "token",
            vec![("TOKEN", site.vault.token())],
            "token: \"${TOKEN}\"".to_owned(),
        ),
        ("token's file", none(), format!("token_file: {sink}")),
        (
            "variable",
            vec![("VAULT_TOKEN", site.vault.token())],
            String::new(),
        ),
        (
            "AppRole",
            vec![("ROLE_ID", role_id.clone()), ("SECRET_ID", secret_id)],
            "role_id: \"${ROLE_ID}\", secret_id: \"${SECRET_ID}\"".to_owned(),
        ),
        (
            "AppRole with a file",
            vec![("ROLE_ID", role_id)],
            format!("role_id: \"${{ROLE_ID}}\", secret_id: \"file:{secret_file}\""),
        ),
        (
            "Kubernetes",
            none(),
            format!("auth_role: {AUTH_ROLE}, jwt_file: {jwt}"),
        ),
    ];
    for (name, variables, keys) in ways {
        let mut gateway = site.gateway(&format!("role: {ROLE}, {keys}"));
        for (variable, value) in variables {
            gateway = gateway.env(variable, &value);
        }
        let gateway = gateway.start().await;

        let user = who(&gateway).await;

        let made = site.vault.made();
        let (last, _) = made.last().expect("somebody");
        assert_eq!(
            user.as_deref(),
            Ok(last.as_str()),
            "{name}: {}",
            gateway.log()
        );
    }
    assert_eq!(site.vault.made().len(), 6);
}

#[tokio::test]
async fn vault_in_a_namespace_behind_tls_of_its_own_authority_is_reached() {
    let (ca, postgres) = (Ca::default(), Postgres::start().await);
    let certificate = ca.issue("vault").names(["localhost"]).finish();
    let site = Site {
        vault: VaultStandIn::start_tls(&postgres, &certificate).await,
        postgres,
        files: tempfile::tempdir().expect("a directory"),
    };
    site.vault.set_namespace("team/database");
    let token = site.file("token", &site.vault.token());
    let keys = format!(
        "role: {ROLE}, token_file: {token}, namespace: team/database, ca_file: {}",
        ca.root_path().display()
    );

    let gateway = site.gateway(&keys).start().await;

    assert!(who(&gateway).await.expect("a user").starts_with("v-gate-"));
}

#[tokio::test]
async fn a_lease_is_renewed_up_to_its_last_end_and_then_another_user_serves_without_an_error() {
    let site = Site::new().await;
    site.vault
        .set_life(Duration::from_secs(5), Duration::from_secs(11));
    let gateway = site.by_token().start().await;
    let held = client(&gateway).await.expect("a client");

    wait_for("three users", STUCK, async || {
        let user = who(&gateway).await;
        let user = user.unwrap_or_else(|told| panic!("{told}\n{}", gateway.log()));
        assert!(user.starts_with("v-gate-"), "{user}");
        // One who stays notices nothing either: the user's connections end while it still lives.
        let row = held.query_one("select 1", &[]).await;
        row.unwrap_or_else(|error| panic!("{error:?}\n{}", gateway.log()));
        site.vault.made().len() >= 3
    })
    .await;

    let renewals = site.vault.count_of("sys/leases/renew");
    assert!(renewals >= 3, "{renewals} renewals");
    assert_eq!(site.vault.most_at_once(), 1, "one thing at a time");
}

#[tokio::test]
async fn connections_of_a_user_who_was_replaced_end_although_they_are_young() {
    let site = Site::new().await;
    site.vault
        .set_life(Duration::from_secs(4), Duration::from_secs(5));
    let token = site.file("token", &site.vault.token());
    let port = site.postgres.port();
    let gateway = Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
        .config(&format!(
            "databases: {{ app: {{ endpoint: one, pool: {{ mode: transaction, size: 1, lifetime: 1h }} }} }}\n\
             endpoints:\n  one:\n    url: \"postgres://127.0.0.1:{port}/app\"\n    credential:\n      \
             vault: {{ address: \"{}\", role: {ROLE}, token_file: {token} }}",
            site.vault.url("")
        ))
        .gateway("auth: { trust: [loopback], users: { app: { password: unused } } }")
        .start()
        .await;
    let first = who(&gateway).await.expect("a user");

    wait_for("another user on the only connection", STUCK, async || {
        let now = who(&gateway).await.expect("no error");
        now != first
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_somebody_revoked_is_replaced_once_and_logins_go_on() {
    let site = Site::new().await;
    let gateway = site.by_token().start().await;
    let first = who(&gateway).await.expect("a user");

    site.vault.revoke_leases();

    wait_for("another user", STUCK, async || {
        // Who is on a connection of the dropped user may be told so.
        who(&gateway).await.is_ok_and(|user| user != first)
    })
    .await;
    assert_eq!(site.vault.made().len(), 2);
}

#[tokio::test]
async fn a_token_that_somebody_revoked_is_replaced_by_logging_in_again() {
    let site = Site::new().await;
    let jwt = site.file("jwt", &site.vault.jwt());
    let gateway = site.gateway(&format!(
        "role: {ROLE}, auth_role: {AUTH_ROLE}, jwt_file: {jwt}"
    ));
    let gateway = gateway.start().await;
    let first = who(&gateway).await.expect("a user");

    // With it go its leases, and their users.
    site.vault.revoke_tokens();

    wait_for("another user", STUCK, async || {
        who(&gateway).await.is_ok_and(|user| user != first)
    })
    .await;
    assert_eq!(site.vault.count_of("auth/kubernetes/login"), 2);
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_and_at_its_last_end_replaced_with_its_user() {
    let site = Site::new().await;
    site.vault
        .set_token_life(Duration::from_secs(4), Duration::from_secs(9));
    let (role_id, secret_id) = site.vault.app_role();
    let gateway = site
        .gateway(&format!(
            "role: {ROLE}, role_id: \"${{ROLE_ID}}\", secret_id: \"${{SECRET_ID}}\""
        ))
        .env("ROLE_ID", &role_id)
        .env("SECRET_ID", &secret_id)
        .start()
        .await;

    wait_for("three logins at Vault", STUCK, async || {
        let user = who(&gateway).await;
        user.unwrap_or_else(|told| panic!("{told}\n{}", gateway.log()));
        site.vault.count_of("auth/approle/login") >= 3
    })
    .await;

    assert!(site.vault.count_of("auth/token/renew-self") >= 2);
    let (users, logins) = (
        site.vault.made().len(),
        site.vault.count_of("auth/approle/login"),
    );
    assert!(users <= logins, "{users} users, a token serves one");
}

#[tokio::test]
async fn a_static_role_keeps_its_user_and_a_rotated_password_is_fetched_when_the_old_is_refused() {
    let site = Site::new().await;
    let token = site.file("token", &site.vault.token());
    let gateway = site.gateway(&format!("static_role: {STATIC_ROLE}, token_file: {token}"));
    let gateway = gateway.start().await;
    assert_eq!(who(&gateway).await.as_deref(), Ok(STATIC_USER));
    let before = site.vault.count_of(STATIC_ROLE);

    site.vault.rotate_static();

    wait_for("the new password", STUCK, async || {
        assert_eq!(who(&gateway).await.as_deref(), Ok(STATIC_USER));
        site.vault.count_of(STATIC_ROLE) > before
    })
    .await;
}

#[tokio::test]
async fn while_vault_is_down_the_user_serves_and_afterwards_it_is_told_why_not() {
    let site = Site::new().await;
    site.vault
        .set_life(Duration::from_secs(6), Duration::from_secs(60));
    let gateway = site.by_token().start().await;
    assert!(who(&gateway).await.is_ok());

    site.vault.fail(Fault::Instead(Reply::json(
        503,
        &serde_json::json!({ "errors": ["Vault is sealed"] }),
    )));
    let told = refused_when_it_ended(&gateway).await;

    assert!(told.contains("Vault is sealed"), "{told}");
    assert!(told.contains("hint: unseal Vault"), "{told}");
    let readiness = async || {
        let answer = gateway.http("/readiness").await.expect("an answer");
        answer.status
    };
    wait_for("readiness to be denied", STUCK, async || {
        readiness().await == 503
    })
    .await;
    site.vault.heal();
    wait_for("logins to work again", STUCK, async || {
        who(&gateway).await.is_ok()
    })
    .await;
    wait_for("readiness", STUCK, async || readiness().await == 200).await;
}

/// What clients are told when those who are let in are no more.
async fn refused_when_it_ended(gateway: &Pgmoor) -> String {
    let look = async || {
        who(gateway)
            .await
            .err()
            .filter(|told| told.contains("sealed"))
    };
    pgmoor_testkit::wait_for_some("the lease to end", STUCK, look).await
}

#[tokio::test]
async fn what_vault_refuses_is_told_with_what_to_do() {
    let site = Site::new().await;
    let powerless = site.file("powerless", &site.vault.powerless_token());
    let token = site.file("token", &site.vault.token());
    let stale = site.file("jwt", "eyJ.stale-canary");
    let cases = [
        (
            format!("role: {ROLE}, token_file: {powerless}"),
            [
                "cannot get a user of Vault's database role app-role",
                "permission denied",
                "hint: check that the token's policy",
            ],
        ),
        (
            format!("role: other, token_file: {token}"),
            [
                "unknown role: other",
                "400 Bad Request",
                "hint: check \"vault.role\"",
            ],
        ),
        (
            format!("role: {ROLE}, mount: elsewhere, token_file: {token}"),
            [
                "404 Not Found",
                "no handler for route",
                "hint: check \"vault.mount\"",
            ],
        ),
        (
            format!("role: {ROLE}, auth_role: {AUTH_ROLE}, jwt_file: {stale}"),
            [
                "cannot log in to Vault at auth/kubernetes as role gate",
                "403 Forbidden",
                "hint: check that the auth method's role names",
            ],
        ),
        (
            format!("role: {ROLE}, role_id: id-canary, secret_id: secret-canary"),
            [
                "by AppRole",
                "invalid role or secret ID",
                "hint: check \"vault.role_id\"",
            ],
        ),
        (
            format!(
                "role: {ROLE}, token_file: {}/gone",
                site.files.path().display()
            ),
            [
                "cannot find a Vault token",
                "gone",
                "hint: give a way to log in",
            ],
        ),
    ];
    for (keys, parts) in cases {
        let gateway = site.gateway(&keys).launch();
        let told = refused(&gateway).await;
        for part in parts {
            assert!(told.contains(part), "{keys}: no {part:?} in:\n{told}");
        }
        assert!(!told.contains("canary"), "{told}");
    }
    assert!(site.vault.made().is_empty());
}

#[tokio::test]
async fn a_vault_token_goes_to_nobody_in_clear_text() {
    let site = Site::new().await;
    let token = site.file("token", &site.vault.token());
    let keys = format!("role: {ROLE}, token_file: {token}");

    let gateway = site
        .gateway_at("http://vault.example.com:8200", &keys)
        .launch();

    let told = refused(&gateway).await;
    assert!(
        told.contains("the address \"http://vault.example.com:8200\" has no https"),
        "{told}"
    );
}

#[tokio::test]
async fn login_test_tells_of_the_lease_and_no_log_has_a_password_or_a_token() {
    let site = Site::new().await;
    let token = site.vault.token();
    let file = site.file("token", &token);
    let keys = format!("role: {ROLE}, token_file: {file}");
    let traced = || site.gateway(&keys).config("log: { level: trace }");

    let output = traced().run(&["login", "test", "-o", "json"]).await;
    let gateway = traced().start().await;
    assert!(who(&gateway).await.is_ok());

    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["ok"], true, "{told:#}");
    let claims = &told["credential"]["claims"];
    let lease = claims["lease"].as_str().expect("a lease");
    assert!(lease.starts_with("database/creds/app-role/"), "{lease}");
    assert_eq!(claims["database user"], told["login"]["user"]);
    assert_eq!(told["credential"]["considered"][0]["outcome"], "used");
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let places = [printed[0].clone(), printed[1].clone(), gateway.log()];
    for (_, password) in site.vault.made() {
        assert!(
            places.iter().all(|place| !place.contains(&password)),
            "a password is shown"
        );
    }
    assert!(
        places.iter().all(|place| !place.contains(&token)),
        "the token is shown"
    );
}
