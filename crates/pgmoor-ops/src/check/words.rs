//! How figures are written for people.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// `340 µs`, `1.2 ms`, `18 ms`, `1.5 s`, `2 min`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        _ if seconds < 0.001 => (seconds * 1e6, "µs"),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ if seconds < 120.0 => (seconds, "s"),
        _ => (seconds / 60.0, "min"),
    };
    let decimals = usize::from(value < 10.0 && unit != "µs");
    let text = format!("{value:.decimals$}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    format!("{text} {unit}")
}

/// `1 replica`, `3 replicas`.
pub(crate) fn counted(count: i64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// `512 B`, `64 MiB`, `1.5 GiB`.
pub(crate) fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(value < 10.0 && unit > 0);
    let text = format!("{value:.decimals$}");
    format!(
        "{} {}",
        text.strip_suffix(".0").unwrap_or(&text),
        UNITS[unit]
    )
}

/// `2026-11-21`, in UTC.
pub(crate) fn date(time: SystemTime) -> String {
    OffsetDateTime::from(time).date().to_string()
}

/// Whole days.
pub(crate) fn days(duration: Duration) -> u64 {
    duration.as_secs() / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_digits_or_so() {
        for (microseconds, text) in [
            (0, "0 µs"),
            (340, "340 µs"),
            (1_240, "1.2 ms"),
            (18_400, "18 ms"),
            (999_000, "999 ms"),
            (1_500_000, "1.5 s"),
            (42_000_000, "42 s"),
            (180_000_000, "3 min"),
        ] {
            assert_eq!(duration(Duration::from_micros(microseconds)), text);
        }
    }

    #[test]
    fn amounts_have_two_digits_or_so() {
        for (amount, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            (3 << 30, "3 GiB"),
        ] {
            assert_eq!(bytes(amount), text);
        }
    }
}
