//! Messages with tags: their frames, what decoders refuse, what writers refuse.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use pgmoor_wire::backend::{
    self, Authentication, BackendKey, Column, DataRow, ErrorFields, ErrorView, NegotiateProtocol,
    ParameterStatus, TransactionStatus,
};
use pgmoor_wire::frame::{FrameError, HEADER, Header, MAX_MESSAGE, header, split};
use pgmoor_wire::frontend::{self, Execute, Parse, Password, SaslInitial, Target};
use pgmoor_wire::{EncodeError, SqlState, tag};

fn body(message: &[u8]) -> &[u8] {
    let (_, body, rest) = split(message).expect("a length").expect("a whole message");
    assert!(rest.is_empty());
    body
}

#[test]
fn header_needs_five_bytes_and_counts_the_tag() {
    assert_eq!(header(b"Q\0\0\0"), Ok(None));
    assert_eq!(header(b""), Ok(None));
    let sync = Header { tag: b'S', len: 5 };
    assert_eq!(header(b"S\0\0\0\x04"), Ok(Some(sync)));
    let largest = Header {
        tag: b'd',
        len: MAX_MESSAGE + 1,
    };
    assert_eq!(header(b"d\x3f\xff\xff\xff"), Ok(Some(largest)));
}

#[test]
fn header_with_an_impossible_length_is_refused() {
    let tag = b'Q';
    for length in [0, 1, 3] {
        let bytes = [&[tag][..], &u32::to_be_bytes(length)].concat();
        assert_eq!(header(&bytes), Err(FrameError::TooShort { tag, length }));
    }
    for length in [0x4000_0000, 1 << 31, u32::MAX] {
        let bytes = [&[tag][..], &u32::to_be_bytes(length)].concat();
        assert_eq!(header(&bytes), Err(FrameError::TooLong { tag, length }));
    }
}

#[test]
fn header_error_names_the_message() {
    let error = header(b"Q\xff\xff\xff\xff").unwrap_err();

    let text = "message 'Q' has the length 4294967295, more than 1073741823";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.sqlstate(), SqlState::PROTOCOL_VIOLATION);
}

#[test]
fn messages_are_split_one_by_one() {
    let mut out = Vec::new();
    frontend::write_query(&mut out, "select 1").unwrap();
    frontend::write_sync(&mut out);

    let (first, text, rest) = split(&out).unwrap().unwrap();

    assert_eq!((first.tag, text), (tag::QUERY, &b"select 1\0"[..]));
    assert_eq!(rest, b"S\0\0\0\x04");
    assert_eq!(split(&rest[..4]), Ok(None));
    assert_eq!(split(&out[..HEADER]), Ok(None));
}

#[test]
fn message_over_one_gibibyte_is_refused_and_leaves_no_byte() {
    // Pages of zeros that are never touched: lengths are checked before bytes are.
    let huge = vec![0; MAX_MESSAGE + 1];
    let mut out = b"kept".to_vec();
    let refused = Err(EncodeError::TooLong);

    assert_eq!(frontend::write_password(&mut out, &huge), refused);
    assert_eq!(frontend::write_parse(&mut out, b"", &huge, b""), refused);
    assert_eq!(
        frontend::write_bind_renamed(&mut out, b"", b"s", &huge),
        refused
    );
    assert_eq!(
        frontend::write_sasl_initial(&mut out, "X", Some(&huge)),
        refused
    );
    assert_eq!(frontend::write_sasl_response(&mut out, &huge), refused);
    // The length word and two names are part of it.
    let least = &huge[..MAX_MESSAGE - 5];
    assert_eq!(
        frontend::write_bind_renamed(&mut out, b"", b"", least),
        refused
    );
    assert_eq!(out, b"kept");
}

