//! What the providers of clouds have in common.

use pgmoor::http::Client;

use crate::config::surroundings::Surroundings;
use crate::exit::Exit;
use crate::output::Failure;

#[cfg_attr(not(any(feature = "aws", feature = "azure")), allow(dead_code))]
/// How the services of clouds are asked.
pub(super) fn client(surroundings: &Surroundings) -> Client {
    Client::from_environment(|name| surroundings.get(name))
}

/// This program was built without a provider.
#[cfg_attr(
    all(feature = "aws", feature = "google", feature = "azure"),
    allow(dead_code)
)]
pub(super) fn left_out(provider: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("cannot use the credential provider \"{provider}\""),
    )
    .cause("this pgmoor was built without it".to_owned())
    .hint(format!("build it with --features {provider}"))
}
