//! Whether the major version is still looked after.

use std::time::UNIX_EPOCH;

use crate::check::verdict::{fail, pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-002",
    layer: Layer::Server,
    title: "the major version still gets fixes",
    why: "After its last minor release, faults that lose data or let others in are not mended any more.",
    needs: "a session",
    judge,
};

/// The last minor release of each major version: year, month, day (PostgreSQL's versioning policy).
const ENDS: &[(u32, (i64, i64, i64))] = &[
    (10, (2022, 11, 10)),
    (11, (2023, 11, 9)),
    (12, (2024, 11, 21)),
    (13, (2025, 11, 13)),
    (14, (2026, 11, 12)),
    (15, (2027, 11, 11)),
    (16, (2028, 11, 9)),
    (17, (2029, 11, 8)),
    (18, (2030, 11, 14)),
];

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_epoch((year, month, day): (i64, i64, i64)) -> i64 {
    // Years begin in March here, so that the leap day is the last.
    let (year, month) = match month {
        3.. => (year, month - 3),
        _ => (year - 1, month + 9),
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

fn judge(on: Ground<'_>) -> Outcome {
    let major = on.server()?.major();
    let Some((_, end)) = ENDS.iter().find(|(known, _)| *known == major) else {
        return match ENDS.first().is_some_and(|(oldest, _)| major < *oldest) {
            true => Ok(fail(format!("PostgreSQL {major} has had no fixes for years"))
                .hint_text("upgrade the server to a major version that is supported")),
            false => Ok(pass(format!("PostgreSQL {major} is newer than this program knows"))),
        };
    };
    let now = on.asked.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let days = days_since_epoch(*end) - seconds / 86_400;
    let (year, month, day) = end;
    let date = format!("{year}-{month:02}-{day:02}");
    let hint = "plan the upgrade; pgmoor move takes the database to a newer server while it is used";
    Ok(match days {
        ..0 => warn(format!("PostgreSQL {major} got its last fixes on {date}")).hint_text(hint),
        0..180 => warn(format!("PostgreSQL {major} gets its last fixes on {date}, in {days} days"))
            .hint_text(hint),
        _ => pass(format!("PostgreSQL {major} gets fixes until {date}")),
    })
}
