//! Talks to the admin address of a running gateway.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use pgmoor::Secret;
use pgmoor_gateway::settings::GatewaySettings;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::Exit;
use crate::output::Failure;

/// The gateway answers from memory; whatever takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A status of thousands of pools is smaller.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// What a gateway answered.
type Answer = Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>>;

/// Where the admin address is, and what is sent there.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a Secret<String>>,
    pub(crate) body: Vec<u8>,
    /// How long the answer may take.
    pub(crate) patience: Duration,
}

/// Where the gateway's admin address is.
///
/// # Errors
/// It has none.
pub(crate) fn address(gateway: &GatewaySettings) -> Result<SocketAddr, Failure> {
    gateway.admin.ok_or_else(|| {
        Failure::new(Exit::Usage, "the gateway has no admin address")
            .cause("\"gateway.admin\" is \"none\"")
            .hint("set it to an address such as 127.0.0.1:6433 and restart pgmoor up")
    })
}

/// Gets a page of the running gateway.
///
/// # Errors
/// No gateway answers, or it has an error to tell.
pub(crate) async fn get(gateway: &GatewaySettings, path: &str) -> Result<Bytes, Failure> {
    let address = address(gateway)?;
    let call = Call {
        address,
        method: Method::GET,
        path,
        token: None,
        body: Vec::new(),
        patience: PATIENCE,
    };
    match ask(call).await {
        Err(error) => Err(Failure::new(
            Exit::Unreachable,
            format!("no gateway answers at {address}"),
        )
        .cause(crate::output::chain(error.as_ref()))
        .hint("start it with pgmoor up, or name its configuration with --config")),
        Ok((status, body)) if status.is_success() => Ok(body),
        Ok((status, body)) => {
            let text = String::from_utf8_lossy(&body).trim().to_owned();
            Err(Failure::new(
                Exit::Refused,
                format!(
                    "the gateway at {address} refused {path} ({})",
                    status.as_u16()
                ),
            )
            .cause(text))
        }
    }
}

/// Calls a gateway.
///
/// # Errors
/// It does not answer, or not in time.
pub(crate) async fn ask(call: Call<'_>) -> Answer {
    let patience = call.patience;
    match timeout(patience, exchange(call)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", patience.as_secs()).into()),
    }
}

async fn exchange(call: Call<'_>) -> Answer {
    let stream = TcpStream::connect(call.address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header("host", call.address.to_string());
    if let Some(token) = call.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        value.set_sensitive(true);
        request = request.header("authorization", value);
    }
    let request = request.body(Full::new(Bytes::from(call.body)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await?
            .to_bytes();
        Ok((status, body))
    };
    tokio::pin!(connection, exchange);
    // The connection must be driven for the exchange to make progress; what it read before it ended
    // still counts.
    tokio::select! {
        outcome = &mut exchange => outcome,
        ended = &mut connection => {
            ended?;
            exchange.await
        }
    }
}
