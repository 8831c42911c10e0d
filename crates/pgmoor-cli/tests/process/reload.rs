//! What is replaced on disk while clients are served.

use std::fs;

use pgmoor_testkit::{Ca, Postgres, RawClient, wait_for};

use crate::clients::STUCK;
use crate::site::pgmoor_before;

#[tokio::test]
async fn a_certificate_that_was_renewed_on_disk_is_shown_to_the_next_client() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let postgres = Postgres::start().await;
    let first = old.server();
    let files = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
    fs::copy(first.chain_path(), &certificate).expect("copy");
    fs::copy(first.key_path(), &key).expect("copy");
    let pgmoor = pgmoor_before(&postgres)
        .gateway(&format!(
            "tls: {{ mode: allow, certificate: \"{}\", key: \"{}\" }}",
            certificate.display(),
            key.display()
        ))
        .start()
        .await;
    let mut before = RawClient::connect_tls(pgmoor.address(), &old, None).await;
    let password = pgmoor.generated_password();
    before.login("app", &password, "app").await;

    let second = new.server();
    fs::copy(second.chain_path(), &certificate).expect("copy");
    fs::copy(second.key_path(), &key).expect("copy");

    wait_for("the new certificate to be shown", STUCK, async || {
        let mut client = RawClient::connect(pgmoor.address()).await;
        client.request_tls().await == b'S' && client.try_start_tls(&new, None).await.is_ok()
    })
    .await;
    assert_eq!(before.value("select 1").await, "1");
}
