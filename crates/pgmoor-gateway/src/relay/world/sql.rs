//! The little SQL that the model of a backend understands.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Nonsense,
    Select(String),
    Fail(String),
    Begin,
    Commit,
    Rollback,
    Set(String, String),
    Reset(String),
    Temporary,
    DeallocateAll,
    Deallocate(String),
    DiscardAll,
    Copy,
    /// Fails between saying that it begins and reading what was sent.
    CopyEarly,
}

/// The statements of a text.
pub(crate) fn commands(text: &[u8]) -> Vec<Command> {
    let text = String::from_utf8_lossy(text);
    text.split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .flat_map(command)
        .collect()
}

fn command(statement: &str) -> Vec<Command> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let plain = |word: &str| word.trim_matches(['"', '\'']).to_ascii_lowercase();
    vec![match words.as_slice() {
        ["SELECT", call] if call.starts_with("pg_catalog.set_config(") => return set_config(call),
        ["select", marker] => Command::Select((*marker).to_owned()),
        ["fail", marker] => Command::Fail((*marker).to_owned()),
        ["begin"] => Command::Begin,
        ["commit"] => Command::Commit,
        ["rollback"] => Command::Rollback,
        ["set" | "SET", name, "to" | "TO", value] => {
            Command::Set(plain(name), value.trim_matches('\'').to_owned())
        }
        ["reset" | "RESET", name] => Command::Reset(plain(name)),
        ["create", "temp", ..] => Command::Temporary,
        ["deallocate" | "DEALLOCATE", "all"] => Command::DeallocateAll,
        ["deallocate" | "DEALLOCATE", name] => Command::Deallocate(plain(name)),
        ["discard", "all"] => Command::DiscardAll,
        ["copy"] => Command::Copy,
        ["copy", "early"] => Command::CopyEarly,
        _ => Command::Nonsense,
    }]
}

/// `pg_catalog.set_config('name','value',false)`, one or more.
fn set_config(calls: &str) -> Vec<Command> {
    let mut set = Vec::new();
    for call in calls.split("pg_catalog.set_config(").skip(1) {
        let mut words = call.split('\'');
        let name = words.nth(1).expect("a name").to_ascii_lowercase();
        let value = words.nth(1).expect("a value").to_owned();
        set.push(Command::Set(name, value));
    }
    set
}
