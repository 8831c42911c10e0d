//! A worker's single-threaded event loop: accepting, serving, doing what others ask, keeping time.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pgmoor::stream::ring;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tracing::{info, warn};

use crate::accepting::{accept, serve};
use crate::clients::{Doing, Order};
use crate::clock::Moment;
use crate::listener::Listener;
use crate::pool::Signal;
use crate::settings::IoUring;
use crate::totals;
use crate::worker::{Inbox, Shared, Task, Worker};

/// How often time limits are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often pools are looked after, in ticks.
const UPKEEP: u32 = 10;
/// How often what was counted is remembered, in ticks.
const SAMPLE: u32 = (totals::PERIOD.as_millis() / TICK.as_millis()) as u32;
/// How often the certificate's files are looked at, in ticks.
const RENEWAL: u32 = 20;

/// Runs a worker until `stop` says so. Called on the worker's own thread.
///
/// # Errors
///
/// The event loop cannot be had, or a listener cannot be watched.
pub(crate) fn run(
    index: usize,
    gateway: Arc<Shared>,
    listeners: Vec<Listener>,
    inbox: Inbox,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let worker = Worker::new(index, gateway);
    LocalSet::new().block_on(&runtime, async move {
        for listener in listeners {
            let accepting = spawn_local(accept(worker.clone(), listener.watch()?));
            worker.accepts_by(accepting);
        }
        install_ring(&worker);
        spawn_local(work(worker.clone(), inbox));
        spawn_local(tick(worker.clone()));
        // An error means that the handle is gone, and with it the reason to go on.
        let _ = stop.wait_for(|stop| *stop).await;
        Ok(())
    })
}

/// Gives this worker a ring to serve busy clients by.
fn install_ring(worker: &Worker) {
    if worker.gateway.state.load().settings.io_uring == IoUring::Off {
        return;
    }
    match ring::install() {
        Ok(driver) => drop(spawn_local(driver.run())),
        Err(error) if worker.index == 0 => {
            info!(%error, "busy connections are served without io_uring");
        }
        Err(_) => {}
    }
}

/// Does what others ask of this worker.
async fn work(worker: Rc<Worker>, mut inbox: Inbox) {
    loop {
        tokio::select! {
            signal = inbox.signals.recv() => match signal {
                Some(Signal::Server(shared, parted)) => worker.adopt(shared).receive(*parted),
                Some(Signal::Donate(shared, wish)) => worker.adopt(shared).donate(wish),
                Some(Signal::Nudge(shared)) => worker.adopt(shared).help(),
                Some(Signal::Evict(shared)) => worker.adopt(shared).evict(),
                None => return,
            },
            task = inbox.tasks.recv() => match task {
                Some(Task::Client(detached, place)) => match detached.attach() {
                    Ok(stream) => serve(&worker, stream, place),
                    Err(error) => info!(%error, "lost a client between two workers"),
                },
                Some(Task::Run(work)) => work(&worker),
                None => return,
            },
        }
    }
}

/// Looks at the clock for everybody, so that nobody needs a timer of its own.
async fn tick(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        ticks.tick().await;
        let now = Moment::now();
        enforce_limits(&worker, now);
        if worker.index == 0 && count.is_multiple_of(SAMPLE) {
            let totals = worker.gateway.totals(&worker.gateway.pools());
            worker.gateway.history.sample(now, totals);
        }
        if worker.index == 0 && count.is_multiple_of(RENEWAL) {
            renew_certificate(&worker);
        }
        count = count.wrapping_add(1);
        if count.is_multiple_of(UPKEEP) {
            for pool in worker.pools() {
                pool.maintain(now);
            }
            worker.forget_unused_pools();
            if worker.index == 0 {
                worker.gateway.forget_unused_pools();
            }
        }
    }
}

/// A certificate that was renewed on disk is shown to the next client.
fn renew_certificate(worker: &Worker) {
    let state = worker.gateway.state.load();
    match state.tls.as_ref().map(|tls| tls.reload()) {
        Some(Ok(true)) => info!("clients are shown the renewed certificate"),
        // Half written, or the key comes later: looked at again the next time.
        Some(Err(error)) => warn!(
            error = crate::report::chain(&error),
            "cannot use the renewed certificate; the one before stays in use"
        ),
        Some(Ok(false)) | None => {}
    }
}

/// Ends or cancels what has taken too long.
fn enforce_limits(worker: &Worker, now: Moment) {
    let state = worker.gateway.state.load();
    let client_idle = state.settings.client_idle_timeout.get();
    let pools: HashMap<_, _> = state
        .databases
        .iter()
        .map(|(name, database)| (name.clone(), database.settings.load()))
        .filter(|(_, pool)| {
            pool.query_timeout.get().is_some() || pool.idle_in_transaction_timeout.get().is_some()
        })
        .collect();
    if client_idle.is_none() && pools.is_empty() {
        return;
    }
    worker.clients.each(|client| {
        let silent = now.since(client.heard.get());
        let pool = pools.get(&client.database);
        match client.running.get() {
            Some(began) => {
                let limits = pool.and_then(|pool| Some((pool, pool.query_timeout.get()?)));
                if let Some((pool, limit)) = limits {
                    let over = now.since(began).saturating_sub(limit);
                    if over > pool.cancel_timeout {
                        client.give_order(Order::QueryTimeout);
                    } else if over > Duration::ZERO {
                        client.cancel_running();
                    }
                }
            }
            None if client.in_transaction.get() => {
                let limit = pool.and_then(|pool| pool.idle_in_transaction_timeout.get());
                if limit.is_some_and(|limit| silent > limit) {
                    client.give_order(Order::IdleInTransaction);
                }
            }
            // It has asked for something; how long that may take, the pool says.
            None if client.doing.get() == Doing::Waiting => {}
            None => {
                if client_idle.is_some_and(|limit| silent > limit) {
                    client.give_order(Order::IdleTimeout);
                }
            }
        }
    });
}
