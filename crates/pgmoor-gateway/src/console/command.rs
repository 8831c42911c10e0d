//! From text to a command of the admin database.

use pgmoor::settings::nearest;
use pgmoor_wire::sqlstate::{self, SqlState};

use super::show::Show;
use crate::hooks::Shutdown;

/// What an administrator can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// No text at all.
    Empty,
    Show(Show),
    /// A parameter that every PostgreSQL has.
    ShowParameter(&'static str, &'static str),
    /// `SELECT 1`: whether somebody is there.
    SelectOne,
    Pause(Option<String>),
    Resume(Option<String>),
    Reconnect(Option<String>),
    Kill(Option<String>),
    KillClient(u32),
    Disable(String),
    Enable(String),
    WaitClose(Option<String>),
    Reload,
    Shutdown(Shutdown),
    /// What drivers say by themselves and what changes nothing here: its tag.
    Nothing(&'static str),
    /// `BEGIN`, `COMMIT` and `ROLLBACK`: there is nothing to undo, but drivers want to see them.
    Transaction {
        tag: &'static str,
        open: bool,
    },
}

impl Command {
    /// Whether an observer may use it.
    pub(super) fn only_looks(&self) -> bool {
        match self {
            Self::Empty
            | Self::Show(_)
            | Self::ShowParameter(..)
            | Self::SelectOne
            | Self::Nothing(_)
            | Self::Transaction { .. } => true,
            Self::Pause(_)
            | Self::Resume(_)
            | Self::Reconnect(_)
            | Self::Kill(_)
            | Self::KillClient(_)
            | Self::Disable(_)
            | Self::Enable(_)
            | Self::WaitClose(_)
            | Self::Reload
            | Self::Shutdown(_) => false,
        }
    }
}

/// A command that cannot be carried out, as the administrator is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) sqlstate: SqlState,
    pub(super) message: String,
    pub(super) detail: String,
    pub(super) hint: String,
}

impl Problem {
    pub(super) fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            detail: String::new(),
            hint: String::new(),
        }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// The first words of all commands.
const COMMANDS: [&str; 13] = [
    "show",
    "pause",
    "resume",
    "reconnect",
    "kill",
    "kill_client",
    "disable",
    "enable",
    "wait_close",
    "reload",
    "shutdown",
    "set",
    "suspend",
];

/// What every client library may ask a PostgreSQL for.
pub(super) const PARAMETERS: [(&str, &str); 10] = [
    ("server_version", "15.0 (pgmoor)"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
    ("is_superuser", "off"),
    ("default_transaction_read_only", "off"),
];

/// Splits at semicolons that stand outside quotes.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            (None, ';') => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Words, without the quotes of quoted ones.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(&letter) = letters.peek() {
        if letter.is_whitespace() {
            letters.next();
        } else if letter == '"' || letter == '\'' {
            letters.next();
            let mut word = String::new();
            while let Some(inner) = letters.next() {
                // A doubled quote is one.
                if inner == letter && letters.next_if_eq(&letter).is_none() {
                    break;
                }
                word.push(inner);
            }
            words.push(word);
        } else {
            let mut word = String::new();
            while let Some(inner) = letters.next_if(|inner| !inner.is_whitespace()) {
                word.push(inner);
            }
            words.push(word);
        }
    }
    words
}

