//! A port that swallows what is sent to it, as a firewall does.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// More than any kernel keeps for a backlog of one.
const MANY: usize = 16;
/// On one machine a connection takes no time; one that takes this long is not answered.
const UNANSWERED: Duration = Duration::from_millis(300);

/// A port of 127.0.0.1 that answers no attempt to connect: its listener's queue is full, and nobody empties
/// it.
pub struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    /// Opens one.
    ///
    /// # Panics
    ///
    /// When the kernel goes on answering.
    pub async fn open() -> BlackHole {
        let socket = TcpSocket::new_v4().expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(any).expect("bind");
        let listener = socket.listen(1).expect("listen");
        let address = listener.local_addr().expect("it has an address");
        let mut queue = Vec::new();
        while queue.len() < MANY {
            match timeout(UNANSWERED, TcpStream::connect(address)).await {
                Ok(stream) => queue.push(stream.expect("the queue has room")),
                Err(_) => {
                    return BlackHole {
                        address,
                        _listener: listener,
                        _queue: queue,
                    };
                }
            }
        }
        panic!("the kernel takes {MANY} connections that nobody accepts");
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}
