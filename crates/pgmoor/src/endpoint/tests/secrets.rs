//! A password shows up nowhere, however badly an address is written.

use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};

use super::said;
use crate::endpoint::Endpoint;

/// A piece that no message of ours contains by itself.
const PIECE: &str = "qzx7";

/// Everything that a person or a log may see of an address.
fn visible(address: &str) -> String {
    let more = match Endpoint::parse(address) {
        Ok(endpoint) => format!("{endpoint:?} {}", endpoint.to_redacted_uri()),
        Err(error) => format!("{error:?}"),
    };
    said(address) + &more
}

fn password() -> impl Strategy<Value = String> {
    let separator = prop_oneof![
        "[/@:?#\\[\\]%&=,;+!$ ]{1,2}",
        Just("%2".to_owned()),
        Just("?a=".to_owned())
    ];
    proptest::collection::vec(separator, 0..4).prop_map(|separators| {
        separators.iter().fold(PIECE.to_owned(), |text, part| {
            format!("{text}{part}{PIECE}")
        })
    })
}

proptest! {
    #[test]
    fn no_message_shows_a_piece_of_a_raw_password(password in password(), form in 0_usize..10) {
        let address = match form {
            0 => format!("postgres://u:{password}@h/d"),
            1 => format!("postgresql://u:{password}@h:5432,h2/d?sslmode=require"),
            2 => format!("u:{password}@h:5432/d"),
            3 => format!("postgresql+psycopg2://u:{password}@h/d"),
            4 => format!("host=h password={password} dbname=d"),
            5 => format!("Host=h;Password={password};Database=d"),
            6 => format!("jdbc:postgresql://h/d?user=u&password={}", password.replace(['&', '?', '@'], "")),
            // With an "@" this would be a user, a password and a host.
            7 => format!("postgres://u:{}", password.replace('@', "")),
            8 => format!("postgres://u:{password}@h:nonsense/d?sslmod=1"),
            _ => format!("host=h password='{password} dbname=d"),
        };

        let visible = visible(&address);

        prop_assert!(!visible.contains(PIECE), "{address}\n{visible}");
    }
}

#[test]
fn a_password_without_its_host_is_not_quoted() {
    for address in [
        "postgres://u:qzx7",
        "u:qzx7",
        "postgres://u:qzx7?qzx7=1",
        "u:qzx7?qzx7=1",
        "postgres://u:1,qzx7:qzx7",
    ] {
        let error = Endpoint::parse(address)
            .expect_err("there is no host")
            .to_string();
        assert!(!error.contains("qzx7"), "{address}\n{error}");
    }
}

#[test]
fn a_password_that_slipped_into_another_value_is_not_quoted() {
    let names = [
        "sslmode",
        "port",
        "sslsni",
        "connect_timeout",
        "require_auth",
        "service",
        "hostaddr",
        "gssencmode",
    ];
    let separators = [";", "?", "&", ",", "@", "/", ":", "|"];
    for (name, separator) in names
        .iter()
        .flat_map(|name| separators.map(|separator| (name, separator)))
    {
        let slipped = format!("{name}=require{separator}password=qzx7");
        for address in [
            format!("host=h {slipped}"),
            format!("postgres://u@h/d?{slipped}"),
            format!("u@h/d?{slipped}"),
            format!("Host=h password=qzx7;{slipped}"),
            format!("Port=1 password=qzx7 {slipped}"),
            format!("jdbc:postgresql://h/d?ssl=x{separator}password=qzx7"),
        ] {
            let visible = visible(&address);
            assert!(!visible.contains("qzx7"), "{address}\n{visible}");
        }
    }
}

#[test]
fn a_password_in_a_query_that_cannot_be_read_is_not_taken_for_a_user() {
    for address in [
        "jdbc:postgresql://h/d?user=u&password=qzx7&broken:x@host",
        "h/d?user=u&password=qzx7&broken:x@host",
        "postgresql+psycopg2://h/d?password=qzx7&broken:x@host",
    ] {
        let visible = visible(address);
        assert!(!visible.contains("qzx7"), "{address}\n{visible}");
    }
}

#[test]
fn other_secrets_are_masked_too() {
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let address = format!(
        "host=h sslpassword=qzx7 oauth_client_secret=qzx7 scram_client_key={key} scram_server_key={key}"
    );

    let visible = visible(&address);

    assert!(
        !visible.contains("qzx7") && !visible.contains(key),
        "{visible}"
    );
    assert!(visible.contains("scram_client_key=***"), "{visible}");
}
