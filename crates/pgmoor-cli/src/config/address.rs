//! The addresses of external endpoints, read as libpq reads them.

use pgmoor::endpoint::{Endpoint, EndpointError, Environment};
use pgmoor::settings::EndpointSettings;

use super::surroundings::Surroundings;

/// What the environment may say about an endpoint: where libpq's files are, and nothing else, so
/// that a `PGHOST` left in a shell does not change where an application's data goes.
pub(crate) fn environment(surroundings: &Surroundings) -> Environment {
    let files = ["HOME", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE"];
    let variables = surroundings
        .variables
        .iter()
        .filter(|(name, _)| files.contains(&name.as_str()));
    Environment::from_variables(variables.cloned())
}

/// Reads an external endpoint's address; `None` for a bundled one.
///
/// # Errors
/// What is wrong with the address.
pub(crate) fn address(
    endpoint: &EndpointSettings,
    environment: &Environment,
) -> Result<Option<Endpoint>, EndpointError> {
    let Some(url) = &endpoint.url else {
        return Ok(None);
    };
    let mut address = Endpoint::load(url.expose(), environment)?;
    address
        .connect_timeout
        .get_or_insert(endpoint.connect_timeout);
    address
        .fallback_application_name
        .get_or_insert_with(|| "pgmoor".to_owned());
    Ok(Some(address))
}
