//! What is believed of a connection's first message, and what is not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use pgmoor_wire::startup::{
    MAX_STARTUP, Replication, Startup, StartupError, StartupMessage, parse, write_cancel,
    write_ssl_request, write_startup,
};
use pgmoor_wire::{EncodeError, SqlState};

const V3_0: u32 = 3 << 16;
const SSL: u32 = 1234 << 16 | 5679;
const GSSENC: u32 = 1234 << 16 | 5680;
const CANCEL: u32 = 1234 << 16 | 5678;

fn message(code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [&length.to_be_bytes(), &code.to_be_bytes(), body].concat()
}

fn start(message: &[u8]) -> StartupMessage {
    match parse(message, MAX_STARTUP) {
        Ok(Some((Startup::Start(start), taken))) if taken == message.len() => start,
        other => panic!("{other:?}"),
    }
}

fn refused(message: &[u8]) -> StartupError {
    parse(message, MAX_STARTUP).expect_err("must be refused")
}

#[test]
fn parameters_of_a_session_are_read() {
    let bytes = message(V3_0, b"user\0app\0database\0shop\0options\0-c a=b\0\0");

    let start = start(&bytes);

    assert_eq!((start.major, start.minor), (3, 0));
    assert_eq!(start.user(), Some("app"));
    assert_eq!(start.database(), Some("shop"));
    assert_eq!(start.get("options"), Some("-c a=b"));
    assert_eq!(start.get("option"), None);
    assert_eq!(start.replication(), Ok(Replication::No));
}

#[test]
fn session_without_a_database_goes_to_the_one_of_the_users_name() {
    assert_eq!(
        start(&message(V3_0, b"user\0app\0\0")).database(),
        Some("app")
    );
    let empty = message(V3_0, b"user\0app\0database\0\0\0");
    assert_eq!(start(&empty).database(), Some("app"));
}

#[test]
fn session_without_a_user_has_none() {
    assert_eq!(start(&message(V3_0, b"\0")).user(), None);
    assert_eq!(start(&message(V3_0, b"user\0\0\0")).user(), None);
}

#[test]
fn last_of_two_values_counts_as_in_postgresql() {
    let start = start(&message(V3_0, b"user\0one\0user\0two\0\0"));

    assert_eq!(start.user(), Some("two"));
}

#[test]
fn replication_is_read_as_postgresql_reads_it() {
    let asked = |value: &str| {
        let body = format!("user\0app\0replication\0{value}\0\0");
        start(&message(V3_0, body.as_bytes())).replication()
    };

    assert_eq!(asked("database"), Ok(Replication::Logical));
    for value in ["true", "t", "TRUE", "yes", "y", "on", "1"] {
        assert_eq!(asked(value), Ok(Replication::Physical), "{value}");
    }
    for value in ["false", "f", "no", "of", "off", "0"] {
        assert_eq!(asked(value), Ok(Replication::No), "{value}");
    }
    for value in ["", "o", "2", "truee", "logical"] {
        assert_eq!(asked(value), Err(StartupError::Replication), "{value}");
    }
}

#[test]
fn unknown_minor_version_and_protocol_options_are_told_to_be_negotiated() {
    let bytes = message(V3_0 | 9999, b"user\0app\0_pq_.grease\0on\0_pq_.b\0\0\0");

    let start = start(&bytes);

    assert_eq!((start.major, start.minor), (3, 9999));
    let options: Vec<_> = start.protocol_options().collect();
    assert_eq!(options, [("_pq_.grease", "on"), ("_pq_.b", "")]);
}

#[test]
fn other_major_version_is_told_without_reading_its_body() {
    let start = start(&message(2 << 16, &[0xff; 288]));

    assert_eq!((start.major, start.minor), (2, 0));
    assert!(start.parameters.is_empty());
}

#[test]
fn requests_before_a_session_are_read_and_what_follows_is_left() {
    let stuffed = [message(SSL, b""), message(V3_0, b"user\0root\0\0")].concat();

    assert_eq!(parse(&stuffed, MAX_STARTUP), Ok(Some((Startup::Ssl, 8))));
    let gss = message(GSSENC, b"");
    assert_eq!(parse(&gss, MAX_STARTUP), Ok(Some((Startup::GssEnc, 8))));
}

#[test]
fn requests_before_a_session_have_no_body() {
    for code in [SSL, GSSENC] {
        assert!(matches!(
            refused(&message(code, b"x")),
            StartupError::Malformed(_)
        ));
    }
}

