//! The log: structured lines on standard error.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::{Level, error};
use tracing_subscriber::EnvFilter;

use crate::config::settings::{LogFormat, LogSettings};
use crate::exit::Exit;
use crate::output::Failure;
use queue::Queue;

/// The variable that overrides `log.level`.
pub(crate) const VARIABLE: &str = "PGMOOR_LOG";

/// How long the end of the process waits for lines that are still to be written.
const FAREWELL: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Starts logging.
///
/// # Errors
/// `PGMOOR_LOG` cannot be understood.
pub(crate) fn start(settings: &LogSettings, filter: Option<&str>) -> Result<(), Failure> {
    let filter = match filter {
        Some(text) => parse(text)?,
        // What the library says of migrations is said by us, with the database's name.
        None => EnvFilter::new(format!("{},refinery_core=error", settings.level.as_str())),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written is lost: its complaint would go to the same full disk, and
        // end the thread that has made it.
        .log_internal_errors(false)
        .with_writer(|| OneLine(QUEUE.get_or_init(|| Queue::before(io::stderr()))));
    // A second start in one process (only tests do that) keeps the first.
    let _ = match settings.format {
        LogFormat::Text => lines.with_ansi(wants_color()).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        match tracing::enabled!(Level::ERROR) {
            true => tell_panic(panic),
            false => otherwise(panic),
        }
    }));
    Ok(())
}

/// A bug of ours is an event like others: one line, in the form of the log, and nobody waits for it.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => Some(backtrace.to_string()),
        _ => None,
    };
    error!(
        thread = thread.name(),
        place = panic.location().map(tracing::field::display),
        reason = panic.payload_as_str(),
        backtrace,
        "a thread of pgmoor panicked, which is a bug in it"
    );
}

/// Waits until what was logged is written, or for as long as anybody would wait for that.
pub(crate) fn finish() {
    if let Some(queue) = QUEUE.get() {
        queue.wait_until_empty(FAREWELL);
    }
}

/// `EnvFilter` takes any word for a module's name, so that "inof" would silence the log: a single
/// word must be a level.
fn parse(text: &str) -> Result<EnvFilter, Failure> {
    let words = ["error", "warn", "info", "debug", "trace", "off"];
    let bad = |cause: String| {
        Failure::new(Exit::Usage, format!("environment variable {VARIABLE}: invalid value \"{text}\""))
            .cause(cause)
            .hint("write a level such as \"debug\", or levels by module such as \"info,pgmoor_gateway=debug\"")
    };
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        if !words.contains(&level.to_ascii_lowercase().as_str()) {
            return Err(bad(format!(
                "\"{level}\" is no level; levels are {}",
                words.join(", ")
            )));
        }
    }
    EnvFilter::try_new(text).map_err(|error| bad(error.to_string()))
}

/// Writes each event as one line, whatever is in it: names come from clients, who would like to write
/// lines of their own.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    /// The event, which is written in one piece with a line break at its end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (body, end) = match event.split_last() {
            Some((b'\n', body)) => (body, &b"\n"[..]),
            _ => (event, &b""[..]),
        };
        // The escape character is the colours'; in values, `tracing_subscriber` escapes it itself.
        let is_harmless = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\t' | 0x1b);
        if body.iter().all(is_harmless) {
            self.0.write_all(event)?;
        } else {
            let mut line = Vec::with_capacity(event.len() + 16);
            for byte in body {
                match is_harmless(byte) {
                    true => line.push(*byte),
                    false => line.extend(byte.escape_ascii()),
                }
            }
            line.extend_from_slice(end);
            self.0.write_all(&line)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn wants_color() -> bool {
    match anstream::ColorChoice::global() {
        anstream::ColorChoice::Auto => {
            std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
        anstream::ColorChoice::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        for (event, line) in [
            ("plain\n", "plain\n"),
            ("a\r\nERROR forged\n", "a\\r\\nERROR forged\n"),
            ("nul\0 bell\x07 tab\t\n", "nul\\x00 bell\\x07 tab\t\n"),
            ("\n\n", "\\n\n"),
            ("no end", "no end"),
        ] {
            let mut written = OneLine(Vec::new());

            written.write_all(event.as_bytes()).expect("written");

            assert_eq!(String::from_utf8_lossy(&written.0), line);
        }
    }
}
