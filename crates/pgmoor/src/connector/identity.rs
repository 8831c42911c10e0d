//! Who logs in, and with what.

use super::auth::Proof;
use super::error::ConnectError;
use super::site::Site;
use super::{Connector, Login};
use crate::credential::{Credential, Request};
use crate::endpoint::Host;

/// Who logs in, and with what.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) user: String,
    pub(super) proof: Proof,
    /// The credential, where a provider supplied the proof.
    pub(super) supplied: Option<Credential>,
}

impl Identity {
    pub(super) fn differs_from(&self, rejected: &Credential) -> bool {
        let now = self.supplied.as_ref();
        now.is_some_and(|credential| !credential.same_as(rejected))
    }
}

/// Finds out who logs in at `host`.
pub(super) async fn of(
    connector: &Connector,
    host: &Host,
    database: Option<&str>,
    login: &Login<'_>,
    site: &Site,
) -> Result<Identity, ConnectError> {
    match login {
        Login::Password { user, password } => Ok(Identity {
            user: (*user).to_owned(),
            proof: Proof::Password(password.clone()),
            supplied: None,
        }),
        Login::ScramKeys {
            user,
            client_key,
            server_key,
        } => Ok(Identity {
            user: (*user).to_owned(),
            proof: Proof::Keys {
                client: client_key.clone(),
                server: server_key.clone(),
            },
            supplied: None,
        }),
        Login::Endpoint => supplied(connector, host, database, site).await,
    }
}

/// The provider's secret, else the endpoint's SCRAM keys, else its password, else nothing.
async fn supplied(
    connector: &Connector,
    host: &Host,
    database: Option<&str>,
    site: &Site,
) -> Result<Identity, ConnectError> {
    let request = Request {
        host,
        database: database.unwrap_or(&connector.user),
        user: &connector.user,
    };
    let credential = connector.credential.credential(request).await;
    let credential = credential.map_err(|source| ConnectError::Credential {
        server: site.server.clone(),
        user: connector.user.clone(),
        source,
    })?;
    let user = credential
        .user
        .clone()
        .unwrap_or_else(|| connector.user.clone());
    if let Some(secret) = &credential.secret {
        return Ok(Identity {
            user,
            proof: Proof::Password(secret.clone()),
            supplied: Some(credential),
        });
    }
    let endpoint = &connector.endpoint;
    let proof = match (&endpoint.scram_keys, &endpoint.password) {
        (Some(keys), _) => Proof::Keys {
            client: keys.client_key.clone(),
            server: keys.server_key.clone(),
        },
        (None, Some(password)) => Proof::Password(password.clone()),
        (None, None) => Proof::Nothing,
    };
    Ok(Identity {
        user,
        proof,
        supplied: None,
    })
}
