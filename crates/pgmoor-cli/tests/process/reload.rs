//! What is replaced on disk while clients are served.

use std::fs;

use pgmoor_testkit::{Ca, Postgres, RawClient, Signal, wait_for, write_private};

use crate::clients::{STUCK, Writers};
use crate::site::{Site, number_from, pgmoor_before};

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

/// `PGMOOR_RELOADS` asks for more of them.
#[tokio::test]
async fn every_other_reload_is_refused_by_file_and_line_and_no_client_notices_any() {
    let site = Site::external().await;
    let pgmoor = &site.pgmoor;
    let good = fs::read_to_string(pgmoor.config_path()).expect("read it");
    let line = good.lines().count() + 1;
    let mut idle =
        RawClient::login_to(pgmoor.address(), "app", &pgmoor.generated_password(), "app").await;
    let writers = Writers::start(&site.gate(), 4);

    for number in 0..number_from("PGMOOR_RELOADS", 40) {
        let (text, result) = match number % 4 {
            0 => (good.replace("size: 4", "size: 5"), "success"),
            1 => (format!("{good}lgo: {{}}\n"), "failure"),
            2 => (good.clone(), "success"),
            _ => (format!("{good}log: {{ level: loud }}\n"), "failure"),
        };
        let before = pgmoor.reloads(result).await;
        write_private(pgmoor.config_path(), text);
        pgmoor.signal(Signal::HUP);
        wait_for("the reload to end", STUCK, async || {
            pgmoor.reloads(result).await > before
        })
        .await;
    }
    writers.more_rows(20).await;
    let written = writers.stop().await;

    assert_eq!(written.errors, Vec::<String>::new());
    written.assert_kept(&site.direct()).await;
    assert_eq!(idle.value("select 1").await, "1");
    let log = pgmoor.log();
    for problem in ["unknown key", "loud"] {
        let place = format!("pgmoor.yaml:{line}:");
        let told = log
            .lines()
            .any(|told| told.contains(&place) && told.contains(problem));
        assert!(told, "no {place} with {problem:?} in\n{log}");
    }
}
