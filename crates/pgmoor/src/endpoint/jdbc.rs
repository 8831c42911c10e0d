//! JDBC URLs: `jdbc:postgresql://h1:1,h2/db?user=u&password=p`.

use super::error::EndpointError;
use super::raw::{Dialect, Form, Raw};
use super::schemeless::{self, Decoding};

/// Reads what follows `jdbc:`.
pub(super) fn parse(rest: &str) -> Result<Raw, EndpointError> {
    let rest = rest.strip_prefix("postgresql:").ok_or_else(|| {
        EndpointError::syntax(
            "JDBC URL",
            "it is not one of PostgreSQL's",
            "write it as jdbc:postgresql://host:port/database",
        )
    })?;
    let mut raw = Raw::new(Dialect::Jdbc, Form::Jdbc);
    let address = match rest.strip_prefix("//") {
        Some(address) => address.to_owned(),
        None => format!("/{}", rest.trim_start_matches('/')),
    };
    schemeless::push_address(
        &mut raw,
        &address,
        Decoding {
            plus_is_blank: true,
        },
    )?;
    if raw
        .pairs
        .iter()
        .any(|pair| !pair.in_query && matches!(pair.name.as_str(), "user" | "password"))
    {
        raw.notice("user and password before the host were taken, though JDBC itself wants them as parameters");
    }
    if !raw
        .pairs
        .iter()
        .any(|pair| matches!(pair.name.as_str(), "host" | "hostaddr"))
    {
        // JDBC has no Unix sockets.
        raw.push("host", "localhost".to_owned());
    }
    Ok(raw)
}
