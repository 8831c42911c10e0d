//! Automatic IAM login: the certificate says who we are, and the server asks for no password.

use super::destination::Destination;
use crate::credential::google::database_user;
use crate::credential::renewal::Status;
use crate::credential::{
    Credential, CredentialProvider, Examination, Examined, Request, Supply, TokenSource,
};

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

    fn status(&self) -> Option<Status> {
        Some(self.0.issuer().login()?.status())
    }

    fn examine<'a>(&'a self, _request: Request<'a>) -> Examination<'a> {
        Box::pin(async {
            let Some(login) = self.0.issuer().login() else {
                return Examined {
                    source: self.name(),
                    considered: Vec::new(),
                    claims: Ok(Vec::new()),
                    has_secret: false,
                    status: None,
                };
            };
            let token = login.tokens.get().await;
            Examined {
                source: self.name(),
                considered: login.source.considered(),
                claims: token.map(|token| token.claims),
                // It is in the certificate.
                has_secret: true,
                status: Some(login.status()),
            }
        })
    }
}
