//! Automatic IAM login: the certificate says who we are, and the server asks for no password.

use super::destination::Destination;
use crate::credential::google::database_user;
use crate::credential::renewal::Status;
use crate::credential::{Credential, CredentialProvider, Examination, Examined, Request, Supply};

/// Supplies nothing but the name of the user, and tells of the tokens in the certificates.
#[derive(Debug)]
pub(super) struct IamLogin(Destination);

impl IamLogin {
    pub(super) fn new(destination: Destination) -> Self {
        Self(destination)
    }
}

impl CredentialProvider for IamLogin {
    fn name(&self) -> String {
        "Google, in a certificate for Cloud SQL".to_owned()
    }

    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a> {
        Box::pin(async move {
            let user = Some(database_user(request.user).into_owned());
            Ok(Credential {
                user,
                ..Credential::none()
            })
        })
    }

    /// Of the certificate, which is what logs in; of the token that it is made with while there is none.
    fn status(&self) -> Option<Status> {
        match self.0.cache() {
            Some(cache) => Some(cache.status()),
            None => self.0.issuer().login()?.status(),
        }
    }

    fn examine<'a>(&'a self, request: Request<'a>) -> Examination<'a> {
        Box::pin(async move {
            let source = self.name();
            match self.0.issuer().login() {
                // The secret is in the certificate.
                Some(login) => Examined {
                    source,
                    ..login.examine(request).await
                },
                None => Examined {
                    source,
                    considered: Vec::new(),
                    claims: Ok(Vec::new()),
                    has_secret: false,
                    status: None,
                },
            }
        })
    }
}
