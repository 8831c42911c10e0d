//! A run of checks over several databases: facts are read, judged and reported, many databases at once.

use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::check::{Asked, Ground, Layer, Selection, judge};
use crate::facts::{Facts, Subject, Wanted};
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
        let report = examine(examination, options).await;
        done(&report);
        report
    });
    let databases = stream::iter(looks).buffered(AT_ONCE).collect().await;
    Report::new(&options.version, started_at, started.elapsed(), databases)
}

async fn examine(examination: &Examination, options: &Options) -> DatabaseReport {
    let started = Instant::now();
    let Examination { subject, asked } = examination;
    let wanted = Wanted {
        requirement: &asked.requirement,
        latency: options.selection.wants_layer(Layer::Latency),
        moving: asked.for_move,
        limit: options.limit,
    };
    let facts = Facts::read(subject, &wanted).await;
    let judged = judge(Ground::new(&facts, asked), &options.selection);
    DatabaseReport::new(subject, asked, &facts, &judged, started.elapsed())
}
