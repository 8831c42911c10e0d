//! Who logs in, and with what.

use super::auth::Proof;
use super::error::ConnectError;
use super::secure::Protection;
use super::site::Site;
use super::{Connector, Login};
use crate::credential::{Credential, Request, is_token};
use crate::endpoint::{Host, SslMode};

/// Who logs in, and with what.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) user: String,
    pub(super) proof: Proof,
    /// The credential, where a provider supplied the proof.
    pub(super) supplied: Option<Credential>,
}

impl Identity {
    /// Refuses to show a token to a server that nobody vouches for.
    pub(super) fn may_go_out(
        &self,
        protection: Protection,
        mode: SslMode,
        site: &Site,
    ) -> Result<(), ConnectError> {
        let is_token = match (&self.supplied, &self.proof) {
            (Some(credential), _) => credential.is_token,
            // That of the address, or the client's own which is passed through.
            (None, Proof::Password(password)) => is_token(password.expose()),
            (None, _) => false,
        };
        if is_token && protection != Protection::Verified {
            return Err(ConnectError::ExposedToken {
                server: site.server.clone(),
                mode: mode.as_str(),
                is_encrypted: protection != Protection::None,
            });
        }
        Ok(())
    }

    pub(super) fn differs_from(&self, rejected: &Credential) -> bool {
        let now = self.supplied.as_ref();
        now.is_some_and(|credential| !credential.same_as(rejected))
    }
}

/// Finds out who logs in at `host`: not by `rejected`, where there is another.
pub(super) async fn of(
    connector: &Connector,
    host: &Host,
    database: Option<&str>,
    login: &Login<'_>,
    rejected: Option<&Credential>,
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
        Login::Endpoint => supplied(connector, host, database, rejected, site).await,
    }
}

/// The provider's secret, else the endpoint's SCRAM keys, else its password, else the passfile's.
async fn supplied(
    connector: &Connector,
    host: &Host,
    database: Option<&str>,
    rejected: Option<&Credential>,
    site: &Site,
) -> Result<Identity, ConnectError> {
    let request = Request {
        host,
        database: database.unwrap_or(&connector.user),
        user: &connector.user,
    };
    let provider = &connector.credential;
    let credential = match rejected {
        None => provider.credential(request).await,
        Some(rejected) => provider.another(request, rejected).await,
    };
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
    if credential.is_withheld {
        return Ok(Identity {
            user,
            proof: Proof::Withheld,
            supplied: Some(credential),
        });
    }
    let endpoint = &connector.endpoint;
    let own = match (&endpoint.scram_keys, &endpoint.password) {
        (Some(keys), _) => Some(Proof::Keys {
            client: keys.client_key.clone(),
            server: keys.server_key.clone(),
        }),
        (None, Some(password)) => Some(Proof::Password(password.clone())),
        (None, None) => None,
    };
    if let Some(proof) = own {
        return Ok(Identity {
            user,
            proof,
            supplied: None,
        });
    }
    let found = from_passfile(
        connector,
        Request {
            user: &user,
            ..request
        },
        site,
    )?;
    let secret = found
        .as_ref()
        .and_then(|credential| credential.secret.clone());
    Ok(Identity {
        user,
        proof: secret.map_or(Proof::Nothing, Proof::Password),
        supplied: found,
    })
}

/// What the passfile says, last of all. One that libpq would ignore is ignored too, unless the
/// endpoint names it.
fn from_passfile(
    connector: &Connector,
    request: Request<'_>,
    site: &Site,
) -> Result<Option<Credential>, ConnectError> {
    let Some(passfile) = &connector.passfile else {
        return Ok(None);
    };
    match passfile.look_up(request) {
        Ok(found) => Ok(found),
        Err(error) if connector.endpoint.passfile.is_none() => {
            tracing::warn!(error = %error, "default passfile is ignored");
            Ok(None)
        }
        Err(source) => Err(ConnectError::Credential {
            server: site.server.clone(),
            user: request.user.to_owned(),
            source,
        }),
    }
}
