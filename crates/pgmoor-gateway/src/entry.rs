//! One accepted connection, from its first byte to its last.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use pgmoor::connector;
use pgmoor::stream::Stream;
use pgmoor_wire::backend::{self, TransactionStatus};
use pgmoor_wire::sqlstate;
use pgmoor_wire::startup::{Replication, StartupMessage};
use tokio::task::spawn_local;
use tokio::time::timeout;
use tracing::debug;

use crate::admission::{Admitted, log_in};
use crate::clients::{Client, Introduction, Order};
use crate::console;
use crate::farewell::{FAREWELL, farewell, stage_of_end, turn_away};
use crate::login::{Hello, Identity, Refusal, Talk, hello};
use crate::parameters::{Opening, Parameters, parse_options};
use crate::pool::{Login, OPEN_LIMIT, Pool, Reported, Server};
use crate::relay::Relay;
use crate::session::{End, Session};
use crate::settings::PoolMode;
use crate::welcome;
use crate::worker::{Place, Worker};

/// Who was let in, to what, and all that was needed to find out is gone.
enum Guest {
    Console {
        talk: Talk,
        user: String,
        admin: bool,
    },
    Client(Session),
}

/// Lets a connection in, and serves it until it ends.
pub(crate) async fn serve(worker: Rc<Worker>, stream: Stream, place: Place) {
    match receive(&worker, stream, &place).await {
        None => {}
        Some(Guest::Console { talk, user, admin }) => {
            console::serve(&worker, talk, &user, admin).await;
        }
        Some(Guest::Client(session)) => attend(worker, session, place),
    }
}

/// Serves a client until it ends, by a task of its own: one that stays must not pay for all that its
/// login needed.
fn attend(worker: Rc<Worker>, mut session: Session, place: Place) {
    spawn_local(async move {
        let end = session.run().await;
        Box::pin(see_out(&worker, &mut session, end)).await;
        drop(place);
    });
}

async fn see_out(worker: &Worker, session: &mut Session, end: End) {
    let client = session.client().clone();
    worker.clients.leave(client.id);
    if let Some((stage, class)) = stage_of_end(&end) {
        worker.gateway.events.error(stage, &class);
    }
    farewell(session, &end, &client).await;
}

/// From the first byte to the welcome; `None` when the connection has ended before.
async fn receive(worker: &Rc<Worker>, stream: Stream, place: &Place) -> Option<Guest> {
    let peer = *stream.peer();
    let state = worker.gateway.state.load_full();
    let limit = state.settings.login_timeout;
    let greeting = hello(stream, state.tls.as_deref(), state.settings.tls.mode, limit);
    let (mut talk, message) = match greeting.await {
        Ok(Hello::Cancel { talk, pid, key }) => {
            cancel(worker, talk, pid, key).await;
            return None;
        }
        Ok(Hello::Start { talk, message }) => (talk, message),
        Err((talk, refusal)) => {
            turn_away(worker, talk, &refusal, &peer.to_string(), "").await;
            return None;
        }
    };
    let user = message.user().unwrap_or_default().to_owned();
    let login = log_in(worker, &mut talk, &message, place);
    let admitted = match timeout(limit, login).await {
        Ok(admitted) => admitted,
        Err(_) => Err(Refusal::too_slow(limit)),
    };
    match admitted {
        Ok(Admitted::Console { admin }) => Some(Guest::Console { talk, user, admin }),
        Ok(Admitted::Pool { pool, identity }) => {
            let prepared = match startup_parameters(&message) {
                Ok(parameters) => prepare(&pool, &message, pool.share(parameters), &identity).await,
                Err(refusal) => Err(refusal),
            };
            match prepared {
                Ok(prepared) => let_in(worker, talk, &message, pool, prepared, &user).await,
                Err(refusal) => {
                    turn_away(worker, Some(talk), &refusal, &peer.to_string(), &user).await;
                    None
                }
            }
        }
        Err(refusal) => {
            turn_away(worker, Some(talk), &refusal, &peer.to_string(), &user).await;
            None
        }
    }
}

/// A cancel request gets no answer but the end of its connection, which says that it was delivered:
/// what the client sends next must not be hit by it.
async fn cancel(worker: &Worker, mut talk: Talk, pid: i32, key: Vec<u8>) {
    let limit = worker.gateway.state.load().settings.login_timeout;
    // An error means that nobody is left to tell of it.
    let _ = timeout(limit, worker.gateway.cancel(pid, key)).await;
    let _ = timeout(FAREWELL, talk.stream.shutdown()).await;
}

/// The parameters that a client asks for at its start.
///
/// # Errors
///
/// The switch in `options` that is not understood.
fn startup_parameters(message: &StartupMessage) -> Result<Parameters, Refusal> {
    let options = parse_options(message.get("options").unwrap_or_default()).map_err(|switch| {
        Refusal::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("unsupported startup option \"{switch}\""),
        )
        .hint("use -c name=value or --name=value")
    })?;
    let direct = message.parameters.iter().filter(|(name, _)| {
        !matches!(
            name.as_str(),
            "user" | "database" | "replication" | "options"
        ) && !name.starts_with("_pq_.")
    });
    // As in the server: what stands on its own wins over `options`.
    let pairs = options
        .iter()
        .chain(direct)
        .map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Parameters::from_startup(pairs))
}

