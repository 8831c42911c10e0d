//! Answers to a server's authentication requests: what is allowed, what is said, and when it is done.
//!
//! Plain decisions without input or output.

use pgmoor_wire::backend::{Authentication, Mechanisms};
use pgmoor_wire::scram::{self, ClientExchange, Key, Mechanism, ScramError};
use pgmoor_wire::{EncodeError, Secret, frontend, md5};

use crate::endpoint::{AuthMethod, ChannelBinding, RequireAuth};

/// What proves who we are.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// Nothing: the server must not ask.
    Nothing,
    /// Nothing either, and that is meant: another proof must do.
    Withheld,
    Password(Secret<String>),
    /// SCRAM's keys, without the password.
    Keys {
        client: Key,
        server: Key,
    },
}

/// What the endpoint's settings allow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy<'a> {
    pub(super) require: &'a RequireAuth,
    pub(super) binding: ChannelBinding,
}

/// One login.
pub(super) struct Authenticator<'a> {
    user: &'a str,
    proof: &'a Proof,
    policy: Policy<'a>,
    /// The hash of the server's certificate, when the connection has TLS.
    end_point: Option<&'a [u8]>,
    state: State,
    method: AuthMethod,
}

enum State {
    Start,
    /// The password is sent, plain or hashed.
    Answered,
    Scram(Box<ClientExchange>),
    Done,
}

/// Why a login ends before the server ends it.
#[derive(Debug)]
pub(super) enum Problem {
    /// What the server does, and why that is refused.
    Refused {
        asks: String,
        refused: String,
    },
    NoPassword(&'static str),
    Scram(ScramError),
    OutOfOrder,
    Unsendable(EncodeError),
}

impl From<ScramError> for Problem {
    fn from(error: ScramError) -> Self {
        Self::Scram(error)
    }
}

impl From<EncodeError> for Problem {
    fn from(error: EncodeError) -> Self {
        Self::Unsendable(error)
    }
}

impl<'a> Authenticator<'a> {
    pub(super) fn new(
        user: &'a str,
        proof: &'a Proof,
        policy: Policy<'a>,
        end_point: Option<&'a [u8]>,
    ) -> Self {
        Self {
            user,
            proof,
            policy,
            end_point,
            state: State::Start,
            method: AuthMethod::None,
        }
    }

    /// Whether anything was said in answer to the server.
    pub(super) fn has_answered(&self) -> bool {
        !matches!(self.state, State::Start)
    }

