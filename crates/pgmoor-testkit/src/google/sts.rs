//! The security token service: a token of another issuer, or a proof to be somebody at AWS, against
//! an access token.

use std::time::Duration;

use serde_json::json;

use super::aws;
use super::people::{People, Trusted};
use super::web::{Asked, Reply};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const AWS_REQUEST: &str = "urn:ietf:params:aws:token-type:aws4_request";

/// Answers `POST /v1/token`.
pub(crate) fn answer(request: &Asked, people: &mut People, life: Duration) -> Reply {
    let bad = |text: String| Reply::oauth(400, "invalid_request", text);
    if request.method != "POST" {
        return Reply::refused(405, "only POST");
    }
    let Some(form) = request.stated_form() else {
        return bad("the body is not a form".to_owned());
    };
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if field("grant_type") != GRANT {
        return bad(format!("Invalid grant_type: {}", field("grant_type")));
    }
    if field("requested_token_type") != ACCESS_TOKEN {
        return bad("Invalid requested_token_type".to_owned());
    }
    let (audience, subject) = (field("audience"), field("subject_token"));
    let Some(trusted) = people.pools.get(audience) else {
        let text = format!("Invalid value for \"audience\": {audience}");
        return Reply::oauth(400, "invalid_target", text);
    };
    let kind = field("subject_token_type");
    let known = match trusted {
        Trusted::Tokens(tokens) => match (kind, tokens.get(subject)) {
            (
                "urn:ietf:params:oauth:token-type:jwt"
                | "urn:ietf:params:oauth:token-type:id_token",
                Some(subject),
            ) => Ok(subject.clone()),
            (_, Some(_)) => Err(format!("subject_token_type {kind} is not accepted")),
            (_, None) => Err("The subject token is unknown or stale.".to_owned()),
        },
        Trusted::Aws(_) if kind != AWS_REQUEST => Err(format!("{kind} is not accepted")),
        Trusted::Aws(keys) => aws::judge(subject, audience, keys),
    };
    let subject = match known {
        Ok(subject) => subject,
        Err(why) => return Reply::oauth(400, "invalid_grant", why),
    };
    let scopes: Vec<String> = field("scope").split(' ').map(str::to_owned).collect();
    if scopes.iter().all(String::is_empty) {
        return bad("scope is missing".to_owned());
    }
    let principal = principal(audience, &subject);
    let token = people.issue(&principal, &scopes, life);
    Reply::json(
        200,
        &json!({
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": life.as_secs(),
        }),
    )
}

/// How IAM names a subject of a pool.
pub(crate) fn principal(audience: &str, subject: &str) -> String {
    let pool = audience.split("/providers/").next().unwrap_or(audience);
    format!("principal:{pool}/subject/{subject}")
}
