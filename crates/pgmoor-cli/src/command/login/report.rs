//! What `pgmoor login test` found out, for people and for programs. No secret gets here.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use pgmoor::connector::{Connection, Connector, Stage};
use pgmoor::credential::renewal::Status;
use pgmoor::credential::{Claim, Considered, Examined, FailureCause, Outcome};
use pgmoor_gateway::rfc3339;
use serde_json::{Map, Value, json};

use crate::output::{Failure, SCHEMA, chain};

/// All that was found out.
pub(super) struct Report<'a> {
    pub(super) endpoint: &'a str,
    pub(super) connector: &'a Connector,
    pub(super) dbname: Option<&'a str>,
    pub(super) examined: Examined,
    /// The login, if it came about.
    pub(super) entered: Option<Entered>,
}

/// A login that came about.
pub(super) struct Entered {
    user: String,
    database: String,
    server: String,
    version: Option<String>,
    tls: Option<Tls>,
    pid: Option<i32>,
    took: Vec<(Stage, Duration)>,
    total: Duration,
}

struct Tls {
    version: &'static str,
    cipher: String,
    is_verified: bool,
}

impl Entered {
    pub(super) fn of(connection: &Connection, total: Duration) -> Self {
        let mut parameters = connection.parameters.iter();
        let version = parameters.find(|(name, _)| name == "server_version");
        Self {
            user: connection.user.clone(),
            database: connection.database.clone(),
            server: connection.server.clone(),
            version: version.map(|(_, version)| version.clone()),
            tls: connection.stream.tls().map(|tls| Tls {
                version: tls.version,
                cipher: tls.cipher.clone(),
                is_verified: connection.is_verified,
            }),
            pid: connection.key.as_ref().map(|(pid, _)| *pid),
            took: connection.took.clone(),
            total,
        }
    }
}

impl Report<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut page = Page::default();
        page.head("endpoint");
        page.line("name", self.endpoint);
        page.line("server", &self.servers().join(", "));
        page.line("user", self.connector.user());
        if let Some(dbname) = self.dbname {
            page.line("database", dbname);
        }
        self.credential(&mut page);
        if let Some(status) = &self.examined.status {
            renewal(&mut page, status, SystemTime::now());
        }
        let Some(entered) = &self.entered else {
            return page.text();
        };
        entered.write(&mut page);
        let Entered { server, user, .. } = entered;
        format!("{}\nok: logged in to {server} as {user}\n", page.text())
    }

    fn credential(&self, page: &mut Page) {
        let examined = &self.examined;
        page.head("credential");
        page.line("supplied by", &examined.source);
        for considered in &examined.considered {
            page.line(considered.source, &outcome(considered));
        }
        let Ok(claims) = &examined.claims else {
            return;
        };
        if !examined.has_secret && !examined.considered.iter().any(is_used) {
            page.line("secret", "none: the server has to let us in without one");
        }
        if !claims.is_empty() {
            page.head("it says");
        }
        for claim in claims {
            page.line(&claim.name, &claim.value);
        }
    }

    /// For programs; `failure` is why there was no login.
    pub(super) fn json(&self, failure: Option<&Failure>) -> Value {
        let examined = &self.examined;
        let claims = examined.claims.as_ref();
        let mut document = json!({
            "schema": SCHEMA,
            "ok": failure.is_none(),
            "endpoint": self.endpoint,
            "servers": self.servers(),
            "user": self.connector.user(),
            "database": self.dbname,
            "credential": {
                "source": examined.source,
                "considered": examined.considered.iter().map(considered_json).collect::<Vec<_>>(),
                "has_secret": examined.has_secret,
                "claims": claims.map_or(Value::Null, |claims| claims_json(claims)),
                "renewal": examined.status.as_ref().map(renewal_json),
            },
            "login": self.entered.as_ref().map(Entered::json),
        });
        if let (Some(failure), Some(fields)) = (failure, document.as_object_mut()) {
            fields.insert("exit_code".to_owned(), json!(failure.exit.code()));
            fields.insert("errors".to_owned(), failure.errors());
        }
        document
    }

    fn servers(&self) -> Vec<String> {
        let hosts = &self.connector.endpoint().hosts;
        hosts.iter().map(ToString::to_string).collect()
    }
}

impl Entered {
    fn write(&self, page: &mut Page) {
        page.head("login");
        page.line(
            "as",
            &format!("{} on database {}", self.user, self.database),
        );
        let version = self.version.as_deref().unwrap_or("of an untold version");
        page.line("at", &format!("{}, PostgreSQL {version}", self.server));
        let over = match &self.tls {
            None => "no TLS".to_owned(),
            Some(tls) => {
                let trust = match tls.is_verified {
                    true => "verified",
                    false => "NOT verified",
                };
                format!("{}, {}, server {trust}", tls.version, tls.cipher)
            }
        };
        page.line("over", &over);
        for (stage, time) in &self.took {
            page.line(&format!("to {stage}"), &milliseconds(*time));
        }
        page.line("in all", &milliseconds(self.total));
    }

