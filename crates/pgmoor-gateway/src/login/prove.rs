//! Asking a client for its proof.

use pgmoor::Secret;
use pgmoor::tls;
use pgmoor_wire::scram::{ChannelBinding, Mechanism, ScramError, ServerExchange, Verifier};
use pgmoor_wire::{backend, frontend, sqlstate, tag};

use super::lookup::{Found, Lookup};
use super::refusal::Refusal;
use super::talk::Talk;
use super::users::{Proof, Users};
use crate::pool::Login;

/// Longer than any password or SCRAM message, in bytes: tokens of clouds are long.
const MAX_PROOF: usize = 64 << 10;

/// Who a client has proven to be.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) user: String,
    /// How its server connections log in.
    pub(crate) login: Login,
}

/// Asks for the proof that `users` wants, and checks it. Without a `lookup` nobody is let in who is
/// not listed.
///
/// # Errors
///
/// In words that do not tell a wrong password from an unknown user.
pub(crate) async fn prove(
    talk: &mut Talk,
    users: &Users,
    user: &str,
    lookup: &mut Option<impl Lookup>,
) -> Result<Identity, Refusal> {
    let certified = talk
        .stream
        .tls()
        .and_then(|info| info.peer_certificates.first())
        .and_then(|certificate| tls::common_name(certificate));
    let proof = users
        .proof(user, talk.stream.peer(), certified.as_deref())
        .map_err(|why| {
            Refusal::new(
                sqlstate::INVALID_AUTHORIZATION_SPECIFICATION,
                format!("certificate authentication failed for user \"{user}\""),
            )
            .because(why)
        })?;
    let login = match proof {
        Proof::Trusted | Proof::Certified => Login::Endpoint,
        Proof::Scram(verifier) => {
            scram(talk, user, *verifier).await?;
            Login::Endpoint
        }
        Proof::ScramFromServer => {
            let found = match lookup {
                Some(lookup) => lookup.verifier(user).await?,
                None => Found::Nobody { iterations: None },
            };
            let verifier = match found {
                Found::Verifier(verifier) => verifier,
                Found::Nobody { iterations } => users.mock(user, iterations),
            };
            scram(talk, user, verifier).await?
        }
        Proof::Password => {
            let password = password(talk, user).await?;
            match lookup {
                Some(lookup) => lookup.check(user, &password).await?,
                None => return Err(Refusal::login_failed(user, "there is no server to ask")),
            }
            Login::Password(password)
        }
    };
    Ok(Identity {
        user: user.to_owned(),
        login,
    })
}

/// SCRAM-SHA-256, with channel binding where there is TLS; gives the keys to log in onwards.
async fn scram(talk: &mut Talk, user: &str, verifier: Verifier) -> Result<Login, Refusal> {
    let end_point = talk
        .stream
        .tls()
        .and_then(|info| info.server_end_point.clone());
    let binding = end_point.map_or(ChannelBinding::None, |hash| {
        ChannelBinding::TlsServerEndPoint(hash.to_vec())
    });
    let failed = |error: ScramError| match error {
        ScramError::WrongPassword => Refusal::login_failed(user, "wrong password, or no such user"),
        other => Refusal::new(other.sqlstate(), other.to_string()),
    };
    let mut out = Vec::new();
    write(backend::write_auth_sasl(&mut out, binding.mechanisms()))?;
    talk.say(&out).await?;

    let body = talk.expect(tag::PASSWORD, MAX_PROOF).await?;
    let initial = frontend::SaslInitial::decode(&body)
        .map_err(|error| Refusal::protocol(error.to_string()))?;
    let offered = binding.mechanisms().contains(&initial.mechanism);
    let mechanism = Mechanism::parse(initial.mechanism)
        .filter(|_| offered)
        .ok_or_else(|| {
            Refusal::protocol("the client chose a SASL mechanism that was not offered")
        })?;
    let mut exchange = ServerExchange::new(verifier, binding);
    let challenge = exchange
        .first(mechanism, initial.data.unwrap_or_default())
        .map_err(failed)?;
    out.clear();
    write(backend::write_auth_sasl_continue(&mut out, &challenge))?;
    talk.say(&out).await?;

    let answer = talk.expect(tag::PASSWORD, MAX_PROOF).await?;
    let done = exchange.finish(&answer).map_err(failed)?;
    out.clear();
    write(backend::write_auth_sasl_final(&mut out, &done.message))?;
    talk.say(&out).await?;
    Ok(Login::Keys {
        client: done.client_key,
        server: done.server_key,
    })
}

/// The password itself: only where nobody listens.
async fn password(talk: &mut Talk, user: &str) -> Result<Secret<String>, Refusal> {
    if talk.stream.tls().is_none() && !talk.stream.peer().is_local() {
        return Err(Refusal::new(
            sqlstate::INVALID_AUTHORIZATION_SPECIFICATION,
            format!("user \"{user}\" has to use TLS"),
        )
        .hint("connect with sslmode=verify-full: the password is passed on to the server"));
    }
    let mut out = Vec::new();
    backend::write_auth_cleartext(&mut out);
    talk.say(&out).await?;
    let body = talk.expect(tag::PASSWORD, MAX_PROOF).await?;
    let password =
        frontend::Password::decode(&body).map_err(|error| Refusal::protocol(error.to_string()))?;
    match std::str::from_utf8(password.password) {
        Ok("") => Err(Refusal::login_failed(user, "empty password")),
        Ok(password) => Ok(Secret::new(password.to_owned())),
        Err(_) => Err(Refusal::login_failed(user, "the password is not UTF-8")),
    }
}

fn write<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), Refusal> {
    result.map_err(|error| Refusal::protocol(error.to_string()))
}
