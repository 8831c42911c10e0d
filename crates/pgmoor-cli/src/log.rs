//! The log: structured lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::settings::{LogFormat, LogSettings};
use crate::exit::Exit;
use crate::output::Failure;

/// The variable that overrides `log.level`.
pub(crate) const VARIABLE: &str = "PGMOOR_LOG";

/// Starts logging.
///
/// # Errors
/// `PGMOOR_LOG` cannot be understood.
pub(crate) fn start(settings: &LogSettings, filter: Option<&str>) -> Result<(), Failure> {
    let filter = match filter {
        Some(text) => parse(text)?,
        None => EnvFilter::new(settings.level.as_str()),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written is lost: its complaint would go to the same full disk, and
        // end the thread that has made it.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second start in one process (only tests do that) keeps the first.
    let _ = match settings.format {
        LogFormat::Text => lines.with_ansi(wants_color()).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
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
