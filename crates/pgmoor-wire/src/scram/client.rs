//! The client's side: proves that it knows the password, and makes the server prove the same.

use std::fmt;

use super::keys::{self, Key};
use super::text::{self, Attributes};
use super::{ChannelBinding, MAX_ITERATIONS, Mechanism, ScramError};
use crate::Secret;

/// One login of ours.
#[derive(Debug)]
pub struct ClientExchange {
    credential: Credential,
    /// The header, and the channel's data behind it.
    header: &'static str,
    binding: Vec<u8>,
    max_iterations: u32,
    state: State,
}

enum Credential {
    Password(Secret<String>),
    Keys { client: Key, server: Key },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug)]
enum State {
    Start,
    AwaitFirst { nonce: String, bare: String },
    AwaitFinal { signature: Key },
    Verified,
    Failed,
}

impl ClientExchange {
    /// Begins a login by password, with the mechanism that [`Mechanism::choose`] picked.
    ///
    /// # Errors
    ///
    /// [`ScramError::Downgrade`] if the mechanism binds a channel and `binding` is none.
    pub fn from_password(
        password: Secret<String>,
        mechanism: Mechanism,
        binding: ChannelBinding,
    ) -> Result<Self, ScramError> {
        Self::new(Credential::Password(password), mechanism, binding)
    }

    /// Begins a login by the keys that [`super::ServerExchange::finish`] gives. It succeeds only at a
    /// server whose verifier of the user has the same salt and iterations.
    ///
    /// # Errors
    ///
    /// As [`ClientExchange::from_password`].
    pub fn from_keys(
        client_key: Key,
        server_key: Key,
        mechanism: Mechanism,
        binding: ChannelBinding,
    ) -> Result<Self, ScramError> {
        let keys = Credential::Keys {
            client: client_key,
            server: server_key,
        };
        Self::new(keys, mechanism, binding)
    }

    fn new(
        credential: Credential,
        mechanism: Mechanism,
        binding: ChannelBinding,
    ) -> Result<Self, ScramError> {
        let (header, data) = match (mechanism, binding) {
            (Mechanism::ScramSha256, ChannelBinding::None) => ("n,,", Vec::new()),
            // "I could, you did not offer": the server knows if somebody took its offer away.
            (Mechanism::ScramSha256, ChannelBinding::TlsServerEndPoint(_)) => ("y,,", Vec::new()),
            (Mechanism::ScramSha256Plus, ChannelBinding::TlsServerEndPoint(hash)) => {
                ("p=tls-server-end-point,,", hash)
            }
            (Mechanism::ScramSha256Plus, ChannelBinding::None) => {
                return Err(ScramError::Downgrade(
                    "SCRAM-SHA-256-PLUS needs a connection that can be bound",
                ));
            }
        };
        Ok(Self {
            credential,
            header,
            binding: [header.as_bytes(), &data].concat(),
            max_iterations: MAX_ITERATIONS,
            state: State::Start,
        })
    }

    /// Does at most so many iterations for a server, instead of [`MAX_ITERATIONS`].
    #[must_use]
    pub fn with_max_iterations(mut self, limit: u32) -> Self {
        self.max_iterations = limit;
        self
    }

    /// Gives client-first, to send with the mechanism's name.
    ///
    /// # Errors
    ///
    /// [`ScramError::Random`], or [`ScramError::OutOfOrder`] if it was given already.
    pub fn first(&mut self) -> Result<Vec<u8>, ScramError> {
        // PostgreSQL takes the user of the startup message; libpq sends none here either.
        self.first_with("", keys::nonce()?)
    }

    pub(super) fn first_with(&mut self, user: &str, nonce: String) -> Result<Vec<u8>, ScramError> {
        let State::Start = self.state else {
            return Err(ScramError::OutOfOrder);
        };
        let bare = format!("n={user},r={nonce}");
        let message = format!("{}{bare}", self.header);
        self.state = State::AwaitFirst { nonce, bare };
        Ok(message.into_bytes())
    }

