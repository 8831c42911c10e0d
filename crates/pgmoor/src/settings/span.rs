//! Spans of time in the three forms that configurations of applications have: words with a unit, ISO
//! 8601, and a map of units.

use std::time::Duration;

use super::loader::{Loader, Place};
use super::node::{Data, Node};
use super::problem::Problem;
use super::scalar::{Scalar, write_duration};
use super::section::check_keys;
use super::shape::{JsonType, Kind, Shape};
use super::show::Shown;
use super::value::{Value, join};

const SPAN: Kind = Kind {
    name: "span",
    allowed: "\"5 minutes\", 5m, ISO 8601 (PT5M), or a map such as {minutes: 5}",
    json: JsonType::StringOrMap,
};

/// Units by their name in a map, with their seconds; a month has 30 days and a year 365.
const UNITS: [(&str, f64); 8] = [
    ("years", 31_536_000.0),
    ("months", 2_592_000.0),
    ("weeks", 604_800.0),
    ("days", 86_400.0),
    ("hours", 3_600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
    ("milliseconds", 0.001),
];

/// A span of time, such as `5 minutes`, `PT5M` or `{minutes: 5}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl Value for Span {
    fn shape() -> Shape {
        Shape::Scalar(SPAN)
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        if let Data::Map(_) = node.data {
            return from_map(node, place, loader);
        }
        let text = loader.text(node, place)?;
        match read(text.trim()) {
            Some(span) => Some(Self(span)),
            None => {
                let problem = Problem::new(
                    &node.origin,
                    format!("invalid value \"{text}\" for \"{}\"", place.key),
                );
                let cause = "must be a number with a unit, such as \"5 minutes\", or ISO 8601, such as \"PT5M\"";
                let problem = problem.cause(cause);
                loader.report(if text.trim().parse::<f64>().is_ok() {
                    problem.hint(format!("write \"{} seconds\"", text.trim()))
                } else {
                    problem
                });
                None
            }
        }
    }

    fn show(&self) -> Shown {
        Shown::Text(write_duration(self.0))
    }
}

fn from_map(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Span> {
    let known = UNITS.map(|(name, _)| name);
    let mut whole = check_keys(node, place, &known, loader);
    let mut seconds = 0.0;
    let entries = node.entries().unwrap_or_default();
    for entry in entries {
        let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == entry.key) else {
            continue;
        };
        let key = join(place.key, &entry.key);
        let inner = Place {
            key: &key,
            ..*place
        };
        let text = loader.text(&entry.value, &inner);
        match text.as_deref().map(str::trim).and_then(number) {
            Some(count) => seconds += count * unit,
            None => {
                if let Some(text) = text {
                    let failed = format!("invalid value \"{text}\" for \"{key}\"");
                    let problem = Problem::new(&entry.value.origin, failed);
                    loader.report(problem.cause("must be a number, zero or more"));
                }
                whole = false;
            }
        }
    }
    if entries.is_empty() {
        let failed = format!("\"{}\" says no span of time", place.key);
        let problem = Problem::new(&node.origin, failed);
        loader.report(problem.hint(format!("its keys are {}", known.join(", "))));
        return None;
    }
    let span = Duration::try_from_secs_f64(seconds).ok();
    span.filter(|_| whole).map(Span)
}

/// A number without a sign, and neither infinite nor written with an exponent.
fn number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok())?
}

fn read(text: &str) -> Option<Duration> {
    let ours = Duration::read(text, &super::node::Origin::Default, &Loader::for_defaults());
    let seconds = match (text.strip_prefix('P'), ours) {
        (Some(rest), _) => iso8601(rest)?,
        (None, Ok(duration)) if text != "0" => return Some(duration),
        (None, _) => words(text)?,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// As the package `ms` of JavaScript reads it: one number, and a unit in any of its forms.
fn words(text: &str) -> Option<f64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (count, unit) = text.split_at(at);
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "years" | "year" | "yrs" | "yr" | "y" => 31_557_600.0,
        "months" | "month" | "mo" => 2_629_800.0,
        "weeks" | "week" | "w" => 604_800.0,
        "days" | "day" | "d" => 86_400.0,
        "hours" | "hour" | "hrs" | "hr" | "h" => 3_600.0,
        "minutes" | "minute" | "mins" | "min" | "m" => 60.0,
        "seconds" | "second" | "secs" | "sec" | "s" => 1.0,
        "milliseconds" | "millisecond" | "msecs" | "msec" | "ms" => 0.001,
        _ => return None,
    };
    Some(number(count)? * seconds)
}

