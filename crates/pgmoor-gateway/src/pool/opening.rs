//! How a pool opens server connections, each with what the client asks for that waits for it.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::{self, ConnectError, Stage};
use tracing::{debug, info, warn};

use super::error::CheckoutError;
use super::local::Pool;
use super::permit::Permit;
use super::server::Server;
use super::shared::Login;
use crate::clock::Moment;
use crate::parameters::{Opening, Parameters};

/// How long opening a server connection may take when the endpoint sets no limit.
pub(crate) const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// Server connections that one worker opens for a pool at the same time.
const MAX_OPENING: usize = 8;
/// Waits between attempts to open a server connection grow from the first to the last. The last is
/// what clients wait for in vain when a server is there again; an attempt each is not much to it.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

impl Pool {
    /// The place in the queue of the first client for whom no server connection is being opened;
    /// `None` also while no more may be opened.
    pub(super) fn unserved(&self) -> Option<usize> {
        let opening = self.opening.borrow();
        if opening.len() >= MAX_OPENING {
            return None;
        }
        let queue = self.queue.borrow();
        // Those that are being opened are for the first clients that they fit, so at most as many
        // clients stand before the one that is looked for.
        let first = queue.iter().take(opening.len() + 1);
        first
            .enumerate()
            .find(|(index, waiter)| {
                let like_it = |other: &Opening| *other == waiter.opening;
                let coming = opening.iter().filter(|coming| like_it(coming)).count();
                let before = queue.iter().take(*index);
                before.filter(|other| like_it(&other.opening)).count() >= coming
            })
            .map(|(index, _)| index)
    }

    /// Whether the server is asked to let another one in: after a failure one at a time, until one
    /// succeeds, and none where it would be refused again.
    pub(super) fn may_open(&self) -> bool {
        self.failures.get() == 0
            || self.opening.borrow().is_empty()
                && !self.retrying.get()
                && self.shared.refused.now(self.shared.generation()).is_none()
    }

    pub(super) fn open(self: &Rc<Self>, permit: Permit, opening: Opening) {
        self.opening.borrow_mut().push(opening.clone());
        self.show_opening();
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            let generation = pool.shared.generation();
            let started = Moment::now();
            let outcome = pool.connect(&opening).await;
            let mut all = pool.opening.borrow_mut();
            if let Some(index) = all.iter().position(|other| *other == opening) {
                all.swap_remove(index);
            }
            drop(all);
            pool.show_opening();
            match outcome {
                Ok((connection, endpoint)) => {
                    pool.counters.connect.observe(started.elapsed());
                    pool.opened(connection, permit, generation, &endpoint, opening);
                }
                Err(error) if opening.is_some() && is_of_parameters(&error) => {
                    pool.refused(&Arc::new(error), permit, &opening);
                }
                Err(error) => pool.failed(Arc::new(error), permit, generation),
            }
        });
    }

    fn show_opening(&self) {
        let count = self.opening.borrow().len();
        self.counters.opening_servers.set(count as u64);
        self.shared.seeks(self.worker, self.unserved().is_some());
    }

    async fn connect(
        &self,
        opening: &Opening,
    ) -> Result<(connector::Connection, String), ConnectError> {
        let database = &self.shared.database;
        let endpoint = database.endpoint.load_full();
        let login = self.shared.login.load_full();
        let user = self.shared.key.user.as_deref().unwrap_or_default();
        let login = match &*login {
            Login::Endpoint => connector::Login::Endpoint,
            Login::Password(password) => connector::Login::Password {
                user,
                password: password.clone(),
            },
            Login::Keys { client, server } => connector::Login::ScramKeys {
                user,
                client_key: client.clone(),
                server_key: server.clone(),
            },
        };
        let dbname = database.name_at(&endpoint);
        let parameters = opening.as_ref().map(Parameters::to_pairs);
        let limit = endpoint.connector.longest().unwrap_or(OPEN_LIMIT);
        let deadline = std::time::Instant::now() + limit;
        let connection = endpoint
            .connector
            .connect(
                login,
                Some(&dbname),
                &parameters.unwrap_or_default(),
                deadline,
            )
            .await?;
        Ok((connection, endpoint.name.clone()))
    }

    fn opened(
        self: &Rc<Self>,
        connection: connector::Connection,
        permit: Permit,
        generation: u64,
        endpoint: &str,
        opening: Opening,
    ) {
        self.counters.server_opened.add(1);
        self.shared.database.health.succeeded();
        self.shared.refused.forget();
        self.shared
            .welcomes
            .compare(&opening, &connection.parameters);
        self.failures.set(0);
        *self.last_error.borrow_mut() = None;
        let settings = self.shared.database.settings.load();
        let server = Server::new(
            connection,
            Some(permit),
            generation,
            endpoint,
            NonZeroUsize::try_from(settings.prepared_statements).unwrap_or(NonZeroUsize::MAX),
            settings.lifetime.get(),
            opening,
        );
        debug!(server_id = server.about.card.id, pool = %self.name(), "opened server connection");
        self.place(Box::new(server));
        self.help();
    }

    /// The server lets us in, and refuses what these clients ask for.
    fn refused(self: &Rc<Self>, error: &Arc<ConnectError>, permit: Permit, opening: &Opening) {
        permit.return_silently();
        self.counters.server_failed.add(1);
        info!(pool = %self.name(), error = %crate::report::chain(&**error), "server refused a startup parameter");
        let waiters = std::mem::take(&mut *self.queue.borrow_mut());
        let (refused, others) = waiters
            .into_iter()
            .partition(|waiter| waiter.opening == *opening);
        *self.queue.borrow_mut() = others;
        self.show_queue();
        for waiter in Vec::from(refused) {
            let error = CheckoutError::Parameters(error.clone());
            let _ = waiter.sender.send(Err(error));
        }
        self.help();
    }

    fn failed(self: &Rc<Self>, error: Arc<ConnectError>, permit: Permit, generation: u64) {
        permit.return_silently();
        self.counters.server_failed.add(1);
        self.shared.database.health.failed(&error);
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        let before = self.last_error.replace(Some(error.clone()));
        if before.is_none_or(|before| before.sqlstate() != error.sqlstate()) {
            warn!(pool = %self.name(), error = %crate::report::chain(&*error), "cannot open server connection");
        }
        if !error.is_retryable() {
            self.shared.refused.note(&error, generation);
            if self.hopeless().is_some() {
                self.fail_all(&error, None);
            }
        }
        if self.retrying.replace(true) {
            return;
        }
        let delay = match self.shared.refused.now(generation) {
            Some((_, again)) => again,
            None => RETRY
                .1
                .min(RETRY.0 * 2u32.saturating_pow(failures.min(10) - 1)),
        };
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            pool.retrying.set(false);
            pool.help();
        });
    }
}

/// Whether the server let us in and then refused a parameter: its name, its value, or the right to
/// set it.
fn is_of_parameters(error: &ConnectError) -> bool {
    let code = error.report().and_then(|report| report.sqlstate);
    error.stage() == Stage::Startup
        && code.is_some_and(|code| {
            code.class() == "22"
                || matches!(
                    code.as_str(),
                    "0A000" | "42501" | "42602" | "42704" | "55P02"
                )
        })
}
