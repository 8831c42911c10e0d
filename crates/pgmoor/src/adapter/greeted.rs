//! A session that is logged in already, for a library that wants to log in itself.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pgmoor_wire::backend::{
    TransactionStatus, write_auth_ok, write_backend_key, write_parameter_status, write_ready,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connector::Connection;
use crate::stream::Stream;

/// The longest startup message that PostgreSQL takes (`MAX_STARTUP_PACKET_LENGTH`).
const LONGEST_STARTUP: usize = 10_000;

/// The bytes of a session to a library that begins with a startup message.
///
/// That message goes nowhere: the answer to it is made of what the server said when the session was
/// opened, so that the library believes to have logged in without a password. All that follows
/// goes through as it is. What the startup message asked for is without effect.
#[derive(Debug)]
pub struct Greeted {
    stream: Stream,
    startup: Startup,
    /// What the library is to read before what the server sends now.
    greeting: Vec<u8>,
    read: usize,
}

/// How much of the startup message was written.
#[derive(Debug)]
enum Startup {
    /// The length word, as far as it is known.
    Length {
        bytes: [u8; 4],
        known: usize,
    },
    /// So many bytes are to come.
    Rest(usize),
    Done,
}

impl Greeted {
    /// Presents `connection` as one that is about to log in.
    ///
    /// # Errors
    /// `InvalidData` when what the server reported cannot be told again.
    pub fn new(connection: Connection) -> io::Result<Self> {
        let mut greeting = Vec::with_capacity(512);
        write_auth_ok(&mut greeting);
        for (name, value) in &connection.parameters {
            write_parameter_status(&mut greeting, name, value).map_err(unsayable)?;
        }
        // Libraries of protocol 3.0 know keys of this length only.
        if let Some((pid, secret)) = connection.key.as_ref().filter(|(_, key)| key.len() == 4) {
            write_backend_key(&mut greeting, *pid, secret).map_err(unsayable)?;
        }
        write_ready(&mut greeting, TransactionStatus::Idle);
        greeting.extend_from_slice(&connection.leftover);
        Ok(Self {
            stream: connection.stream,
            startup: Startup::Length {
                bytes: [0; 4],
                known: 0,
            },
            greeting,
            read: 0,
        })
    }
}

impl Startup {
    /// Takes what belongs to the startup message from the head of `bytes` and says how many that were.
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self {
                Self::Length { bytes: word, known } => {
                    word[*known] = bytes[taken];
                    *known += 1;
                    taken += 1;
                    if *known == word.len() {
                        let length =
                            usize::try_from(u32::from_be_bytes(*word)).unwrap_or(usize::MAX);
                        if !(8..=LONGEST_STARTUP).contains(&length) {
                            return Err(io::Error::new(
                                io::ErrorKind::InvalidInput,
                                "the first message is not a startup message",
                            ));
                        }
                        *self = Self::Rest(length - word.len());
                    }
                }
                Self::Rest(rest) => {
                    let now = (*rest).min(bytes.len() - taken);
                    taken += now;
                    *rest -= now;
                    if *rest == 0 {
                        *self = Self::Done;
                    }
                }
                Self::Done => break,
            }
        }
        Ok(taken)
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.read < self.greeting.len() {
            let left = &self.greeting[self.read..];
            let count = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..count]);
            self.read += count;
            if self.read == self.greeting.len() {
                (self.greeting, self.read) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let swallowed = self.startup.take(bytes)?;
        if swallowed > 0 || bytes.is_empty() {
            return Poll::Ready(Ok(swallowed));
        }
        loop {
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever shuts down has said goodbye before: a server that has closed by now is what is wanted.
        let is_over = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotConnected
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionReset
            )
        };
        match ready!(self.stream.poll_shutdown(cx)) {
            Err(error) if is_over(&error) => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    }
}

fn unsayable(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("what the server reported cannot be passed on: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::{Greeted, Startup};
    use crate::stream::Stream;

    #[tokio::test]
    async fn the_end_is_no_error_where_the_server_was_first() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("its address");
        let socket = tokio::net::TcpStream::connect(address)
            .await
            .expect("connected");
        let mut stream = Stream::tcp(socket).expect("a stream");
        let (server, _) = listener.accept().await.expect("accepted");
        socket2::SockRef::from(&server)
            .set_linger(Some(Duration::ZERO))
            .expect("no lingering");
        drop(server);
        assert!(stream.read_some(&mut [0; 8]).await.is_err(), "it was reset");
        let mut greeted = Greeted {
            stream,
            startup: Startup::Done,
            greeting: Vec::new(),
            read: 0,
        };

        greeted.shutdown().await.expect("no error");
    }

    fn fresh() -> Startup {
        Startup::Length {
            bytes: [0; 4],
            known: 0,
        }
    }

    #[test]
    fn a_startup_message_is_taken_and_what_follows_is_not_however_it_is_cut() {
        let bytes = b"\0\0\0\x0a\0\x03\0\0x\0QUERY";

        for cut in 0..=bytes.len() {
            let mut startup = fresh();
            let (head, tail) = bytes.split_at(cut);
            let taken = startup.take(head).expect("a startup message")
                + startup.take(tail).expect("a startup message");

            assert_eq!(taken, 10, "cut at {cut}");
            assert!(matches!(startup, Startup::Done));
        }
    }

    #[test]
    fn what_is_no_startup_message_is_refused() {
        assert!(fresh().take(b"Q\0\0\0\x08hi\0").is_err());
        assert!(fresh().take(b"\0\0\0\x04").is_err());
    }
}
