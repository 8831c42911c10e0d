//! One look at the databases, or many: until they can be reached, or until somebody has seen enough.

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use indicatif::ProgressBar;
use pgmoor_ops::preflight::{self, Examination, Options};
use pgmoor_ops::report::{self, Report, Status};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use super::form;
use crate::exit::Exit;
use crate::output::{Failure, Form, Output, SCHEMA, say};

/// Between two looks at databases that are not reached.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two lines that say the same.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// Puts the cursor at the top and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// One look; on a terminal, a line shows how far it is.
pub(super) async fn once(examinations: &mut [Examination], options: &Options) -> Report {
    refresh(examinations);
    let count = examinations.len();
    // Hidden by itself where standard error is no terminal.
    let progress = ProgressBar::new_spinner();
    progress.set_message(format!("looking at {count} databases"));
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
/// On a terminal the screen is written anew each time. Elsewhere the first report is followed by what
/// changes, a line each; as JSON, a line for each report.
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
    let on_screen = form == Form::Text && std::io::stdout().is_terminal();
    if form == Form::Json {
        line(output, &json!({ "type": "version", "schema": SCHEMA }));
    }
    let mut last = first;
    show(&last, None, form, on_screen, output);
    loop {
        let next = Instant::now() + every;
        let round = async {
            sleep_until(next).await;
            refresh(examinations);
            preflight::run(examinations, options, |_| {}).await
        };
        let report = tokio::select! {
            report = round => report,
            _ = interrupted.recv() => return Ok(last),
            _ = ended.recv() => return Ok(last),
        };
        show(&report, Some(&last), form, on_screen, output);
        last = report;
    }
}

fn show(report: &Report, before: Option<&Report>, form: Form, on_screen: bool, output: Output) {
    match (form, before) {
        (Form::Json, _) => line(output, &json!({ "type": "report", "report": report })),
        (_, None) if !on_screen => output.data(&form::write(report, Form::Text)),
        (_, Some(before)) if !on_screen => {
            for change in report::changes(before, report) {
                let word = |status: Status| status.word();
                output.data(&format!(
                    "{} {} {} {} -> {}: {}\n",
                    report.started_at,
                    change.database,
                    change.id,
                    word(change.before),
                    word(change.now),
                    change.seen.replace('\n', "; "),
                ));
            }
        }
        _ => {
            let text = form::write(report, Form::Text);
            output.data(&format!(
                "{CLEAR}{text}{}; Ctrl-C ends it\n",
                report.started_at
            ));
        }
    }
}

fn line(output: Output, value: &serde_json::Value) {
    output.data(&format!("{value}\n"));
}
