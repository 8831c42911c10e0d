//! A PostgreSQL client of our own, as small as it can be: it logs in, asks by the simple protocol,
//! and stays. So ten thousand of it can be open at once.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use pgmoor_wire::backend::{Authentication, ErrorView};
use pgmoor_wire::scram::{ChannelBinding, ClientExchange, Mechanism};
use pgmoor_wire::{Secret, frame, frontend, startup, tag};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use xtask::failure::{Context, Failure};

use crate::address::Address;

/// No answer takes longer than this, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

trait Bytes: Read + Write + Send {}
impl<T: Read + Write + Send> Bytes for T {}

/// A client that has logged in.
pub(crate) struct Session {
    stream: Box<dyn Bytes>,
    buffer: Vec<u8>,
    /// How much of the buffer has been looked at.
    seen: usize,
}

impl Session {
    /// Connects and logs in, over TLS by `tls` if the address says so.
    pub(crate) fn open(address: &Address, tls: &Arc<ClientConfig>) -> Result<Session, Failure> {
        let stream = connect(address, tls)
            .context(|| format!("cannot connect to {}:{}", address.host, address.port))?;
        let mut session = Session {
            stream,
            buffer: Vec::new(),
            seen: 0,
        };
        session.log_in(address)?;
        Ok(session)
    }

    /// Runs one statement, or COPY to the client, and returns how many bytes came back.
    pub(crate) fn query(&mut self, sql: &str) -> Result<usize, Failure> {
        let mut out = Vec::new();
        frontend::write_query(&mut out, sql).context(|| "cannot write a query".into())?;
        self.send(&out)?;
        let mut received = 0;
        loop {
            let (kind, length) = self.next(|_, body| Ok(body.len() + 5))?;
            received += length;
            if kind == tag::READY_FOR_QUERY {
                return Ok(received);
            }
        }
    }

    fn log_in(&mut self, address: &Address) -> Result<(), Failure> {
        let mut out = Vec::new();
        let parameters = [("user", &*address.user), ("database", &*address.database)];
        startup::write_startup(&mut out, 0, parameters)
            .context(|| "cannot write the startup message".into())?;
        self.send(&out)?;

        let mut scram = None;
        loop {
            let password = &address.password;
            let (kind, reply) = self.next(|kind, body| match kind {
                tag::AUTHENTICATION => answer(&mut scram, body, password),
                _ => Ok(Vec::new()),
            })?;
            if !reply.is_empty() {
                self.send(&reply)?;
            }
            if kind == tag::READY_FOR_QUERY {
                return Ok(());
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .context(|| "cannot write to the server".into())
    }

    /// Waits for a message and gives it to `look`; an error message is a failure.
    fn next<T>(
        &mut self,
        look: impl FnOnce(u8, &[u8]) -> Result<T, Failure>,
    ) -> Result<(u8, T), Failure> {
        loop {
            let split = frame::split(&self.buffer[self.seen..])
                .context(|| "cannot read a message".into())?;
            if let Some((header, body, _)) = split {
                if header.tag == tag::ERROR_RESPONSE {
                    let error = ErrorView::new(body);
                    return Err(Failure::new("the server sent an error").because(error.message()));
                }
                let (kind, seen) = (header.tag, look(header.tag, body)?);
                self.seen += header.len;
                return Ok((kind, seen));
            }
            self.fill()
                .context(|| "cannot read from the server".into())?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.seen);
        self.seen = 0;
        let mut piece = [0; 16 * 1024];
        let length = self.stream.read(&mut piece)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&piece[..length]);
        Ok(())
    }
}

fn connect(address: &Address, tls: &Arc<ClientConfig>) -> io::Result<Box<dyn Bytes>> {
    if address.is_unix() {
        let path = format!("{}/.s.PGSQL.{}", address.host, address.port);
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        return Ok(Box::new(stream));
    }
    let mut stream = TcpStream::connect((&*address.host, address.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    if !address.tls {
        return Ok(Box::new(stream));
    }
    let mut request = Vec::new();
    startup::write_ssl_request(&mut request);
    stream.write_all(&request)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer != *b"S" {
        return Err(io::Error::other("the server has no TLS"));
    }
    let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

/// The bytes that answer a server's request to prove who we are.
fn answer(
    scram: &mut Option<ClientExchange>,
    body: &[u8],
    password: &str,
) -> Result<Vec<u8>, Failure> {
    let what = || "cannot log in".to_owned();
    let mut out = Vec::new();
    match Authentication::decode(body).context(what)? {
        Authentication::Ok => {}
        Authentication::Cleartext => {
            frontend::write_password(&mut out, password.as_bytes()).context(what)?;
        }
        Authentication::Sasl(_) => {
            let secret = Secret::from(password.to_owned());
            let mechanism = Mechanism::ScramSha256;
            let mut exchange =
                ClientExchange::from_password(secret, mechanism, ChannelBinding::None)
                    .context(what)?;
            let first = exchange.first().context(what)?;
            frontend::write_sasl_initial(&mut out, mechanism.as_str(), Some(&first))
                .context(what)?;
            *scram = Some(exchange);
        }
        Authentication::SaslContinue(data) => {
            let exchange = begun(scram)?;
            let response = exchange.respond(data).context(what)?;
            frontend::write_sasl_response(&mut out, &response).context(what)?;
        }
        Authentication::SaslFinal(data) => begun(scram)?.finish(data).context(what)?,
        Authentication::Md5(_) | Authentication::Other(_) => {
            return Err(Failure::new(what()).because("the server asks for neither SCRAM nor trust"));
        }
    }
    Ok(out)
}

fn begun(scram: &mut Option<ClientExchange>) -> Result<&mut ClientExchange, Failure> {
    scram.as_mut().ok_or_else(|| {
        Failure::new("cannot log in").because("the server goes on with SCRAM before it began")
    })
}

#[cfg(test)]
mod tests {
    use pgmoor_testkit::{Ca, Postgres, client_config};

    use super::*;

    #[test]
    fn a_session_logs_in_by_scram_over_tcp_tls_and_unix_sockets() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("start a runtime");
        let ca = Ca::default();
        let postgres = runtime.block_on(Postgres::builder().tls(&ca).start());
        let tls = client_config(&ca, None);
        let tcp = Address {
            host: "127.0.0.1".into(),
            port: postgres.port(),
            user: "app".into(),
            password: postgres.app_password().into(),
            database: "app".into(),
            tls: false,
        };
        let socket = postgres.socket_dir().display().to_string();

        for address in [
            Address {
                tls: true,
                ..tcp.clone()
            },
            Address {
                host: socket,
                ..tcp.clone()
            },
            tcp.clone(),
        ] {
            let mut session = Session::open(&address, &tls).expect("it logs in");
            let copy = "copy (select generate_series(1, 20000)) to stdout";
            let received = session.query(copy).expect("it copies");
            assert!(received > 20_000 * 6, "{received}");
        }

        let wrong = Address {
            password: "wrong".into(),
            ..tcp
        };
        let failure = Session::open(&wrong, &tls).err().expect("it is refused");
        assert!(
            failure
                .to_string()
                .contains("password authentication failed"),
            "{failure}"
        );
    }
}
