//! A report: plain data, the same for every form it is shown in. Its JSON is versioned: within a major
//! version only additions are made.

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::check::{Asked, Bar, Grade, Judged, Layer};
use crate::facts::login::Login;
use crate::facts::{Facts, Reading, Subject, Unread};

/// The version of a report's JSON.
pub const SCHEMA: &str = "1.0";

/// What a run of checks came to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "report of pgmoor check")]
pub struct Report {
    /// The version of this document: unknown fields are to be ignored, an unknown major version refused.
    pub schema: &'static str,
    /// What it is a report of: `check`.
    pub kind: &'static str,
    /// What made it.
    pub program: Program,
    /// When it began (RFC 3339).
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The worst of all checks; `skip` when none could be judged.
    pub status: Status,
    /// How many checks came to what.
    pub counts: Counts,
    /// The databases, in the order they were asked for.
    pub databases: Vec<DatabaseReport>,
}

/// What made a report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Program {
    /// `pgmoor`.
    pub name: &'static str,
    /// Its version.
    pub version: String,
}

/// What the checks of one database came to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DatabaseReport {
    /// What people call it.
    pub name: String,
    /// The endpoint it is served from, where it has a name.
    pub endpoint: Option<String>,
    /// Its address, without secrets.
    pub address: Option<String>,
    /// The application it is for.
    pub system: String,
    /// The server, where there was a session.
    pub server: Option<ServerLine>,
    /// The worst of its checks.
    pub status: Status,
    /// How many of its checks came to what.
    pub counts: Counts,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Whether there was a session at the server.
    pub connected: bool,
    /// Whether a session was tried to be had at all.
    #[serde(skip)]
    pub tried: bool,
    /// Whether a session that could not be had may be had later without anybody changing anything.
    #[serde(skip)]
    pub may_come: bool,
    /// The first check that failed: what to do something about before anything else.
    pub first: Option<String>,
    /// The checks, in their order.
    pub checks: Vec<Finding>,
}

/// The server in one line.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServerLine {
    /// Host and address.
    pub server: String,
    /// Its version.
    pub version: Option<String>,
    /// As whom the session ran.
    pub user: String,
    /// The database it was on.
    pub database: String,
    /// The version of TLS, where there was TLS.
    pub tls: Option<String>,
}

/// One check and what it came to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Finding {
    /// The check: `PGM-NET-001`.
    pub id: &'static str,
    /// Where it belongs.
    pub layer: Layer,
    /// What holds when it passes.
    pub title: &'static str,
    /// How it is.
    pub status: Status,
    /// What was seen; for one that was skipped, the reason.
    pub seen: String,
    /// Why it matters, where it did not pass.
    pub why: Option<&'static str>,
    /// What to do.
    pub hint: Option<String>,
    /// The same as a picture, where it is a share of something.
    pub bar: Option<Bar>,
}

/// How a check, a database or a run came out, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It could not be judged.
    Skip,
    /// As it should be.
    Ok,
    /// It works, and will hurt some day.
    Warn,
    /// It does not work, or must not be.
    Fail,
}

impl Status {
    /// The word, the worst of them loud.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// How many checks came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// As it should be.
    pub ok: usize,
    /// Will hurt some day.
    pub warn: usize,
    /// Must not be.
    pub fail: usize,
    /// Could not be judged.
    pub skip: usize,
}

impl Counts {
    fn of(statuses: impl Iterator<Item = Status>) -> Self {
        let mut counts = Self::default();
        for status in statuses {
            match status {
                Status::Ok => counts.ok += 1,
                Status::Warn => counts.warn += 1,
                Status::Fail => counts.fail += 1,
                Status::Skip => counts.skip += 1,
            }
        }
        counts
    }

    fn worst(self) -> Status {
        match self {
            Self { fail: 1.., .. } => Status::Fail,
            Self { warn: 1.., .. } => Status::Warn,
            Self { ok: 1.., .. } => Status::Ok,
            Self { .. } => Status::Skip,
        }
    }
}

impl Report {
    /// A report of these databases.
    pub fn new(
        version: impl Into<String>,
        started_at: SystemTime,
        took: Duration,
        databases: Vec<DatabaseReport>,
    ) -> Self {
        let all = databases.iter().flat_map(|database| &database.checks);
        let counts = Counts::of(all.map(|check| check.status));
        Self {
            schema: SCHEMA,
            kind: "check",
            program: Program {
                name: "pgmoor",
                version: version.into(),
            },
            started_at: rfc3339(started_at),
            duration_ms: milliseconds(took),
            status: counts.worst(),
            counts,
            databases,
        }
    }
}

impl DatabaseReport {
    /// What the checks of one database came to.
    pub fn new(
        subject: &Subject,
        asked: &Asked,
        facts: &Facts,
        judged: &[Judged],
        took: Duration,
    ) -> Self {
        let checks: Vec<Finding> = judged.iter().map(Finding::of).collect();
        let counts = Counts::of(checks.iter().map(|check| check.status));
        let first = judged.iter().find(|judged| judged.is_failure());
        let login = facts.login.as_ref().ok();
        let session = login.and_then(|login| login.outcome.as_ref().ok());
        let address = subject.configuration.endpoint().map(ToString::to_string);
        Self {
            name: subject.name.clone(),
            endpoint: subject.endpoint.clone(),
            address,
            system: asked.system.clone(),
            server: session.map(|session| ServerLine {
                server: session.server.clone(),
                version: session.version_text().map(str::to_owned),
                user: session.user.clone(),
                database: session.database.clone(),
                tls: session.tls.map(str::to_owned),
            }),
            status: counts.worst(),
            counts,
            duration_ms: milliseconds(took),
            connected: session.is_some(),
            tried: !matches!(facts.login, Err(Unread::NotApplicable(_))),
            may_come: may_come(&facts.login),
            first: first.map(|judged| judged.check.id.to_owned()),
            checks,
        }
    }

    /// What did not pass, the worst first, each in the order of the checks.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let of = |status| {
            self.checks
                .iter()
                .filter(move |check| check.status == status)
        };
        of(Status::Fail).chain(of(Status::Warn))
    }
}

impl Finding {
    fn of(judged: &Judged) -> Self {
        let (status, seen, hint, bar) = match &judged.outcome {
            Ok(verdict) => {
                let status = match verdict.grade {
                    Grade::Pass => Status::Ok,
                    Grade::Warn => Status::Warn,
                    Grade::Fail => Status::Fail,
                };
                (
                    status,
                    verdict.seen.clone(),
                    verdict.hint.clone(),
                    verdict.bar.clone(),
                )
            }
            Err(reason) => (Status::Skip, reason.clone(), None, None),
        };
        let check = judged.check;
        let is_bad = matches!(status, Status::Warn | Status::Fail);
        Self {
            id: check.id,
            layer: check.layer,
            title: check.title,
            status,
            seen,
            why: is_bad.then_some(check.why),
            hint,
            bar,
        }
    }
}

/// A password that was refused is refused again, and an account may be locked for it; a server that starts, or
/// a database that somebody makes meanwhile, comes.
fn may_come(login: &Reading<Login>) -> bool {
    match login {
        Ok(login) => login.outcome.as_ref().is_err_and(|error| {
            let code = error.report().and_then(|report| report.sqlstate);
            error.is_retryable() || code.is_some_and(|code| code.as_str() == "3D000")
        }),
        Err(Unread::Failed(_)) => true,
        Err(Unread::NoGround | Unread::NotApplicable(_)) => false,
    }
}

/// The JSON Schema of a report.
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Report>();
    schema.to_value()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// In UTC, to the second.
fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time).replace_nanosecond(0);
    time.ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}