/// What follows the `P`: `1DT2H30M`.
fn iso8601(text: &str) -> Option<f64> {
    let (date, time) = match text.split_once('T') {
        // A `T` announces hours, minutes or seconds.
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = designated(date, &[('Y', 0), ('M', 1), ('W', 2), ('D', 3)])?;
    let time = designated(time, &[('H', 4), ('M', 5), ('S', 6)])?;
    Some(date + time)
}

/// Numbers, each with a letter; the letters in their order, each once. Gives seconds.
fn designated(mut text: &str, letters: &[(char, usize)]) -> Option<f64> {
    let (mut letters, mut total) = (letters.iter(), 0.0);
    while !text.is_empty() {
        let at = text.find(|c: char| c.is_ascii_alphabetic())?;
        let letter = text[at..].chars().next()?;
        let (_, unit) = letters.find(|(known, _)| *known == letter)?;
        total += number(&text[..at].replace(',', "."))? * UNITS[*unit].1;
        text = &text[at + 1..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::super::node::{Entry, Origin};
    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        read(text).map(|span| span.as_secs_f64())
    }

    #[test]
    fn spans_are_read_as_words_and_as_iso_8601() {
        for (text, expected) in [
            ("5 minutes", 300.0),
            ("5m", 300.0),
            ("1 min", 60.0),
            ("30s", 30.0),
            ("1d", 86_400.0),
            ("2 hrs", 7_200.0),
            ("1.5h", 5_400.0),
            ("250ms", 0.25),
            ("1 week", 604_800.0),
            ("1h30m", 5_400.0),
            ("PT5M", 300.0),
            ("PT0.5S", 0.5),
            ("P1DT2H", 93_600.0),
            ("P1M", 2_592_000.0),
            ("P2W", 1_209_600.0),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "5",
            "0",
            "-5m",
            "5 parsecs",
            "P",
            "PT",
            "P5",
            "PT5X",
            "PT1S1M",
            "-PT5M",
            "1e3s",
            "inf s",
            "99999999999999999999 years",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    fn of_map(entries: &[(&str, &str)]) -> (Option<Span>, String) {
        let entries = entries.iter().map(|(key, value)| Entry {
            key: (*key).to_owned(),
            origin: Origin::Default,
            value: Node::from(*value),
        });
        let node = Node {
            data: Data::Map(entries.collect()),
            origin: Origin::Default,
        };
        let mut loader = Loader::for_defaults();
        let place = Place {
            key: "offset",
            range: None,
        };
        let span = Span::load(&node, &place, &mut loader);
        let problems = loader.finish(span).err();
        (
            span,
            problems
                .map(|problems| problems.to_string())
                .unwrap_or_default(),
        )
    }

    #[test]
    fn map_of_units_is_added_up_and_needs_at_least_one_that_is_known() {
        let (span, problems) = of_map(&[("minutes", "1"), ("milliseconds", "500")]);
        assert_eq!(span, Some(Span(Duration::from_millis(60_500))));
        assert!(problems.is_empty());

        for (entries, said) in [
            (&[][..], "says no span of time"),
            (&[("minute", "1")][..], "did you mean \"minutes\"?"),
            (&[("minutes", "-1")][..], "must be a number, zero or more"),
        ] {
            let (span, problems) = of_map(entries);
            assert_eq!(span, None, "{entries:?}");
            assert!(problems.contains(said), "{problems}");
        }
    }
}
