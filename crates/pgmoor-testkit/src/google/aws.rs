//! What proves to Google that one is somebody at AWS: a signed request that Google could send there.
//!
//! The signature is recomputed here, from the words of AWS's description of it.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::web::{Asked, Reply};
use crate::identity::{read_basic, unix};

/// How far AWS lets clocks differ.
const SKEW: i64 = 900;

/// Keys of an AWS account.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// The id of the key.
    pub id: String,
    /// The key.
    pub secret: String,
    /// What goes with temporary keys.
    pub session: Option<String>,
    /// Whose they are.
    pub arn: String,
}

/// The metadata server of AWS, as far as Google's libraries ask it.
pub(crate) fn metadata(request: &Asked, keys: &AwsKeys) -> Reply {
    const SESSION: &str = "imds-session";
    if request.path == "/latest/api/token" {
        let ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds");
        return match (request.method.as_str(), ttl) {
            ("PUT", Some(_)) => Reply::text(200, SESSION),
            _ => Reply::refused(400, "PUT with a time to live"),
        };
    }
    if request.method != "GET" || request.header("x-aws-ec2-metadata-token") != Some(SESSION) {
        return Reply::refused(401, "no session");
    }
    match request.path.as_str() {
        "/latest/meta-data/placement/availability-zone" => Reply::text(200, "eu-central-1b"),
        "/latest/meta-data/iam/security-credentials" => Reply::text(200, "app-role"),
        "/latest/meta-data/iam/security-credentials/app-role" => Reply::json(
            200,
            &json!({
                "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": keys.id,
                "SecretAccessKey": keys.secret, "Token": keys.session,
            }),
        ),
        _ => Reply::refused(404, "not found"),
    }
}

/// Who the signed request proves to be.
pub(crate) fn judge(subject: &str, audience: &str, known: &[AwsKeys]) -> Result<String, String> {
    let text = percent_decode_str(subject).decode_utf8_lossy().into_owned();
    let signed: Value = serde_json::from_str(&text).map_err(|_| "subject is not JSON")?;
    let url = signed["url"].as_str().unwrap_or_default();
    let (host, query) = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('?'))
        .ok_or("url is not https with a query")?;
    let host = host.trim_end_matches('/');
    let region = host
        .strip_prefix("sts.")
        .and_then(|rest| rest.strip_suffix(".amazonaws.com"))
        .ok_or("url is not of the security token service")?;
    if query != "Action=GetCallerIdentity&Version=2011-06-15" || signed["method"] != "POST" {
        return Err("it does not ask who the caller is".to_owned());
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for header in signed["headers"].as_array().ok_or("there are no headers")? {
        let part = |name: &str| header[name].as_str().unwrap_or_default().to_owned();
        headers.push((part("key").to_lowercase(), part("value")));
    }
    let header = |name: &str| {
        let mut all = headers.iter();
        all.find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    };
    if header("host") != host || header("x-goog-cloud-target-resource") != audience {
        return Err("it is not meant for this pool".to_owned());
    }
    let parts = authorization(header("authorization"))?;
    let date = header("x-amz-date");
    let signed_at = read_basic(date).ok_or("x-amz-date is no date")?;
    if (signed_at - unix(SystemTime::now())).abs() > SKEW {
        return Err("Signature expired, or not yet current".to_owned());
    }
    let key = known
        .iter()
        .find(|key| key.id == parts.key)
        .ok_or("no such key")?;
    if key.session.as_deref().unwrap_or_default() != header("x-amz-security-token") {
        return Err("the session token is not the key's".to_owned());
    }
    let scope = format!(
        "{}/{region}/sts/aws4_request",
        date.get(..8).unwrap_or_default()
    );
    if parts.scope != scope {
        return Err(format!("signed for {} instead of {scope}", parts.scope));
    }
    let mut names: Vec<&str> = parts.signed.split(';').collect();
    names.sort_unstable();
    // Not the target: Google's own Python library adds that header to what it has signed.
    if !["host", "x-amz-date"]
        .iter()
        .all(|name| names.contains(name))
    {
        return Err("a header that matters is not signed".to_owned());
    }
    let listed: String = names
        .iter()
        .map(|name| format!("{name}:{}\n", header(name).trim()))
        .collect();
    let canonical = format!(
        "POST\n/\n{query}\n{listed}\n{}\n{}",
        names.join(";"),
        hex(&Sha256::digest(b""))
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut link = format!("AWS4{}", key.secret).into_bytes();
    for part in scope.split('/') {
        link = mac(&link, part.as_bytes());
    }
    if hex(&mac(&link, to_sign.as_bytes())) != parts.signature {
        return Err("The AWS signature does not fit.".to_owned());
    }
    Ok(key.arn.clone())
}

struct Authorization<'a> {
    key: &'a str,
    scope: &'a str,
    signed: &'a str,
    signature: &'a str,
}

fn authorization(header: &str) -> Result<Authorization<'_>, String> {
    let rest = header
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("no AWS4 authorization")?;
    let part = |name: &str| {
        let mut parts = rest.split(',').map(str::trim);
        parts
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let (key, scope) = part("Credential")
        .split_once('/')
        .ok_or("no credential scope")?;
    Ok(Authorization {
        key,
        scope,
        signed: part("SignedHeaders"),
        signature: part("Signature"),
    })
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
