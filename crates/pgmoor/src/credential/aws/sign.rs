//! The token itself: a presigned request that nobody sends, with its scheme cut off.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pgmoor_wire::Secret;
use tracing::dispatcher::{Dispatch, with_default};

/// How long a token is good; the service allows no more.
pub(super) const LIFE: Duration = Duration::from_secs(900);

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Who wants in where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    /// As the database endpoint is called; IPv6 addresses have no brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) region: &'a str,
    pub(super) is_dsql: bool,
}

impl Wanted<'_> {
    /// Host and port as a token names them.
    pub(super) fn place(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_owned()
        };
        if self.is_dsql {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    fn query(&self) -> String {
        match (self.is_dsql, self.user) {
            (true, "admin") => "Action=DbConnectAdmin".to_owned(),
            (true, _) => "Action=DbConnect".to_owned(),
            (false, user) => {
                format!(
                    "Action=connect&DBUser={}",
                    utf8_percent_encode(user, RESERVED)
                )
            }
        }
    }
}

/// Signs a token.
///
/// # Errors
/// What the signer does not take, such as a host that cannot stand in an address.
pub(super) fn token(
    wanted: &Wanted<'_>,
    credentials: &Credentials,
    now: SystemTime,
) -> Result<Secret<String>, Box<dyn std::error::Error + Send + Sync>> {
    let (place, query) = (wanted.place(), wanted.query());
    // The service compares in lower case, and the signer signs what it is given.
    let address = format!("https://{}/?{query}", place.to_ascii_lowercase());
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(LIFE);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(wanted.region)
        .name(if wanted.is_dsql { "dsql" } else { "rds-db" })
        .time(now)
        .settings(settings)
        .build()?
        .into();
    let body = SignableBody::Bytes(&[]);
    let request = SignableRequest::new("GET", &address, std::iter::empty(), body)?;
    // The signer logs what it signs, with the session token in it.
    let signed = with_default(&Dispatch::none(), || sign(request, &parameters))?;
    let (instructions, _) = signed.into_parts();
    let mut token = format!("{place}/?{query}");
    for (name, value) in instructions.params() {
        token.push('&');
        token.push_str(name);
        token.push('=');
        token.extend(utf8_percent_encode(value, RESERVED));
    }
    Ok(Secret::new(token))
}