/// Reads one command.
///
/// # Errors
///
/// What is wrong with it, with the nearest command that there is.
pub(super) fn parse(text: &str) -> Result<Command, Problem> {
    let all = words(text);
    let Some((first, rest)) = all.split_first() else {
        return Ok(Command::Empty);
    };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let name = || optional(first, &rest);
    let required = || {
        name()?.ok_or_else(|| {
            Problem::new(sqlstate::SYNTAX_ERROR, "a database is required")
                .hint("SHOW DATABASES lists them")
        })
    };
    match first.to_ascii_lowercase().as_str() {
        "show" => show(&rest),
        "pause" => name().map(Command::Pause),
        "resume" => name().map(Command::Resume),
        "reconnect" => name().map(Command::Reconnect),
        "kill" => name().map(Command::Kill),
        "wait_close" => name().map(Command::WaitClose),
        "disable" => required().map(Command::Disable),
        "enable" => required().map(Command::Enable),
        "kill_client" => match name()?.as_deref().map(str::parse) {
            Some(Ok(id)) => Ok(Command::KillClient(id)),
            Some(Err(_)) | None => Err(Problem::new(
                sqlstate::SYNTAX_ERROR,
                "KILL_CLIENT needs the id of a client",
            )
            .hint("SHOW CLIENTS lists them, in its last column")),
        },
        "reload" => nothing_more(&rest, first).map(|()| Command::Reload),
        "shutdown" => shutdown(&rest),
        "suspend" => Err(
            Problem::new(sqlstate::FEATURE_NOT_SUPPORTED, "SUSPEND is not supported")
                .hint("PAUSE keeps clients waiting; a restart of pgmoor needs no SUSPEND"),
        ),
        "set" => set(&rest),
        "select" if rest == ["1"] => Ok(Command::SelectOne),
        "select" => Err(Problem::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "the admin database has no tables",
        )
        .hint("SHOW HELP lists the commands")),
        "begin" | "start" => Ok(Command::Transaction {
            tag: "BEGIN",
            open: true,
        }),
        "commit" | "end" => Ok(Command::Transaction {
            tag: "COMMIT",
            open: false,
        }),
        "rollback" | "abort" => Ok(Command::Transaction {
            tag: "ROLLBACK",
            open: false,
        }),
        "discard" => Ok(Command::Nothing("DISCARD ALL")),
        "reset" => Ok(Command::Nothing("RESET")),
        "deallocate" => Ok(Command::Nothing("DEALLOCATE ALL")),
        other => Err(unknown(other)),
    }
}

fn unknown(word: &str) -> Problem {
    let problem = Problem::new(
        sqlstate::SYNTAX_ERROR,
        format!("unknown command \"{}\"", word.to_uppercase()),
    );
    match nearest(word, COMMANDS) {
        Some(near) => problem.hint(format!(
            "did you mean {}? SHOW HELP lists all commands",
            near.to_uppercase()
        )),
        None => problem.hint("SHOW HELP lists all commands"),
    }
}

fn show(rest: &[&str]) -> Result<Command, Problem> {
    let Some((first, more)) = rest.split_first() else {
        return Err(
            Problem::new(sqlstate::SYNTAX_ERROR, "SHOW what?").hint("SHOW HELP lists it all")
        );
    };
    let joined = rest.join(" ").to_ascii_lowercase();
    if joined == "transaction isolation level" {
        return Ok(Command::ShowParameter(
            "transaction_isolation",
            "read committed",
        ));
    }
    nothing_more(more, "SHOW")?;
    if let Some(show) = Show::parse(&joined) {
        return Ok(Command::Show(show));
    }
    let known = PARAMETERS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(first));
    if let Some(&(name, value)) = known {
        return Ok(Command::ShowParameter(name, value));
    }
    let problem = Problem::new(
        sqlstate::SYNTAX_ERROR,
        format!("SHOW does not know \"{}\"", first.to_uppercase()),
    );
    Err(match nearest(&joined, Show::NAMES.iter().copied()) {
        Some(near) => problem.hint(format!(
            "did you mean SHOW {}? SHOW HELP lists it all",
            near.to_uppercase()
        )),
        None => problem.hint("SHOW HELP lists it all"),
    })
}

fn shutdown(rest: &[&str]) -> Result<Command, Problem> {
    let how = match rest {
        [] => Shutdown::Now,
        [word] if word.eq_ignore_ascii_case("wait_for_clients") => Shutdown::WaitForClients,
        [word] if word.eq_ignore_ascii_case("wait_for_servers") => Shutdown::WaitForServers,
        _ => {
            return Err(Problem::new(
                sqlstate::SYNTAX_ERROR,
                "SHUTDOWN takes WAIT_FOR_CLIENTS, WAIT_FOR_SERVERS, or nothing",
            ));
        }
    };
    Ok(Command::Shutdown(how))
}

