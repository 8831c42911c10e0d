//! Messages: what is decoded is what was there, and nothing beyond it is read.
//!
//! Also a module of `crates/pgmoor-wire/tests/fuzz.rs`, so it uses nothing but `pgmoor-wire`.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "each of those who share it needs another part"
)]

use pgmoor_wire::backend::{
    self, Authentication, BackendKey, CommandComplete, DataRow, ErrorView, NegotiateProtocol,
    ParameterStatus, TransactionStatus,
};
use pgmoor_wire::frontend::{self, Bind, Execute, Parse, Password, Query, SaslInitial, Target};
use pgmoor_wire::startup::{self, MAX_STARTUP, Startup};
use pgmoor_wire::{DecodeError, EncodeError, frame, tag};

/// A connection from its start: the first message, then messages with tags.
pub fn frame_startup(data: &[u8]) {
    let mut rest = data;
    if let Ok(Some((first, taken))) = startup::parse(data, MAX_STARTUP) {
        let message;
        (message, rest) = data.split_at(taken);
        assert_written_back(message, |out| match &first {
            Startup::Ssl => {
                startup::write_ssl_request(out);
                Some(Ok(()))
            }
            Startup::GssEnc => None,
            Startup::Cancel { pid, secret } => Some(startup::write_cancel(out, *pid, secret)),
            Startup::Start(start) => {
                let _ = (start.user(), start.database(), start.replication());
                let _ = start.protocol_options().count();
                let all = start.parameters.iter();
                let all = all.map(|(name, value)| (name.as_str(), value.as_str()));
                let known = start.major == startup::MAJOR;
                known.then(|| startup::write_startup(out, start.minor, all))
            }
        });
        // Whether more bytes follow or not is none of its business.
        let alone = startup::parse(message, MAX_STARTUP);
        assert_eq!(alone, Ok(Some((first, taken))));
    }
    while let Ok(Some((header, body, next))) = frame::split(rest) {
        assert_eq!(header.len, body.len() + frame::HEADER);
        assert_eq!(header.len + next.len(), rest.len());
        rest = next;
    }
    if let Ok(Some(header)) = frame::header(rest) {
        assert!(header.len > rest.len() && header.len <= frame::MAX_MESSAGE + 1);
    }
}

/// All that a client sends: the first message, then each of those with tags.
pub fn client_stream(data: &[u8]) {
    frame_startup(data);
    let mut first = 0;
    while let Ok(Some((message, taken))) = startup::parse(&data[first..], MAX_STARTUP) {
        first += taken;
        if matches!(message, Startup::Start(_)) {
            break;
        }
    }
    each_message(&data[first..], frontend);
}

/// All that a server sends to a client that asked for no encryption.
pub fn server_stream(data: &[u8]) {
    each_message(data, backend);
}

fn each_message(mut rest: &[u8], entry: fn(&[u8])) {
    let mut message = Vec::new();
    while let Ok(Some((header, body, next))) = frame::split(rest) {
        message.clear();
        message.push(header.tag);
        message.extend_from_slice(body);
        entry(&message);
        rest = next;
    }
}

/// A message of a client: its tag, then its body.
pub fn frontend(data: &[u8]) {
    let Some((&tag, body)) = data.split_first() else {
        return;
    };
    if let Ok(Query { text }) = Query::decode(body) {
        assert_body(tag::QUERY, body, |out| {
            // Text that is no UTF-8 can be read, but not be written by us.
            let text = std::str::from_utf8(text).ok()?;
            Some(frontend::write_query(out, text))
        });
    }
    match tag {
        tag::PARSE => check(Parse::decode(body), tag, body, |parse, out| {
            frontend::write_parse(out, parse.name, parse.query, parse.types)
        }),
        tag::BIND => check(Bind::decode(body), tag, body, |bind, out| {
            frontend::write_bind_renamed(out, bind.portal, bind.statement, bind.rest)
        }),
        tag::DESCRIBE => check(Target::decode(body), tag, body, |target, out| {
            frontend::write_describe(out, target.kind, target.name)
        }),
        tag::CLOSE => check(Target::decode(body), tag, body, |target, out| {
            frontend::write_close(out, target.kind, target.name)
        }),
        tag::EXECUTE => check(Execute::decode(body), tag, body, |execute, out| {
            frontend::write_execute(out, execute.portal, execute.max_rows)
        }),
        tag::PASSWORD => {
            check(Password::decode(body), tag, body, |sent, out| {
                frontend::write_password(out, sent.password)
            });
            check(SaslInitial::decode(body), tag, body, |sasl, out| {
                frontend::write_sasl_initial(out, sasl.mechanism, sasl.data)
            });
        }
        _ => {}
    }
}

