//! Whatever is written can be read again, and says the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pgmoor_wire::backend::{self, BackendKey, DataRow, ErrorFields, ErrorView, ParameterStatus};
use pgmoor_wire::frontend::{self, Bind, Execute, Parse, Query, SaslInitial, Target};
use pgmoor_wire::startup::{self, MAX_STARTUP, Startup};
use pgmoor_wire::{SqlState, frame, tag};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

/// Text as the protocol has it: anything but NUL.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..20).prop_map(|text| text.into_iter().filter(|&c| c != '\0').collect())
}

/// The tag and body of the one message that was appended to what was there.
fn appended(out: &[u8]) -> (u8, &[u8]) {
    let message = out.strip_prefix(b"before").unwrap();
    let (header, body, rest) = frame::split(message).unwrap().unwrap();
    assert!(rest.is_empty());
    (header.tag, body)
}

fn before() -> Vec<u8> {
    b"before".to_vec()
}

proptest! {
    #[test]
    fn header_is_what_a_plain_reading_says(bytes in vec(any::<u8>(), 0..9)) {
        let plain = match *bytes.as_slice() {
            [tag, a, b, c, d, ..] => match i32::from_be_bytes([a, b, c, d]) {
                length @ 4..=0x3fff_ffff => Some(Some((tag, length as usize + 1))),
                _ => None,
            },
            _ => Some(None),
        };

        let read = frame::header(&bytes).ok().map(|read| read.map(|header| (header.tag, header.len)));

        prop_assert_eq!(read, plain);
    }

    #[test]
    fn session_start_is_read_back(
        minor in any::<u16>(),
        parameters in vec((text(), text()), 0..9),
        more in vec(any::<u8>(), 0..9),
    ) {
        let named: Vec<_> = parameters.into_iter().filter(|(name, _)| !name.is_empty()).collect();
        let pairs = named.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut out = Vec::new();
        startup::write_startup(&mut out, minor, pairs).unwrap();
        let length = out.len();
        out.extend(more);

        let (read, taken) = startup::parse(&out, MAX_STARTUP).unwrap().unwrap();

        prop_assert_eq!(taken, length);
        let Startup::Start(start) = read else { unreachable!("{read:?}") };
        prop_assert_eq!((start.major, start.minor), (3, minor));
        prop_assert_eq!(start.parameters, named);
    }

    #[test]
    fn prepared_statement_is_read_back(
        name in text(),
        query in text(),
        types in vec(any::<u32>(), 0..9),
        values in vec(any::<u8>(), 0..50),
        max_rows in any::<i32>(),
    ) {
        let (name, query) = (name.as_bytes(), query.as_bytes());
        let count = u16::try_from(types.len()).unwrap().to_be_bytes();
        let oids = types.iter().flat_map(|oid| oid.to_be_bytes());
        let types: Vec<u8> = count.into_iter().chain(oids).collect();

        let mut out = before();
        frontend::write_parse(&mut out, name, query, &types).unwrap();
        prop_assert_eq!(appended(&out).0, tag::PARSE);
        let types = types.as_slice();
        prop_assert_eq!(Parse::decode(appended(&out).1), Ok(Parse { name, query, types }));

        let mut out = before();
        frontend::write_bind_renamed(&mut out, query, name, &values).unwrap();
        let rest = values.as_slice();
        let bind = Bind { portal: query, statement: name, rest };
        prop_assert_eq!(Bind::decode(appended(&out).1), Ok(bind));

        let mut out = before();
        frontend::write_describe(&mut out, tag::PORTAL, name).unwrap();
        let target = Target { kind: tag::PORTAL, name };
        prop_assert_eq!(Target::decode(appended(&out).1), Ok(target));

        let mut out = before();
        frontend::write_execute(&mut out, name, max_rows).unwrap();
        let execute = Execute { portal: name, max_rows };
        prop_assert_eq!(Execute::decode(appended(&out).1), Ok(execute));
    }

    #[test]
    fn query_and_sasl_choice_are_read_back(
        sql in text(),
        mechanism in text(),
        data in option::of(vec(any::<u8>(), 0..50)),
    ) {
        let mut out = before();
        frontend::write_query(&mut out, &sql).unwrap();
        let text = sql.as_bytes();
        prop_assert_eq!(Query::decode(appended(&out).1), Ok(Query { text }));

        let mut out = before();
        frontend::write_sasl_initial(&mut out, &mechanism, data.as_deref()).unwrap();
        let sasl = SaslInitial { mechanism: &mechanism, data: data.as_deref() };
        prop_assert_eq!(SaslInitial::decode(appended(&out).1), Ok(sasl));
    }

    #[test]
    fn error_is_read_back(message in text(), detail in option::of(text()), hint in option::of(text())) {
        let mut fields = ErrorFields::fatal(SqlState::ADMIN_SHUTDOWN, message.as_str());
        fields.detail = detail.clone().map(Into::into);
        fields.hint = hint.clone().map(Into::into);
        let mut out = before();
        fields.write_error(&mut out);

        let (tag, body) = appended(&out);

        prop_assert_eq!(tag, tag::ERROR_RESPONSE);
        let view = ErrorView::new(body);
        prop_assert!(view.is_fatal());
        prop_assert_eq!(view.sqlstate(), Some(SqlState::ADMIN_SHUTDOWN));
        prop_assert_eq!(view.message(), message);
        prop_assert_eq!(view.detail(), detail.map(Into::into));
        prop_assert_eq!(view.hint(), hint.map(Into::into));
    }

    #[test]
    fn what_a_server_says_is_read_back(
        name in text(),
        value in text(),
        pid in any::<i32>(),
        secret in vec(any::<u8>(), 4..=256),
        row in vec(option::of(text()), 0..9),
    ) {
        let mut out = before();
        backend::write_parameter_status(&mut out, &name, &value).unwrap();
        let status = ParameterStatus { name: &name, value: value.as_bytes() };
        prop_assert_eq!(ParameterStatus::decode(appended(&out).1), Ok(status));

        let mut out = before();
        backend::write_backend_key(&mut out, pid, &secret).unwrap();
        let key = BackendKey { pid, secret: &secret };
        prop_assert_eq!(BackendKey::decode(appended(&out).1), Ok(key));

        let mut out = before();
        backend::write_data_row_text(&mut out, &row).unwrap();
        let read = DataRow::decode(appended(&out).1).unwrap();
        let values = row.iter().map(|value| value.as_deref().map(str::as_bytes));
        prop_assert!(read.values().eq(values));
    }
}
