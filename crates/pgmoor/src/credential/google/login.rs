//! Direct IAM login: the token is the password, and the user is named by Cloud SQL's rules.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{GoogleIdentity, LOGIN};
use crate::credential::renewal::Status;
use crate::credential::{
    Credential, CredentialProvider, Examination, Request, Supply, TokenProvider,
};

/// Logs in to Cloud SQL with a token as the password.
#[derive(Debug)]
pub struct GoogleLogin {
    tokens: Arc<TokenProvider>,
}

impl GoogleLogin {
    /// Logs in as `identity`; its tokens are renewed so long before their end. Metadata servers have no
    /// newer one until about four minutes before.
    pub fn new(identity: &GoogleIdentity, offset: Duration) -> Self {
        Self {
            tokens: identity.provider(LOGIN, offset),
        }
    }
}

impl CredentialProvider for GoogleLogin {
    fn name(&self) -> String {
        self.tokens.name()
    }

    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a> {
        Box::pin(async move {
            let credential = self.tokens.credential(request).await?;
            Ok(for_role(request.user, credential))
        })
    }

    fn another<'a>(&'a self, request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        Box::pin(async move {
            let credential = self.tokens.another(request, rejected).await?;
            Ok(for_role(request.user, credential))
        })
    }

    fn status(&self) -> Option<Status> {
        self.tokens.status()
    }

    fn examine<'a>(&'a self, request: Request<'a>) -> Examination<'a> {
        self.tokens.examine(request)
    }
}

fn for_role(user: &str, credential: Credential) -> Credential {
    Credential {
        user: Some(database_user(user).into_owned()),
        ..credential
    }
}

/// The name of the role of a Google identity: a service account's e-mail without
/// `.gserviceaccount.com`, anybody else's as it is, both in lower case. What is no e-mail stays as it is.
pub fn database_user(name: &str) -> Cow<'_, str> {
    if !name.contains('@') {
        return Cow::Borrowed(name);
    }
    let lower = name.to_lowercase();
    match lower.strip_suffix(".gserviceaccount.com") {
        Some(bare) => Cow::Owned(bare.to_owned()),
        None if lower == name => Cow::Borrowed(name),
        None => Cow::Owned(lower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_as_cloud_sql_names_them() {
        for (given, role) in [
            ("app@proj.iam.gserviceaccount.com", "app@proj.iam"),
            ("app@proj.iam", "app@proj.iam"),
            ("Ann.Smith@Example.com", "ann.smith@example.com"),
            (
                "1234-compute@developer.gserviceaccount.com",
                "1234-compute@developer",
            ),
            ("App", "App"),
        ] {
            assert_eq!(database_user(given), role, "{given}");
        }
    }
}
