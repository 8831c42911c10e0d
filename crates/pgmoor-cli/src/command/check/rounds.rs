//! One look at the databases, or many: until they can be reached, or until somebody has seen enough.

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use indicatif::ProgressBar;
use pgmoor_ops::preflight::{self, Examination, Options};
use pgmoor_ops::report::{self, Report, Size};
use serde_json::json;
use terminal_size::{Height, Width, terminal_size};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use super::form;
use crate::exit::Exit;
use crate::output::{Failure, Form, Output, SCHEMA, say};

/// Between two looks at databases that are not reached.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two lines that say the same.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// Clears the screen; puts the cursor at its top; clears the rest of a line; and of the screen.
const CLEAR: &str = "\x1b[2J";
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K\n";
const REST: &str = "\x1b[K\x1b[J";
/// How many changes are kept for the screen.
const KEPT: usize = 100;
/// What a terminal has that does not say how large it is.
const USUAL: Size = Size {
    rows: 24,
    columns: 80,
};

/// One look; on a terminal, a line shows how far it is.
pub(super) async fn once(examinations: &mut [Examination], options: &Options) -> Report {
    refresh(examinations);
    let count = examinations.len();
    // Hidden by itself where standard error is no terminal.
    let progress = ProgressBar::new_spinner();
    let databases = if count == 1 { "database" } else { "databases" };
    progress.set_message(format!("looking at {count} {databases}"));
    if count > 1 {
        progress.enable_steady_tick(Duration::from_millis(120));
    }
    let report = preflight::run(examinations, options, |done| {
        progress.set_message(format!("{}: {}", done.name, done.status.word()));
    })
    .await;
    progress.finish_and_clear();
    report
}

/// What the time is, is asked anew for each look.
fn refresh(examinations: &mut [Examination]) {
    for examination in examinations {
        examination.asked.now = SystemTime::now();
    }
}

/// Looks again and again until every database has let us in, at most so long; not where waiting changes nothing:
/// a wrong password that is tried each second locks an account.
pub(super) async fn until_connected(
    examinations: &mut [Examination],
    options: &Options,
    limit: Duration,
) -> Report {
    let deadline = Instant::now() + limit;
    let mut said: Option<(String, Instant)> = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let options = Options {
            limit: options.limit.min(left.max(PAUSE)),
            ..options.clone()
        };
        let report = once(examinations, &options).await;
        let mut cut_off = report
            .databases
            .iter()
            .filter(|database| database.tried && !database.connected);
        // Where one will not let us in whatever the time, there is nothing to wait for.
        if cut_off.clone().any(|database| !database.may_come) {
            return report;
        }
        let cut_off = cut_off.next();
        let usable = examinations
            .iter()
            .all(|examination| examination.subject.connector.is_some());
        let Some(cut_off) = cut_off.filter(|_| usable && Instant::now() < deadline) else {
            return report;
        };
        let why = cut_off
            .findings()
            .next()
            .map(|finding| finding.seen.clone());
        let line = format!("waiting for {}: {}", cut_off.name, why.unwrap_or_default());
        let is_new = said
            .as_ref()
            .is_none_or(|(before, when)| *before != line || when.elapsed() >= SAY_AGAIN);
        if is_new {
            say(&line);
            said = Some((line, Instant::now()));
        }
        sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

/// Looks every so often, until it is interrupted; gives the last report.
///
/// On a terminal the screen is written anew each time, with what did not pass and the last changes. Elsewhere,
/// and where escape sequences are not wanted, the first report is followed by what changes, a line each; as
/// JSON, a line for each report.
pub(super) async fn watch(
    first: Report,
    examinations: &mut [Examination],
    options: &Options,
    every: Duration,
    form: Form,
    output: Output,
) -> Result<Report, Failure> {
    let no_signals =
        |error: std::io::Error| Failure::new(Exit::Bug, "cannot wait for signals").because(&error);
    let mut interrupted = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut ended = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut shown = Shown::new(form, output);
    shown.begin(&first);
    let mut last = first;
    loop {
        let next = Instant::now() + every;
        let round = async {
            sleep_until(next).await;
            refresh(examinations);
            preflight::run(examinations, options, |_| {}).await
        };
        let report = tokio::select! {
            report = round => report,
            _ = interrupted.recv() => break,
            _ = ended.recv() => break,
        };
        shown.go_on(&last, &report);
        last = report;
    }
    shown.end();
    Ok(last)
}

/// What a watch writes, and how.
enum Shown {
    /// A screen, with the last changes.
    Screen {
        changes: Vec<String>,
        output: Output,
    },
    /// The changes.
    Lines(Output),
    /// The reports.
    Json(Output),
}

impl Shown {
    fn new(form: Form, output: Output) -> Self {
        let stdout = std::io::stdout();
        // Without escape sequences there is no screen to go back to the top of.
        let takes_escapes = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        match form {
            Form::Json => Self::Json(output),
            _ if stdout.is_terminal() && takes_escapes => Self::Screen {
                changes: Vec::new(),
                output,
            },
            _ => Self::Lines(output),
        }
    }

    fn begin(&self, report: &Report) {
        match self {
            Self::Json(output) => {
                line(*output, &json!({ "type": "version", "schema": SCHEMA }));
                line(*output, &json!({ "type": "report", "report": report }));
            }
            Self::Lines(output) => output.data(&form::write(report, Form::Text)),
            Self::Screen { output, .. } => {
                output.data(CLEAR);
                self.draw(report);
            }
        }
    }

    fn go_on(&mut self, before: &Report, report: &Report) {
        let changed = report::changes(before, report).into_iter().map(|change| {
            format!(
                "{} {} {} {} -> {}: {}",
                report.started_at,
                change.database,
                change.id,
                change.before.word(),
                change.now.word(),
                change.seen.replace('\n', "; "),
            )
        });
        match self {
            Self::Json(output) => line(*output, &json!({ "type": "report", "report": report })),
            Self::Lines(output) => {
                for change in changed {
                    output.data(&format!("{change}\n"));
                }
            }
            Self::Screen { changes, .. } => {
                changes.extend(changed);
                changes.drain(..changes.len().saturating_sub(KEPT));
                self.draw(report);
            }
        }
    }

    fn draw(&self, report: &Report) {
        let Self::Screen { changes, output } = self else {
            return;
        };
        let size = terminal_size().map_or(USUAL, |(Width(columns), Height(rows))| Size {
            rows: rows.into(),
            columns: columns.into(),
        });
        // The day is known to whoever watches.
        let time = report.started_at.split_once('T').map(|(_, time)| time);
        let footer = format!("{}; Ctrl-C ends it", time.unwrap_or(&report.started_at));
        let lines = report::screen(report, changes, &footer, size);
        // One write, and nothing is cleared before it is written over: it does not flicker.
        output.data(&format!("{HOME}{}{REST}", lines.join(REST_OF_LINE)));
    }

    fn end(&self) {
        if let Self::Screen { output, .. } = self {
            output.data("\n");
        }
    }
}

fn line(output: Output, value: &serde_json::Value) {
    output.data(&format!("{value}\n"));
}
