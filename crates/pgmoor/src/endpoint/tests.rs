//! Facts about how addresses are read.

mod fields;
mod foreign;
mod messages;
mod passfile;
mod properties;
mod secrets;
mod surroundings;

use super::{DEFAULT_SOCKET_DIRECTORY, Endpoint};

/// The default socket directory differs between systems; tests call it this.
fn with_socket_directory_named(text: &str) -> String {
    let encoded = DEFAULT_SOCKET_DIRECTORY.replace('/', "%2F");
    text.replace(&encoded, "SOCKETS")
        .replace(DEFAULT_SOCKET_DIRECTORY, "SOCKETS")
}

/// Everything an address was understood to say, as one URI.
fn canonical(address: &str) -> String {
    match Endpoint::parse(address) {
        Ok(endpoint) => with_socket_directory_named(endpoint.to_uri_with_password().expose()),
        Err(error) => format!("error: {error}"),
    }
}

/// Checks a table of (address, canonical URI), naming every row that is wrong.
fn assert_table(rows: &[(&str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .map(|(address, expected)| (address, canonical(address), expected))
        .filter(|(_, actual, expected)| actual != *expected)
        .map(|(address, actual, expected)| {
            format!("{address:?}\n  is       {actual}\n  expected {expected}")
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Error and hint as an operator sees them; notices when there is no error.
fn said(address: &str) -> String {
    match Endpoint::parse(address) {
        Ok(endpoint) => {
            let notices = endpoint
                .notices()
                .iter()
                .map(|notice| format!("\n  notice: {notice}"));
            with_socket_directory_named(&format!("ok: {endpoint}{}", notices.collect::<String>()))
        }
        Err(error) => {
            let hint = error
                .hint()
                .map(|hint| format!("\n  hint: {hint}"))
                .unwrap_or_default();
            format!("error: {error}{hint}")
        }
    }
}
