//! Tokens compared with botocore's, parameter by parameter.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::*;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/aws");

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{VECTORS}/{name}")).expect(name);
    serde_json::from_str(&text).expect("JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key}: {value}"))
}

/// What stands before the query, and its parameters without order: signers differ in it.
fn parts(token: &str) -> (String, BTreeSet<String>) {
    let (place, query) = token.split_once("/?").expect("a query");
    let parameters: BTreeSet<String> = query.split('&').map(str::to_owned).collect();
    assert_eq!(
        parameters.len(),
        query.split('&').count(),
        "none stands twice"
    );
    (place.to_owned(), parameters)
}

fn ours(wanted: &Wanted<'_>, key: [&str; 2], session: Option<&str>, now: u64) -> String {
    let session = session.map(str::to_owned);
    let credentials = Credentials::new(key[0], key[1], session, None, "test");
    let now = UNIX_EPOCH + Duration::from_secs(now);
    let token = sign::token(wanted, &credentials, now).expect("a token");
    token.expose().clone()
}

#[test]
fn tokens_are_those_of_the_golden_vectors() {
    let golden = read("golden.json");
    let vectors = golden["vectors"].as_array().expect("vectors");
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let wanted = Wanted {
            host: text(vector, "host"),
            port: vector["port"].as_u64().expect("port") as u16,
            user: text(vector, "user"),
            region: text(vector, "region"),
            is_dsql: false,
        };
        let key = [
            text(vector, "access_key_id"),
            text(vector, "secret_access_key"),
        ];
        let now = vector["now_epoch"].as_u64().expect("time");

        let token = ours(&wanted, key, vector["session_token"].as_str(), now);

        assert_eq!(
            parts(&token),
            parts(text(vector, "token")),
            "{}",
            vector["name"]
        );
    }
}

fn compare_with_botocore(made: &Value) {
    let now = made["meta"]["now"].as_u64().expect("time");
    let vectors = made["vectors"].as_array().expect("vectors");
    assert!(vectors.len() >= 10);
    for vector in vectors {
        let host = text(vector, "host");
        let wanted = Wanted {
            host,
            port: vector["port"].as_u64().expect("port") as u16,
            user: text(vector, "user"),
            region: text(vector, "region"),
            is_dsql: of_host(host).is_some_and(|named| named.kind == Kind::Dsql),
        };
        let keys = &vector["keys"];
        let key = [text(keys, "key"), text(keys, "secret")];

        let token = ours(&wanted, key, keys["token"].as_str(), now);

        assert_eq!(parts(&token), parts(text(vector, "token")), "{wanted:?}");
    }
}

/// Every reserved character, other alphabets, session tokens, ports, partitions and Aurora DSQL. With
/// `PGMOOR_TEST_CLIENTS` (what `tests/fetch-clients` installed) botocore is asked anew besides.
#[test]
fn tokens_are_those_of_botocore_under_a_frozen_clock() {
    compare_with_botocore(&read("tokens.json"));
    if let Some(clients) = std::env::var_os("PGMOOR_TEST_CLIENTS") {
        let mut generate = Command::new(Path::new(&clients).join("python/bin/python"));
        generate.arg(format!("{VECTORS}/generate.py"));
        generate.env("AWS_EC2_METADATA_DISABLED", "true");
        let output = generate.output().expect("python");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        compare_with_botocore(&serde_json::from_slice(&output.stdout).expect("JSON"));
    }
}

#[test]
fn address_of_six_groups_stands_in_brackets() {
    let wanted = Wanted {
        host: "fd00::7",
        port: 5432,
        user: "app",
        region: "eu-central-1",
        is_dsql: false,
    };
    let token = ours(&wanted, ["AKID", "secret"], None, 1_000_000_000);
    assert!(
        token.starts_with("[fd00::7]:5432/?Action=connect&DBUser=app&"),
        "{token}"
    );
}

#[test]
fn token_ends_with_the_credentials_that_signed_it_at_the_latest() {
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let ending = |seconds| {
        let expiry = Some(now + Duration::from_secs(seconds));
        Credentials::new("id", "secret", None, expiry, "test")
    };
    let left = |credentials| {
        end(&credentials, now)
            .duration_since(now)
            .expect("later")
            .as_secs()
    };
    assert_eq!(left(ending(60)), 60);
    assert_eq!(left(ending(3_600)), 900);
}
