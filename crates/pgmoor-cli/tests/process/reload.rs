//! What is replaced on disk while clients are served.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pgmoor_testkit::{Ca, Postgres, RawClient, Signal, wait_for, write_private};

use crate::clients::{STUCK, Writers};
use crate::processes::nothing_runs_in;
use crate::site::{POOL, Site, number_from, pgmoor, pgmoor_before};

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

#[tokio::test]
async fn a_bundled_server_that_is_taken_away_stays_until_its_clients_have_left() {
    let postgres = Postgres::start().await;
    let home = tempfile::Builder::new()
        .prefix("pgmoor-data-")
        .tempdir_in("/tmp")
        .expect("a directory");
    let open = fs::Permissions::from_mode(0o711);
    fs::set_permissions(home.path(), open).expect("open the directory");
    let path = home.path().display();
    let pgmoor = pgmoor()
        .config(&format!(
            "databases:\n  app: {{ endpoint: one, {POOL} }}\n  gone: {{ endpoint: two, {POOL} }}\n\
             endpoints:\n  one: {{ url: \"{}\" }}\n  two: {{ bundled: {{ data_dir: \"{path}/two\" }} }}",
            postgres.url()
        ))
        .start()
        .await;
    let password = pgmoor.generated_password();
    let mut client = RawClient::login_to(pgmoor.address(), "app", &password, "gone").await;
    client.query("begin; create table t (a int)").await;
    let all = fs::read_to_string(pgmoor.config_path()).expect("read it");
    let kept: Vec<&str> = all
        .lines()
        .filter(|line| !line.contains("gone:") && !line.contains("two:"))
        .collect();

    write_private(pgmoor.config_path(), kept.join("\n"));
    wait_for("the reload", STUCK, async || {
        pgmoor.log().contains("configuration reloaded")
    })
    .await;

    assert_eq!(client.value("select 1").await, "1");
    let done = client.query("commit").await;
    assert!(done.iter().all(|message| message.tag != b'E'), "{done:?}");
    assert_eq!(client.value("select count(*) from t").await, "0");
    client.terminate().await;
    nothing_runs_in(&home.path().join("two")).await;
    let mut stays = RawClient::login_to(pgmoor.address(), "app", &password, "app").await;
    assert_eq!(stays.value("select 1").await, "1");
}
