//! The yes of a person, or of `--yes`, before something is changed that cannot be changed back.

use std::io::{IsTerminal, stdin};

use crate::exit::Exit;
use crate::output::{Failure, ask};

/// Returns where it was confirmed: by `--yes`, or by typing `name` at a terminal. Without a terminal
/// nobody is asked.
///
/// # Errors
/// It was not.
pub(crate) fn confirm(yes: bool, name: &str, what: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let refused = |cause: &str| {
        Failure::new(Exit::NotConfirmed, format!("nobody confirmed to {what}"))
            .cause(cause)
            .hint("nothing was changed; --yes confirms it in scripts")
    };
    if !stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refused("there is no terminal to ask at"));
    }
    ask(&format!("type \"{name}\" to {what}: "));
    let mut answer = String::new();
    match stdin().read_line(&mut answer) {
        Ok(_) if answer.trim_end_matches(['\r', '\n']) == name => Ok(()),
        Ok(_) => Err(refused("another word was typed")),
        Err(error) => Err(refused("the answer could not be read").because(&error)),
    }
}
