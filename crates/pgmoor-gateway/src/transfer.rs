//! Bytes on and off a stream without waiting: what cannot go now is kept.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll};

use pgmoor::stream::Stream;

/// Reads when there is something; a reader that is only seemingly ready waits on.
#[inline]
pub(crate) fn read(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        match stream.poll_read_ready(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {}
        }
        match stream.try_read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return Poll::Ready(outcome),
        }
    }
}

/// Writes `first` and `then`; what is not taken now is kept in `outbox`.
#[inline]
pub(crate) fn send(
    stream: &mut Stream,
    first: &[u8],
    then: &[u8],
    outbox: &mut Vec<u8>,
) -> io::Result<()> {
    if first.is_empty() && then.is_empty() {
        return Ok(());
    }
    let written = if !outbox.is_empty() {
        Ok(0)
    } else if first.is_empty() {
        stream.try_write(then)
    } else if then.is_empty() {
        stream.try_write(first)
    } else {
        stream.try_write_vectored(&[IoSlice::new(first), IoSlice::new(then)])
    };
    let written = match written {
        Ok(written) => written,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
        Err(error) => return Err(error),
    };
    if written < first.len() {
        outbox.extend_from_slice(&first[written..]);
        outbox.extend_from_slice(then);
    } else {
        outbox.extend_from_slice(&then[written - first.len()..]);
    }
    Ok(())
}

/// Sends what waits; `true` when nothing does any more.
#[inline]
pub(crate) fn flush(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    outbox: &mut Vec<u8>,
) -> io::Result<bool> {
    if outbox.is_empty() && !stream.wants_flush() {
        return Ok(true);
    }
    let mut written = 0;
    let outcome = loop {
        if written == outbox.len() {
            break match stream.poll_flush(cx) {
                Poll::Ready(outcome) => outcome.map(|()| true),
                Poll::Pending => Ok(false),
            };
        }
        match stream.try_write(&outbox[written..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                match stream.poll_write_ready(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => break Err(error),
                    Poll::Pending => break Ok(false),
                }
            }
            Err(error) => break Err(error),
        }
    };
    outbox.drain(..written);
    if outbox.is_empty() {
        // An idle client owns no buffer.
        *outbox = Vec::new();
    }
    outcome
}
