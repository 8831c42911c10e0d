//! `pgmoor schema new`: the files of a migration that is to be written.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use pgmoor::settings::plain;
use pgmoor_ops::schema::Files;
use serde_json::json;
use time::OffsetDateTime;

use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA};

const UP: &str = "-- What this migration does. It runs in a transaction; begin the file with the line\n\
                  -- \"-- no-transaction\" where that cannot be (CREATE INDEX CONCURRENTLY).\n";
const DOWN: &str = "-- What undoes it. Without this file it cannot be undone.\n";

/// Makes both files.
pub(super) fn run(dir: &Path, name: &str, output: Output) -> Result<Exit, Failure> {
    let name = name.trim().replace([' ', '-'], "_");
    let is_fit = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_fit {
        return Err(Failure::new(
            Exit::Usage,
            format!("\"{name}\" cannot be part of a file's name"),
        )
        .hint("use letters, digits and _: pgmoor schema new create_users"));
    }
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::new(Exit::Usage, format!("cannot write {}", path.display())).cause(plain(error))
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    let files = Files::read(dir).map_err(|error| {
        Failure::new(Exit::Usage, "cannot use the migrations")
            .because(&error)
            .hint(error.hint())
    })?;
    let stem = files.next_stem(&name, &moment(OffsetDateTime::now_utc()));
    let mut made = Vec::new();
    for (ending, text) in [("sql", UP), ("down.sql", DOWN)] {
        let path = dir.join(format!("{stem}.{ending}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| failed(&path, &error))?;
        made.push(path);
    }
    print(&made, output);
    Ok(Exit::Ok)
}

fn print(made: &[PathBuf], output: Output) {
    let paths: Vec<String> = made.iter().map(|path| path.display().to_string()).collect();
    match output.format {
        Format::Json => output.json(&json!({ "schema": SCHEMA, "ok": true, "files": paths })),
        Format::Text => output.data(&format!("{}\n", paths.join("\n"))),
    }
}

/// `20260131120000`, of UTC.
fn moment(now: OffsetDateTime) -> String {
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second) = now.to_hms();
    let month = u8::from(month);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_that_of_the_calendar() {
        let told =
            |seconds| moment(OffsetDateTime::from_unix_timestamp(seconds).expect("a moment"));

        assert_eq!(told(0), "19700101000000");
        assert_eq!(told(1_709_209_496), "20240229122456");
        assert_eq!(told(1_798_761_599), "20261231235959");
    }
}
