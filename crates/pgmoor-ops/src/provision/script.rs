//! A plan as a script for psql, to be read and run by somebody else.

use std::fmt::Write;

use crate::plan::{Place, Plan, Step};
use crate::sql::identifier;

/// The script. `database` is where steps of [`Place::Database`] run.
pub fn script(plan: &Plan, database: &str) -> String {
    let mut out = String::from(
        "-- To be run by psql, by a login that may do all of it:\n--   psql -X -d postgres -f FILE\n\\set ON_ERROR_STOP on\n",
    );
    for what in &plan.present {
        let _ = writeln!(out, "-- there already: {}", comment(what));
    }
    let mut is_inside = false;
    for (index, step) in plan.steps.iter().enumerate() {
        if step.place == Place::Database && !is_inside {
            is_inside = true;
            let _ = writeln!(out, "\n{}", connect(database));
        }
        write_step(&mut out, index + 1, step);
    }
    out
}

fn write_step(out: &mut String, number: usize, step: &Step) {
    let _ = writeln!(out, "\n-- {number}. {}", comment(&step.title));
    if let Some(undo) = &step.undo {
        let _ = writeln!(out, "-- undo: {};", comment(undo));
    }
    let _ = writeln!(out, "{};", step.sql);
    if let Some(role) = &step.password_of {
        let _ = writeln!(
            out,
            "-- it has no password yet; set one by: \\password {}",
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
