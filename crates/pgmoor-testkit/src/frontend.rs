//! The bytes of frontend messages, right ones only; wrong ones are made from these by the test.

use crate::message::{Message, put_string};

/// Protocol 3.0.
pub const PROTOCOL_3_0: u32 = 3 << 16;
/// Protocol 3.2.
pub const PROTOCOL_3_2: u32 = (3 << 16) | 2;

fn untagged(code: u32, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + rest.len()).expect("a test's message is short");
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(code.to_be_bytes());
    bytes.extend(rest);
    bytes
}

/// A StartupMessage.
pub fn startup(protocol: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parameters {
        put_string(&mut body, name);
        put_string(&mut body, value);
    }
    body.push(0);
    untagged(protocol, &body)
}

/// An SSLRequest.
pub fn ssl_request() -> Vec<u8> {
    untagged(80_877_103, &[])
}

/// A GSSENCRequest.
pub fn gssenc_request() -> Vec<u8> {
    untagged(80_877_104, &[])
}

/// A CancelRequest.
pub fn cancel_request(pid: i32, secret: &[u8]) -> Vec<u8> {
    let mut body = pid.to_be_bytes().to_vec();
    body.extend(secret);
    untagged(80_877_102, &body)
}

fn of_strings(tag: u8, strings: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    strings.iter().for_each(|s| put_string(&mut body, s));
    Message::new(tag, body).bytes()
}

/// A Query.
pub fn query(sql: &str) -> Vec<u8> {
    of_strings(b'Q', &[sql])
}

/// A Parse that leaves all parameter types open.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    parse_typed(name, sql, &[])
}

/// A Parse with the types of its parameters.
pub fn parse_typed(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, name);
    put_string(&mut body, sql);
    body.extend((types.len() as u16).to_be_bytes());
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    Message::new(b'P', body).bytes()
}

/// A Bind with parameters and results as text.
pub fn bind(portal: &str, statement: &str, values: &[Option<&str>]) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, portal);
    put_string(&mut body, statement);
    body.extend([0, 0]);
    put_values(&mut body, values);
    body.extend([0, 0]);
    Message::new(b'B', body).bytes()
}

/// How many they are, and each with its length.
fn put_values(body: &mut Vec<u8>, values: &[Option<&str>]) {
    body.extend((values.len() as u16).to_be_bytes());
    for value in values {
        match value {
            None => body.extend((-1i32).to_be_bytes()),
            Some(value) => {
                body.extend((value.len() as u32).to_be_bytes());
                body.extend(value.as_bytes());
            }
        }
    }
}

fn of_target(tag: u8, kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![kind];
    put_string(&mut body, name);
    Message::new(tag, body).bytes()
}

/// A Describe of a prepared statement.
pub fn describe_statement(name: &str) -> Vec<u8> {
    of_target(b'D', b'S', name)
}

/// A Describe of a portal.
pub fn describe_portal(name: &str) -> Vec<u8> {
    of_target(b'D', b'P', name)
}

/// A Close of a prepared statement.
pub fn close_statement(name: &str) -> Vec<u8> {
    of_target(b'C', b'S', name)
}

/// A Close of a portal.
pub fn close_portal(name: &str) -> Vec<u8> {
    of_target(b'C', b'P', name)
}

/// An Execute; 0 rows means all.
pub fn execute(portal: &str, max_rows: u32) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, portal);
    body.extend(max_rows.to_be_bytes());
    Message::new(b'E', body).bytes()
}

/// A Sync.
pub fn sync() -> Vec<u8> {
    Message::new(b'S', []).bytes()
}

/// A Flush.
pub fn flush() -> Vec<u8> {
    Message::new(b'H', []).bytes()
}

/// A Terminate.
pub fn terminate() -> Vec<u8> {
    Message::new(b'X', []).bytes()
}

/// A PasswordMessage.
pub fn password(password: &str) -> Vec<u8> {
    of_strings(b'p', &[password])
}

/// A SASLInitialResponse.
pub fn sasl_initial(mechanism: &str, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, mechanism);
    body.extend((data.len() as u32).to_be_bytes());
    body.extend(data);
    Message::new(b'p', body).bytes()
}

/// A SASLResponse.
pub fn sasl_response(data: &[u8]) -> Vec<u8> {
    Message::new(b'p', data).bytes()
}

/// A FunctionCall with arguments and result as text.
pub fn function_call(function: u32, arguments: &[Option<&str>]) -> Vec<u8> {
    let mut body = function.to_be_bytes().to_vec();
    body.extend([0, 0]);
    put_values(&mut body, arguments);
    body.extend([0, 0]);
    Message::new(b'F', body).bytes()
}

/// A CopyData.
pub fn copy_data(data: &[u8]) -> Vec<u8> {
    Message::new(b'd', data).bytes()
}

/// A CopyDone.
pub fn copy_done() -> Vec<u8> {
    Message::new(b'c', []).bytes()
}

/// A CopyFail.
pub fn copy_fail(reason: &str) -> Vec<u8> {
    of_strings(b'f', &[reason])
}
