//! Servers that take connections and are no PostgreSQL, or one that is not well.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::backend;
use crate::scripted::{ScriptedConnection, ScriptedServer, Serving};

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// A web server, which answers what is no request with 400 once it has seen the end of a line. It stops when
/// this is dropped.
pub struct HttpServer {
    port: u16,
    task: JoinHandle<()>,
}

impl HttpServer {
    /// Starts one on a free port of 127.0.0.1.
    pub async fn start() -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let port = listener.local_addr().expect("it has an address").port();
        let task = tokio::spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                answers.spawn(bad_request(stream));
            }
        });
        HttpServer { port, task }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn bad_request(mut stream: TcpStream) {
    let mut byte = [0];
    while byte != *b"\n" {
        match stream.read(&mut byte).await {
            Ok(1) => {}
            _ => return,
        }
    }
    let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    // Whoever asked may have gone.
    let _ = stream.write_all(answer).await;
}

/// A server without TLS that closes when it is told who wants in: one that crashes, or a proxy with
/// nothing behind it.
pub async fn closes_after_startup() -> Serving {
    let server = ScriptedServer::tcp().await;
    server.serve(|mut connection| async move {
        until_startup(&mut connection).await;
    })
}

/// A server without TLS that answers every login with this error.
pub async fn refuses_every_login(code: &'static str, message: &'static str) -> Serving {
    let server = ScriptedServer::tcp().await;
    server.serve(move |mut connection| async move {
        if until_startup(&mut connection).await {
            let _ = connection.try_send(&backend::error(code, message)).await;
        }
    })
}

/// Says no to encryption until a startup message comes; `false` when the client leaves before.
async fn until_startup(connection: &mut ScriptedConnection) -> bool {
    while let Ok(Some((code, _))) = connection.try_untagged().await {
        match code {
            SSL_REQUEST | GSS_REQUEST => {
                if connection.try_send(b"N").await.is_err() {
                    return false;
                }
            }
            _ => return true,
        }
    }
    false
}
