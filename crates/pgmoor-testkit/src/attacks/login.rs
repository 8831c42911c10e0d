//! Attacks on what comes before a session.

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::Target;
use crate::frontend as f;
use crate::message::Message;
use crate::raw_client::RawClient;

/// Lengths that no message has, or none before a login: 200 MB among them.
const LENGTHS: [u32; 8] = [
    0,
    3,
    200_000_000,
    0x3fff_ffff,
    0x4000_0001,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];
const FIRST: &[u8] = b"n,,n=,r=abcdefghijklmnopqrstuvwx";

/// The gateway refuses with one of these, and closes.
async fn is_refused(mut client: RawClient, states: &[&str], what: impl std::fmt::Debug) {
    let error = client.expect(b'E').await;
    assert!(
        states.contains(&&*error.sqlstate()),
        "{error:?} to {what:?}"
    );
    assert_eq!(error.fields()[&'S'], "FATAL", "to {what:?}");
    client.expect_closed().await;
}

/// A client that was asked for its proof.
async fn asked(target: &Target, user: &str) -> RawClient {
    let mut client = target.stranger().await;
    client
        .startup(&[("user", user), ("database", &target.database)])
        .await;
    assert_eq!(client.expect(b'R').await.number(), 10, "SASL is asked for");
    client
}

pub(super) async fn bytes_stuffed_behind_a_request_for_encryption(target: &Target) {
    let startup = f::startup(f::PROTOCOL_3_0, &target.parameters());
    for request in [f::ssl_request(), f::gssenc_request()] {
        for stuffed in [&startup[..], b"x"] {
            let mut client = target.stranger().await;
            client.send(&[&request[..], stuffed].concat()).await;
            is_refused(client, &["08P01"], stuffed).await;
        }
    }
}

pub(super) async fn second_startup_during_scram(target: &Target) {
    let other = f::startup(
        f::PROTOCOL_3_0,
        &[("user", "postgres"), ("database", &target.database)],
    );
    for again in [
        other,
        f::ssl_request(),
        f::query("select 1"),
        f::terminate(),
    ] {
        // Before the first proof, and between the two.
        for begun in [false, true] {
            let mut client = asked(target, &target.user).await;
            if begun {
                client.send(&f::sasl_initial("SCRAM-SHA-256", FIRST)).await;
                client.expect(b'R').await;
            }
            client.send(&again).await;
            is_refused(client, &["08P01"], &again).await;
        }
    }
}

pub(super) async fn options_that_could_spin(target: &Target) {
    let many = "-c a=b ".repeat(900);
    let backslashes = "\\".repeat(4001);
    let dashes = "-".repeat(6000);
    for options in [
        "-c=",
        "-c",
        "-c =",
        "-c=x",
        "--=x",
        "--",
        "-",
        "-c  ",
        "-c -c",
        " -c\t=",
        "\\",
        &dashes,
        &backslashes,
        &many,
    ] {
        let mut client = target.stranger().await;
        let [user, database] = target.parameters();
        client
            .startup(&[user, database, ("options", options)])
            .await;
        let mut last = client.authenticate(&target.user, &target.password).await;
        while !matches!(last.tag, b'E' | b'Z') {
            last = client.expect_any().await;
        }
        // Only white space and lone backslashes ask for nothing.
        assert_eq!(last.tag, b'E', "{options:?} was taken");
        client.expect_closed().await;
    }
}

pub(super) async fn impossible_lengths_before_login(target: &Target) {
    for length in LENGTHS {
        let mut client = target.stranger().await;
        client
            .send(&[&length.to_be_bytes(), &b"\0\x03\0\0user\0"[..]].concat())
            .await;
        is_refused(client, &["08P01"], length).await;
    }
}

pub(super) async fn impossible_lengths_of_a_proof(target: &Target) {
    for length in LENGTHS {
        let mut client = asked(target, &target.user).await;
        let head = [&b"p"[..], &length.to_be_bytes()].concat();
        client
            .send(&[&head, &b"SCRAM-SHA-256\0"[..]].concat())
            .await;
        is_refused(client, &["08P01"], length).await;
    }
}

pub(super) async fn malformed_first_proofs(target: &Target) {
    let lying = |length: u32| {
        let mut bytes = f::sasl_initial("SCRAM-SHA-256", FIRST);
        let at = 5 + "SCRAM-SHA-256".len() + 1;
        bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        bytes
    };
    let plain = |data: &[u8]| f::sasl_initial("SCRAM-SHA-256", data);
    let long = format!("n,,n=,r={}", "x".repeat(20_000));
    let bad = [
        f::sasl_initial("SCRAM-SHA-1", FIRST),
        f::sasl_initial("", FIRST),
        f::sasl_initial("OAUTHBEARER", FIRST),
        f::sasl_initial(
            "SCRAM-SHA-256-PLUS",
            b"p=tls-server-end-point,,n=,r=abcdefgh",
        ),
        f::sasl_initial("SCRAM-SHA-256-PLUS", FIRST),
        plain(b""),
        plain(b"n,,n=,r="),
        plain(b"n,,n=\0,r=abcdefghijklmnopqrstuvwx"),
        plain(b"n,,n=,r=abcdefgh\0ijklmnopqrstuvwx"),
        plain(b"n,a=postgres,n=,r=abcdefghijklmnopqrstuvwx"),
        plain(b"p=tls-server-end-point,,n=,r=abcdefghijklmnopqrstuvwx"),
        plain(b"n,,m=ext,n=,r=abcdefghijklmnopqrstuvwx"),
        plain(b"\0\xff\xfe"),
        plain(long.as_bytes()),
        lying(0),
        lying(FIRST.len() as u32 - 1),
        lying(FIRST.len() as u32 + 1),
        lying(0x7fff_ffff),
        lying(0x8000_0000),
        f::password(&target.password),
        Message::new(b'p', *b"SCRAM-SHA-256").bytes(),
        Message::new(b'p', *b"").bytes(),
    ];
    for bytes in bad {
        let mut client = asked(target, &target.user).await;
        client.send(&bytes).await;
        is_refused(client, &["08P01", "28000", "0A000"], &bytes).await;
    }
}

