//! Letting clients in, as long as there are descriptors: the last ones are for those who are in.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::task::spawn_local;
use tracing::{info, warn};

use crate::clock::Moment;
use crate::entry;
use crate::listener::Accepted;
use crate::worker::{Place, Shared, Worker};
use pgmoor::stream::Stream;

/// A wait before it is looked again whether there are descriptors.
const BREATH: Duration = Duration::from_millis(100);
/// Descriptors for what is neither client nor server connection: the admin address, files of
/// credentials and certificates, name lookups.
const RESERVE: usize = 64;
/// How often the same trouble is told.
const REMINDER: Duration = Duration::from_secs(60);

pub(crate) fn serve(worker: &Rc<Worker>, stream: Stream, place: Place) {
    spawn_local(entry::serve(worker.clone(), stream, place));
}

/// Accepts connections, and hands them to the worker with the fewest clients.
pub(crate) async fn accept(worker: Rc<Worker>, listener: Accepted) {
    let mut trouble = Trouble::default();
    let mut room = Room::default();
    let mut inherited = None;
    loop {
        let keepalive = worker.gateway.state.load().settings.keepalive();
        if inherited != Some(keepalive) {
            // Also those of a predecessor's listener are another configuration's.
            if let Err(error) = listener.set_keepalive(&keepalive) {
                warn!(%error, "cannot have clients' connections watched by TCP keepalive");
            }
            inherited = Some(keepalive);
        }
        let (stream, number) = match listener.accept().await {
            Ok(accepted) => accepted,
            // It left while it waited: nobody else is concerned.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                trouble.tell(&worker.gateway, &error.to_string());
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let chosen = worker.gateway.least_loaded(worker.index);
        let place = Place::take(&worker.gateway, chosen);
        if chosen == worker.index {
            serve(&worker, stream, place);
        } else if let Ok(detached) = stream.detach() {
            worker.gateway.hand_to(chosen, detached, place);
        }
        // The kernel gives the lowest number that is free: one as high as this was the last.
        let mut next = Some(number);
        while next.is_none_or(|next| !room.has(next, &worker.gateway)) {
            trouble.tell(&worker.gateway, "too many files are open");
            tokio::time::sleep(BREATH).await;
            next = listener.next_number();
        }
        trouble.end();
    }
}

/// How many descriptors there are for clients, as of the last look.
#[derive(Default)]
struct Room(Option<(Moment, usize)>);

impl Room {
    /// Whether a client may have the descriptor of this number.
    fn has(&mut self, number: usize, gateway: &Shared) -> bool {
        let known = self.0.filter(|(at, _)| at.elapsed() < BREATH);
        let (_, limit) = *self
            .0
            .insert(known.unwrap_or_else(|| (Moment::now(), room(gateway))));
        number < limit
    }
}

/// How many descriptors may be used when a client is let in. The others are for the server
/// connections that its query, and everybody's, may need.
fn room(gateway: &Shared) -> usize {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return usize::MAX;
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let state = gateway.state.load();
    let servers = state.endpoints.values().map(|endpoint| {
        let possible = endpoint.max_connections.unwrap_or(0);
        possible.saturating_sub(endpoint.open())
    });
    let wanted = servers.sum::<usize>().saturating_add(RESERVE);
    limit - wanted.min(limit / 2)
}

/// Clients cannot be let in: told when it begins, now and then while it lasts, and when it ends.
#[derive(Default)]
struct Trouble {
    told: Option<Moment>,
}

impl Trouble {
    fn tell(&mut self, gateway: &Shared, error: &str) {
        gateway.events.accept_delayed();
        if self.told.is_none_or(|told| told.elapsed() >= REMINDER) {
            warn!(
                error,
                connected = gateway.connected(),
                hint = "raise ulimit -n (LimitNOFILE of systemd), or lower gateway.max_client_connections",
                "clients wait to be let in"
            );
            self.told = Some(Moment::now());
        }
    }

    fn end(&mut self) {
        if self.told.take().is_some() {
            info!("clients are let in again");
        }
    }
}
