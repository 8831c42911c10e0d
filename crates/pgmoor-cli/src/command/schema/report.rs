//! What `pgmoor schema` prints.

use std::fmt::Write;
use std::time::Duration;

use pgmoor_ops::schema::{Event, File, Files, Report, Row, Standing, Status, Way};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::migrations::Job;
use crate::output::{Format, Output, SCHEMA, say};

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Talk while migrations run.
pub(super) fn event(event: &Event) {
    match event {
        Event::Waits { holder, waited } => say(&format!(
            "waits for another process that runs migrations, for {} s so far: {holder}",
            waited.as_secs()
        )),
        Event::Repaired { migration, what } => {
            say(&format!("{migration} did not end the last time: {what}"));
        }
        Event::Retries {
            migration,
            pause,
            why,
        } => say(&format!(
            "{migration} gives way and is tried again in {} ms: {why}",
            pause.as_millis()
        )),
        Event::Begins { migration, way } => say(&match way {
            Way::Up => format!("{migration} …"),
            Way::Down => format!("{migration} is undone …"),
        }),
        Event::Done {
            migration, took, ..
        } => say(&format!("{migration} done in {} ms", took.as_millis())),
        _ => {}
    }
}

/// What was done; `word` is "applied" or "undone".
pub(super) fn done(job: &Job, report: &Report, word: &str, output: Output) {
    let current = report.current.as_deref();
    match output.format {
        Format::Json => {
            let ran = report
                .ran
                .iter()
                .map(|(name, took)| json!({ "migration": name, "took_ms": milliseconds(*took) }));
            output.json(&json!({
                "schema": SCHEMA,
                "ok": true,
                "database": job.database,
                word: ran.collect::<Vec<Value>>(),
                "waited_ms": milliseconds(report.waited),
                "current": current,
            }));
        }
        Format::Text => {
            let what = match report.ran.len() {
                0 => format!("nothing to be {word}"),
                1 => format!("1 migration {word}"),
                more => format!("{more} migrations {word}"),
            };
            let current = current.map_or_else(String::new, |current| format!(", now at {current}"));
            output.data(&format!("ok: {}: {what}{current}\n", job.database));
        }
    }
}

/// What `down` is about to do.
pub(super) fn plan_down(job: &Job, planned: &[&File]) {
    say(&format!(
        "plan: undo {} migration{} of \"{}\"; what their tables hold is lost",
        planned.len(),
        if planned.len() == 1 { "" } else { "s" },
        job.database
    ));
    for (index, file) in planned.iter().enumerate() {
        let script = file.down.as_ref();
        let path = script.map_or_else(String::new, |script| script.path.display().to_string());
        say(&format!("  {}  {}  by {path}", index + 1, file.label()));
    }
}

/// The statements that `up` would run.
pub(super) fn dry_run(job: &Job, files: &Files, status: &Status, to: Option<i64>, output: Output) {
    let pending: Vec<&File> = status
        .pending(to)
        .filter_map(|row| files.get(row.version))
        .collect();
    match output.format {
        Format::Json => {
            let pending = pending.iter().map(|file| {
                json!({ "migration": file.label(), "transaction": file.up.transaction, "sql": file.up.sql })
            });
            output.json(&json!({
                "schema": SCHEMA,
                "ok": true,
                "database": job.database,
                "pending": pending.collect::<Vec<Value>>(),
            }));
        }
        Format::Text => {
            let mut text = String::new();
            for file in &pending {
                let _ = writeln!(text, "-- {}\n{}\n", file.label(), file.up.sql.trim_end());
            }
            output.data(&text);
            say(&format!("{} to be applied; nothing was run", pending.len()));
        }
    }
}

/// How the migrations stand, and the exit code for that.
pub(super) fn status(job: &Job, status: &Status, strict: bool, output: Output) -> Exit {
    let pending = status.pending(None).count();
    let is_bad = !status.troubles.is_empty() || strict && pending > 0;
    match output.format {
        Format::Json => output.json(&status_json(job, status, !is_bad)),
        Format::Text => {
            output.data(&status_text(status));
            for trouble in &status.troubles {
                say(&format!("\nerror: {trouble}\nhint: {}", trouble.hint()));
            }
        }
    }
    if is_bad { Exit::Refused } else { Exit::Ok }
}

fn status_json(job: &Job, status: &Status, ok: bool) -> Value {
    let row = |row: &Row| {
        json!({
            "version": row.version,
            "migration": row.label,
            "state": row.standing.word(),
            "applied_on": row.standing.on(),
            "can_be_undone": row.has_down,
        })
    };
    let troubles = status
        .troubles
        .iter()
        .map(|trouble| json!({ "error": trouble.to_string(), "hint": trouble.hint() }));
    json!({
        "schema": SCHEMA,
        "ok": ok,
        "database": job.database,
        "current": status.current().map(|row| row.label.as_str()),
        "pending": status.pending(None).count(),
        "migrations": status.rows.iter().map(row).collect::<Vec<Value>>(),
        "troubles": troubles.collect::<Vec<Value>>(),
    })
}

fn status_text(status: &Status) -> String {
    let width = status
        .rows
        .iter()
        .map(|row| row.label.chars().count())
        .max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for row in &status.rows {
        let on = row.standing.on().unwrap_or_default();
        let on = on.split('.').next().unwrap_or_default();
        let word = match &row.standing {
            Standing::Applied(_) | Standing::Pending => row.standing.word().to_owned(),
            other => other.word().to_uppercase(),
        };
        let line = format!("{:width$}  {word:8}  {on}", row.label);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let applied = status.rows.iter().filter(|row| row.standing.on().is_some());
    let _ = writeln!(
        text,
        "{} applied, {} pending, {} wrong",
        applied.count(),
        status.pending(None).count(),
        status.troubles.len()
    );
    text
}