#[test]
fn nul_in_a_string_is_refused_and_leaves_no_byte() {
    let mut out = b"kept".to_vec();
    let refused = Err(EncodeError::Nul);

    assert_eq!(
        frontend::write_query(&mut out, "select 1\0drop table a"),
        refused
    );
    assert_eq!(
        frontend::write_close(&mut out, tag::STATEMENT, b"a\0"),
        refused
    );
    assert_eq!(frontend::write_parse(&mut out, b"s", b"\0", b""), refused);
    assert_eq!(
        backend::write_parameter_status(&mut out, "a", "\0"),
        refused
    );
    assert_eq!(
        backend::write_command_complete(&mut out, "SELECT\0"),
        refused
    );
    assert_eq!(out, b"kept");
}

#[test]
fn too_many_columns_are_refused() {
    let mut out = Vec::new();

    let written = backend::write_row_description_text(&mut out, &vec!["a"; 70_000]);

    assert_eq!(written, Err(EncodeError::TooMany));
    assert!(out.is_empty());
}

#[test]
fn parse_has_as_many_types_as_it_says() {
    let parse = Parse::decode(b"s\0select $1\0\0\x01\0\0\0\x17").unwrap();

    assert_eq!((parse.name, parse.query), (&b"s"[..], &b"select $1"[..]));
    assert_eq!(parse.types, b"\0\x01\0\0\0\x17");
    for bad in [
        &b"s\0select 1\0"[..],
        b"s\0select 1\0\0",
        b"s\0select 1\0\0\x01",
        b"s\0select 1\0\0\0\0",
        b"s\0select 1\0\xff\xff\0\0\0\x17",
        b"s\0select 1",
        b"",
    ] {
        assert!(Parse::decode(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn describe_and_close_are_about_a_statement_or_a_portal() {
    assert!(Target::decode(b"Ss1\0").is_ok());
    assert!(Target::decode(b"P\0").is_ok());
    for bad in [&b""[..], b"S", b"X\0", b"Ss1", b"Ss1\0\0"] {
        assert!(Target::decode(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn execute_has_a_name_and_a_number() {
    let execute = Execute::decode(b"c\0\0\0\0\x0a").unwrap();

    assert_eq!((execute.portal, execute.max_rows), (&b"c"[..], 10));
    assert!(Execute::decode(b"c\0\0\0\0").is_err());
    assert!(Execute::decode(b"c\0\0\0\0\x0a\0").is_err());
}

#[test]
fn decode_error_names_the_message_and_not_its_content() {
    let error = Password::decode(b"hunter2").unwrap_err();

    let text = "malformed PasswordMessage message: a string has no end";
    assert_eq!(error.to_string(), text);
    let password = Password::decode(b"hunter2\0").unwrap();
    assert_eq!(format!("{password:?}"), "Password(***)");
}

#[test]
fn sasl_initial_response_with_a_lying_length_is_refused() {
    let decode = |length: i32, data: &[u8]| {
        let body = [b"SCRAM-SHA-256\0", &length.to_be_bytes()[..], data].concat();
        SaslInitial::decode(&body).map(|sasl| sasl.data.map(<[u8]>::to_vec))
    };

    assert_eq!(decode(3, b"abc"), Ok(Some(b"abc".to_vec())));
    assert_eq!(decode(0, b""), Ok(Some(Vec::new())));
    assert_eq!(decode(-1, b""), Ok(None));
    for (length, data) in [(4, b"abc"), (2, b"abc"), (-1, b"abc"), (-2, b"abc")] {
        assert!(decode(length, data).is_err(), "{length}");
    }
    assert!(decode(i32::MAX, b"").is_err());
    assert!(decode(i32::MIN, b"").is_err());
}

#[test]
fn error_is_written_as_postgresql_writes_it() {
    let mut out = Vec::new();

    ErrorFields::error(SqlState::UNDEFINED_TABLE, "relation \"a\" does not exist")
        .detail("d")
        .hint("h")
        .position(15)
        .context("w")
        .write_error(&mut out);

    let fields = b"SERROR\0VERROR\0C42P01\0Mrelation \"a\" does not exist\0Dd\0Hh\0P15\0Ww\0\0";
    assert_eq!((out[0], body(&out)), (b'E', &fields[..]));
    let view = ErrorView::new(body(&out));
    assert_eq!(view.sqlstate(), Some(SqlState::UNDEFINED_TABLE));
    assert_eq!(view.to_string(), "relation \"a\" does not exist (42P01)");
    assert_eq!(view.field(b'P'), Some(&b"15"[..]));
    assert!(!view.is_fatal());
}

#[test]
fn error_with_a_nul_or_without_end_is_written_all_the_same() {
    let mut out = Vec::new();
    let endless = "ä".repeat(50_000);

    ErrorFields::fatal(SqlState::INTERNAL_ERROR, "a\0Mb")
        .detail(endless.as_str())
        .write_error(&mut out);

    let view = ErrorView::new(body(&out));
    assert_eq!(view.message(), "aMb");
    assert_eq!(view.detail().unwrap().len(), 64 * 1024);
    assert!(view.is_fatal());
}

#[test]
fn error_of_a_broken_server_is_read_as_far_as_it_goes() {
    let empty = ErrorView::new(b"");
    assert_eq!(empty.to_string(), "the server gave no message");
    assert_eq!((empty.severity(), empty.sqlstate()), (None, None));

    let no_code = ErrorView::new(b"SFATAL\0Mit broke\0\0");
    assert_eq!((no_code.sqlstate(), no_code.is_fatal()), (None, true));
    assert_eq!(no_code.to_string(), "it broke");

    for code in [
        &b"C12\0\0"[..],
        b"C42P0\n\0\0",
        b"C\0\0",
        b"C42P011\0\0",
        b"C42p01\0\0",
    ] {
        assert_eq!(ErrorView::new(code).sqlstate(), None, "{code:?}");
    }

    let cut_off = ErrorView::new(b"VERROR\0Mhal");
    assert_eq!(cut_off.severity().as_deref(), Some("ERROR"));
    assert_eq!(cut_off.message(), "");
    assert_eq!(ErrorView::new(b"M\xff\0\0").message(), "\u{fffd}");
}

#[test]
fn translated_severity_is_not_taken_for_the_severity() {
    let view = ErrorView::new("SFATAL - schwerwiegend\0VERROR\0\0".as_bytes());

    assert_eq!(view.severity().as_deref(), Some("ERROR"));
}

#[test]
fn ready_for_query_has_one_of_three_bytes() {
    for status in [
        TransactionStatus::Idle,
        TransactionStatus::InTransaction,
        TransactionStatus::Failed,
    ] {
        let mut out = Vec::new();
        backend::write_ready(&mut out, status);
        assert_eq!(TransactionStatus::decode(body(&out)), Ok(status));
    }
    for bad in [&b""[..], b"X", b"i", b"II", b"\0"] {
        assert!(TransactionStatus::decode(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn authentication_requests_are_told_apart() {
    let mut out = Vec::new();
    backend::write_auth_sasl(&mut out, &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]).unwrap();

    let Ok(Authentication::Sasl(offered)) = Authentication::decode(body(&out)) else {
        panic!("not a list of mechanisms");
    };
    assert!(offered.iter().eq(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]));
    assert!(offered.contains("SCRAM-SHA-256") && !offered.contains("SCRAM"));
    let gss = Authentication::decode(b"\0\0\0\x07");
    assert_eq!(gss, Ok(Authentication::Other(7)));
    for bad in [
        &b""[..],
        b"\0\0\0",
        b"\0\0\0\0x",
        b"\0\0\0\x05abc",
        b"\0\0\0\x0aSCRAM",
    ] {
        assert!(Authentication::decode(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn cancel_key_of_a_server_has_4_to_256_bytes_and_is_not_shown() {
    let mut out = Vec::new();
    backend::write_backend_key(&mut out, 7, &[9; 32]).unwrap();

    let key = BackendKey::decode(body(&out)).unwrap();

    assert_eq!((key.pid, key.secret), (7, &[9; 32][..]));
    assert_eq!(format!("{key:?}"), "BackendKey { pid: 7, secret: *** }");
    assert!(BackendKey::decode(b"\0\0\0\x07key").is_err());
    assert!(BackendKey::decode(&[0; 261]).is_err());
    let written = backend::write_backend_key(&mut out, 7, b"");
    assert_eq!(written, Err(EncodeError::KeyLength));
}

#[test]
fn parameter_status_may_have_a_value_of_another_encoding() {
    let status = ParameterStatus::decode(b"search_path\0\xe4\0").unwrap();

    assert_eq!((status.name, status.value), ("search_path", &b"\xe4"[..]));
    assert_eq!(status.value_str(), "\u{fffd}");
    assert!(ParameterStatus::decode(b"a\0b").is_err());
    assert!(ParameterStatus::decode(b"a\0b\0c\0").is_err());
}

#[test]
fn version_negotiation_carries_the_whole_version_as_libpq_expects() {
    let mut out = Vec::new();
    backend::write_negotiate_protocol(&mut out, 2, &["_pq_.grease"]).unwrap();

    assert_eq!(body(&out), b"\0\x03\0\x02\0\0\0\x01_pq_.grease\0");
    let read = NegotiateProtocol::decode(body(&out)).unwrap();
    assert_eq!((read.major, read.minor), (3, 2));
    assert_eq!(read.unknown, ["_pq_.grease"]);
    assert!(NegotiateProtocol::decode(b"\0\x03\0\0\xff\xff\xff\xff").is_err());
    assert!(NegotiateProtocol::decode(b"\0\x03\0\0\0\0\0\x02a\0").is_err());
}

#[test]
fn rows_of_text_are_written_and_read() {
    let mut out = Vec::new();
    backend::write_data_row_text(&mut out, &[Some("42"), None, Some("")]).unwrap();

    let row = DataRow::decode(body(&out)).unwrap();

    let values: Vec<_> = row.values().collect();
    assert_eq!(values, [Some(&b"42"[..]), None, Some(&b""[..])]);
    assert_eq!(
        (row.get_str(0), row.get(1), row.get(3)),
        (Some("42"), None, None)
    );
    assert_eq!(format!("{row:?}"), "DataRow(3 values)");
    for bad in [
        &b"\0\x01"[..],
        b"\0\x01\0\0\0\x02a",
        b"\0\x01\xff\xff\xff\xfe",
        b"\0\0x",
    ] {
        assert!(DataRow::decode(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn row_description_tells_names_and_types() {
    let mut out = Vec::new();
    let columns = [Column::text("database"), Column::int8("cl_active")];
    backend::write_row_description(&mut out, &columns).unwrap();

    let text = b"database\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
    let int8 = b"cl_active\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0";
    assert_eq!(body(&out), [b"\0\x02", &text[..], int8].concat());
}

#[test]
fn bind_of_text_values_has_no_formats() {
    let mut out = Vec::new();
    frontend::write_bind_text(&mut out, b"", b"s", &[Some("app"), None]).unwrap();

    let values = b"\0s\0\0\0\0\x02\0\0\0\x03app\xff\xff\xff\xff\0\0";
    assert_eq!((out[0], body(&out)), (tag::BIND, &values[..]));
}

#[test]
fn known_sqlstates_are_proper_codes_with_one_name_each() {
    for state in SqlState::KNOWN {
        assert_eq!(SqlState::parse(state.as_str().as_bytes()), Some(*state));
        assert!(state.name().is_some());
        assert_eq!(
            SqlState::KNOWN
                .iter()
                .filter(|other| *other == state)
                .count(),
            1
        );
    }
    let unknown = SqlState::parse(b"P0001").unwrap();
    assert_eq!((unknown.class(), unknown.name()), ("P0", None));
}