/// A message of a server: its tag, then its body.
pub fn backend(data: &[u8]) {
    let Some((&tag, body)) = data.split_first() else {
        return;
    };
    let error = ErrorView::new(body);
    let _ = (error.to_string(), error.detail(), error.hint());
    let _ = (error.is_fatal(), format!("{error:?}"));
    assert!(error.fields().count() <= body.len());
    match tag {
        tag::AUTHENTICATION => authentication(body),
        tag::READY_FOR_QUERY => {
            if let Ok(status) = TransactionStatus::decode(body) {
                assert_eq!(body, [status.byte()]);
            }
        }
        tag::PARAMETER_STATUS => {
            if let Ok(status) = ParameterStatus::decode(body) {
                assert_body(tag, body, |out| {
                    let value = std::str::from_utf8(status.value).ok()?;
                    Some(backend::write_parameter_status(out, status.name, value))
                });
            }
        }
        tag::BACKEND_KEY_DATA => check(BackendKey::decode(body), tag, body, |key, out| {
            backend::write_backend_key(out, key.pid, key.secret)
        }),
        tag::COMMAND_COMPLETE => {
            if let Ok(done) = CommandComplete::decode(body) {
                assert_body(tag, body, |out| {
                    let text = std::str::from_utf8(done.tag).ok()?;
                    Some(backend::write_command_complete(out, text))
                });
            }
        }
        tag::DATA_ROW => {
            if let Ok(row) = DataRow::decode(body) {
                assert_eq!(row.values().count(), row.columns());
                let texts = row.values().map(|value| value.map(std::str::from_utf8));
                let texts = texts.map(Option::transpose).collect::<Result<Vec<_>, _>>();
                assert_body(tag, body, |out| {
                    Some(backend::write_data_row_text(out, texts.as_ref().ok()?))
                });
            }
        }
        tag::NEGOTIATE_PROTOCOL_VERSION => {
            if let Ok(negotiate) = NegotiateProtocol::decode(body)
                && negotiate.major == startup::MAJOR
            {
                assert_body(tag, body, |out| {
                    let unknown = &negotiate.unknown;
                    Some(backend::write_negotiate_protocol(
                        out,
                        negotiate.minor,
                        unknown,
                    ))
                });
            }
        }
        _ => {}
    }
}

fn authentication(body: &[u8]) {
    let Ok(request) = Authentication::decode(body) else {
        return;
    };
    assert_body(tag::AUTHENTICATION, body, |out| {
        match request {
            Authentication::Ok => backend::write_auth_ok(out),
            Authentication::Cleartext => backend::write_auth_cleartext(out),
            Authentication::Md5(salt) => backend::write_auth_md5(out, salt),
            Authentication::Sasl(mechanisms) => {
                let names: Vec<&str> = mechanisms.iter().collect();
                return Some(backend::write_auth_sasl(out, &names));
            }
            Authentication::SaslContinue(data) => {
                return Some(backend::write_auth_sasl_continue(out, data));
            }
            Authentication::SaslFinal(data) => {
                return Some(backend::write_auth_sasl_final(out, data));
            }
            Authentication::Other(_) => return None,
        }
        Some(Ok(()))
    });
}

fn check<T>(
    decoded: Result<T, DecodeError>,
    tag: u8,
    body: &[u8],
    write: impl FnOnce(&T, &mut Vec<u8>) -> Result<(), EncodeError>,
) {
    if let Ok(decoded) = decoded {
        assert_body(tag, body, |out| Some(write(&decoded, out)));
    }
}

fn assert_body(
    tag: u8,
    body: &[u8],
    write: impl FnOnce(&mut Vec<u8>) -> Option<Result<(), EncodeError>>,
) {
    let length = u32::try_from(body.len() + 4).expect("inputs are short");
    let message = [&[tag], &length.to_be_bytes()[..], body].concat();
    assert_written_back(&message, write);
}

/// What was decoded, written again, is what was there; `None` if there is no writer for it.
fn assert_written_back(
    message: &[u8],
    write: impl FnOnce(&mut Vec<u8>) -> Option<Result<(), EncodeError>>,
) {
    let mut out = b"before".to_vec();
    if let Some(written) = write(&mut out) {
        assert_eq!(written, Ok(()));
        assert_eq!(out.strip_prefix(b"before"), Some(message));
    }
}
