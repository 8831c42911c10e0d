//! What tokens are asked for, and the universe that Google's services are in.

/// Lets the bearer log in to databases, and do nothing else: the one scope of a token that a database
/// host gets to see.
pub const LOGIN: &str = "https://www.googleapis.com/auth/sqlservice.login";
/// Lets the bearer use the SQL Admin API.
pub const ADMIN: &str = "https://www.googleapis.com/auth/sqlservice.admin";
/// Everything that the identity may do. For tokens that go to Google's own services alone.
pub(super) const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where Google's services are unless told otherwise.
pub(super) const DEFAULT_UNIVERSE: &str = "googleapis.com";