    fn json(&self) -> Value {
        let stages = self.took.iter();
        let stages =
            stages.map(|(stage, time)| json!({ "stage": stage.key(), "seconds": seconds(*time) }));
        json!({
            "user": self.user,
            "database": self.database,
            "server": self.server,
            "server_version": self.version,
            "backend_pid": self.pid,
            "tls": self.tls.as_ref().map(|tls| json!({
                "version": tls.version,
                "cipher": tls.cipher,
                "verified": tls.is_verified,
            })),
            "stages": stages.collect::<Vec<_>>(),
            "seconds": seconds(self.total),
        })
    }
}

/// Names and what there is to say of each, in sections.
#[derive(Default)]
struct Page(Vec<(String, Option<String>)>);

impl Page {
    fn head(&mut self, name: &str) {
        self.0.push((name.to_owned(), None));
    }

    fn line(&mut self, name: &str, value: &str) {
        // One line, whatever somebody else wrote.
        let plain = value.chars().map(|c| if c.is_control() { ' ' } else { c });
        self.0.push((name.to_owned(), Some(plain.collect())));
    }

    fn text(&self) -> String {
        let names = self.0.iter().filter(|(_, value)| value.is_some());
        let width = names.map(|(name, _)| name.chars().count()).max();
        let width = width.unwrap_or_default();
        let mut text = String::new();
        for (name, value) in &self.0 {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = match value {
                None => writeln!(text, "{gap}{name}"),
                Some(value) => writeln!(text, "  {name:<width$}  {value}"),
            };
        }
        text
    }
}

fn is_used(considered: &Considered) -> bool {
    matches!(considered.outcome, Outcome::Used(_))
}

fn outcome(considered: &Considered) -> String {
    match &considered.outcome {
        Outcome::Used(found) => format!("used: {found}"),
        Outcome::Absent(missing) => format!("not there: {missing}"),
        Outcome::Failed(why) => format!("FAILED: {why}"),
        Outcome::NotReached => "not looked at".to_owned(),
    }
}

fn considered_json(considered: &Considered) -> Value {
    let (outcome, detail) = match &considered.outcome {
        Outcome::Used(found) => ("used", Some(found)),
        Outcome::Absent(missing) => ("absent", Some(missing)),
        Outcome::Failed(why) => ("failed", Some(why)),
        Outcome::NotReached => ("not_reached", None),
    };
    json!({ "source": considered.source, "outcome": outcome, "detail": detail })
}

fn claims_json(claims: &[Claim]) -> Value {
    let fields = claims
        .iter()
        .map(|claim| (claim.name.clone(), json!(claim.value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn renewal(page: &mut Page, status: &Status, now: SystemTime) {
    page.head("renewal");
    match status.fetched_at {
        Some(at) => page.line("got", &past(at, now)),
        None => page.line("got", "nothing yet"),
    }
    if status.fetched_at.is_some() {
        match status.expires_at {
            Some(at) => page.line("good until", &future(at, now)),
            None => page.line("good until", "it does not say"),
        }
    }
    if let Some(at) = status.next_renewal {
        page.line("renewed from", &future(at, now));
    }
    if let Some(error) = &status.last_error {
        page.line("failed last", &chain(error));
    }
}

fn renewal_json(status: &Status) -> Value {
    let failures = FailureCause::ALL.map(|cause| (cause, status.failures.of(cause)));
    let failures = failures.into_iter().filter(|(_, count)| *count > 0);
    let failures = failures.map(|(cause, count)| (cause.as_str().to_owned(), json!(count)));
    json!({
        "fetched_at": status.fetched_at.map(rfc3339),
        "expires_at": status.expires_at.map(rfc3339),
        "next_renewal": status.next_renewal.map(rfc3339),
        "renewals": status.renewals,
        "failures": failures.collect::<Map<_, _>>(),
        "last_error": status.last_error.as_ref().map(|error| chain(error)),
    })
}

fn past(at: SystemTime, now: SystemTime) -> String {
    let ago = now.duration_since(at).unwrap_or_default();
    format!("{} ({} ago)", rfc3339(at), long(ago))
}

fn future(at: SystemTime, now: SystemTime) -> String {
    match at.duration_since(now) {
        Ok(left) => format!("{} (in {})", rfc3339(at), long(left)),
        Err(_) => format!("{} (now)", rfc3339(at)),
    }
}

fn long(time: Duration) -> String {
    match time.as_secs() {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}
