//! The keeper's loop: leases and the server's events go in, the machine's actions are carried out.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream as StdStream;
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::super::protocol::{Hello, Plan, Report, Request, ServerState, receive, send};
use super::log::Log;
use super::machine::{Action, Event, Machine};
use super::server::{Server, clear_the_way};

/// How long a gateway that does not read is waited for at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the tasks of the connections ask of the loop.
enum Ask {
    Hello(oneshot::Sender<Hello>),
    Open,
    Close,
    Release(oneshot::Sender<usize>),
}

struct Connections {
    asks: mpsc::UnboundedSender<Ask>,
    state: watch::Receiver<ServerState>,
    tasks: JoinSet<()>,
}

impl Connections {
    fn add(&mut self, stream: UnixStream, is_first_lease: bool) {
        let (asks, state) = (self.asks.clone(), self.state.clone());
        self.tasks.spawn(async move {
            // A broken connection is a gateway that has gone; its lease is over.
            let _ = serve(stream, asks, state, is_first_lease).await;
        });
    }
}

pub(super) async fn run(plan: Plan, first: StdStream) -> io::Result<()> {
    let (tell, state) = watch::channel(ServerState::Starting);
    let (asks, mut asked) = mpsc::unbounded_channel();
    let mut connections = Connections {
        asks,
        state,
        tasks: JoinSet::new(),
    };
    first.set_nonblocking(true)?;
    connections.add(UnixStream::from_std(first)?, true);

    let done = match Keeper::set_up(plan, tell.clone()).await {
        Ok((mut keeper, listener)) => keeper.run(&mut connections, &listener, &mut asked).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &done {
        tell.send_replace(ServerState::Stopped {
            reason: error.to_string(),
            log: Vec::new(),
        });
    }
    farewell(connections, asked).await;
    done
}

/// Lets every connection hear the last state.
async fn farewell(mut connections: Connections, mut asked: mpsc::UnboundedReceiver<Ask>) {
    let all = async {
        loop {
            tokio::select! {
                ended = connections.tasks.join_next() => if ended.is_none() { return },
                // Nobody answers any more: the asker sees its question dropped.
                Some(_) = asked.recv() => {}
            }
        }
    };
    let _ = tokio::time::timeout(FAREWELL, all).await;
}

struct Keeper {
    plan: Plan,
    machine: Machine,
    log: Log,
    tell: watch::Sender<ServerState>,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    server: Option<Server>,
    _lock: File,
}

impl Keeper {
    async fn set_up(
        plan: Plan,
        tell: watch::Sender<ServerState>,
    ) -> io::Result<(Self, UnixListener)> {
        let lock = only_keeper(&plan).await?;
        let log = Log::open(plan.run_dir.join("postgresql.log"))?;
        clear_the_way(&plan, &log).await?;
        let socket = plan.socket_dir.join("keeper.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let machine = Machine::new(
            Duration::from_millis(plan.linger_ms),
            Duration::from_millis(plan.stop_timeout_ms),
        );
        let events = mpsc::unbounded_channel();
        Ok((
            Self {
                plan,
                machine,
                log,
                tell,
                events,
                server: None,
                _lock: lock,
            },
            listener,
        ))
    }

    async fn run(
        &mut self,
        connections: &mut Connections,
        listener: &UnixListener,
        asked: &mut mpsc::UnboundedReceiver<Ask>,
    ) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut actions = vec![Action::Spawn];
        loop {
            for action in std::mem::take(&mut actions) {
                if matches!(action, Action::Exit) {
                    // Whoever connects from now on shall start another keeper.
                    let _ = std::fs::remove_file(self.plan.socket_dir.join("keeper.sock"));
                    return Ok(());
                }
                self.act(action).await;
            }
            let event = tokio::select! {
                Some(event) = self.events.1.recv() => event,
                Some(ask) = asked.recv() => match self.answer(ask) {
                    Some(event) => event,
                    None => continue,
                },
                accepted = listener.accept() => {
                    match accepted {
                        Ok((stream, _)) => connections.add(stream, false),
                        // A lack of descriptors passes; until then it would come at once again.
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                    continue;
                }
                _ = terminate.recv() => Event::Terminate,
                _ = interrupt.recv() => Event::Terminate,
                () = until(self.machine.deadline()) => Event::Tick,
                Some(_) = connections.tasks.join_next() => continue,
            };
            actions = self.machine.on(event, Instant::now());
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Spawn => {
                self.tell_unless_recovering();
                match Server::start(&self.plan, &self.log, &self.events.0).await {
                    Ok(server) => self.server = Some(server),
                    Err(error) => {
                        self.server = None;
                        let why = format!("cannot start the server: {error}");
                        let _ = self.events.0.send(Event::NotStarted { why });
                    }
                }
            }
            Action::Signal(shutdown) => {
                if let Some(server) = &self.server {
                    server.signal(shutdown);
                }
            }
            Action::Tell(state) => {
                self.tell.send_replace(state);
            }
            Action::Exit => {}
        }
    }

    /// Who waits for a crashed server wants to go on reading why.
    fn tell_unless_recovering(&self) {
        if !matches!(*self.tell.borrow(), ServerState::Recovering { .. }) {
            self.tell.send_replace(ServerState::Starting);
        }
    }

    fn answer(&self, ask: Ask) -> Option<Event> {
        match ask {
            Ask::Hello(reply) => {
                let _ = reply.send(Hello {
                    keeper_pid: std::process::id(),
                    socket_dir: self.plan.socket_dir.clone(),
                    port: self.plan.port,
                    tcp: self.plan.tcp,
                    leases: self.machine.leases(),
                });
                None
            }
            Ask::Open => Some(Event::LeaseOpened),
            Ask::Close => Some(Event::LeaseClosed { linger: true }),
            Ask::Release(reply) => {
                let _ = reply.send(self.machine.leases().saturating_sub(1));
                Some(Event::LeaseClosed { linger: false })
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for a keeper that is on its way out.
async fn only_keeper(plan: &Plan) -> io::Result<File> {
    let path = plan.run_dir.join("keeper.lock");
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)?;
    let deadline =
        Instant::now() + Duration::from_millis(plan.stop_timeout_ms) + Duration::from_secs(20);
    while let Err(error) = file.try_lock() {
        if Instant::now() > deadline {
            let message = format!("another keeper holds \"{}\": {error}", path.display());
            return Err(io::Error::other(message));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(file)
}

async fn serve(
    stream: UnixStream,
    asks: mpsc::UnboundedSender<Ask>,
    mut state: watch::Receiver<ServerState>,
    is_first_lease: bool,
) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let first = if is_first_lease {
        Some(Request::Lease)
    } else {
        receive(&mut from).await?
    };
    let lease = match first {
        Some(Request::Lease) => true,
        Some(Request::Status) => false,
        Some(Request::Release) | None => return Ok(()),
    };
    if lease && !is_first_lease {
        asks.send(Ask::Open).map_err(io::Error::other)?;
    }
    let mut guard = LeaseGuard(lease.then(|| asks.clone()));
    let (reply, hello) = oneshot::channel();
    asks.send(Ask::Hello(reply)).map_err(io::Error::other)?;
    // A keeper that cannot set up answers no question, but has a last state to tell.
    if let Ok(hello) = hello.await {
        send(&mut to, &Report::Hello(hello)).await?;
    }
    state.mark_changed();
    if !lease {
        let now = state.borrow().clone();
        return send(&mut to, &Report::State(now)).await;
    }
    // Reading is not cancel safe, so it has a task of its own.
    let (line, mut lines) = oneshot::channel();
    let reader = AbortOnDrop(tokio::spawn(async move {
        let request = receive::<Request>(&mut from).await;
        let _ = line.send((request, from));
    }));
    loop {
        tokio::select! {
            changed = state.changed() => {
                changed.map_err(io::Error::other)?;
                let now = state.borrow_and_update().clone();
                send(&mut to, &Report::State(now.clone())).await?;
                if matches!(now, ServerState::Stopped { .. }) {
                    guard.0 = None;
                    return Ok(());
                }
            }
            read = &mut lines => {
                let Ok((Ok(Some(Request::Release)), _from)) = read else { return Ok(()) };
                break;
            }
        }
    }
    drop(reader);
    guard.0 = None;
    let (reply, others) = oneshot::channel();
    asks.send(Ask::Release(reply)).map_err(io::Error::other)?;
    let others = others.await.unwrap_or(0);
    if others > 0 {
        return send(&mut to, &Report::Kept { leases: others }).await;
    }
    loop {
        let now = state.borrow_and_update().clone();
        send(&mut to, &Report::State(now.clone())).await?;
        if matches!(now, ServerState::Stopped { .. }) {
            return Ok(());
        }
        state.changed().await.map_err(io::Error::other)?;
    }
}

/// However a lease's connection ends, the lease is over.
struct LeaseGuard(Option<mpsc::UnboundedSender<Ask>>);

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some(asks) = self.0.take() {
            let _ = asks.send(Ask::Close);
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
