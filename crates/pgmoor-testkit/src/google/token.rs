//! The OAuth token endpoint: signed assertions of service accounts, refresh tokens of people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::people::People;
use super::web::{Asked, Reply};

const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// What this endpoint is called where it is Google's.
const PUBLIC_URL: &str = "https://oauth2.googleapis.com/token";
/// How far clocks may differ.
const SKEW: i64 = 300;

/// Answers `POST /token`; `own_url` is what assertions must name as their audience.
pub(crate) fn answer(request: &Asked, people: &mut People, own_url: &str, life: Duration) -> Reply {
    if request.method != "POST" {
        return Reply::refused(405, "only POST");
    }
    let Some(form) = request.stated_form() else {
        return Reply::oauth(400, "invalid_request", "the body is not a form");
    };
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let asked = match field("grant_type") {
        ASSERTION => from_assertion(field("assertion"), people, own_url),
        "refresh_token" => from_refresh(
            field("refresh_token"),
            field("client_id"),
            field("client_secret"),
            form.get("scope").map(String::as_str),
            people,
        ),
        other => Err(Reply::oauth(
            400,
            "unsupported_grant_type",
            format!("Invalid grant_type: {other}"),
        )),
    };
    let (principal, scopes) = match asked {
        Ok(granted) => granted,
        Err(refusal) => return refusal,
    };
    if people.is_disabled(&principal) {
        return Reply::oauth(400, "invalid_grant", "Invalid grant: account not found");
    }
    let token = people.issue(&principal, &scopes, life);
    Reply::json(
        200,
        &json!({
            "access_token": token, "expires_in": life.as_secs(), "token_type": "Bearer",
        }),
    )
}

type Granted = Result<(String, Vec<String>), Reply>;

fn from_refresh(
    token: &str,
    client: &str,
    secret: &str,
    scope: Option<&str>,
    people: &People,
) -> Granted {
    let Some((known_client, known_secret, email)) = people.refresh.get(token) else {
        let text = "Token has been expired or revoked.";
        return Err(Reply::oauth(400, "invalid_grant", text));
    };
    if (known_client.as_str(), known_secret.as_str()) != (client, secret) {
        let text = "The OAuth client was not found.";
        return Err(Reply::oauth(401, "invalid_client", text));
    }
    // What a person consents to when nothing is said; less may be asked for.
    let consent = [super::scope::CLOUD, super::scope::LOGIN];
    let scopes: Vec<&str> = scope.map_or(consent.to_vec(), |scope| scope.split(' ').collect());
    if scopes.iter().any(|scope| !consent.contains(scope)) {
        let text = "Some requested scopes were invalid.";
        return Err(Reply::oauth(400, "invalid_scope", text));
    }
    Ok((
        email.clone(),
        scopes.into_iter().map(str::to_owned).collect(),
    ))
}

fn from_assertion(assertion: &str, people: &People, own_url: &str) -> Granted {
    let bad = |why: &str| {
        Err(Reply::oauth(
            400,
            "invalid_grant",
            format!("Invalid JWT: {why}"),
        ))
    };
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return bad("it has not three parts");
    };
    let (Some(head), Some(body)) = (decoded(header), decoded(claims)) else {
        return bad("a part is not base64url of JSON");
    };
    let text = |object: &Value, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    if text(&head, "alg") != "RS256" || text(&head, "typ") != "JWT" {
        return bad("the algorithm is not RS256");
    }
    let (email, key) = (text(&body, "iss"), text(&head, "kid"));
    let Some(key) = people.keys.get(&(email.clone(), key)) else {
        return bad("no such key of that account");
    };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
        return bad("the signature is not base64url");
    };
    let signed = format!("{header}.{claims}");
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    if key.verify(signed.as_bytes(), &signature).is_err() {
        return bad("the signature does not fit");
    }
    // Google's own Python library names the public address whatever the key file says.
    if ![own_url, PUBLIC_URL].contains(&text(&body, "aud").as_str()) {
        return bad("audience is not this endpoint");
    }
    let (issued, ends) = (body["iat"].as_i64(), body["exp"].as_i64());
    let (Some(issued), Some(ends)) = (issued, ends) else {
        return bad("iat and exp are missing");
    };
    let now = unix_now();
    if issued > now + SKEW || ends < now - SKEW || ends - issued > 3_600 || ends <= issued {
        return bad(
            "Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
             Check your iat and exp values in the JWT claim.",
        );
    }
    let scopes: Vec<String> = text(&body, "scope").split(' ').map(str::to_owned).collect();
    if scopes
        .iter()
        .any(|scope| !scope.starts_with("https://www.googleapis.com/auth/"))
    {
        let text = "Invalid OAuth scope or ID token audience provided.";
        return Err(Reply::oauth(400, "invalid_scope", text));
    }
    Ok((email, scopes))
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

pub(crate) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("it is after 1970").as_secs()).expect("it is before the end of time")
}
