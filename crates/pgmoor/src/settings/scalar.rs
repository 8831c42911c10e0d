//! Single values: durations, numbers, addresses, paths, text.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use super::loader::Loader;
use super::node::Origin;
use super::problem::Problem;
use super::shape::{JsonType, Kind, Shape};
use super::show::Shown;

/// A single value that is written as text.
pub trait Scalar: Sized + PartialOrd {
    /// What it is called and what may be written.
    const KIND: Kind;
    /// Whether `none` means "not set" where this type is optional.
    const NONE_IS_ABSENT: bool = true;

    /// Reads it; the error says what is allowed.
    ///
    /// # Errors
    /// A phrase that completes "invalid value …: ".
    fn read(text: &str, origin: &Origin, loader: &Loader<'_>) -> Result<Self, String>;

    /// Shows it.
    fn print(&self) -> Shown;

    /// Adds advice to the problem of a bad value.
    fn explain(_text: &str, problem: Problem) -> Problem {
        problem
    }

    /// Whether it lies between the bounds.
    fn is_within(&self, low: Option<&Self>, high: Option<&Self>) -> bool {
        low.is_none_or(|low| self >= low) && high.is_none_or(|high| self <= high)
    }

    /// Its shape, for documentation.
    fn scalar_shape() -> Shape {
        Shape::Scalar(Self::KIND)
    }
}

/// "must be one of a, b, c".
pub fn one_of(words: &[&str]) -> String {
    match words {
        [first, second] => format!("must be \"{first}\" or \"{second}\""),
        _ => format!(
            "must be one of {}",
            words
                .iter()
                .map(|word| format!("\"{word}\""))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

impl Scalar for String {
    const KIND: Kind = Kind {
        name: "text",
        allowed: "text",
        json: JsonType::String,
    };
    const NONE_IS_ABSENT: bool = false;

    fn read(text: &str, _: &Origin, _: &Loader<'_>) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        if text.contains('\0') {
            return Err("must not contain a zero byte".to_owned());
        }
        Ok(text.to_owned())
    }

    fn print(&self) -> Shown {
        Shown::Text(self.clone())
    }
}

impl Scalar for bool {
    const KIND: Kind = Kind {
        name: "boolean",
        allowed: "true or false",
        json: JsonType::Boolean,
    };

    fn read(text: &str, _: &Origin, _: &Loader<'_>) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("must be \"true\" or \"false\"".to_owned()),
        }
    }

    fn print(&self) -> Shown {
        Shown::Bool(*self)
    }
}

macro_rules! whole_number {
    ($type:ty, $name:literal, $allowed:literal, $get:expr) => {
        impl Scalar for $type {
            const KIND: Kind = Kind {
                name: $name,
                allowed: $allowed,
                json: JsonType::Integer,
            };

            fn read(text: &str, _: &Origin, _: &Loader<'_>) -> Result<Self, String> {
                text.replace('_', "")
                    .parse()
                    .map_err(|_| format!("must be {}", $allowed))
            }

            fn print(&self) -> Shown {
                Shown::Number(u64::from($get(*self)))
            }
        }
    };
}

whole_number!(
    u16,
    "number",
    "a whole number from 0 to 65535",
    std::convert::identity::<u16>
);
whole_number!(
    u32,
    "number",
    "a whole number, 0 or more",
    std::convert::identity::<u32>
);
whole_number!(
    u64,
    "number",
    "a whole number, 0 or more",
    std::convert::identity::<u64>
);
whole_number!(
    NonZeroU16,
    "port",
    "a number from 1 to 65535",
    NonZeroU16::get
);
whole_number!(
    NonZeroU32,
    "number",
    "a whole number, 1 or more",
    NonZeroU32::get
);

impl Scalar for Duration {
    const KIND: Kind = Kind {
        name: "duration",
        allowed: "a number with ms, s, m, h or d, such as 10s",
        json: JsonType::String,
    };

    fn read(text: &str, _: &Origin, _: &Loader<'_>) -> Result<Self, String> {
        read_duration(text)
            .ok_or_else(|| "must be a number with ms, s, m, h or d, such as \"10s\"".to_owned())
    }

    fn explain(text: &str, problem: Problem) -> Problem {
        match text.parse::<u64>() {
            Ok(number) => problem.hint(format!("did you mean \"{number}s\" or \"{number}ms\"?")),
            Err(_) => problem,
        }
    }

    fn print(&self) -> Shown {
        Shown::Text(write_duration(*self))
    }
}

/// A time limit that can be switched off with `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timeout(Option<Duration>);

impl Timeout {
    /// No limit.
    pub const OFF: Self = Self(None);

    /// This limit; a duration of zero is no limit.
    pub fn after(duration: Duration) -> Self {
        Self((!duration.is_zero()).then_some(duration))
    }

    /// The limit, or `None` when it is off.
    pub fn get(self) -> Option<Duration> {
        self.0
    }
}

impl Scalar for Timeout {
    const KIND: Kind = Kind {
        name: "duration or 0",
        allowed: "a duration such as 10s, or 0 for no limit",
        json: JsonType::IntegerOrString,
    };
    const NONE_IS_ABSENT: bool = false;

    fn read(text: &str, _: &Origin, _: &Loader<'_>) -> Result<Self, String> {
        if matches!(text, "0" | "off" | "none") {
            return Ok(Self::OFF);
        }
        read_duration(text).map(Self::after).ok_or_else(|| {
            "must be a number with ms, s, m, h or d, such as \"10s\", or \"0\" for no limit"
                .to_owned()
        })
    }

    fn explain(text: &str, problem: Problem) -> Problem {
        Duration::explain(text, problem)
    }

    fn is_within(&self, low: Option<&Self>, high: Option<&Self>) -> bool {
        self.0.is_none()
            || (low.is_none_or(|low| self >= low) && high.is_none_or(|high| self <= high))
    }

    fn print(&self) -> Shown {
        Shown::Text(self.0.map_or_else(|| "0".to_owned(), write_duration))
    }
}

/// Reads `250ms`, `10s`, `1h30m`; a bare number is not accepted, as its unit would be a guess.
fn read_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_length = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let milliseconds = match rest[..unit_length].trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = &rest[unit_length..];
    }
    Some(total)
}

