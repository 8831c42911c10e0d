//! A plan as a script for psql, to be read and run by somebody else.

use std::fmt::Write;

use crate::plan::{Plan, Step};
use crate::sql::identifier;

/// How long a statement of a plan may wait for a lock, while others wait behind it.
pub(super) const LOCK_TIMEOUT: &str = "set lock_timeout = '10s'";

/// The script.
pub fn script(plan: &Plan) -> String {
    let mut out = String::from(
        "-- To be run by psql, by a login that may do all of it:\n--   psql -X -d postgres -f FILE\n\\set ON_ERROR_STOP on\n",
    );
    let _ = writeln!(out, "{LOCK_TIMEOUT};");
    for what in &plan.present {
        let _ = writeln!(out, "-- there already: {}", comment(what));
    }
    for what in &plan.notes {
        let _ = writeln!(out, "-- note: {}", comment(what));
    }
    let mut place: Option<&str> = None;
    for (index, step) in plan.steps.iter().enumerate() {
        if let Some(database) = &step.database
            && place != Some(database)
        {
            place = Some(database);
            let _ = writeln!(out, "\n{}\n{LOCK_TIMEOUT};", connect(database));
        }
        write_step(&mut out, index + 1, step);
    }
    out
}

fn write_step(out: &mut String, number: usize, step: &Step) {
    let _ = writeln!(out, "\n-- {number}. {}", comment(&step.title));
    if let Some(undo) = &step.undo {
        let _ = writeln!(out, "-- undo: {};", comment(&undo.replace(";\n", "; ")));
    }
    // All of them or none, as an apply does it.
    match step.sql.contains(";\n") {
        true => {
            let _ = writeln!(out, "begin;\n{};\ncommit;", step.sql);
        }
        false => {
            let _ = writeln!(out, "{};", step.sql);
        }
    }
    if let Some(role) = &step.password_of {
        let _ = writeln!(
            out,
            "-- its password is set by: \\password {}",
            comment(&identifier(role))
        );
    }
}

/// As pg_dump does it, for names that hold anything.
fn connect(database: &str) -> String {
    let value = database.replace('\\', "\\\\").replace('\'', "\\'");
    format!(
        "\\connect -reuse-previous=on \"dbname='{}'\"",
        value.replace('"', "\"\"")
    )
}

/// A name may have line breaks, behind which a comment would end.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
