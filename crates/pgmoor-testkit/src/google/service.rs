//! Which of Google's services a request is for.

use super::{iam, metadata, sql_admin};
use crate::identity::Asked;

/// One of Google's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The metadata server of a virtual machine.
    Metadata,
    /// The OAuth token endpoint.
    Token,
    /// The security token service, which takes tokens of others.
    TokenExchange,
    /// `generateAccessToken` of IAM.
    Impersonation,
    /// Where a subject token is got from by HTTP, or the metadata server of AWS.
    Subject,
    /// `connectSettings` of the SQL Admin API.
    ConnectSettings,
    /// `generateEphemeralCert` of the SQL Admin API.
    EphemeralCert,
    /// `resolveConnectSettings` of the SQL Admin API.
    ResolveSettings,
}

impl Service {
    /// Whom a request goes to, by its path.
    pub(crate) fn of(asked: &Asked) -> Option<Service> {
        match asked.plain_path().as_str() {
            "/token" => Some(Service::Token),
            "/v1/token" => Some(Service::TokenExchange),
            "/subject" => Some(Service::Subject),
            path if path.starts_with("/latest/") => Some(Service::Subject),
            path if iam::is_ours(path) => Some(Service::Impersonation),
            path if metadata::is_ours(path) => Some(Service::Metadata),
            path => Some(match sql_admin::call(path)? {
                sql_admin::Call::Settings { .. } => Service::ConnectSettings,
                sql_admin::Call::Certificate { .. } => Service::EphemeralCert,
                sql_admin::Call::Resolve { .. } => Service::ResolveSettings,
            }),
        }
    }
}
