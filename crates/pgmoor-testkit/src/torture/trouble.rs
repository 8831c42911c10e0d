//! What can go wrong for a client, told apart: a wrong answer is never excused, an ended session
//! may be.

use std::fmt;
use std::io;

/// What a client was given in place of what it is owed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// An answer that is not its own, or not what the protocol has there.
    Wrong(String),
    /// Something that another session left behind.
    Leaked(String),
    /// No answer for longer than anything may take.
    Hung(String),
    /// Its session is over, or never began.
    Ended(Ended),
}

/// What a client does gives this.
pub(super) type Told<T = ()> = Result<T, Trouble>;

/// How a session was ended by the other side.
#[derive(Debug)]
pub(super) struct Ended {
    /// The SQLSTATE of the last word, or `closed`, `reset`, `cut` (in the middle of a message),
    /// `refused` (no connection) where none was said.
    pub(super) code: String,
    pub(super) text: String,
}

impl Trouble {
    pub(super) fn ended(code: &str, text: impl Into<String>) -> Trouble {
        Trouble::Ended(Ended {
            code: code.to_owned(),
            text: text.into(),
        })
    }

    /// What an error of the line means.
    pub(super) fn of_line(error: &io::Error) -> Trouble {
        let code = match error.kind() {
            io::ErrorKind::TimedOut => return Trouble::Hung(error.to_string()),
            io::ErrorKind::ConnectionRefused => "refused",
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset",
            io::ErrorKind::UnexpectedEof if error.to_string().contains("in a message") => "cut",
            _ => "closed",
        };
        Trouble::ended(code, error.to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Wrong(what) => write!(f, "wrong: {what}"),
            Trouble::Leaked(what) => write!(f, "leaked: {what}"),
            Trouble::Hung(what) => write!(f, "hung: {what}"),
            Trouble::Ended(Ended { code, text }) => write!(f, "ended: {code} {text}"),
        }
    }
}

/// Which ends of sessions a fault explains: beginnings of SQLSTATEs, or `closed`, `reset`, `cut`,
/// `refused`.
pub type Excuses = &'static [&'static str];

pub(super) fn is_excused(code: &str, excuses: Excuses) -> bool {
    excuses.iter().any(|excuse| code.starts_with(excuse))
}