/// Tells a client that it is in, and begins its session.
async fn let_in(
    worker: &Rc<Worker>,
    mut talk: Talk,
    message: &StartupMessage,
    pool: Rc<Pool>,
    prepared: Prepared,
    user: &str,
) -> Option<Guest> {
    let (id, key) = worker.new_key(message.minor);
    let mut out = Vec::new();
    backend::write_auth_ok(&mut out);
    prepared.welcome.write(&mut out);
    backend::write_backend_key(&mut out, id.cast_signed(), &key).ok()?;
    backend::write_ready(&mut out, TransactionStatus::Idle);
    let client = Client::new(Introduction {
        id,
        key,
        user: user.into(),
        database: pool.shared.key.database.clone(),
        application_name: message
            .get("application_name")
            .unwrap_or_default()
            .to_owned(),
        peer: *talk.stream.peer(),
        tls: talk
            .stream
            .tls()
            .map(|info| format!("{} {}", info.version, info.cipher)),
    });
    talk.say(&out).await.ok()?;
    debug!(client_id = id, user, pool = %client.database, peer = %client.peer, "client logged in");
    worker.clients.enter(client.clone());
    worker.gateway.events.login();
    if worker.gateway.stopping.load(Ordering::SeqCst) {
        client.give_order(Order::Leave);
    }
    talk.inbox.shrink_to_fit();
    let mut session = Session::new(
        talk.stream,
        client,
        pool,
        worker.buffers.clone(),
        prepared.relay,
        prepared.opening,
        talk.inbox,
    );
    if let Some(server) = prepared.server {
        session.begin_with(server);
    }
    Some(Guest::Client(session))
}

struct Prepared {
    relay: Relay,
    opening: Opening,
    welcome: Reported,
    server: Option<Box<Server>>,
}

async fn prepare(
    pool: &Rc<Pool>,
    message: &StartupMessage,
    parameters: Parameters,
    identity: &Identity,
) -> Result<Prepared, Refusal> {
    let settings = pool.shared.database.settings.load_full();
    let replication = message
        .replication()
        .map_err(|error| Refusal::new(sqlstate::INVALID_PARAMETER_VALUE, error.to_string()))?;
    if replication != Replication::No {
        return replicate(pool, message, identity).await;
    }
    let (welcome, opening) = welcome::learn(pool, settings.mode, &parameters).await?;
    Ok(Prepared {
        opening,
        relay: Relay::new(settings.mode, settings.session_state, parameters),
        welcome,
        server: None,
    })
}

/// A replication connection is never pooled: it has a server connection of its own from start to end.
async fn replicate(
    pool: &Rc<Pool>,
    message: &StartupMessage,
    identity: &Identity,
) -> Result<Prepared, Refusal> {
    let database = &pool.shared.database;
    let settings = database.settings.load_full();
    let generation = pool.shared.generation();
    let endpoint = database.endpoint.load_full();
    let permit = pool.shared.permit().ok_or_else(|| {
        Refusal::new(
            sqlstate::TOO_MANY_CONNECTIONS,
            "no server connection is free for replication",
        )
        .hint("raise pool.size: a replication connection is one of the pool's")
    })?;
    // A drain that began before this permit was taken may have ended without it.
    if pool.shared.is_paused() {
        return Err(paused(&pool.shared.key.database));
    }
    let extra: Vec<(String, String)> = message
        .parameters
        .iter()
        .filter(|(name, _)| {
            !matches!(name.as_str(), "user" | "database") && !name.starts_with("_pq_.")
        })
        .cloned()
        .collect();
    let login = match &identity.login {
        Login::Endpoint => connector::Login::Endpoint,
        Login::Password(password) => connector::Login::Password {
            user: &identity.user,
            password: password.clone(),
        },
        Login::Keys { client, server } => connector::Login::ScramKeys {
            user: &identity.user,
            client_key: client.clone(),
            server_key: server.clone(),
        },
    };
    let dbname = database.name_at(&endpoint);
    let limit = endpoint.connector.longest().unwrap_or(OPEN_LIMIT);
    let connection = endpoint
        .connector
        .connect(login, Some(&dbname), &extra, Instant::now() + limit)
        .await
        .map_err(|error| {
            Refusal::new(error.sqlstate(), crate::report::chain(&error))
                .hint(error.hint().unwrap_or_default())
        })?;
    // Paused meanwhile, and perhaps switched and resumed, too.
    if pool.shared.is_paused() || pool.shared.generation() != generation {
        return Err(paused(&pool.shared.key.database));
    }
    let reported = connection.parameters.clone();
    let mut server = Server::new(
        connection,
        Some(permit),
        generation,
        &endpoint.name,
        NonZeroUsize::MIN,
        None,
        None,
    );
    server.about.state.unprovable = true;
    pool.counters.active_servers.change(1);
    Ok(Prepared {
        relay: Relay::new(
            PoolMode::Session,
            settings.session_state,
            Parameters::default(),
        ),
        opening: None,
        welcome: Reported::new(reported.iter().map(|(name, value)| (&**name, &**value))),
        server: Some(Box::new(server)),
    })
}

/// A replication connection cannot wait: it would go on at another server from where it was.
fn paused(database: &str) -> Refusal {
    Refusal::new(
        sqlstate::CANNOT_CONNECT_NOW,
        format!("database \"{database}\" is paused, and lets no replication connection in"),
    )
    .hint("connect again after \"RESUME\"; other connections wait for it")
}
