//! Keys that a client's login gives away to the gateway, which logs in at the server by them.

use hmac::{Hmac, KeyInit, Mac};
use pgmoor_testkit::{Pgmoor, Postgres, RawClient, Signal, wait_for};
use sha2::{Digest, Sha256};

use crate::search::{Canary, Search};
use crate::world::PATIENCE;

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    hmac.update(text);
    hmac.finalize().into_bytes().into()
}

/// All that RFC 5802 derives from a password that must not be known.
fn derived(password: &str, salt: &[u8], iterations: u32) -> [Canary; 4] {
    let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt, iterations);
    let client_key = hmac(&salted, b"Client Key");
    [
        Canary::of_bytes("salted password", &salted),
        Canary::of_bytes("client key", &client_key),
        Canary::of_bytes("stored key", &Sha256::digest(client_key)),
        Canary::of_bytes("server key", &hmac(&salted, b"Server Key")),
    ]
}

#[tokio::test]
async fn keys_that_are_derived_from_a_login_come_out_nowhere() {
    let password = Canary::new("password of a user of the server");
    let postgres = Postgres::start().await;
    let make = format!(
        "create role keyed login password '{}'; grant all on schema public to keyed",
        password.core
    );
    postgres
        .psql(&format!("set log_statement = 'none'; {make}"))
        .await;
    let sql = "select split_part(split_part(rolpassword, '$', 2), ':', 1), \
               encode(decode(split_part(split_part(rolpassword, '$', 2), ':', 2), 'base64'), 'hex') \
               from pg_authid where rolname = 'keyed'";
    let told = postgres.psql(sql).await;
    let (iterations, salt) = told.split_once('|').expect("two columns");
    let salt: Vec<u8> = (0..salt.len() / 2)
        .map(|at| u8::from_str_radix(&salt[2 * at..2 * at + 2], 16).expect("hex"))
        .collect();
    let keys = derived(&password.core, &salt, iterations.parse().expect("a number"));
    let mut search = Search::of(&[&keys[..], std::slice::from_ref(&password)].concat());
    let url = postgres.url_of("postgres", postgres.admin_password(), "app");
    let gateway = Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
        .config(&format!("databases: {{ app: {{ url: \"{url}\" }} }}"))
        .gateway("auth: { passthrough: query }")
        .env("PGMOOR_LOG", "trace")
        .start()
        .await;

    let mut client = RawClient::login_to(gateway.address(), "keyed", &password.core, "app").await;
    assert_eq!(client.value("select current_user").await, "keyed");
    let mut stranger = RawClient::connect(gateway.address()).await;
    let parameters = [("user", "keyed"), ("database", "app")];
    stranger
        .expect_login_error(&parameters, "wrong", "28P01")
        .await;
    gateway.signal(Signal::HUP);
    wait_for("the reload", PATIENCE, async || {
        gateway.log().contains("configuration reloaded")
    })
    .await;
    for path in ["/", "/metrics", "/status", "/clients", "/servers"] {
        let page = gateway.http(path).await.expect("a page");
        search.bytes(path, page.body.as_bytes());
    }
    search.processes(&[gateway.pid()]);
    client.terminate().await;
    gateway.terminate().await;

    search.bytes("log", gateway.log().as_bytes());
    search.bytes("the server's log", postgres.log().as_bytes());
    search.files(gateway.dir(), &[]);
    assert!(search.searched > 10, "only {} places", search.searched);
    assert!(search.hits.is_empty(), "{}", search.hits.join("\n"));
}
