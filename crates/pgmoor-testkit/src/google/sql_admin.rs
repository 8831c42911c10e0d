//! The SQL Admin API, as far as connectors use it.

use serde_json::json;

use super::instance::Held;
use super::people::{Issued, People, lets_in};
use super::scope;
use super::web::{Asked, Reply};

const ROOT: &str = "/sql/v1beta4/";

/// What is asked of the API.
pub(crate) enum Call {
    Settings { project: String, instance: String },
    Certificate { project: String, instance: String },
    Resolve { region: String, name: String },
}

/// Reads a path; `None` when it is not the API's.
pub(crate) fn call(path: &str) -> Option<Call> {
    let parts: Vec<&str> = path.strip_prefix(ROOT)?.split('/').collect();
    match parts[..] {
        [
            "projects",
            project,
            "instances",
            instance,
            "connectSettings",
        ] => Some(Call::Settings {
            project: project.to_owned(),
            instance: instance.to_owned(),
        }),
        ["projects", project, "instances", last] => Some(Call::Certificate {
            project: project.to_owned(),
            instance: last.strip_suffix(":generateEphemeralCert")?.to_owned(),
        }),
        ["locations", region, "dns", last] => Some(Call::Resolve {
            region: region.to_owned(),
            name: last
                .strip_suffix(":resolveConnectSettings")?
                .trim_end_matches('.')
                .to_owned(),
        }),
        _ => None,
    }
}

/// Answers a call.
pub(crate) fn answer(request: &Asked, call: &Call, people: &People, held: &mut [Held]) -> Reply {
    let caller = match admitted(request, people) {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let find = |project: &str, instance: &str| {
        let fits = |held: &Held| {
            let (known, _, name) = held.options.parts();
            (known, name) == (project, instance)
        };
        let position = held.iter().position(fits);
        position.filter(|_| people.is_client(&caller.principal, project))
    };
    // As the real API: who may not see an instance is not told whether it exists.
    let hidden = || {
        let text = "The client is not authorized to make this request.";
        let error = json!({
            "code": 403, "message": text,
            "errors": [{ "message": text, "domain": "global", "reason": "notAuthorized" }],
        });
        Reply::json(403, &json!({ "error": error }))
    };
    match (call, request.method.as_str()) {
        (Call::Settings { project, instance }, "GET") => match find(project, instance) {
            Some(found) => Reply::json(200, &held[found].identity.settings(&held[found].options)),
            None => hidden(),
        },
        (Call::Certificate { project, instance }, "POST") => match find(project, instance) {
            Some(found) => certificate(request, people, &mut held[found]),
            None => hidden(),
        },
        (Call::Resolve { region, name }, "GET") => {
            let fits = |held: &&Held| {
                held.options.parts().1 == region && held.options.dns_name.as_ref() == Some(name)
            };
            match held.iter().find(fits) {
                Some(held) => {
                    let mut settings = held.identity.settings(&held.options);
                    settings["connectionName"] = json!(held.options.name);
                    Reply::json(200, &settings)
                }
                None => Reply::refused(404, "The DNS name does not exist."),
            }
        }
        _ => Reply::refused(405, "not with this method"),
    }
}

fn admitted(request: &Asked, people: &People) -> Result<Issued, Reply> {
    let Some(token) = request.bearer() else {
        let text = "Login Required.";
        return Err(Reply::refused(401, text));
    };
    let caller = people
        .judge(token)
        .map_err(|why| Reply::refused(401, why))?
        .clone();
    if !caller.has_any(&[scope::ADMIN, scope::CLOUD]) {
        let text = "Request had insufficient authentication scopes.";
        return Err(Reply::refused(403, text));
    }
    match request.header("x-goog-user-project") {
        Some(project) if !people.may_consume(&caller.principal, project) => {
            let text = format!(
                "Caller does not have required permission to use project {project}. Grant the caller \
                 the roles/serviceusage.serviceUsageConsumer role."
            );
            Err(Reply::refused(403, text))
        }
        _ => Ok(caller),
    }
}

fn certificate(request: &Asked, people: &People, held: &mut Held) -> Reply {
    let Some(body) = request.stated_json() else {
        return Reply::refused(400, "the body is not JSON");
    };
    let Some(key) = body["public_key"].as_str() else {
        return Reply::refused(400, "public_key is missing");
    };
    let principal = match body["access_token"].as_str() {
        None => None,
        Some(token) => match people.judge(token) {
            Ok(issued) if lets_in(issued) => Some(issued.principal.clone()),
            Ok(_) => {
                return Reply::refused(400, "the access token lacks the scope sqlservice.login");
            }
            Err(why) => return Reply::refused(400, format!("Invalid access token: {why}")),
        },
    };
    let life = held.options.certificate_life;
    match held.identity.sign(key, principal.as_deref(), life) {
        Err(why) => Reply::refused(400, why),
        Ok(certificate) => {
            held.certificates += 1;
            Reply::json(
                200,
                &json!({ "ephemeralCert": { "kind": "sql#sslCert", "cert": certificate } }),
            )
        }
    }
}
