//! From an open stream to a session that is ready: startup message, authentication, first status.

use pgmoor_wire::backend::{
    Authentication, BackendKey, NegotiateProtocol, ParameterStatus, TransactionStatus,
};
use pgmoor_wire::{startup, tag};
use zeroize::Zeroizing;

use super::auth::{Authenticator, Policy, Problem, Proof};
use super::channel::{Channel, Message};
use super::error::ConnectError;
use super::site::Site;
use super::stage::Stage;
use super::version;
use crate::endpoint::{AuthMethod, ProtocolVersion};
use crate::stream::Stream;

/// Long enough for any answer: a buffer that grew would leave a copy of the password behind.
const MAX_ANSWER: usize = 70_000;
/// More settings than any server reports.
const MAX_PARAMETERS: usize = 256;

/// Who logs in, and what the startup message says.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) user: &'a str,
    pub(super) proof: &'a Proof,
    pub(super) policy: Policy<'a>,
    /// Everything of the startup message, `user` and `database` among them.
    pub(super) parameters: Vec<(&'a str, &'a str)>,
    pub(super) min_version: ProtocolVersion,
    pub(super) max_version: ProtocolVersion,
}

/// What a server told until it was ready.
pub(super) struct Session {
    pub(super) parameters: Vec<(String, String)>,
    pub(super) key: Option<(i32, Vec<u8>)>,
    pub(super) leftover: Vec<u8>,
    pub(super) protocol_minor: u16,
    pub(super) method: AuthMethod,
}

impl Session {
    /// The server's version as it says.
    pub(super) fn version(&self) -> Option<&str> {
        let mut all = self.parameters.iter();
        let (_, version) = all.find(|(name, _)| name == "server_version")?;
        Some(version)
    }

    /// The server's version, when it is known and too old to be served.
    pub(super) fn too_old(&self) -> Option<String> {
        let text = self.version()?;
        let number = version::number(text);
        (number > 0 && number < version::OLDEST).then(|| text.to_owned())
    }
}

/// A login that failed; `answered` when the server had been given anything but the startup message.
pub(super) struct Failure {
    pub(super) error: ConnectError,
    pub(super) answered: bool,
}

/// Logs in. `received` came with what was read before.
pub(super) async fn log_in(
    stream: &mut Stream,
    site: &Site,
    request: &Request<'_>,
) -> Result<Session, Failure> {
    let end_point = stream.tls().and_then(|tls| tls.server_end_point.clone());
    let mut authenticator = Authenticator::new(
        request.user,
        request.proof,
        request.policy,
        end_point.as_deref(),
    );
    let mut channel = Channel::new(stream, site, Vec::new());
    let mut session = Session {
        protocol_minor: minor(request.max_version),
        parameters: Vec::new(),
        key: None,
        leftover: Vec::new(),
        method: AuthMethod::None,
    };
    let first = site
        .within(
            Stage::Auth,
            authenticate(&mut channel, &mut authenticator, &mut session, request),
        )
        .await;
    let answered = authenticator.has_answered();
    let fail = |error| Failure { error, answered };
    first.map_err(fail)?;
    session.method = authenticator.method();
    channel.stage = Stage::Startup;
    site.within(
        Stage::Startup,
        await_ready(&mut channel, &mut session, request),
    )
    .await
    .map_err(fail)?;
    session.leftover = channel.leftover();
    Ok(session)
}

fn minor(version: ProtocolVersion) -> u16 {
    match version {
        ProtocolVersion::V3_0 => 0,
        ProtocolVersion::V3_2 => 2,
    }
}

async fn authenticate(
    channel: &mut Channel<'_>,
    authenticator: &mut Authenticator<'_>,
    session: &mut Session,
    request: &Request<'_>,
) -> Result<(), ConnectError> {
    let mut out = Vec::new();
    startup::write_startup(
        &mut out,
        session.protocol_minor,
        request.parameters.iter().copied(),
    )
    .map_err(|error| ConnectError::Startup {
        problem: error.to_string(),
    })?;
    channel.send(&out).await?;
    while !authenticator.is_done() {
        let message = channel.next().await?;
        match message.tag {
            tag::AUTHENTICATION => {
                let asked = Authentication::decode(&message.body)
                    .map_err(|error| channel.malformed(error))?;
                // May hold the password.
                let mut out = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
                authenticator
                    .on_request(asked, &mut out)
                    .map_err(|problem| explain(problem, channel, request))?;
                if !out.is_empty() {
                    channel.send(&out).await?;
                }
            }
            tag::NEGOTIATE_PROTOCOL_VERSION => negotiated(&message, channel, session, request)?,
            tag::NOTICE_RESPONSE => {}
            tag::ERROR_RESPONSE => return Err(rejection(&message, channel, request)),
            _ => return Err(channel.unexpected(&message)),
        }
    }
    Ok(())
}

