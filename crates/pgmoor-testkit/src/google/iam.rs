//! `generateAccessToken` of IAM: a token of a service account for somebody who may act as it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::people::People;
use super::scope;
use super::web::{Asked, Reply};

const PREFIX: &str = "/v1/projects/-/serviceAccounts/";
const SUFFIX: &str = ":generateAccessToken";

/// Whether a path is IAM's.
pub(crate) fn is_ours(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers `POST …:generateAccessToken`.
pub(crate) fn answer(request: &Asked, people: &mut People, longest: Duration) -> Reply {
    let target = request
        .path
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX));
    let (Some(target), "POST") = (target, request.method.as_str()) else {
        return Reply::refused(404, "not found");
    };
    let Some(token) = request.bearer() else {
        return Reply::refused(
            401,
            "Request is missing required authentication credential.",
        );
    };
    let caller = match people.judge(token) {
        Ok(issued) if issued.has_any(&[scope::CLOUD, scope::IAM]) => issued.principal.clone(),
        Ok(_) => {
            return Reply::refused(403, "Request had insufficient authentication scopes.");
        }
        Err(why) => return Reply::refused(401, why),
    };
    if let Some(project) = request.header("x-goog-user-project")
        && !people.may_consume(&caller, project)
    {
        return Reply::refused(
            403,
            "Caller does not have required permission to use project",
        );
    }
    let Some(body) = request.stated_json() else {
        return Reply::refused(400, "the body is not JSON");
    };
    let list = |name: &str| -> Vec<String> {
        let items = body[name].as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let mut chain = vec![caller];
    for delegate in list("delegates") {
        match delegate.strip_prefix("projects/-/serviceAccounts/") {
            Some(email) => chain.push(email.to_owned()),
            None => return Reply::refused(400, format!("Invalid delegate {delegate}")),
        }
    }
    chain.push(target.to_owned());
    for pair in chain.windows(2) {
        if !people.may_impersonate(&pair[0], &pair[1]) || people.is_disabled(&pair[1]) {
            let text = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
            return Reply::refused(403, text);
        }
    }
    let scopes = list("scope");
    if scopes.is_empty() {
        return Reply::refused(400, "scope is required");
    }
    let asked = body["lifetime"]
        .as_str()
        .and_then(|text| text.strip_suffix('s')?.parse().ok());
    let asked = Duration::from_secs(asked.unwrap_or(3_600));
    if asked > Duration::from_secs(3_600) {
        let text = "The request should not exceed the maximum token lifetime of 3600s";
        return Reply::refused(400, text);
    }
    let life = asked.min(longest);
    let token = people.issue(target, &scopes, life);
    let ends = rfc3339(SystemTime::now() + life);
    Reply::json(200, &json!({ "accessToken": token, "expireTime": ends }))
}

/// A moment as Google writes it.
fn rfc3339(moment: SystemTime) -> String {
    let seconds = moment
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut left) = (1970, days);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        left + 1
    )
}