/// Writes a duration in the largest unit that divides it.
pub fn write_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ]
    .into_iter()
    .find(|(unit, _)| milliseconds > 0 && milliseconds.is_multiple_of(*unit))
    .map_or_else(
        || format!("{milliseconds}ms"),
        |(unit, name)| format!("{}{name}", milliseconds / unit),
    )
}

impl Scalar for SocketAddr {
    const KIND: Kind = Kind {
        name: "address",
        allowed: "an IP address and port, such as 127.0.0.1:6432",
        json: JsonType::String,
    };

    fn read(text: &str, _: &Origin, _: &Loader<'_>) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "must be an IP address and port, such as \"127.0.0.1:6432\"".to_owned())
    }

    fn explain(text: &str, problem: Problem) -> Problem {
        match text.rsplit_once(':') {
            Some(("localhost", port)) => problem.hint(format!("write \"127.0.0.1:{port}\"")),
            Some(("" | "*", port)) => problem.hint(format!(
                "for all interfaces write \"0.0.0.0:{port}\" or \"[::]:{port}\""
            )),
            None if text.parse::<u16>().is_ok() => {
                problem.hint(format!("write \"127.0.0.1:{text}\""))
            }
            _ => problem,
        }
    }

    fn print(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

impl Scalar for PathBuf {
    const KIND: Kind = Kind {
        name: "path",
        allowed: "a path; a relative one starts at the configuration file's directory",
        json: JsonType::String,
    };

    fn read(text: &str, origin: &Origin, loader: &Loader<'_>) -> Result<Self, String> {
        let text = String::read(text, origin, loader)?;
        Ok(loader.path(&text, origin))
    }

    fn print(&self) -> Shown {
        Shown::Text(self.display().to_string())
    }
}
