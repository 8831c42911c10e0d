//! Lines of text between two processes, on a socket that carries other things, too.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

/// One line of at most `limit` bytes, byte by byte: what follows it is somebody else's. The end of the
/// stream ends it, too.
///
/// # Errors
///
/// The line is longer, or no text; the stream broke.
pub(crate) fn read_line(mut stream: &UnixStream, limit: usize) -> io::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        text.push(byte[0]);
        if text.len() > limit {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData.into())
}
