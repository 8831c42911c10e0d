//! Talks to the admin address of a running gateway.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use pgmoor_gateway::settings::GatewaySettings;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::Exit;
use crate::output::Failure;

/// The gateway answers from memory; whatever takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A status of thousands of pools is smaller.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Gets a page of the running gateway.
///
/// # Errors
/// No gateway answers, or it has an error to tell.
pub(crate) async fn get(gateway: &GatewaySettings, path: &str) -> Result<Bytes, Failure> {
    let Some(address) = gateway.admin else {
        return Err(
            Failure::new(Exit::Usage, "the gateway has no admin address")
                .cause("\"gateway.admin\" is \"none\"")
                .hint("set it to an address such as 127.0.0.1:6433 and restart pgmoor up"),
        );
    };
    let failure = |cause: String| {
        Failure::new(
            Exit::Unreachable,
            format!("no gateway answers at {address}"),
        )
        .cause(cause)
        .hint("start it with pgmoor up, or name its configuration with --config")
    };
    match timeout(PATIENCE, exchange(address, path)).await {
        Err(_) => Err(failure(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
        Ok(Err(error)) => Err(failure(crate::output::chain(error.as_ref()))),
        Ok(Ok((status, body))) if status.is_success() => Ok(body),
        Ok(Ok((status, body))) => {
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

async fn exchange(
    address: SocketAddr,
    path: &str,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header("host", address.to_string())
        .body(Empty::<Bytes>::new())?;
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
