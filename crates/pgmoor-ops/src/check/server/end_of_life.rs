//! Whether the major version is still looked after.

use time::{Date, Month, OffsetDateTime};

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

/// The last minor release of each major version (PostgreSQL's versioning policy).
const ENDS: &[(u32, Date)] = &[
    (10, date(2022, Month::November, 10)),
    (11, date(2023, Month::November, 9)),
    (12, date(2024, Month::November, 21)),
    (13, date(2025, Month::November, 13)),
    (14, date(2026, Month::November, 12)),
    (15, date(2027, Month::November, 11)),
    (16, date(2028, Month::November, 9)),
    (17, date(2029, Month::November, 8)),
    (18, date(2030, Month::November, 14)),
];

const fn date(year: i32, month: Month, day: u8) -> Date {
    match Date::from_calendar_date(year, month, day) {
        Ok(date) => date,
        Err(_) => panic!("the table has dates of the calendar"),
    }
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
    let days = (*end - OffsetDateTime::from(on.asked.now).date()).whole_days();
    let date = end;
    let hint = "plan the upgrade to a newer major version";
    Ok(match days {
        ..0 => warn(format!("PostgreSQL {major} got its last fixes on {date}")).hint_text(hint),
        0..180 => warn(format!("PostgreSQL {major} gets its last fixes on {date}, in {days} days"))
            .hint_text(hint),
        _ => pass(format!("PostgreSQL {major} gets fixes until {date}")),
    })
}
