//! The process that this one took over from, for as long as it has clients.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// The way to the process before this one.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(crate) pid: u32,
    line: Mutex<UnixStream>,
}

impl Predecessor {
    /// At the other end of `line`, which must have a write timeout.
    pub(crate) fn new(pid: u32, line: UnixStream) -> Self {
        Self {
            pid,
            line: Mutex::new(line),
        }
    }

    /// Whether it has clients still; it closes the line when it ends.
    pub(crate) fn is_there(&self) -> bool {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recv(&*line, &mut byte, flags) {
            Ok((_, 0)) => false,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Passes a cancel request on.
    ///
    /// # Errors
    ///
    /// The process is gone, and with it the client.
    pub(crate) fn cancel(&self, id: i32, key: &[u8]) -> io::Result<()> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.write_all(write_cancel(id, key).as_bytes())
    }
}

fn write_cancel(id: i32, key: &[u8]) -> String {
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cancel {id} {key}\n")
}

/// Reads the line that [`Predecessor::cancel`] writes, without its end.
pub(crate) fn read_cancel(text: &str) -> Option<(i32, Vec<u8>)> {
    let (id, key) = text.strip_prefix("cancel ")?.split_once(' ')?;
    let key = (0..key.len() / 2)
        .map(|at| u8::from_str_radix(key.get(2 * at..2 * at + 2)?, 16).ok())
        .collect::<Option<_>>()?;
    Some((id.parse().ok()?, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_request_survives_the_line() {
        let line = write_cancel(-5, &[0, 255, 16]);

        assert_eq!(line, "cancel -5 00ff10\n");
        assert_eq!(read_cancel(line.trim_end()), Some((-5, vec![0, 255, 16])));
        assert_eq!(read_cancel("cancel x 00"), None);
    }
}
