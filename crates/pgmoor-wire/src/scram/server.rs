//! The server's side: asks for a proof, checks it, and proves itself.

use super::keys::{self, Key};
use super::text::{self, Attributes};
use super::{ChannelBinding, Mechanism, ScramError, Verifier};
use crate::Secret;

/// One login at us.
#[derive(Debug)]
pub struct ServerExchange {
    verifier: Verifier,
    binding: ChannelBinding,
    state: State,
}

#[derive(Debug)]
enum State {
    Start,
    AwaitFinal {
        /// What `c=` must hold: the header as it came, and the channel's data.
        binding: Vec<u8>,
        bound: bool,
        nonce: String,
        /// client-first-bare, ",", server-first, ","
        transcript: String,
    },
    Done,
}

/// A login that succeeded.
#[derive(Debug)]
pub struct ServerFinal {
    /// server-final, to be sent as SASLFinal.
    pub message: Vec<u8>,
    /// The client's key: with [`ServerFinal::server_key`] it logs in onwards.
    pub client_key: Key,
    /// The verifier's server key.
    pub server_key: Key,
    /// Whether the login is bound to the TLS connection.
    pub bound: bool,
}

impl ServerExchange {
    /// Begins a login; `binding` is what this connection can be bound to, whether or not the client
    /// chose to. Offer [`ChannelBinding::mechanisms`] of the same value.
    pub fn new(verifier: Verifier, binding: ChannelBinding) -> Self {
        Self {
            verifier,
            binding,
            state: State::Start,
        }
    }

    /// Takes client-first, and gives server-first to send as SASLContinue.
    ///
    /// # Errors
    ///
    /// [`ScramError`]; the exchange is over then.
    pub fn first(
        &mut self,
        mechanism: Mechanism,
        client_first: &[u8],
    ) -> Result<Vec<u8>, ScramError> {
        self.first_with(mechanism, client_first, &keys::nonce()?)
    }

    pub(super) fn first_with(
        &mut self,
        mechanism: Mechanism,
        client_first: &[u8],
        server_nonce: &str,
    ) -> Result<Vec<u8>, ScramError> {
        let State::Start = std::mem::replace(&mut self.state, State::Done) else {
            return Err(ScramError::OutOfOrder);
        };
        let (header, bare) = split_header(text::message(client_first)?)?;
        let (binding, bound) = self.expected_binding(mechanism, header)?;

        let mut attributes = Attributes::new(bare);
        attributes.take('n', "it has no user name")?;
        let client_nonce = text::check_nonce(attributes.take('r', "it has no nonce")?)?;
        attributes.skip_rest()?;

        let nonce = format!("{client_nonce}{server_nonce}");
        let salt = text::encode(&self.verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", self.verifier.iterations);
        self.state = State::AwaitFinal {
            binding,
            bound,
            nonce,
            transcript: format!("{bare},{server_first},"),
        };
        Ok(server_first.into_bytes())
    }

    fn expected_binding(
        &self,
        mechanism: Mechanism,
        header: &str,
    ) -> Result<(Vec<u8>, bool), ScramError> {
        let plus = mechanism == Mechanism::ScramSha256Plus;
        let mut expected = header.as_bytes().to_vec();
        match (header, &self.binding) {
            ("n,,", _) if plus => Err(ScramError::Downgrade(
                "the client chose SCRAM-SHA-256-PLUS and binds no channel",
            )),
            ("n,,", _) => Ok((expected, false)),
            ("y,,", _) if plus => Err(ScramError::Downgrade(
                "the client chose SCRAM-SHA-256-PLUS and says it was not offered",
            )),
            ("y,,", ChannelBinding::None) => Ok((expected, false)),
            ("y,,", ChannelBinding::TlsServerEndPoint(_)) => Err(ScramError::Downgrade(
                "the client was not told that this server binds channels",
            )),
            ("p=tls-server-end-point,,", _) if !plus => Err(ScramError::Downgrade(
                "the client chose SCRAM-SHA-256 and binds the channel",
            )),
            ("p=tls-server-end-point,,", ChannelBinding::TlsServerEndPoint(hash)) => {
                expected.extend_from_slice(hash);
                Ok((expected, true))
            }
            ("p=tls-server-end-point,,", ChannelBinding::None) => Err(ScramError::Downgrade(
                "this connection cannot be bound to a channel",
            )),
            _ => Err(ScramError::Unsupported("another type of channel binding")),
        }
    }

    /// Takes client-final, checks binding, nonce and proof, and gives server-final.
    ///
    /// # Errors
    ///
    /// [`ScramError::WrongPassword`] for a wrong proof and for every proof of an unknown user.
    pub fn finish(&mut self, client_final: &[u8]) -> Result<ServerFinal, ScramError> {
        let State::AwaitFinal {
            binding,
            bound,
            nonce,
            transcript,
        } = std::mem::replace(&mut self.state, State::Done)
        else {
            return Err(ScramError::OutOfOrder);
        };
        let client_final = text::message(client_final)?;
        // The proof is the last attribute and covers all before it.
        let proof_at = client_final.rsplit_once(",p=");
        let (signed, proof) = proof_at.ok_or(ScramError::Malformed("it has no proof"))?;
        let proof = text::decode_key(proof);
        let proof = proof.ok_or(ScramError::Malformed("its proof is not 32 bytes in base64"))?;

        let mut attributes = Attributes::new(signed);
        let sent = attributes.take('c', "it has no channel binding")?;
        let sent = text::decode(sent);
        let sent = sent.ok_or(ScramError::Malformed("its channel binding is not base64"))?;
        let sent_nonce = attributes.take('r', "it has no nonce")?;
        attributes.skip_rest()?;
        if !keys::same(&sent, &binding) {
            return Err(ScramError::ChannelBinding);
        }
        if !keys::same(sent_nonce.as_bytes(), nonce.as_bytes()) {
            return Err(ScramError::Nonce);
        }

        let message = [transcript.as_bytes(), signed.as_bytes()];
        let verifier = &self.verifier;
        let signature = keys::hmac(verifier.stored_key.expose(), &message);
        let client_key = Secret::new(keys::xor(&proof, &signature));
        let stored_key = keys::hash(client_key.expose());
        let proven = keys::same(&stored_key, verifier.stored_key.expose());
        if !proven || verifier.mock {
            return Err(ScramError::WrongPassword);
        }
        let signature = keys::hmac(verifier.server_key.expose(), &message);
        Ok(ServerFinal {
            message: format!("v={}", text::encode(&signature)).into_bytes(),
            client_key,
            server_key: verifier.server_key.clone(),
            bound,
        })
    }
}

/// Splits `n,,n=user,r=nonce` after its header.
fn split_header(message: &str) -> Result<(&str, &str), ScramError> {
    const FORM: ScramError = ScramError::Malformed("it has no channel binding header");
    let (flag, rest) = message.split_once(',').ok_or(FORM)?;
    if !matches!(flag, "n" | "y") && !flag.starts_with("p=") {
        return Err(FORM);
    }
    let (authzid, bare) = rest.split_once(',').ok_or(FORM)?;
    if !authzid.is_empty() {
        return Err(ScramError::Unsupported("an authorization identity"));
    }
    let header = message.len().saturating_sub(bare.len());
    message.split_at_checked(header).ok_or(FORM)
}
