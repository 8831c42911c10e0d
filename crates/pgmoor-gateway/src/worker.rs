//! One worker: its clients and its pools, and what it shares with the others.
//!
//! A client lives on one worker from its login to its end. Nothing on the data path takes a lock
//! or wakes another thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking::Pools;
use pgmoor::stream::Detached;
use pgmoor::tls::ServerTls;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::error;

use crate::buffers::Buffers;
use crate::clients::Clients;
use crate::clock::Moment;
use crate::counters::Events;
use crate::endpoint::Endpoint;
use crate::hooks::Hooks;
use crate::login::Users;
use crate::pool::{Database, Login, Pool, PoolKey, SharedPool, Signal, Signals};
use crate::predecessor::Predecessor;
use crate::settings::GatewaySettings;
use crate::totals::{self, ByDatabase, Departed, History};

/// Clients that one worker numbers before it begins again.
const NUMBERS: u32 = 1 << 20;

/// The databases by the name that clients ask for.
pub(crate) type Databases = HashMap<Arc<str>, Arc<Database>>;

/// What a configuration became. Replaced as a whole by a reload.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: GatewaySettings,
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) users: Users,
    pub(crate) databases: Databases,
    /// Those that a reload took away; some may still have clients.
    pub(crate) retired: Databases,
    pub(crate) endpoints: HashMap<String, Arc<Endpoint>>,
    /// Those that a reload replaced or took away; some may still have connections.
    pub(crate) retired_endpoints: Vec<Arc<Endpoint>>,
}

/// Something that is done on a worker's thread.
pub(crate) type Work = Box<dyn FnOnce(&Rc<Worker>) + Send>;

/// Work for a worker, done between two events.
pub(crate) enum Task {
    /// Serve this client.
    Client(Box<Detached>, Place),
    /// Do this.
    Run(Work),
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: ArcSwap<State>,
    /// No client is let in any more.
    pub(crate) stopping: AtomicBool,
    pub(crate) events: Events,
    pub(crate) history: History,
    /// What the embedding program does on request; none once the gateway ends.
    pub(crate) hooks: ArcSwapOption<Hooks>,
    /// When the gateway started.
    pub(crate) started: Moment,
    pools: Pools,
    departed: Departed,
    signals: Signals,
    tasks: Box<[mpsc::UnboundedSender<Task>]>,
    connected: AtomicUsize,
    loads: Box<[AtomicUsize]>,
    predecessor: OnceLock<Predecessor>,
    /// A successor goes by what the traffic was like when it asked: nobody may change it.
    pub(crate) frozen: Mutex<bool>,
}

mod parking {
    //! The pools that exist, by their key. Locked when a client logs in, never afterwards.

    use std::collections::HashMap;
    use std::sync::{Arc, Mutex, PoisonError};

    use crate::pool::{PoolKey, SharedPool};

    #[derive(Debug, Default)]
    pub(super) struct Pools(Mutex<HashMap<PoolKey, Arc<SharedPool>>>);

    impl Pools {
        pub(super) fn get(
            &self,
            key: &PoolKey,
            make: impl FnOnce() -> SharedPool,
        ) -> Arc<SharedPool> {
            let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match pools.get(key) {
                Some(pool) => pool.clone(),
                None => {
                    let pool = Arc::new(make());
                    pools.insert(key.clone(), pool.clone());
                    pool
                }
            }
        }

        /// Forgets those that no worker has any more, unless they are kept; shows them once more.
        pub(super) fn forget_unused(
            &self,
            is_kept: impl Fn(&SharedPool) -> bool,
            forgets: impl Fn(&SharedPool),
        ) {
            let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pools.retain(|_, pool| {
                let is_used = Arc::strong_count(pool) > 1 || is_kept(pool);
                if !is_used {
                    forgets(pool);
                }
                is_used
            });
        }

        pub(super) fn all(&self) -> Vec<Arc<SharedPool>> {
            let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pools.values().cloned().collect()
        }
    }
}

impl Shared {
    /// For so many workers; gives what each of them takes its work from.
    pub(crate) fn new(state: State, workers: usize) -> (Arc<Self>, Vec<Inbox>) {
        let mut inboxes = Vec::new();
        let (mut signals, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (signal_sender, signal_receiver) = mpsc::unbounded_channel();
            let (task_sender, task_receiver) = mpsc::unbounded_channel();
            signals.push(signal_sender);
            tasks.push(task_sender);
            inboxes.push(Inbox {
                signals: signal_receiver,
                tasks: task_receiver,
            });
        }
        let shared = Self {
            state: ArcSwap::from_pointee(state),
            stopping: AtomicBool::new(false),
            events: Events::default(),
            history: History::default(),
            hooks: ArcSwapOption::empty(),
            started: Moment::now(),
            pools: Pools::default(),
            departed: Departed::default(),
            signals: Signals(signals.into()),
            tasks: tasks.into(),
            connected: AtomicUsize::new(0),
            predecessor: OnceLock::new(),
            frozen: Mutex::new(false),
            loads: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
        };
        (Arc::new(shared), inboxes)
    }

