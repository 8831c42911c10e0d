//! What was on loan is given back when pgmoor stops; a Vault that does not take it back keeps nobody.

use std::time::{Duration, Instant};

use pgmoor_testkit::identity::vault::{AUTH_ROLE, ROLE};
use pgmoor_testkit::identity::{Fault, Reply};

use crate::site::who;
use crate::vault::Site;

#[tokio::test]
async fn who_stops_gives_back_its_user_and_the_token_that_it_logged_in_for() {
    let site = Site::new().await;
    let file = site.file("token", &site.vault.token());
    let jwt = site.file("jwt", &site.vault.jwt());
    for (keys, revoked) in [
        // It is somebody else's, and lives on.
        (format!("token_file: {file}"), "sys/leases/revoke"),
        // With it goes what was leased by it.
        (
            format!("auth_role: {AUTH_ROLE}, jwt_file: {jwt}"),
            "auth/token/revoke-self",
        ),
    ] {
        let gateway = site.gateway(&format!("role: {ROLE}, {keys}")).start().await;
        let user = who(&gateway).await.expect("a user");
        assert_eq!(site.vault.users(), [user]);

        let ended = gateway.terminate().await;

        assert!(ended.success(), "{ended:?}");
        assert_eq!(site.vault.users(), Vec::<String>::new(), "{revoked}");
        assert_eq!(site.vault.count_of(revoked), 1);
    }
    let made = site.vault.made().len();
    let test = site.by_token().run(&["login", "test"]).await;
    assert!(test.status.success());
    assert_eq!(
        (site.vault.made().len(), site.vault.users().len()),
        (made + 1, 0)
    );
}

#[tokio::test]
async fn a_vault_that_is_silent_keeps_nobody_from_stopping() {
    let site = Site::new().await;
    let gateway = site.by_token().start().await;
    assert!(who(&gateway).await.is_ok());
    site.vault.fail(Fault::Silence);

    let began = Instant::now();
    let ended = gateway.terminate().await;

    assert!(ended.success(), "{ended:?}");
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_lease_that_the_policy_does_not_let_end_is_told_with_what_to_allow() {
    let site = Site::new().await;
    let gateway = site.by_token().start().await;
    assert!(who(&gateway).await.is_ok());
    let denied = serde_json::json!({ "errors": ["permission denied"] });
    site.vault.fail(Fault::Instead(Reply::json(403, &denied)));

    let ended = gateway.terminate().await;

    let log = gateway.log();
    assert!(ended.success(), "{ended:?}");
    assert!(
        log.contains("credential was not given back and ends by itself"),
        "{log}"
    );
    assert!(log.contains("allow update on sys/leases/revoke"), "{log}");
}