#[test]
fn cancel_key_has_4_to_256_bytes() {
    for length in [4, 5, 32, 256] {
        let mut bytes = Vec::new();
        write_cancel(&mut bytes, -7, &vec![9; length]).unwrap();

        let cancel = Startup::Cancel {
            pid: -7,
            secret: vec![9; length],
        };
        assert_eq!(parse(&bytes, MAX_STARTUP), Ok(Some((cancel, bytes.len()))));
    }
    for length in [0, 3, 257] {
        let mut bytes = Vec::new();
        let written = write_cancel(&mut bytes, 7, &vec![9; length]);
        assert_eq!(written, Err(EncodeError::KeyLength));
        assert!(bytes.is_empty());

        let body = [&7_i32.to_be_bytes()[..], &vec![9; length]].concat();
        assert!(matches!(
            refused(&message(CANCEL, &body)),
            StartupError::Malformed(_)
        ));
    }
    assert!(matches!(
        refused(&message(CANCEL, b"pid")),
        StartupError::Malformed(_)
    ));
}

#[test]
fn cancel_key_is_not_shown() {
    let cancel = Startup::Cancel {
        pid: 7,
        secret: b"hunter2".to_vec(),
    };

    assert_eq!(format!("{cancel:?}"), "Cancel { pid: 7, secret: *** }");
}

#[test]
fn unknown_request_is_refused() {
    assert_eq!(
        refused(&message(1234 << 16 | 1, b"")),
        StartupError::UnknownRequest(1)
    );
}

#[test]
fn impossible_length_is_refused_by_its_four_bytes_alone() {
    for length in [0, 1, 3, 4, 7] {
        assert_eq!(
            refused(&u32::to_be_bytes(length)),
            StartupError::TooShort(length)
        );
    }
    // Just over the limit, 200 MB, 2^31, -1, and what HTTP, TLS and SSH begin with.
    let http = u32::from_be_bytes(*b"GET ");
    let ssh = u32::from_be_bytes(*b"SSH-");
    for length in [
        10_001,
        200_000_000,
        1 << 31,
        u32::MAX,
        http,
        0x1603_0102,
        ssh,
    ] {
        let error = refused(&length.to_be_bytes());

        let limit = MAX_STARTUP;
        assert_eq!(error, StartupError::TooLong { length, limit });
        assert_eq!(error.sqlstate(), SqlState::PROTOCOL_VIOLATION);
    }
}

#[test]
fn incomplete_message_waits_for_more() {
    let bytes = message(V3_0, b"user\0app\0\0");

    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end], MAX_STARTUP), Ok(None));
    }
}

#[test]
fn limit_is_the_callers() {
    let bytes = message(V3_0, b"user\0app\0\0");

    assert!(parse(&bytes, bytes.len()).unwrap().is_some());
    assert!(parse(&bytes, bytes.len() - 1).is_err());
}

#[test]
fn list_of_parameters_that_lies_is_refused() {
    let bad: [&[u8]; 8] = [
        b"",
        b"user",
        b"user\0",
        b"user\0app",
        b"user\0app\0",
        b"user\0app\0\0more",
        b"user\0app\0\0\0",
        b"user\0\xff\xfe\0\0",
    ];
    for body in bad {
        let error = refused(&message(V3_0, body));

        assert!(matches!(error, StartupError::Malformed(_)), "{body:?}");
        assert_eq!(error.sqlstate(), SqlState::PROTOCOL_VIOLATION);
    }
}

#[test]
fn what_is_written_is_read() {
    let parameters = [("user", "äpp"), ("_pq_.x", "1"), ("empty", "")];
    let mut bytes = Vec::new();
    write_startup(&mut bytes, 2, parameters).unwrap();

    let start = start(&bytes);

    assert_eq!((start.major, start.minor), (3, 2));
    let read = start.parameters.iter();
    assert!(read.map(|(name, value)| (&**name, &**value)).eq(parameters));
}

#[test]
fn ssl_request_has_the_bytes_of_the_manual() {
    let mut bytes = Vec::new();
    write_ssl_request(&mut bytes);

    assert_eq!(bytes, message(80_877_103, b""));
}

#[test]
fn parameter_that_would_end_the_list_is_not_written() {
    let mut bytes = b"kept".to_vec();

    let empty = write_startup(&mut bytes, 0, [("user", "app"), ("", "x")]);
    let nul = write_startup(&mut bytes, 0, [("user", "app\0superuser")]);

    assert_eq!(empty, Err(EncodeError::NoName));
    assert_eq!(nul, Err(EncodeError::Nul));
    assert_eq!(bytes, b"kept");
}
