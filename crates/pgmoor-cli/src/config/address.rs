//! The addresses of external endpoints, read as libpq reads them.

use std::time::Duration;

use pgmoor::endpoint::{Endpoint, EndpointError, Environment};
use pgmoor::settings::EndpointSettings;

use super::surroundings::Surroundings;

/// Silence before TCP asks whether the server is still there, time between two questions, and how
/// many may go unanswered, unless the connection string says otherwise: the kernel would wait for
/// hours.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(10), 6);
/// How long what was sent may go unacknowledged: as long as all of that takes.
const UNANSWERED: Duration = Duration::from_secs(120);

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

/// Reads an external endpoint's address; `None` for one that has none.
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
    complete(&mut address, endpoint);
    Ok(Some(address))
}

/// Fills in what the connection string leaves open.
pub(crate) fn complete(address: &mut Endpoint, endpoint: &EndpointSettings) {
    address
        .connect_timeout
        .get_or_insert(endpoint.connect_timeout);
    address.keepalives.idle.get_or_insert(KEEPALIVE.0);
    address.keepalives.interval.get_or_insert(KEEPALIVE.1);
    address.keepalives.count.get_or_insert(KEEPALIVE.2);
    address.tcp_user_timeout.get_or_insert(UNANSWERED);
}

#[cfg(test)]
mod tests {
    use pgmoor::settings::{Loader, Place, Value};

    use super::*;

    fn read(url: &str) -> Endpoint {
        let yaml = format!("url: \"{url}\"");
        let mut problems = Vec::new();
        let tree = pgmoor_ops::yaml::parse(&yaml, "p.yaml".as_ref(), &mut problems);
        let place = Place {
            key: "endpoints.a",
            range: None,
        };
        let settings =
            EndpointSettings::load(&tree.expect("YAML"), &place, &mut Loader::for_defaults());
        let address = address(&settings.expect("settings"), &Environment::default());
        address.expect("an address").expect("an external one")
    }

    #[test]
    fn a_server_that_does_not_answer_is_noticed_in_two_minutes_unless_the_address_says_otherwise() {
        let address = read("postgres://h/d?keepalives_idle=7&tcp_user_timeout=9000");

        assert_eq!(address.keepalives.idle, Some(Duration::from_secs(7)));
        assert_eq!(address.keepalives.interval, Some(Duration::from_secs(10)));
        assert_eq!(address.tcp_user_timeout, Some(Duration::from_secs(9)));
        assert_eq!(read("postgres://h/d").keepalives.idle, Some(KEEPALIVE.0));
        assert_eq!(read("postgres://h/d").tcp_user_timeout, Some(UNANSWERED));
    }

    #[test]
    fn a_client_that_gives_itself_no_name_is_given_none_but_the_addresss() {
        assert_eq!(read("postgres://h/d").startup(), []);
        let named = read("postgres://h/d?fallback_application_name=shop").startup();
        assert_eq!(named, [("application_name".to_owned(), "shop".to_owned())]);
    }
}