type Alteration = fn(&str) -> Vec<u8>;

fn text(message: String) -> Vec<u8> {
    message.into_bytes()
}

/// What the gateway says to the last message of an otherwise right login that `alter` has changed.
async fn told_to_altered(target: &Target, alter: Alteration) -> Message {
    let mut client = asked(target, &target.user).await;
    let mut scram = ScramSha256::new(target.password.as_bytes(), ChannelBinding::unsupported());
    client
        .send(&f::sasl_initial("SCRAM-SHA-256", scram.message()))
        .await;
    let challenge = client.expect(b'R').await;
    scram.update(&challenge.body[4..]).expect("a challenge");
    let last = std::str::from_utf8(scram.message())
        .expect("text")
        .to_owned();
    client.send(&f::sasl_response(&alter(&last))).await;
    let told = client.expect_any().await;
    if told.tag == b'E' {
        client.expect_closed().await;
    }
    told
}

pub(super) async fn altered_last_proofs(target: &Target) {
    let (wrong, malformed) = ("28P01", "08P01");
    let unaltered = told_to_altered(target, |last| last.as_bytes().to_vec()).await;
    assert_eq!(unaltered.number(), 12, "the proof is right: {unaltered:?}");
    let alterations: [(&str, Alteration); 9] = [
        // c= of a client that says "y", and of one that says nothing.
        ("28000", |last| text(last.replace("c=biws", "c=eSws"))),
        ("28000", |last| text(last.replace("c=biws", "c=AAAA"))),
        (malformed, |last| text(last.replace("c=biws", "c=*"))),
        (malformed, |last| text(last.replace(",r=", ",r=x"))),
        (wrong, |last| text(last.replace(",p=", ",x=y,p="))),
        (malformed, |last| {
            text(last.split(",p=").next().unwrap_or_default().to_owned())
        }),
        (malformed, |last| text(format!("{last},x=y"))),
        (malformed, |last| text(last.replace(",p=", ",\0=y,p="))),
        (wrong, |last| {
            let mut bytes = last.as_bytes().to_vec();
            let at = bytes.len() - 10;
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            bytes
        }),
    ];
    for (index, (state, alter)) in alterations.iter().enumerate() {
        let told = told_to_altered(target, *alter).await;
        assert_eq!(told.sqlstate(), *state, "alteration {index}: {told:?}");
    }
}

pub(super) async fn strangers_at_the_admin_database(target: &Target) {
    for (user, password, state) in [
        (&*target.user, &*target.password, "42501"),
        (&*target.user, "wrong", "28P01"),
        ("pgmoor", "", "28P01"),
        ("postgres", "postgres", "28P01"),
    ] {
        let mut client = target.stranger().await;
        let parameters = [("user", user), ("database", "pgmoor")];
        client
            .expect_login_error(&parameters, password, state)
            .await;
        client.expect_closed().await;
    }
}

pub(super) async fn hostile_names(target: &Target) {
    let long = "x".repeat(5000);
    for name in [
        "%s%n%x",
        "a\r\nFATAL: forged",
        "\u{1b}[2Jscreen",
        "'; drop table t; --",
        "a\"b';--\n",
        "../../etc/passwd",
        "${HOME}",
        "\u{202e}txet",
        &long,
    ] {
        for [user, database] in [[name, &target.database], [&target.user, name]] {
            let mut client = target.stranger().await;
            client
                .startup(&[("user", user), ("database", database)])
                .await;
            let mut last = client.authenticate(user, &target.password).await;
            while last.tag != b'E' {
                assert_ne!(last.tag, b'Z', "{user:?} was let in to {database:?}");
                last = client.expect_any().await;
            }
            let state = last.sqlstate();
            assert!(["28P01", "3D000"].contains(&&*state), "{last:?}");
            client.expect_closed().await;
        }
    }
}

/// All that is sent to one who has the wrong password, without nonce and salt, which are random.
async fn conversation(target: &Target, user: &str) -> Vec<String> {
    let mut client = target.stranger().await;
    client
        .startup(&[("user", user), ("database", &target.database)])
        .await;
    let offer = client.expect(b'R').await;
    let mut scram = ScramSha256::new(b"no such password", ChannelBinding::unsupported());
    client
        .send(&f::sasl_initial("SCRAM-SHA-256", scram.message()))
        .await;
    let challenge = client.expect(b'R').await;
    scram.update(&challenge.body[4..]).expect("a challenge");
    client.send(&f::sasl_response(scram.message())).await;
    let error = client.expect(b'E').await;
    client.expect_closed().await;

    let text = String::from_utf8_lossy(&challenge.body[4..]).into_owned();
    let lengths: Vec<usize> = text.split(',').map(str::len).collect();
    let (_, iterations) = text.rsplit_once(',').expect("a count");
    vec![
        format!("{offer:?}"),
        format!("{lengths:?} {iterations}"),
        // Of the same length, so that the whole message can be compared.
        format!("{error:?}").replace(user, "USER"),
    ]
}

pub(super) async fn wrong_password_and_unknown_user(target: &Target) {
    let unknown: String = target.user.chars().rev().collect();
    let unknown = if unknown == target.user {
        "x".repeat(unknown.len())
    } else {
        unknown
    };

    let known = conversation(target, &target.user).await;

    assert_eq!(conversation(target, &unknown).await, known);
}
