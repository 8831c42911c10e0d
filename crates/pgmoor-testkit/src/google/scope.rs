//! The scopes that matter here.

/// Everything.
pub const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The IAM API.
pub const IAM: &str = "https://www.googleapis.com/auth/iam";
/// The SQL Admin API.
pub const ADMIN: &str = "https://www.googleapis.com/auth/sqlservice.admin";
/// Logging in to a database, and nothing else.
pub const LOGIN: &str = "https://www.googleapis.com/auth/sqlservice.login";
