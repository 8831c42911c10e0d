//! The process that this one took over from, for as long as it has clients.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::line::read_line;
use crate::pool::Delivered;

/// Cancel requests that may wait to be passed on. One that finds no room is lost, as any may be.
const MAX_REQUESTS: usize = 1_000;
/// No answer is longer.
const MAX_ANSWER: usize = 64;

/// The way to the process before this one.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(crate) pid: u32,
    line: UnixStream,
    requests: SyncSender<Request>,
}

/// A cancel request for one of its clients.
#[derive(Debug)]
struct Request {
    id: i32,
    key: Vec<u8>,
    /// Who asked must not go on before it has arrived: what is sent next would be hit.
    delivered: Delivered,
}

impl Predecessor {
    /// At the other end of `line`, which must have a write timeout, and a read timeout longer than a
    /// cancel request takes.
    ///
    /// # Errors
    ///
    /// There is no thread, or no descriptor.
    pub(crate) fn new(pid: u32, line: UnixStream) -> io::Result<Self> {
        let (requests, waiting) = sync_channel(MAX_REQUESTS);
        let own = line.try_clone()?;
        thread::Builder::new()
            .name("cancels-onward".into())
            .spawn(move || pass_on(&own, &waiting))?;
        Ok(Self {
            pid,
            line,
            requests,
        })
    }

    /// Whether it has clients still; it closes the line when it ends.
    pub(crate) fn is_there(&self) -> bool {
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recv(&self.line, &mut byte, flags) {
            Ok((_, 0)) => false,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Passes a cancel request on; `delivered` is kept until it has arrived, or cannot any more.
    pub(crate) fn cancel(&self, id: i32, key: Vec<u8>, delivered: Delivered) {
        // Where there is no room, or nobody: it is lost with `delivered`.
        let _ = self.requests.try_send(Request { id, key, delivered });
    }
}

/// One after the other, each with its answer, until the process is gone.
fn pass_on(mut line: &UnixStream, requests: &Receiver<Request>) {
    let mut broken = false;
    for request in requests {
        if !broken {
            let text = write_cancel(request.id, &request.key);
            let outcome = line.write_all(text.as_bytes());
            let answer = outcome.and_then(|()| read_line(line, MAX_ANSWER));
            // Behind an answer that came too late, none could be told from the next.
            broken = !answer.is_ok_and(|answer| answer == DELIVERED);
        }
        drop(request.delivered);
    }
}

/// What the other process answers when a cancel request has reached the server.
pub(crate) const DELIVERED: &str = "delivered";

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
