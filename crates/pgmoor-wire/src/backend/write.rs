//! Writers of what a server says.

use super::{Authentication, TransactionStatus, tag};
use crate::EncodeError;
use crate::startup::{KEY_LENGTHS, MAJOR};
use crate::write::message;

type Done = Result<(), EncodeError>;

/// Appends that the client is logged in.
pub fn write_auth_ok(out: &mut Vec<u8>) {
    plain_request(out, Authentication::Ok);
}

/// Appends a request for the password as it is.
pub fn write_auth_cleartext(out: &mut Vec<u8>) {
    plain_request(out, Authentication::Cleartext);
}

fn plain_request(out: &mut Vec<u8>, request: Authentication<'_>) {
    out.extend_from_slice(&[tag::AUTHENTICATION, 0, 0, 0, 8]);
    out.extend_from_slice(&request.code().to_be_bytes());
}

/// Appends a request for the password under MD5 with this salt.
pub fn write_auth_md5(out: &mut Vec<u8>, salt: [u8; 4]) {
    out.extend_from_slice(&[tag::AUTHENTICATION, 0, 0, 0, 12]);
    out.extend_from_slice(&Authentication::Md5(salt).code().to_be_bytes());
    out.extend_from_slice(&salt);
}

/// Appends a request for one of these SASL mechanisms.
///
/// # Errors
///
/// [`EncodeError`], and nothing is appended, if a string is too long or holds a NUL. So do all
/// writers here that can fail.
pub fn write_auth_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) -> Done {
    message(out, tag::AUTHENTICATION, |body| {
        body.i32(Authentication::Sasl(super::Mechanisms(&[])).code())?;
        for mechanism in mechanisms {
            body.cstr(mechanism.as_bytes())?;
        }
        body.u8(0)
    })
}

/// Appends what a SASL mechanism goes on with.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_auth_sasl_continue(out: &mut Vec<u8>, data: &[u8]) -> Done {
    message(out, tag::AUTHENTICATION, |body| {
        body.i32(Authentication::SaslContinue(data).code())?;
        body.bytes(data)
    })
}

/// Appends a SASL mechanism's last word.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_auth_sasl_final(out: &mut Vec<u8>, data: &[u8]) -> Done {
    message(out, tag::AUTHENTICATION, |body| {
        body.i32(Authentication::SaslFinal(data).code())?;
        body.bytes(data)
    })
}

/// Appends a reported setting.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_parameter_status(out: &mut Vec<u8>, name: &str, value: &str) -> Done {
    message(out, tag::PARAMETER_STATUS, |body| {
        body.cstr(name.as_bytes())?;
        body.cstr(value.as_bytes())
    })
}

/// Appends what the client needs to cancel this session; 4 bytes for a client of protocol 3.0.
///
/// # Errors
///
/// [`EncodeError::KeyLength`] if the key is not 4 to 256 bytes long.
pub fn write_backend_key(out: &mut Vec<u8>, pid: i32, secret: &[u8]) -> Done {
    if !KEY_LENGTHS.contains(&secret.len()) {
        return Err(EncodeError::KeyLength);
    }
    message(out, tag::BACKEND_KEY_DATA, |body| {
        body.i32(pid)?;
        body.bytes(secret)
    })
}

/// Appends that the next query may come.
#[inline]
pub fn write_ready(out: &mut Vec<u8>, status: TransactionStatus) {
    out.extend_from_slice(&[tag::READY_FOR_QUERY, 0, 0, 0, 5, status.byte()]);
}

/// Appends that a Parse is done.
#[inline]
pub fn write_parse_complete(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::PARSE_COMPLETE, 0, 0, 0, 4]);
}

/// Appends that a Bind is done.
#[inline]
pub fn write_bind_complete(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::BIND_COMPLETE, 0, 0, 0, 4]);
}

/// Appends that a Close is done.
#[inline]
pub fn write_close_complete(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::CLOSE_COMPLETE, 0, 0, 0, 4]);
}

/// Appends that the query was empty.
pub fn write_empty_query(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::EMPTY_QUERY_RESPONSE, 0, 0, 0, 4]);
}

/// Appends that a statement returns no rows.
pub fn write_no_data(out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag::NO_DATA, 0, 0, 0, 4]);
}

/// Appends that a command is done.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_command_complete(out: &mut Vec<u8>, tag: &str) -> Done {
    message(out, tag::COMMAND_COMPLETE, |body| body.cstr(tag.as_bytes()))
}

/// A column of a result that is sent as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// OID of its type.
    pub type_oid: u32,
    /// Bytes of its type, -1 if they vary.
    pub type_len: i16,
}

impl<'a> Column<'a> {
    /// A column of type `text`.
    pub const fn text(name: &'a str) -> Self {
        Self {
            name,
            type_oid: 25,
            type_len: -1,
        }
    }

    /// A column of type `int8`.
    pub const fn int8(name: &'a str) -> Self {
        Self {
            name,
            type_oid: 20,
            type_len: 8,
        }
    }
}

/// Appends the columns of the rows to come, all sent as text.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_row_description(out: &mut Vec<u8>, columns: &[Column<'_>]) -> Done {
    message(out, tag::ROW_DESCRIPTION, |body| {
        body.count(columns.len())?;
        for column in columns {
            body.cstr(column.name.as_bytes())?;
            body.i32(0)?; // of no table
            body.i16(0)?; // and no column of it
            body.bytes(&column.type_oid.to_be_bytes())?;
            body.i16(column.type_len)?;
            body.i32(-1)?; // no type modifier
            body.i16(0)?; // as text
        }
        Ok(())
    })
}

/// Appends the columns of the rows to come, all of type `text`.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_row_description_text(out: &mut Vec<u8>, columns: &[&str]) -> Done {
    let columns: Vec<Column<'_>> = columns.iter().map(|name| Column::text(name)).collect();
    write_row_description(out, &columns)
}

/// Appends a row of text values; `None` is NULL.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_data_row_text<V: AsRef<[u8]>>(out: &mut Vec<u8>, values: &[Option<V>]) -> Done {
    message(out, tag::DATA_ROW, |body| body.values(values))
}

/// Appends that we speak protocol 3.`minor` at most and do not know these options.
///
/// # Errors
///
/// As [`write_auth_sasl`].
pub fn write_negotiate_protocol(out: &mut Vec<u8>, minor: u16, unknown: &[&str]) -> Done {
    message(out, tag::NEGOTIATE_PROTOCOL_VERSION, |body| {
        // The whole version, as every PostgreSQL sends and libpq reads; the manual says "minor".
        body.bytes(&MAJOR.to_be_bytes())?;
        body.bytes(&minor.to_be_bytes())?;
        body.i32(i32::try_from(unknown.len()).map_err(|_| EncodeError::TooMany)?)?;
        for name in unknown {
            body.cstr(name.as_bytes())?;
        }
        Ok(())
    })
}
