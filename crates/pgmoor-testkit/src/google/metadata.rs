//! The metadata server of a virtual machine, which knows the account that the machine runs as.

use std::time::Duration;

use serde_json::json;

use super::people::People;
use super::scope;
use super::web::{Asked, Reply};

const ROOT: &str = "/computeMetadata/v1/";

/// The machine, as its metadata server describes it.
pub(crate) struct Machine {
    /// The account it runs as.
    pub(crate) account: Option<String>,
    /// The scopes that the machine was made with; others are not given.
    pub(crate) scopes: Vec<String>,
    pub(crate) universe: String,
    /// Dots behind the token, which fill it up to a length.
    pub(crate) padding: usize,
    /// The token that is given out until it is nearly over.
    pub(crate) last: Option<(String, Vec<String>)>,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            account: None,
            scopes: vec![scope::CLOUD.to_owned()],
            universe: "googleapis.com".to_owned(),
            padding: 0,
            last: None,
        }
    }
}

/// Whether a path is the metadata server's.
pub(crate) fn is_ours(path: &str) -> bool {
    path == "/" || path.starts_with("/computeMetadata/")
}

/// Answers a request; every answer says whose it is.
pub(crate) fn answer(
    request: &Asked,
    machine: &mut Machine,
    people: &mut People,
    life: Duration,
) -> Reply {
    let reply = judge(request, machine, people, life);
    reply
        .with("metadata-flavor", "Google")
        .with("server", "Metadata Server for VM")
}

fn judge(request: &Asked, machine: &mut Machine, people: &mut People, life: Duration) -> Reply {
    if request.method != "GET" {
        return Reply::refused(405, "only GET");
    }
    // As real ones do: who sends this header was tricked by somebody else's web page.
    if request.header("metadata-flavor") != Some("Google") {
        return Reply::refused(403, "Missing Metadata-Flavor:Google header.");
    }
    if request.header("x-forwarded-for").is_some() {
        return Reply::refused(403, "X-Forwarded-For is not allowed.");
    }
    let Some(name) = request.path.strip_prefix(ROOT) else {
        return match request.path.as_str() {
            "/" => Reply::text(200, "computeMetadata/\n"),
            _ => Reply::refused(404, "not found"),
        };
    };
    let Some(account) = machine.account.clone() else {
        return Reply::refused(404, "the machine has no service account");
    };
    match name {
        "universe/universe-domain" => return Reply::text(200, machine.universe.clone()),
        "project/project-id" => return Reply::text(200, "test-project"),
        // Google's Node library asks for this to find out whether anybody is there.
        "instance" => return Reply::text(301, "").with("location", &format!("{ROOT}instance/")),
        "instance/" => return Reply::text(200, "service-accounts/\n"),
        _ => {}
    }
    let Some(what) = name.strip_prefix("instance/service-accounts/default/") else {
        return Reply::refused(404, "not found");
    };
    match what {
        "" => Reply::json(
            200,
            &json!({
                "aliases": ["default"], "email": account, "scopes": machine.scopes,
            }),
        ),
        "email" => Reply::text(200, account),
        "scopes" => Reply::text(200, machine.scopes.join("\n")),
        "token" => token(request, machine, people, &account, life),
        _ => Reply::refused(404, "not found"),
    }
}

fn token(
    request: &Asked,
    machine: &mut Machine,
    people: &mut People,
    account: &str,
    life: Duration,
) -> Reply {
    let scopes: Vec<String> = match request.query_field("scopes").as_deref() {
        Some(asked) => asked.split(',').map(str::to_owned).collect(),
        None => machine.scopes.clone(),
    };
    // A machine with cloud-platform may ask for less; other ones get what they were made with.
    let has_all = machine.scopes.iter().any(|scope| scope == scope::CLOUD);
    if !has_all && scopes.iter().any(|asked| !machine.scopes.contains(asked)) {
        return Reply::refused(403, "the machine was not made with these scopes");
    }
    let now = std::time::SystemTime::now();
    // The same token until shortly before its end, as real ones do.
    let again = machine.last.clone().filter(|(token, same)| {
        let margin = Duration::from_secs(270).min(life / 4);
        let issued = people.judge(token);
        *same == scopes && issued.is_ok_and(|issued| issued.expires_at > now + margin)
    });
    let token = match again {
        Some((token, _)) => token,
        None => people.issue(account, &scopes, life),
    };
    machine.last = Some((token.clone(), scopes));
    let ends = people.judge(&token).map_or(now, |issued| issued.expires_at);
    let left = ends.duration_since(now).unwrap_or_default();
    Reply::json(
        200,
        &json!({
            "access_token": format!("{token}{}", ".".repeat(machine.padding)),
            "expires_in": left.as_secs(),
            "token_type": "Bearer",
        }),
    )
}
