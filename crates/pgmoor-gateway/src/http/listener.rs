//! The admin address itself: bound before anything is served.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::state_dir::StateDirError;

/// How many connections the kernel may hold.
const BACKLOG: i32 = 128;

/// The admin address cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The token cannot be read or made.
    #[error("cannot use the admin token")]
    Token(#[source] StateDirError),
    /// Its thread or event loop.
    #[error("cannot start the admin address")]
    Start(#[source] io::Error),
}

impl AdminError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bind { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                Some(format!(
                    "another program listens there (see `ss -ltnp 'sport = :{}'`); stop it, or set gateway.admin",
                    address.port()
                ))
            }
            Self::Bind { .. } => {
                Some("set gateway.admin to an address of this machine, or none".into())
            }
            Self::Token(error) => error.hint(),
            Self::Start(_) => None,
        }
    }
}

/// The admin address, bound but not served yet: whoever connects waits.
#[derive(Debug)]
pub struct AdminListener {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl AdminListener {
    /// Binds the address. To be done before anything is started.
    ///
    /// # Errors
    ///
    /// [`AdminError::Bind`], also when another program has it.
    pub fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        if address.port() != 0 {
            // Shared addresses are for a successor; nobody else is let in by accident.
            drop(socket(address, false).map_err(|source| AdminError::Bind { address, source })?);
        }
        Self::bind_beside(address)
    }

    /// Binds the address that a gateway which is to be succeeded still has.
    ///
    /// # Errors
    ///
    /// [`AdminError::Bind`].
    pub fn bind_beside(address: SocketAddr) -> Result<Self, AdminError> {
        let fail = |source| AdminError::Bind { address, source };
        let socket = socket(address, true).map_err(fail)?;
        socket.listen(BACKLOG).map_err(fail)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address })
    }

    /// Where it listens; the port is known also when the kernel chose it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
