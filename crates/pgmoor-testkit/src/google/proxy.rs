//! What listens on port 3307 of an instance: TLS 1.3 with a certificate of the client, and then
//! PostgreSQL without a request for TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::instance::NOBODY;
use super::people::{database_user, lets_in};
use super::state::State;
use crate::stream::Socket;

const PATIENCE: Duration = Duration::from_secs(10);
const CANCEL: u32 = 80_877_102;
const TLS_REQUEST: u32 = 80_877_103;

/// Serves one client of the instance `index`.
pub(crate) async fn serve(socket: TcpStream, state: Arc<State>, index: usize) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (config, _counted) = {
        let instances = state.instances();
        (
            Arc::clone(&instances[index].identity.tls),
            Arc::clone(&instances[index].open),
        )
    };
    let mut client = timeout(PATIENCE, TlsAcceptor::from(config).accept(socket)).await??;
    let principal = principal_of(&client);
    let startup = timeout(PATIENCE, read_startup(&mut client)).await??;
    let (direct, trusted) = {
        let instances = state.instances();
        let held = &instances[index];
        (held.direct.clone(), held.trusted.clone())
    };
    let code = startup
        .get(4..8)
        .and_then(|code| code.try_into().ok())
        .map(u32::from_be_bytes);
    if code == Some(TLS_REQUEST) {
        // Nothing is secured twice; connectors must not ask.
        return Err(io::Error::other("a request for TLS inside of TLS"));
    }
    let user = field(&startup, b"user").unwrap_or_default();
    let is_iam = state.is_iam_role(index, &user);
    let address = match (code, principal.as_deref()) {
        (Some(CANCEL), _) => direct,
        (_, Some(principal)) if is_iam && database_user(principal) == user => trusted,
        (_, None) if is_iam => {
            if !token_is_good(&mut client, &state, &user).await? {
                return refuse(&mut client, &user).await;
            }
            trusted
        }
        _ if is_iam => return refuse(&mut client, &user).await,
        _ => direct,
    };
    let mut server: Socket = address.connect().await?;
    server.write_all(&startup).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn principal_of(client: &TlsStream<TcpStream>) -> Option<String> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let shown = client.get_ref().1.peer_certificates()?.first()?;
    let (_, certificate) = X509Certificate::from_der(shown).ok()?;
    let name = certificate
        .subject()
        .iter_common_name()
        .next()?
        .as_str()
        .ok()?;
    (name != NOBODY).then(|| name.to_owned())
}

async fn read_startup(client: &mut TlsStream<TcpStream>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length).await?;
    let rest = u32::from_be_bytes(length).saturating_sub(4).min(65_536) as usize;
    let mut message = length.to_vec();
    message.resize(4 + rest, 0);
    client.read_exact(&mut message[4..]).await?;
    Ok(message)
}

/// A startup parameter.
fn field(startup: &[u8], wanted: &[u8]) -> Option<String> {
    let mut parts = startup.get(8..)?.split(|byte| *byte == 0);
    loop {
        let name = parts.next().filter(|name| !name.is_empty())?;
        let value = parts.next()?;
        if name == wanted {
            return String::from_utf8(value.to_vec()).ok();
        }
    }
}

/// Asks for a token as the password, as for a certificate that was made without one.
async fn token_is_good(
    client: &mut TlsStream<TcpStream>,
    state: &State,
    user: &str,
) -> io::Result<bool> {
    client.write_all(b"R\0\0\0\x08\0\0\0\x03").await?;
    client.flush().await?;
    let mut header = [0; 5];
    timeout(PATIENCE, client.read_exact(&mut header)).await??;
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let mut body = vec![0; length.saturating_sub(4).min(65_536) as usize];
    timeout(PATIENCE, client.read_exact(&mut body)).await??;
    let token = String::from_utf8_lossy(&body)
        .trim_end_matches('\0')
        .to_owned();
    let people = state.people();
    let issued = people.judge(&token);
    Ok(header[0] == b'p'
        && issued.is_ok_and(|issued| lets_in(issued) && database_user(&issued.principal) == user))
}

async fn refuse(client: &mut TlsStream<TcpStream>, user: &str) -> io::Result<()> {
    let text = format!("Cloud SQL IAM user authentication failed for user \"{user}\"");
    let mut body = b"SFATAL\0VFATAL\0C28000\0M".to_vec();
    body.extend(text.as_bytes());
    body.extend(b"\0\0");
    let length = u32::try_from(body.len() + 4).expect("it is short");
    client.write_all(b"E").await?;
    client.write_all(&length.to_be_bytes()).await?;
    client.write_all(&body).await?;
    client.shutdown().await
}
