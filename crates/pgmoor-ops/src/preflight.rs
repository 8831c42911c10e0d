//! A run of checks over several databases: facts are read, judged and reported, many databases at once.

use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::check::{Asked, Budget, Ground, Selection, judge};
use crate::facts::{Facts, Group, Subject, Wanted};
use crate::report::{DatabaseReport, Report};

/// How many databases are looked at at once.
const AT_ONCE: usize = 16;

/// A database, and what is asked of it.
#[derive(Debug)]
pub struct Examination {
    /// The database.
    pub subject: Subject,
    /// What is asked of it.
    pub asked: Asked,
}

/// How a run goes about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which checks are wanted.
    pub selection: Selection,
    /// How long one step over the network may take: a connection, a login, the reading of one group of
    /// facts.
    pub limit: Duration,
    /// The version of the program, for the report.
    pub version: String,
}

/// Looks at all of them, and tells `done` of each that is finished.
///
/// Cancel safe: what was opened is closed.
pub async fn run(
    examinations: &[Examination],
    options: &Options,
    done: impl Fn(&DatabaseReport),
) -> Report {
    let (started_at, started) = (SystemTime::now(), Instant::now());
    let looks = examinations.iter().map(async |examination| {
        let report = examine(examination, examinations, options).await;
        done(&report);
        report
    });
    let databases = stream::iter(looks).buffered(AT_ONCE).collect().await;
    Report::new(&options.version, started_at, started.elapsed(), databases)
}

async fn examine(
    examination: &Examination,
    all: &[Examination],
    options: &Options,
) -> DatabaseReport {
    let started = Instant::now();
    let Examination { subject, asked } = examination;
    let mut groups = options.selection.groups();
    if !asked.for_move {
        groups = groups.without(Group::Moving).without(Group::Target);
    }
    let wanted = Wanted {
        requirement: &asked.requirement,
        groups,
        limit: options.limit,
    };
    let facts = Facts::read(subject, &wanted).await;
    let judged = judge(
        Ground::new(&facts, asked).beside(siblings(examination, all)),
        &options.selection,
    );
    DatabaseReport::new(subject, asked, &facts, &judged, started.elapsed())
}

/// The connections that applications of other databases open at the same server.
fn siblings(examination: &Examination, all: &[Examination]) -> i64 {
    let others = all
        .iter()
        .filter(|other| !std::ptr::eq(*other, examination));
    others
        .filter(|other| is_same_server(&examination.subject, &other.subject))
        .map(|other| Budget::of(&other.asked).total())
        .sum()
}

fn is_same_server(one: &Subject, other: &Subject) -> bool {
    if one.endpoint.is_some() && one.endpoint == other.endpoint {
        return true;
    }
    let hosts = |subject: &Subject| -> Option<Vec<String>> {
        // By Cloud SQL's connector the address says nothing.
        let goes_by_hosts = subject
            .connector
            .as_ref()
            .is_some_and(|connector| !connector.goes_by_line());
        let endpoint = subject.configuration.endpoint().filter(|_| goes_by_hosts)?;
        Some(endpoint.hosts.iter().map(ToString::to_string).collect())
    };
    hosts(one).is_some_and(|hosts_of_one| Some(hosts_of_one) == hosts(other))
}