    pub(crate) fn workers(&self) -> usize {
        self.loads.len()
    }

    pub(crate) fn connected(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }

    pub(crate) fn pools(&self) -> Vec<Arc<SharedPool>> {
        self.pools.all()
    }

    /// Clients of this database that are logged in.
    pub(crate) fn clients_of(&self, database: &str) -> u64 {
        let pools = self.pools();
        let own = pools.iter().filter(|pool| &*pool.key.database == database);
        let desks = own.flat_map(|pool| &pool.desks);
        desks.map(|desk| desk.counters.clients.get()).sum()
    }

    /// Server connections without a client whose process has not ended yet.
    pub(crate) fn closing(&self) -> u64 {
        let pools = self.pools();
        let desks = pools.iter().flat_map(|pool| &pool.desks);
        desks.map(|desk| desk.counters.closing_servers.get()).sum()
    }

    /// Forgets the pools that nobody uses: users of the server come and go, as databases do. What was
    /// counted stays with the database, as long as that is served.
    pub(crate) fn forget_unused_pools(&self) {
        let state = self.state.load();
        let served = |pool: &SharedPool| {
            let database = state.databases.get(&pool.key.database);
            database.is_some_and(|database| Arc::ptr_eq(database, &pool.database))
        };
        self.pools.forget_unused(
            |pool| served(pool) && pool.key.user.is_none(),
            |pool| self.departed.add(pool),
        );
        self.departed
            .keep(|database| state.databases.contains_key(database));
    }

    /// What was counted for each database by these pools, which are all, and by those before them.
    pub(crate) fn totals(&self, pools: &[Arc<SharedPool>]) -> ByDatabase {
        let mut totals = totals::sum(pools);
        self.departed.add_to(&mut totals);
        totals
    }

    /// Has a worker do something; `false` when it is gone.
    pub(crate) fn run_on(
        &self,
        worker: usize,
        work: impl FnOnce(&Rc<Worker>) + Send + 'static,
    ) -> bool {
        self.tasks
            .get(worker)
            .is_some_and(|tasks| tasks.send(Task::Run(Box::new(work))).is_ok())
    }

    /// Has a worker serve a client; it is gone when the worker is.
    pub(crate) fn hand_to(&self, worker: usize, client: Detached, place: Place) {
        if let Some(tasks) = self.tasks.get(worker) {
            let _ = tasks.send(Task::Client(Box::new(client), place));
        }
    }

    /// Has every worker do something.
    pub(crate) fn run_everywhere(&self, work: impl Fn(&Rc<Worker>) + Clone + Send + 'static) {
        for worker in 0..self.workers() {
            self.run_on(worker, work.clone());
        }
    }

    /// Delivers a client's cancel request to the worker that has the client, or else to the process
    /// before this one. Ready when it has been delivered, or has nowhere to go.
    pub(crate) fn cancel(self: &Arc<Self>, pid: i32, key: Vec<u8>) -> oneshot::Receiver<()> {
        let (delivered, done) = oneshot::channel();
        let shared = self.clone();
        let id = pid.cast_unsigned();
        let owner = worker_of(id) % self.workers();
        self.run_on(owner, move |worker| {
            if let Some(delivered) = worker.clients.cancel(id, &key, delivered)
                && let Some(predecessor) = shared.predecessor.get()
            {
                predecessor.cancel(pid, key, delivered);
            }
        });
        done
    }

    /// From now on clients that are not known here may be this process's.
    pub(crate) fn set_predecessor(&self, predecessor: Predecessor) {
        let _ = self.predecessor.set(predecessor);
    }

    /// The process before this one, while it has clients.
    pub(crate) fn predecessor(&self) -> Option<u32> {
        let predecessor = self.predecessor.get()?;
        predecessor.is_there().then_some(predecessor.pid)
    }

    /// The worker with the fewest clients, if that is clearly another one.
    pub(crate) fn least_loaded(&self, worker: usize) -> usize {
        let load = |index: usize| self.loads[index].load(Ordering::Relaxed);
        let least = (0..self.workers())
            .min_by_key(|&index| load(index))
            .unwrap_or(worker);
        if load(least) < load(worker) {
            least
        } else {
            worker
        }
    }
}

