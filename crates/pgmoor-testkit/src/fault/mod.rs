//! A relay between a client and a server that misbehaves as the test says, while it runs.

mod relay;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::host::private_dir;
use crate::stream::{Address, Socket};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    fn index(self) -> usize {
        match self {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        }
    }
}

/// What is wrong with one direction.
#[derive(Clone, Default)]
struct Lane {
    delay: Duration,
    bytewise: bool,
    stalled: bool,
    /// How often it was half-closed; a relay that has seen fewer must do so.
    half_closes: u64,
    /// The connection ends when this many bytes have passed since the time it was set.
    cut: Option<Cut>,
}

#[derive(Clone, Copy, PartialEq)]
struct Cut {
    after: u64,
    /// Tells one order to cut from the next.
    order: u64,
}

/// What is wrong now; each relay watches it.
#[derive(Clone)]
struct Faults {
    lanes: [Lane; 2],
    target: Address,
    refuse: bool,
    resets: u64,
    closes: u64,
}

/// How many connections and bytes have passed.
#[derive(Default)]
struct Counters {
    open: AtomicUsize,
    accepted: AtomicUsize,
    bytes: [AtomicU64; 2],
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> std::io::Result<Socket> {
        Ok(match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
            Listener::Unix(listener) => Socket::Unix(listener.accept().await?.0),
        })
    }
}

/// A relay on a free port, or a Unix socket, of its own. It stops when this is dropped.
///
/// Faults hold for the connections there are and for those that come, until they are taken back.
pub struct FaultProxy {
    address: Address,
    faults: watch::Sender<Faults>,
    counters: Arc<Counters>,
    task: JoinHandle<()>,
    _dir: Option<TempDir>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1.
    pub async fn tcp(target: impl Into<Address>) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let address = Address::Tcp(listener.local_addr().expect("it has an address"));
        FaultProxy::start(Listener::Tcp(listener), address, target.into(), None)
    }

    /// Listens on a Unix socket named as for port 5432, in a directory of its own.
    pub async fn unix(target: impl Into<Address>) -> FaultProxy {
        let dir = private_dir("fault");
        let path = dir.path().join(".s.PGSQL.5432");
        let listener = Listener::Unix(UnixListener::bind(&path).expect("listen"));
        FaultProxy::start(listener, Address::Unix(path), target.into(), Some(dir))
    }

    fn start(
        listener: Listener,
        address: Address,
        target: Address,
        dir: Option<TempDir>,
    ) -> FaultProxy {
        let (faults, watched) = watch::channel(Faults {
            lanes: Default::default(),
            target,
            refuse: false,
            resets: 0,
            closes: 0,
        });
        let counters = Arc::new(Counters::default());
        let task = tokio::spawn(accept(listener, watched, Arc::clone(&counters)));
        FaultProxy {
            address,
            faults,
            counters,
            task,
            _dir: dir,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// The port, for addresses that are text.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Holds each piece back for this long; zero takes it back.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.change(|faults| faults.lanes[direction.index()].delay = delay);
    }

    /// Sends each byte in a segment of its own.
    pub fn bytewise(&self, direction: Direction, on: bool) {
        self.change(|faults| faults.lanes[direction.index()].bytewise = on);
    }

    /// Lets nothing pass, as a network that loses every packet, until [`FaultProxy::resume`].
    pub fn stall(&self, direction: Direction) {
        self.change(|faults| faults.lanes[direction.index()].stalled = true);
    }

    /// Ends a stall; what was held back passes.
    pub fn resume(&self, direction: Direction) {
        self.change(|faults| faults.lanes[direction.index()].stalled = false);
    }

    /// Ends each connection when `bytes` more have passed in this direction.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.change(|faults| {
            let lane = &mut faults.lanes[direction.index()];
            let order = lane.cut.map_or(0, |cut| cut.order + 1);
            let after = bytes;
            lane.cut = Some(Cut { after, order });
        });
    }

    /// Takes [`FaultProxy::cut_after`] back.
    pub fn cut_no_more(&self, direction: Direction) {
        self.change(|faults| faults.lanes[direction.index()].cut = None);
    }

    /// Tells the receiver of this direction that nothing more comes; the other direction goes on.
    pub fn half_close(&self, direction: Direction) {
        self.change(|faults| faults.lanes[direction.index()].half_closes += 1);
    }

    /// Resets all connections there are, on both sides (TCP).
    pub fn reset_all(&self) {
        self.change(|faults| faults.resets += 1);
    }

    /// Closes all connections there are, on both sides.
    pub fn close_all(&self) {
        self.change(|faults| faults.closes += 1);
    }

    /// Resets new connections at once, until told otherwise.
    pub fn refuse(&self, on: bool) {
        self.change(|faults| faults.refuse = on);
    }

    /// Leads new connections to another server.
    pub fn retarget(&self, target: impl Into<Address>) {
        let target = target.into();
        self.change(|faults| faults.target = target);
    }

    /// How many connections are open through it.
    pub fn open(&self) -> usize {
        self.counters.open.load(Ordering::Relaxed)
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.counters.accepted.load(Ordering::Relaxed)
    }

    /// How many bytes have passed.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.counters.bytes[direction.index()].load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.faults.send_modify(change);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: Listener, faults: watch::Receiver<Faults>, counters: Arc<Counters>) {
    let mut relays = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let client = accepted.expect("accept");
                counters.accepted.fetch_add(1, Ordering::Relaxed);
                relays.spawn(relay::serve(client, faults.clone(), Arc::clone(&counters)));
            }
            Some(_) = relays.join_next() => {}
        }
    }
}