/// Drivers set their own parameters at the start; settings of pgmoor are not set here.
fn set(rest: &[&str]) -> Result<Command, Problem> {
    let name = rest.first().copied().unwrap_or_default();
    let name = name.split('=').next().unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::new(sqlstate::SYNTAX_ERROR, "SET what?"));
    }
    let ours = name.starts_with("gateway.") || name.starts_with("databases.");
    if ours || PGBOUNCER_SETTINGS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Problem::new(
            sqlstate::CANT_CHANGE_RUNTIME_PARAM,
            format!("\"{name}\" cannot be changed here"),
        )
        .hint("change the configuration file, then RELOAD; SHOW CONFIG shows what is in effect"));
    }
    Ok(Command::Nothing("SET"))
}

/// Those that people set in a running PgBouncer. To ignore them would be a lie.
const PGBOUNCER_SETTINGS: [&str; 14] = [
    "default_pool_size",
    "ignore_startup_parameters",
    "log_connections",
    "log_disconnections",
    "max_client_conn",
    "max_db_connections",
    "max_prepared_statements",
    "min_pool_size",
    "pool_mode",
    "query_timeout",
    "query_wait_timeout",
    "reserve_pool_size",
    "server_idle_timeout",
    "server_lifetime",
];

fn optional(command: &str, rest: &[&str]) -> Result<Option<String>, Problem> {
    match rest {
        [] => Ok(None),
        [name] => Ok(Some((*name).to_owned())),
        [_, more, ..] => Err(too_much(command, more)),
    }
}

fn nothing_more(rest: &[&str], command: &str) -> Result<(), Problem> {
    match rest.first() {
        None => Ok(()),
        Some(more) => Err(too_much(command, more)),
    }
}

fn too_much(command: &str, more: &str) -> Problem {
    Problem::new(
        sqlstate::SYNTAX_ERROR,
        format!(
            "\"{more}\" is more than {} takes",
            command.to_ascii_uppercase()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_case_and_names_as_written() {
        assert_eq!(parse("show pools"), Ok(Command::Show(Show::Pools)));
        assert_eq!(
            parse("  Pause \"My DB\""),
            Ok(Command::Pause(Some("My DB".into())))
        );
        assert_eq!(parse("PAUSE"), Ok(Command::Pause(None)));
        assert_eq!(parse("kill_client 17"), Ok(Command::KillClient(17)));
        assert_eq!(
            parse("SHUTDOWN wait_for_clients"),
            Ok(Command::Shutdown(Shutdown::WaitForClients))
        );
        assert_eq!(
            parse("set extra_float_digits = 3"),
            Ok(Command::Nothing("SET"))
        );
        assert_eq!(parse(" \n"), Ok(Command::Empty));
    }

    #[test]
    fn an_unknown_command_names_the_nearest_one() {
        let told = |text| {
            let problem = parse(text).expect_err(text);
            format!(
                "{} {} / {}",
                problem.sqlstate, problem.message, problem.hint
            )
        };

        insta::assert_snapshot!(
            [
                told("SHWO POOLS"),
                told("SHOW POOL"),
                told("SHOW"),
                told("frobnicate"),
                told("PAUSE a b"),
                told("DISABLE"),
                told("KILL_CLIENT x"),
                told("SUSPEND"),
                told("SET pool_mode = 'transaction'"),
                told("SELECT * FROM pg_class"),
            ]
            .join("\n")
        );
    }

    #[test]
    fn a_text_is_split_at_semicolons_outside_quotes() {
        assert_eq!(
            split("SHOW POOLS; PAUSE \"a;b\" ;; "),
            ["SHOW POOLS", " PAUSE \"a;b\" "]
        );
    }
}