    /// How the server asked for the proof.
    pub(super) fn method(&self) -> AuthMethod {
        self.method
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes a request and appends the answer to `out`.
    pub(super) fn on_request(
        &mut self,
        request: Authentication<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        match request {
            Authentication::Cleartext => self.method = AuthMethod::Password,
            Authentication::Md5(_) => self.method = AuthMethod::Md5,
            Authentication::Sasl(_) => self.method = AuthMethod::ScramSha256,
            _ => {}
        }
        match (request, &mut self.state) {
            (Authentication::Ok, _) => self.finish(),
            (Authentication::Cleartext, State::Start) => {
                self.allow(AuthMethod::Password, "asks for the password in clear text")?;
                let password = self.password("clear text")?;
                frontend::write_password(out, password.expose().as_bytes())?;
                self.state = State::Answered;
                Ok(())
            }
            (Authentication::Md5(salt), State::Start) => {
                self.allow(AuthMethod::Md5, "asks for the password under MD5")?;
                let hash = md5::hash(self.user, self.password("MD5")?.expose(), salt);
                frontend::write_password(out, hash.expose().as_bytes())?;
                self.state = State::Answered;
                Ok(())
            }
            (Authentication::Sasl(offered), State::Start) => self.start_scram(offered, out),
            (Authentication::SaslContinue(data), State::Scram(exchange)) => {
                let response = exchange.respond(data)?;
                frontend::write_sasl_response(out, &response)?;
                Ok(())
            }
            (Authentication::SaslFinal(data), State::Scram(exchange)) => Ok(exchange.finish(data)?),
            (Authentication::Other(code), State::Start) => Err(self.unsupported(code)),
            _ => Err(Problem::OutOfOrder),
        }
    }

    fn finish(&mut self) -> Result<(), Problem> {
        match &self.state {
            State::Start => {
                self.allow(AuthMethod::None, "lets us in without a login")?;
            }
            State::Answered => {}
            // Who skips the proof does not know the password: it is not the server we look for.
            State::Scram(exchange) if !exchange.is_verified() => {
                return Err(ScramError::ServerSignature.into());
            }
            State::Scram(_) => {}
            State::Done => return Err(Problem::OutOfOrder),
        }
        self.state = State::Done;
        Ok(())
    }

    fn start_scram(&mut self, offered: Mechanisms<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        let required = self.policy.binding == ChannelBinding::Require;
        let asks = || "asks for SCRAM-SHA-256".to_owned();
        if !self.policy.require.allows(AuthMethod::ScramSha256) {
            return Err(self.forbidden(asks()));
        }
        let binding = match (self.policy.binding, self.end_point) {
            (ChannelBinding::Disable, _) | (_, None) => scram::ChannelBinding::None,
            (_, Some(hash)) => scram::ChannelBinding::TlsServerEndPoint(hash.to_vec()),
        };
        let mechanism = Mechanism::choose(offered, &binding)?;
        if required && mechanism != Mechanism::ScramSha256Plus {
            let why = if self.end_point.is_none() {
                "channel_binding=require forbids on a connection that cannot be bound"
            } else {
                "channel_binding=require forbids without SCRAM-SHA-256-PLUS"
            };
            return Err(Problem::Refused {
                asks: asks(),
                refused: why.to_owned(),
            });
        }
        let mut exchange = match self.proof {
            Proof::Nothing | Proof::Withheld => {
                return Err(Problem::NoPassword("SCRAM-SHA-256"));
            }
            Proof::Password(password) => {
                ClientExchange::from_password(password.clone(), mechanism, binding)?
            }
            Proof::Keys { client, server } => {
                ClientExchange::from_keys(client.clone(), server.clone(), mechanism, binding)?
            }
        };
        let first = exchange.first()?;
        frontend::write_sasl_initial(out, mechanism.as_str(), Some(&first))?;
        self.state = State::Scram(Box::new(exchange));
        Ok(())
    }

    /// Whether a method may be used that binds no channel.
    fn allow(&self, method: AuthMethod, asks: &str) -> Result<(), Problem> {
        if !self.policy.require.allows(method) {
            return Err(self.forbidden(asks.to_owned()));
        }
        if self.policy.binding == ChannelBinding::Require {
            return Err(Problem::Refused {
                asks: asks.to_owned(),
                refused: "channel_binding=require forbids".to_owned(),
            });
        }
        Ok(())
    }

    fn forbidden(&self, asks: String) -> Problem {
        Problem::Refused {
            asks,
            refused: format!("require_auth={} forbids", self.policy.require),
        }
    }

    fn password(&self, method: &'static str) -> Result<&'a Secret<String>, Problem> {
        match self.proof {
            Proof::Password(password) => Ok(password),
            Proof::Nothing | Proof::Withheld => Err(Problem::NoPassword(method)),
            Proof::Keys { .. } => Err(Problem::Refused {
                asks: format!("asks for the password ({method})"),
                refused: "SCRAM keys cannot answer".to_owned(),
            }),
        }
    }

    fn unsupported(&self, code: i32) -> Problem {
        let method = match code {
            2 => "Kerberos V5",
            7 | 8 => "GSSAPI",
            9 => "SSPI",
            _ => "an unknown method",
        };
        Problem::Refused {
            asks: format!("asks for {method} (authentication request {code})"),
            refused: "pgmoor does not speak".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
