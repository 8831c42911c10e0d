//! TLS records between a [`Socket`] and a rustls connection, without waiting.
//!
//! ```text
//! read:   socket -> scratch (one per thread) -> rustls -> caller's buffer
//! write:  caller's bytes -> rustls -> socket
//! ```

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::Connection;

use super::socket::{Socket, Writer};
use crate::tls::TlsInfo;

/// One whole TLS record (16 KiB and its overhead) fits, so that a large result costs one system
/// call a record.
const SCRATCH: usize = 18 * 1024;

/// rustls takes no more ciphertext while it holds more plaintext than this.
const PLAINTEXT_LIMIT: usize = 16 * 1024;

/// How many encrypted bytes may wait for the socket.
const WRITE_LIMIT: usize = 64 * 1024;

thread_local! {
    static RECEIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

pub(super) struct Session {
    connection: Connection,
    /// Read from the socket and not taken by rustls yet.
    ciphertext: Vec<u8>,
    /// Decrypted bytes that wait in rustls.
    plaintext: usize,
    end: End,
    close_notify_sent: bool,
    info: Option<TlsInfo>,
}

/// How far the other side's half of the connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// It said `close_notify`.
    Closed,
    /// The socket ended without one: the data may be cut off.
    Cut,
}

impl Session {
    pub(super) fn new(mut connection: Connection, prefix: Vec<u8>) -> Self {
        connection.set_buffer_limit(Some(WRITE_LIMIT));
        Self {
            connection,
            ciphertext: prefix,
            plaintext: 0,
            end: End::Open,
            close_notify_sent: false,
            info: None,
        }
    }

    pub(super) fn info(&self) -> Option<&TlsInfo> {
        self.info.as_ref()
    }

    pub(super) fn finish_handshake(&mut self, own_end_point: Option<Arc<[u8]>>) {
        self.info = Some(TlsInfo::of(&self.connection, own_end_point));
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether a read would give something, or the end, without touching the socket.
    pub(super) fn has_input(&self) -> bool {
        self.plaintext > 0 || self.end != End::Open || !self.ciphertext.is_empty()
    }

    pub(super) fn read(&mut self, socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.plaintext > 0 {
                let count = self.connection.reader().read(buffer)?;
                self.plaintext = self.plaintext.saturating_sub(count);
                return Ok(count);
            }
            match self.end {
                End::Open => self.receive(socket)?,
                End::Closed => return Ok(0),
                End::Cut => return Err(cut()),
            }
        }
    }

    /// Takes what the socket has, once, and decrypts it.
    pub(super) fn receive(&mut self, socket: &Socket) -> io::Result<()> {
        if !self.ciphertext.is_empty() {
            let waiting = std::mem::take(&mut self.ciphertext);
            return self.decrypt(socket, &waiting);
        }
        RECEIVED.with_borrow_mut(|scratch| {
            let count = socket.try_read(scratch)?;
            if count == 0 {
                self.end = End::Cut;
                return if self.connection.is_handshaking() {
                    Err(cut())
                } else {
                    Ok(())
                };
            }
            self.decrypt(socket, &scratch[..count])
        })
    }

    fn decrypt(&mut self, socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && self.plaintext <= PLAINTEXT_LIMIT && self.end == End::Open {
            self.connection.read_tls(&mut bytes)?;
            let state = match self.connection.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The alert that tells the other side why; it may be gone already.
                    let _ = self.flush(socket);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            self.plaintext = state.plaintext_bytes_to_read();
            if state.peer_has_closed() {
                self.end = End::Closed;
            }
        }
        if !bytes.is_empty() && self.end == End::Open {
            self.ciphertext = bytes.to_vec();
        }
        if self.connection.wants_write() && !self.connection.is_handshaking() {
            // An answer of TLS itself, such as a key update; what does not fit goes with the next
            // write or flush, and a dead socket shows there too.
            let _ = self.flush(socket);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        self.encrypt(socket, |connection| connection.writer().write(bytes))
    }

    pub(super) fn write_vectored(
        &mut self,
        socket: &Socket,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.encrypt(socket, |connection| {
            connection.writer().write_vectored(slices)
        })
    }

    /// Accepts new bytes only when all earlier records have left, so that a slow reader is felt at
    /// once and no more than [`WRITE_LIMIT`] ever waits.
    fn encrypt(
        &mut self,
        socket: &Socket,
        accept: impl FnOnce(&mut Connection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.flush(socket)?;
        let count = accept(&mut self.connection)?;
        match self.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    /// Sends the records that wait; `WouldBlock` when some remain.
    pub(super) fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Writer(socket))?;
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        if !self.close_notify_sent {
            self.close_notify_sent = true;
            self.connection.send_close_notify();
        }
    }
}

fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "connection ended without TLS close_notify",
    )
}
