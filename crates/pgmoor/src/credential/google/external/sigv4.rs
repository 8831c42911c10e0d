//! AWS's signature on a question that Google asks of AWS in our name: who is it that signed this?

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use pgmoor_wire::Secret;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// Keys of AWS.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret<String>,
    pub(super) session: Option<Secret<String>>,
}

/// The headers of a signed, empty `POST` of `query` to `host`. `headers` are signed too.
pub(super) fn sign(
    keys: &Keys,
    region: &str,
    host: &str,
    query: &str,
    headers: &[(&str, &str)],
    now: SystemTime,
) -> Vec<(String, Secret<String>)> {
    let date = date(now);
    let mut signed: Vec<(String, Secret<String>)> = vec![
        ("host".to_owned(), Secret::from(host)),
        ("x-amz-date".to_owned(), Secret::from(date.as_str())),
    ];
    for (name, value) in headers {
        signed.push(((*name).to_owned(), Secret::from(*value)));
    }
    if let Some(session) = &keys.session {
        signed.push(("x-amz-security-token".to_owned(), session.clone()));
    }
    signed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.expose()))
        .collect();
    let canonical = format!(
        "POST\n/\n{query}\n{lines}\n{names}\n{}",
        hex(&Sha256::digest(b""))
    );
    let scope = format!("{}/{region}/sts/aws4_request", &date[..8]);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let first = zeroize::Zeroizing::new(format!("AWS4{}", keys.secret.expose()).into_bytes());
    let key = scope
        .split('/')
        .fold(first, |key, part| mac(&key, part.as_bytes()));
    let signature = hex(&mac(&key, to_sign.as_bytes()));
    let id = &keys.id;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    signed.push(("Authorization".to_owned(), Secret::new(authorization)));
    signed
}

fn mac(key: &[u8], text: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    zeroize::Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20261121T163000Z`.
fn date(now: SystemTime) -> String {
    let now = OffsetDateTime::from(now);
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second) = now.to_hms();
    let month = u8::from(month);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn moments_are_written_as_aws_wants_them() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101T000000Z");
        assert_eq!(at(1_709_210_096), "20240229T123456Z");
        assert_eq!(at(4_102_444_799), "20991231T235959Z");
    }

    /// The request and the signature of Google's own libraries' tests for the same input.
    #[test]
    fn signature_is_the_one_that_googles_libraries_make() {
        let keys = Keys {
            id: "ASIARD4OQDT6A77FR3CL".to_owned(),
            secret: Secret::from("Y8AfSaucF37G4PpvfguKZ3/l7Id4uocLXxX0+VTx"),
            session: None,
        };
        let headers = sign(
            &keys,
            "us-east-2",
            "sts.us-east-2.amazonaws.com",
            "Action=GetCallerIdentity&Version=2011-06-15",
            &[],
            UNIX_EPOCH + Duration::from_secs(1_597_186_941),
        );
        let authorization = headers.last().expect("it is last").1.expose();
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=ASIARD4OQDT6A77FR3CL/20200811/us-east-2/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature="
            ),
            "{authorization}"
        );
    }
}
