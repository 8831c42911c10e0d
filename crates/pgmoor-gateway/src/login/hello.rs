//! The first messages: encryption, cancel requests, the startup message.

use std::time::Duration;

use pgmoor::stream::Stream;
use pgmoor::tls::ServerTls;
use pgmoor_wire::backend;
use pgmoor_wire::sqlstate;
use pgmoor_wire::startup::{self, MAX_STARTUP, Startup, StartupMessage};

use tokio::time::timeout;

use super::refusal::Refusal;
use super::talk::Talk;
use crate::settings::TlsMode;

/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// Terminate, the whole message.
const GOODBYE: [u8; 5] = *b"X\0\0\0\x04";
/// What a client that begins with TLS says that it speaks.
const ALPN: &[u8] = b"postgresql";
/// The newest minor version of protocol 3 that is spoken here.
const NEWEST_MINOR: u16 = 2;

/// What a connection turned out to want.
pub(crate) enum Hello {
    /// To cancel what somebody runs. It gets no answer.
    Cancel { talk: Talk, pid: i32, key: Vec<u8> },
    /// To log in.
    Start { talk: Talk, message: StartupMessage },
}

/// Reads a connection's first messages.
///
/// # Errors
///
/// With the connection's end that can still be told of it.
pub(crate) async fn hello(
    stream: Stream,
    tls: Option<&ServerTls>,
    mode: TlsMode,
    limit: Duration,
) -> Result<Hello, (Option<Talk>, Refusal)> {
    let mut talk = Talk::new(stream);
    let Ok(outcome) = timeout(limit, introduce(&mut talk, tls, mode)).await else {
        // In the middle of a TLS handshake there is no way to say anything.
        let told = (!talk.is_shaking_hands).then_some(talk);
        return Err((told, Refusal::too_slow(limit)));
    };
    match outcome {
        Ok(Startup::Cancel { pid, secret }) => Ok(Hello::Cancel {
            talk,
            pid,
            key: secret,
        }),
        Ok(Startup::Start(message)) => Ok(Hello::Start { talk, message }),
        Ok(Startup::Ssl | Startup::GssEnc) => Err((
            Some(talk),
            Refusal::protocol("unexpected encryption request"),
        )),
        Err(refusal) => Err((Some(talk), refusal)),
    }
}

async fn introduce(
    talk: &mut Talk,
    tls: Option<&ServerTls>,
    mode: TlsMode,
) -> Result<Startup, Refusal> {
    let is_tcp = matches!(talk.stream.peer(), pgmoor::stream::Peer::Tcp(_));
    let tls = tls.filter(|_| is_tcp);
    if let Some(tls) = tls {
        let mut first = [0];
        talk.stream.peek_some(&mut first).await?;
        if first[0] == TLS_HANDSHAKE {
            talk.accept_tls(tls).await?;
            let alpn = talk.stream.tls().and_then(|info| info.alpn.as_deref());
            if alpn != Some(ALPN) {
                return Err(Refusal::protocol(
                    "direct TLS without the ALPN protocol \"postgresql\"",
                ));
            }
        }
    }
    let (mut asked_ssl, mut asked_gss) = (false, false);
    loop {
        match next(talk).await? {
            Startup::Ssl if !asked_ssl && talk.stream.tls().is_none() => {
                asked_ssl = true;
                nothing_behind(talk)?;
                if let Some(tls) = tls {
                    talk.say(b"S").await?;
                    talk.accept_tls(tls).await?;
                } else {
                    talk.say(b"N").await?;
                }
            }
            Startup::GssEnc if !asked_gss && talk.stream.tls().is_none() => {
                asked_gss = true;
                nothing_behind(talk)?;
                talk.say(b"N").await?;
            }
            Startup::Ssl | Startup::GssEnc => {
                return Err(Refusal::protocol("encryption was asked for twice"));
            }
            cancel @ Startup::Cancel { .. } => return Ok(cancel),
            Startup::Start(message) => {
                if mode == TlsMode::Require && is_tcp && talk.stream.tls().is_none() {
                    return Err(Refusal::new(
                        sqlstate::INVALID_AUTHORIZATION_SPECIFICATION,
                        "connections without TLS are not allowed here",
                    )
                    .hint("connect with sslmode=require or, better, sslmode=verify-full"));
                }
                negotiate(talk, &message).await?;
                return Ok(Startup::Start(message));
            }
        }
    }
}

async fn next(talk: &mut Talk) -> Result<Startup, Refusal> {
    loop {
        match startup::parse(&talk.inbox, MAX_STARTUP) {
            Ok(Some((startup, used))) => {
                talk.inbox.drain(..used);
                return Ok(startup);
            }
            Ok(None) => talk.more().await?,
            // It has thought better of it: some drivers say goodbye even before they say hello.
            Err(_) if talk.inbox.starts_with(&GOODBYE) => return Err(Refusal::Gone(None)),
            Err(error) => return Err(Refusal::protocol(error.to_string())),
        }
    }
}

/// Bytes behind a request for encryption were sent by who knows whom: they are not the client's.
fn nothing_behind(talk: &Talk) -> Result<(), Refusal> {
    if talk.inbox.is_empty() {
        Ok(())
    } else {
        Err(Refusal::protocol(
            "received unencrypted data after an encryption request",
        ))
    }
}

/// Tells the client what of its protocol version is not spoken here.
async fn negotiate(talk: &mut Talk, message: &StartupMessage) -> Result<(), Refusal> {
    if message.major != startup::MAJOR {
        return Err(Refusal::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!(
                "unsupported protocol version {}.{}: this server speaks 3.0 to 3.{NEWEST_MINOR}",
                message.major, message.minor
            ),
        ));
    }
    let unknown: Vec<&str> = message.protocol_options().map(|(name, _)| name).collect();
    if message.minor > NEWEST_MINOR || !unknown.is_empty() {
        let mut out = Vec::new();
        backend::write_negotiate_protocol(&mut out, message.minor.min(NEWEST_MINOR), &unknown)
            .map_err(|error| Refusal::protocol(error.to_string()))?;
        talk.say(&out).await?;
    }
    Ok(())
}
