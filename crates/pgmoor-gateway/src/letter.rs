//! What a process writes to its successor, and how: the listening sockets, and a letter with them.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::line;
use crate::listener::{Address, Listener};
use crate::traffic::Standing;

/// The kernel passes no more descriptors in one message.
pub(crate) const MAX_SOCKETS: usize = 253;
/// Addresses of that many sockets and a few hundred databases, in bytes.
const MAX_LETTER: usize = 64 << 10;
/// What of a letter may come behind that, for thousands of databases.
const MAX_REST: usize = 4 << 20;
/// A cancel key has at most 256 bytes, twice that in hexadecimal.
const MAX_LINE: usize = 1024;

/// What is written beside the sockets: an address for each one, in their order, and where each
/// database is served from. A refusal comes without sockets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) pid: u32,
    pub(crate) addresses: Vec<String>,
    #[serde(default)]
    pub(crate) databases: BTreeMap<String, Standing>,
    #[serde(default)]
    pub(crate) refused: Option<String>,
}

pub(crate) fn write_address(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("tcp:{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

pub(crate) fn read_address(text: &str) -> Option<Address> {
    match text.split_once(':')? {
        ("tcp", address) => address.parse().ok().map(Address::Tcp),
        ("unix", path) => Some(Address::Unix(path.into())),
        _ => None,
    }
}

/// Says why nothing is handed over.
pub(crate) fn refuse(mut line: &UnixStream, reason: String) -> io::Result<()> {
    let letter = Letter {
        pid: std::process::id(),
        refused: Some(reason),
        ..Letter::default()
    };
    let mut text = serde_json::to_vec(&letter)?;
    text.push(b'\n');
    line.write_all(&text)
}

/// Passes copies of the sockets on, with what is to be known of them.
pub(crate) fn send_sockets(
    line: &UnixStream,
    listeners: &[Listener],
    databases: BTreeMap<String, Standing>,
) -> io::Result<()> {
    let letter = Letter {
        pid: std::process::id(),
        addresses: listeners
            .iter()
            .map(|listener| write_address(&listener.address))
            .collect(),
        databases,
        refused: None,
    };
    let text = serde_json::to_vec(&letter)?;
    let sockets: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&sockets));
    let sent = sendmsg(
        line,
        &[IoSlice::new(&text)],
        &mut control,
        SendFlags::empty(),
    )?;
    let mut stream = line;
    stream.write_all(&text[sent..])?;
    stream.write_all(b"\n")
}

/// One line, byte by byte: what follows it is somebody else's.
pub(crate) fn read_line(line: &UnixStream) -> io::Result<String> {
    line::read_line(line, MAX_LINE)
}

/// Asks for the sockets, and takes them.
pub(crate) fn receive(line: &UnixStream) -> io::Result<(Letter, Vec<OwnedFd>)> {
    let mut writing = line;
    writing.write_all(b"listeners\n")?;
    let mut text = vec![0; MAX_LETTER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        line,
        &mut [IoSliceMut::new(&mut text)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let sockets: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        })
        .flatten()
        .collect();
    text.truncate(received.bytes);
    if text.last() == Some(&b'\n') {
        text.pop();
    } else if received.bytes > 0 {
        text.extend_from_slice(line::read_line(line, MAX_REST)?.as_bytes());
    }
    Ok((serde_json::from_slice(&text)?, sockets))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn addresses_survive_the_letter() {
        for address in [
            Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 5))),
            Address::Tcp("[::1]:5".parse().expect("an address")),
            Address::Unix("/run/x:y/.s.PGSQL.1".into()),
        ] {
            assert_eq!(read_address(&write_address(&address)), Some(address));
        }
    }
}