    /// Takes server-first and gives client-final.
    ///
    /// # Errors
    ///
    /// [`ScramError`]: a nonce that does not continue ours, too many iterations, a bad message. No
    /// hashing is done before all of it is checked.
    pub fn respond(&mut self, server_first: &[u8]) -> Result<Vec<u8>, ScramError> {
        let State::AwaitFirst { nonce, bare } = std::mem::replace(&mut self.state, State::Failed)
        else {
            return Err(ScramError::OutOfOrder);
        };
        let server_first = text::message(server_first)?;
        let mut attributes = Attributes::new(server_first);
        let both = text::check_nonce(attributes.take('r', "it has no nonce")?)?;
        let salt = text::decode(attributes.take('s', "it has no salt")?);
        let salt = salt.filter(|salt| !salt.is_empty());
        let salt = salt.ok_or(ScramError::Malformed("its salt is not base64"))?;
        let iterations = attributes.take('i', "it has no iterations")?;
        let iterations = self.check_iterations(iterations)?;
        attributes.end()?;
        if !both.starts_with(&nonce) || both.len() == nonce.len() {
            return Err(ScramError::Nonce);
        }

        let (client_key, server_key) = match &self.credential {
            Credential::Keys { client, server } => (client.clone(), server.clone()),
            Credential::Password(password) => {
                let salted = keys::salted_password(password.expose(), &salt, iterations);
                (keys::client_key(&salted), keys::server_key(&salted))
            }
        };
        let signed = format!("c={},r={both}", text::encode(&self.binding));
        let message = [&bare, ",", server_first, ",", &signed].map(str::as_bytes);
        let stored_key = keys::hash(client_key.expose());
        let proof = keys::xor(client_key.expose(), &keys::hmac(&stored_key, &message));
        self.state = State::AwaitFinal {
            signature: Secret::new(keys::hmac(server_key.expose(), &message)),
        };
        Ok(format!("{signed},p={}", text::encode(&proof)).into_bytes())
    }

    /// Whether the server has proved itself; do not believe an AuthenticationOk before.
    pub fn is_verified(&self) -> bool {
        matches!(self.state, State::Verified)
    }

    fn check_iterations(&self, text: &str) -> Result<u32, ScramError> {
        const FORM: ScramError = ScramError::Malformed("its iterations are no positive number");
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FORM);
        }
        // More than fits is more than the limit, too.
        let asked = text.parse().unwrap_or(u32::MAX);
        let limit = self.max_iterations;
        match asked {
            0 => Err(FORM),
            asked if asked > limit => Err(ScramError::Iterations { asked, limit }),
            asked => Ok(asked),
        }
    }

    /// Takes server-final and checks that the server knows the password, too.
    ///
    /// A login is not complete before this succeeded, whatever the server says.
    ///
    /// # Errors
    ///
    /// [`ScramError::ServerSignature`] if it does not, [`ScramError::Refused`] if it says so itself.
    pub fn finish(&mut self, server_final: &[u8]) -> Result<(), ScramError> {
        let State::AwaitFinal { signature } = std::mem::replace(&mut self.state, State::Failed)
        else {
            return Err(ScramError::OutOfOrder);
        };
        let mut attributes = Attributes::new(text::message(server_final)?);
        match attributes.next()? {
            Some(('e', error)) => {
                let plain = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
                Err(ScramError::Refused(
                    error.chars().filter(plain).take(100).collect(),
                ))
            }
            Some(('v', sent)) => {
                attributes.end()?;
                let sent = text::decode_key(sent);
                let sent = sent.ok_or(ScramError::Malformed("its signature is not base64"))?;
                if keys::same(&sent, signature.expose()) {
                    self.state = State::Verified;
                    Ok(())
                } else {
                    Err(ScramError::ServerSignature)
                }
            }
            _ => Err(ScramError::Malformed("it has no signature")),
        }
    }
}
