//! The bytes of backend messages, right ones only; wrong ones are made from these by the test.

use crate::message::{Message, put_string};

fn authentication(kind: u32, rest: &[u8]) -> Vec<u8> {
    let mut body = kind.to_be_bytes().to_vec();
    body.extend(rest);
    Message::new(b'R', body).bytes()
}

/// AuthenticationOk.
pub fn auth_ok() -> Vec<u8> {
    authentication(0, &[])
}

/// AuthenticationCleartextPassword.
pub fn auth_cleartext() -> Vec<u8> {
    authentication(3, &[])
}

/// AuthenticationMD5Password.
pub fn auth_md5(salt: [u8; 4]) -> Vec<u8> {
    authentication(5, &salt)
}

/// AuthenticationSASL.
pub fn auth_sasl(mechanisms: &[&str]) -> Vec<u8> {
    let mut rest = Vec::new();
    mechanisms.iter().for_each(|m| put_string(&mut rest, m));
    rest.push(0);
    authentication(10, &rest)
}

/// AuthenticationSASLContinue.
pub fn auth_sasl_continue(data: &str) -> Vec<u8> {
    authentication(11, data.as_bytes())
}

/// AuthenticationSASLFinal.
pub fn auth_sasl_final(data: &str) -> Vec<u8> {
    authentication(12, data.as_bytes())
}

/// ParameterStatus.
pub fn parameter_status(name: &str, value: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, name);
    put_string(&mut body, value);
    Message::new(b'S', body).bytes()
}

/// BackendKeyData.
pub fn backend_key(pid: i32, secret: &[u8]) -> Vec<u8> {
    let mut body = pid.to_be_bytes().to_vec();
    body.extend(secret);
    Message::new(b'K', body).bytes()
}

/// ReadyForQuery with `I`, `T` or `E`.
pub fn ready(status: u8) -> Vec<u8> {
    Message::new(b'Z', [status]).bytes()
}

fn fields(tag: u8, severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (letter, value) in [
        ('S', severity),
        ('V', severity),
        ('C', sqlstate),
        ('M', text),
    ] {
        body.push(letter as u8);
        put_string(&mut body, value);
    }
    body.push(0);
    Message::new(tag, body).bytes()
}

/// ErrorResponse that leaves the connection usable.
pub fn error(sqlstate: &str, text: &str) -> Vec<u8> {
    fields(b'E', "ERROR", sqlstate, text)
}

/// ErrorResponse that announces the end of the connection.
pub fn fatal(sqlstate: &str, text: &str) -> Vec<u8> {
    fields(b'E', "FATAL", sqlstate, text)
}

/// NoticeResponse.
pub fn notice(sqlstate: &str, text: &str) -> Vec<u8> {
    fields(b'N', "NOTICE", sqlstate, text)
}

/// NotificationResponse.
pub fn notification(pid: i32, channel: &str, payload: &str) -> Vec<u8> {
    let mut body = pid.to_be_bytes().to_vec();
    put_string(&mut body, channel);
    put_string(&mut body, payload);
    Message::new(b'A', body).bytes()
}

/// RowDescription of text columns.
pub fn row_description(columns: &[&str]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for column in columns {
        put_string(&mut body, column);
        // No table, type text (25) of variable length, no modifier, text format.
        body.extend([
            0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0,
        ]);
    }
    Message::new(b'T', body).bytes()
}

/// DataRow of text values.
pub fn data_row(values: &[Option<&str>]) -> Vec<u8> {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        match value {
            None => body.extend((-1i32).to_be_bytes()),
            Some(value) => {
                body.extend((value.len() as u32).to_be_bytes());
                body.extend(value.as_bytes());
            }
        }
    }
    Message::new(b'D', body).bytes()
}

/// CommandComplete.
pub fn command_complete(tag: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, tag);
    Message::new(b'C', body).bytes()
}

/// ParameterDescription.
pub fn parameter_description(types: &[u32]) -> Vec<u8> {
    let mut body = (types.len() as u16).to_be_bytes().to_vec();
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    Message::new(b't', body).bytes()
}

/// CopyInResponse for text.
pub fn copy_in(columns: u16) -> Vec<u8> {
    copy_response(b'G', columns)
}

/// CopyOutResponse for text.
pub fn copy_out(columns: u16) -> Vec<u8> {
    copy_response(b'H', columns)
}

fn copy_response(tag: u8, columns: u16) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(columns.to_be_bytes());
    body.extend(vec![0; 2 * usize::from(columns)]);
    Message::new(tag, body).bytes()
}

/// NegotiateProtocolVersion.
pub fn negotiate_protocol(minor: u32, unknown: &[&str]) -> Vec<u8> {
    let mut body = minor.to_be_bytes().to_vec();
    body.extend((unknown.len() as u32).to_be_bytes());
    unknown.iter().for_each(|name| put_string(&mut body, name));
    Message::new(b'v', body).bytes()
}

/// Messages that have a tag and nothing else.
macro_rules! bare {
    ($($(#[$doc:meta])* $name:ident = $tag:literal;)+) => {
        $($(#[$doc])* pub fn $name() -> Vec<u8> {
            Message::new($tag, []).bytes()
        })+
    };
}

bare! {
    /// ParseComplete.
    parse_complete = b'1';
    /// BindComplete.
    bind_complete = b'2';
    /// CloseComplete.
    close_complete = b'3';
    /// NoData.
    no_data = b'n';
    /// PortalSuspended.
    portal_suspended = b's';
    /// EmptyQueryResponse.
    empty_query = b'I';
}