async fn await_ready(
    channel: &mut Channel<'_>,
    session: &mut Session,
    request: &Request<'_>,
) -> Result<(), ConnectError> {
    loop {
        let message = channel.next().await?;
        match message.tag {
            tag::PARAMETER_STATUS => {
                let status = ParameterStatus::decode(&message.body)
                    .map_err(|error| channel.malformed(error))?;
                remember(session, status).map_err(|problem| channel.malformed(problem))?;
            }
            tag::BACKEND_KEY_DATA => {
                let key =
                    BackendKey::decode(&message.body).map_err(|error| channel.malformed(error))?;
                session.key = Some((key.pid, key.secret.to_vec()));
            }
            tag::NEGOTIATE_PROTOCOL_VERSION => negotiated(&message, channel, session, request)?,
            tag::NOTICE_RESPONSE => {}
            tag::READY_FOR_QUERY => {
                let status = TransactionStatus::decode(&message.body)
                    .map_err(|error| channel.malformed(error))?;
                if status != TransactionStatus::Idle {
                    return Err(channel.malformed("a new session is inside a transaction"));
                }
                return Ok(());
            }
            tag::ERROR_RESPONSE => return Err(rejection(&message, channel, request)),
            _ => return Err(channel.unexpected(&message)),
        }
    }
}

fn remember(session: &mut Session, status: ParameterStatus<'_>) -> Result<(), &'static str> {
    let value = status.value_str().into_owned();
    let count = session.parameters.len();
    let known = session
        .parameters
        .iter_mut()
        .find(|(name, _)| name == status.name);
    match known {
        Some((_, old)) => *old = value,
        None if count == MAX_PARAMETERS => {
            return Err("more settings are reported than any server has");
        }
        None => session.parameters.push((status.name.to_owned(), value)),
    }
    Ok(())
}

/// The server speaks an older protocol than was asked for.
fn negotiated(
    message: &Message,
    channel: &Channel<'_>,
    session: &mut Session,
    request: &Request<'_>,
) -> Result<(), ConnectError> {
    let offer =
        NegotiateProtocol::decode(&message.body).map_err(|error| channel.malformed(error))?;
    if offer.major != startup::MAJOR || offer.minor > session.protocol_minor {
        return Err(channel.malformed(format!(
            "protocol {}.{} was not asked for",
            offer.major, offer.minor
        )));
    }
    if offer.minor < minor(request.min_version) {
        return Err(channel.malformed(format!(
            "the server speaks protocol 3.{} only, and min_protocol_version is {}",
            offer.minor, request.min_version
        )));
    }
    session.protocol_minor = offer.minor;
    Ok(())
}

fn rejection(message: &Message, channel: &Channel<'_>, request: &Request<'_>) -> ConnectError {
    let secret = match request.proof {
        Proof::Password(password) => Some(password),
        Proof::Nothing | Proof::Withheld | Proof::Keys { .. } => None,
    };
    channel.rejection(message, request.user, secret)
}

fn explain(problem: Problem, channel: &Channel<'_>, request: &Request<'_>) -> ConnectError {
    let server = channel.site.server.clone();
    let user = request.user.to_owned();
    match problem {
        Problem::Refused { asks, refused } => ConnectError::AuthMethod {
            server,
            asks,
            refused,
        },
        Problem::NoPassword(method) => ConnectError::NoPassword {
            server,
            user,
            method,
            is_withheld: matches!(request.proof, Proof::Withheld),
        },
        Problem::Scram(source) => ConnectError::Scram {
            server,
            user,
            source,
        },
        Problem::OutOfOrder => channel.malformed("an authentication request out of order"),
        Problem::Unsendable(error) => ConnectError::Startup {
            problem: format!("the password: {error}"),
        },
    }
}
