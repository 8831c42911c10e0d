//! The exit codes: one table for the code, `--help`, the man page and the reference.

use std::process::ExitCode;

/// How the command ended; the same with text and JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Ok,
    /// A check failed, or the request was refused.
    Refused,
    /// The arguments or the configuration are wrong.
    Usage,
    /// A server or gateway could not be reached, or did not accept the login.
    Unreachable,
    /// A change was wanted, but nobody confirmed it.
    NotConfirmed,
    /// Data did not verify.
    Mismatch,
    /// It was interrupted and can be resumed.
    Interrupted,
    /// A bug in pgmoor.
    Bug,
    /// The exit code of a command that was run.
    Child(u8),
}

/// Every code with its meaning.
pub(crate) const TABLE: &[(Exit, &str)] = &[
    (Exit::Ok, "done"),
    (Exit::Refused, "a check failed, or the request was refused"),
    (Exit::Usage, "wrong arguments or configuration"),
    (Exit::Unreachable, "could not connect or authenticate"),
    (Exit::NotConfirmed, "a change was wanted but not confirmed"),
    (Exit::Mismatch, "data did not verify"),
    (Exit::Interrupted, "interrupted, can be resumed"),
    (Exit::Bug, "a bug in pgmoor; please report it"),
];

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotConfirmed => 4,
            Self::Mismatch => 5,
            Self::Interrupted => 6,
            Self::Bug => 70,
            Self::Child(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table for `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in TABLE {
        text.push_str(&format!("  {:>2}  {meaning}\n", exit.code()));
    }
    text.push_str("  pgmoor run and pgmoor psql end with the code of the program they ran");
    text
}

/// The table as a reference page.
pub(crate) fn page() -> String {
    let mut text = String::from(
        "# Exit codes\n\n<!-- Made by `pgmoor docs`; do not edit. -->\n\n\
         The same with `--output text` and `--output json`.\n\n| code | meaning |\n|---|---|\n",
    );
    for (exit, meaning) in TABLE {
        text.push_str(&format!("| {} | {meaning} |\n", exit.code()));
    }
    text.push_str("\n`pgmoor run` and `pgmoor psql` end with the code of the program they ran.\n");
    text
}