/// The worker that numbers its clients so.
pub(crate) fn worker_of(id: u32) -> usize {
    (id / NUMBERS) as usize
}

/// A connection's place among all, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    worker: usize,
}

impl Place {
    pub(crate) fn take(shared: &Arc<Shared>, worker: usize) -> Self {
        shared.connected.fetch_add(1, Ordering::SeqCst);
        shared.loads[worker].fetch_add(1, Ordering::Relaxed);
        Self {
            shared: shared.clone(),
            worker,
        }
    }

    /// Whether there are more connections than `limit`, this one counted.
    pub(crate) fn is_over(&self, limit: usize) -> bool {
        self.shared.connected() > limit
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.connected.fetch_sub(1, Ordering::SeqCst);
        self.shared.loads[self.worker].fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a worker takes its work from.
pub(crate) struct Inbox {
    pub(crate) signals: mpsc::UnboundedReceiver<Signal>,
    pub(crate) tasks: mpsc::UnboundedReceiver<Task>,
}

/// One worker.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) gateway: Arc<Shared>,
    pub(crate) buffers: Rc<Buffers>,
    pub(crate) clients: Clients,
    pools: RefCell<HashMap<PoolKey, Rc<Pool>>>,
    next_number: Cell<u32>,
    accepting: RefCell<Vec<JoinHandle<()>>>,
}

impl Worker {
    /// One that has nothing yet. It stays on the thread that makes it.
    pub(crate) fn new(index: usize, gateway: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            index,
            gateway,
            buffers: Rc::default(),
            clients: Clients::default(),
            pools: RefCell::default(),
            next_number: Cell::new(0),
            accepting: RefCell::default(),
        })
    }

    /// This worker's part of a pool.
    pub(crate) fn pool(&self, key: PoolKey, database: &Arc<Database>, login: Login) -> Rc<Pool> {
        if let Some(pool) = self.pools.borrow().get(&key) {
            return pool.clone();
        }
        let shared = self.gateway.pools.get(&key, || {
            SharedPool::new(
                key.clone(),
                database.clone(),
                login,
                self.gateway.signals.clone(),
            )
        });
        self.adopt(shared)
    }

    /// This worker's part of a pool that another worker has made.
    pub(crate) fn adopt(&self, shared: Arc<SharedPool>) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        pools
            .entry(shared.key.clone())
            .or_insert_with(|| Pool::new(shared, self.index))
            .clone()
    }

    /// All of this worker's pools.
    pub(crate) fn pools(&self) -> Vec<Rc<Pool>> {
        self.pools.borrow().values().cloned().collect()
    }

    /// Looks after the pools of a database: it was paused, resumed or switched.
    pub(crate) fn attend(&self, database: &str) {
        for pool in self.pools() {
            if &*pool.shared.key.database == database {
                pool.shared.forget_server();
                pool.forget_failures();
                pool.maintain(Moment::now());
            }
        }
    }

    /// Forgets pools that nobody uses.
    pub(crate) fn forget_unused_pools(&self) {
        self.pools
            .borrow_mut()
            .retain(|_, pool| !pool.is_unused() || Rc::strong_count(pool) > 1);
    }

    /// Ends this task when no more connections are to be accepted.
    pub(crate) fn accepts_by(&self, accepting: JoinHandle<()>) {
        self.accepting.borrow_mut().push(accepting);
    }

    /// Accepts no more connections. Those that wait in the kernel are reset with the sockets, unless
    /// a successor has the sockets too.
    pub(crate) fn stop_accepting(&self) {
        for accepting in self.accepting.borrow_mut().drain(..) {
            accepting.abort();
        }
    }

    /// A number that no client of this worker has, and a key that nobody can guess.
    pub(crate) fn new_key(&self, protocol_minor: u16) -> (u32, Box<[u8]>) {
        let base = u32::try_from(self.index).unwrap_or(0) * NUMBERS;
        let id = loop {
            let number = self.next_number.get() % NUMBERS;
            self.next_number.set(number + 1);
            let id = base + number;
            // Zero means "no process" to some clients.
            if id != 0 && !self.clients.contains(id) {
                break id;
            }
        };
        // Longer keys came with protocol 3.2.
        let mut key = vec![0; if protocol_minor >= 2 { 32 } else { 4 }];
        if let Err(error) = getrandom::fill(&mut key) {
            error!(%error, "no randomness: this client cannot cancel");
        }
        (id, key.into())
    }
}
