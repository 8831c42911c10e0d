//! `pgmoor url`: the address of a database.

use serde_json::json;

use crate::address::Address;
use crate::args::{Global, Url};
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA};

/// Prints it.
pub(super) fn run(global: &Global, arguments: &Url, output: Output) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    let address = Address::of(&loaded.settings, arguments.database.as_deref())?;
    if arguments.raw || arguments.shell {
        address.require_password(&loaded.settings.gateway)?;
    }
    match output.format {
        Format::Json => output.json(&json!({
            "schema": SCHEMA,
            "url": address.url(arguments.raw),
            "host": address.host,
            "port": address.port,
            "database": address.database,
            "user": address.user,
        })),
        Format::Text if arguments.shell => output.data(&shell(&address)),
        Format::Text => output.data(&format!("{}\n", address.url(arguments.raw))),
    }
    Ok(Exit::Ok)
}

/// Assignments that every POSIX shell takes.
fn shell(address: &Address) -> String {
    let mut text = format!("export DATABASE_URL={}\n", quote(&address.url(true)));
    for (name, value) in address.variables() {
        text.push_str(&format!("export {name}={}\n", quote(&value)));
    }
    if let Some(password) = &address.password {
        text.push_str(&format!("export PGPASSWORD={}\n", quote(password.expose())));
    }
    text
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_value_does_not_end_it_in_the_shell() {
        assert_eq!(quote("it's"), "'it'\\''s'");
    }
}
