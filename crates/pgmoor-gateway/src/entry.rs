//! One accepted connection, from its first byte to its last.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgmoor::connector;
use pgmoor::stream::Stream;
use pgmoor_wire::backend::{self, ErrorFields, TransactionStatus};
use pgmoor_wire::sqlstate;
use pgmoor_wire::startup::{Replication, StartupMessage};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::clients::{Client, Introduction, Order};
use crate::console;
use crate::counters::Stage;
use crate::login::{Hello, Identity, Refusal, ServerLookup, Talk, hello, prove};
use crate::parameters::{Parameters, parse_options};
use crate::pool::{Database, Login, Pool, PoolKey, Server};
use crate::relay::{Broken, Relay};
use crate::session::{End, Session};
use crate::settings::PoolMode;
use crate::welcome::{self as parameters_of, Welcome};
use crate::worker::{Place, Worker};

/// The admin database's name.
pub(crate) const CONSOLE: &str = "pgmoor";
/// How long a last word may take to be sent.
const FAREWELL: Duration = Duration::from_secs(1);

/// Who was let in, to what, and all that was needed to find out is gone.
enum Guest {
    Console {
        talk: Talk,
        user: String,
        admin: bool,
    },
    Client(Session, Rc<Client>),
}

/// Serves a connection until it ends.
///
/// What happens before and beside a session is boxed: a client that stays must not pay for it.
pub(crate) async fn serve(worker: Rc<Worker>, stream: Stream, place: Place) {
    match Box::pin(receive(&worker, stream, &place)).await {
        None => {}
        Some(Guest::Console { talk, user, admin }) => {
            Box::pin(console::serve(&worker, talk, &user, admin)).await;
        }
        Some(Guest::Client(mut session, client)) => {
            let end = session.run().await;
            worker.clients.leave(client.id);
            if let Some((stage, class)) = stage_of_end(&end) {
                worker.gateway.events.error(stage, &class);
            }
            Box::pin(farewell(&mut session, &end, &client)).await;
        }
    }
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
                Ok(parameters) => prepare(&pool, &message, parameters, &identity).await,
                Err(refusal) => Err(refusal),
            };
            match prepared {
                Ok(prepared) => welcome(worker, talk, &message, pool, prepared, &user).await,
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

/// Who was let in, to what.
enum Admitted {
    Console { admin: bool },
    Pool { pool: Rc<Pool>, identity: Identity },
}

async fn log_in(
    worker: &Rc<Worker>,
    talk: &mut Talk,
    message: &StartupMessage,
    place: &Place,
) -> Result<Admitted, Refusal> {
    let state = worker.gateway.state.load_full();
    let user = message.user().ok_or_else(|| {
        Refusal::new(
            sqlstate::INVALID_AUTHORIZATION_SPECIFICATION,
            "no user name in the startup message",
        )
    })?;
    let name = message.database().unwrap_or(user);
    if place.is_over(state.settings.max_client_connections.get() as usize) {
        return Err(Refusal::new(
            sqlstate::TOO_MANY_CONNECTIONS,
            "too many client connections",
        )
        .hint("raise gateway.max_client_connections, or let clients keep fewer connections"));
    }
    if worker.gateway.stopping.load(Ordering::SeqCst) {
        return Err(Refusal::new(
            sqlstate::CANNOT_CONNECT_NOW,
            "pgmoor is shutting down",
        ));
    }
    if name == CONSOLE {
        return log_in_to_console(worker, talk, user).await;
    }
    let database = state.databases.get(name).cloned();
    let endpoint = database
        .as_ref()
        .map(|database| database.endpoint.load_full());
    let dbname = database
        .as_ref()
        .map(|database| database.dbname.load_full());
    let mut lookup = endpoint.as_deref().map(|endpoint| ServerLookup {
        endpoint,
        dbname: dbname.as_ref().and_then(|name| name.as_deref()),
        query: &state.settings.auth.auth_query,
        limit: state.settings.login_timeout,
    });
    let identity = prove(talk, &state.users, user, &mut lookup).await?;
    // Only who has logged in learns which databases there are.
    let Some(database) = database.filter(|_| state.users.may_use(user, name)) else {
        return Err(unknown_database(name, &state.databases, &state.users, user));
    };
    if database.disabled.load(Ordering::SeqCst) {
        return Err(Refusal::new(
            sqlstate::CANNOT_CONNECT_NOW,
            format!("database \"{name}\" is disabled"),
        )
        .hint(format!(
            "\"ENABLE {name}\" in the admin database lets clients in again"
        )));
    }
    let key = PoolKey {
        database: database.name.clone(),
        user: match identity.login {
            Login::Endpoint => None,
            Login::Password(_) | Login::Keys { .. } => Some(user.into()),
        },
    };
    if let Login::Password(_) = identity.login {
        // The server is asked about this very password, each time. Who fails leaves no pool behind.
        check_at_server(
            &database,
            user,
            &identity.login,
            state.settings.login_timeout,
        )
        .await?;
    }
    let pool = worker.pool(key, &database, identity.login.clone());
    pool.shared.login.store(Arc::new(identity.login.clone()));
    Ok(Admitted::Pool { pool, identity })
}

fn unknown_database(
    name: &str,
    databases: &crate::worker::Databases,
    users: &crate::login::Users,
    user: &str,
) -> Refusal {
    let mut known: Vec<&str> = databases
        .keys()
        .map(|known| &**known)
        .filter(|known| users.may_use(user, known))
        .collect();
    known.sort_unstable();
    Refusal::new(
        sqlstate::INVALID_CATALOG_NAME,
        format!("database \"{name}\" does not exist"),
    )
    .hint(format!("pgmoor serves: {}", known.join(", ")))
}

/// Users of the console are those that the configuration names, and whoever runs pgmoor.
async fn log_in_to_console(
    worker: &Rc<Worker>,
    talk: &mut Talk,
    user: &str,
) -> Result<Admitted, Refusal> {
    let state = worker.gateway.state.load_full();
    if let pgmoor::stream::Peer::Unix { uid, .. } = talk.stream.peer()
        && (*uid == 0 || *uid == rustix::process::geteuid().as_raw())
        && user == CONSOLE
    {
        return Ok(Admitted::Console { admin: true });
    }
    prove(talk, &state.users, user, &mut None::<ServerLookup<'_>>).await?;
    let admin = state.users.is_admin(user);
    if admin || state.users.is_observer(user) {
        return Ok(Admitted::Console { admin });
    }
    Err(Refusal::new(
        sqlstate::INSUFFICIENT_PRIVILEGE,
        format!("user \"{user}\" may not use the admin database"),
    )
    .hint("name the user in gateway.auth.admin_users or stats_users, or connect as \"pgmoor\" through the Unix socket as the user who runs pgmoor"))
}

async fn check_at_server(
    database: &Database,
    user: &str,
    login: &Login,
    limit: Duration,
) -> Result<(), Refusal> {
    let Login::Password(password) = login else {
        return Ok(());
    };
    let endpoint = database.endpoint.load_full();
    let dbname = database.dbname.load_full();
    let login = connector::Login::Password {
        user,
        password: password.clone(),
    };
    let deadline = Instant::now() + limit;
    match endpoint
        .connector
        .connect(login, dbname.as_deref(), &[], deadline)
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == pgmoor::error::ErrorKind::Authentication => {
            Err(Refusal::login_failed(user, crate::report::chain(&error)))
        }
        Err(error) => Err(Refusal::new(error.sqlstate(), crate::report::chain(&error))
            .hint(error.hint().unwrap_or_default())),
    }
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
async fn welcome(
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
    for (name, value) in prepared.welcome.iter() {
        // Both came out of a message or fit into one.
        let _ = backend::write_parameter_status(&mut out, name, value);
    }
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
    let mut session = Session::new(
        talk.stream,
        client.clone(),
        pool,
        worker.buffers.clone(),
        prepared.relay,
        talk.inbox,
    );
    if let Some(server) = prepared.server {
        session.begin_with(server);
    }
    Some(Guest::Client(session, client))
}

struct Prepared {
    relay: Relay,
    welcome: Welcome,
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
    let welcome = parameters_of::learn(pool, &parameters).await?;
    Ok(Prepared {
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
    let endpoint = database.endpoint.load_full();
    let permit = pool.shared.permit().ok_or_else(|| {
        Refusal::new(
            sqlstate::TOO_MANY_CONNECTIONS,
            "no server connection is free for replication",
        )
        .hint("raise pool.size: a replication connection is one of the pool's")
    })?;
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
    let dbname = database.dbname.load_full();
    let generation = pool.shared.generation();
    let connection = endpoint
        .connector
        .connect(
            login,
            dbname.as_deref(),
            &extra,
            Instant::now() + Duration::from_secs(15),
        )
        .await
        .map_err(|error| {
            Refusal::new(error.sqlstate(), crate::report::chain(&error))
                .hint(error.hint().unwrap_or_default())
        })?;
    let reported = connection.parameters.clone();
    let mut server = Server::new(
        connection,
        Some(permit),
        generation,
        &endpoint.name,
        NonZeroUsize::MIN,
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
        welcome: reported
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        server: Some(Box::new(server)),
    })
}

/// Where a login failed, and the class of its SQLSTATE.
fn stage_of_refusal(refusal: &Refusal) -> (Stage, &str) {
    match refusal {
        Refusal::Gone(Some(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            (Stage::Tls, "08")
        }
        Refusal::Gone(_) => (Stage::Client, "08"),
        Refusal::Told { sqlstate, .. } => {
            let stage = match sqlstate.class() {
                "28" | "3D" => Stage::Auth,
                "08" if *sqlstate == sqlstate::PROTOCOL_VIOLATION => Stage::Protocol,
                "08" | "53" | "57" => Stage::Checkout,
                _ => Stage::Client,
            };
            (stage, sqlstate.class())
        }
    }
}

/// Where a session failed; nothing when it ended as clients end theirs.
fn stage_of_end(end: &End) -> Option<(Stage, String)> {
    let (stage, state) = match end {
        End::Terminated | End::ClientGone(None) | End::Ordered(Order::Leave | Order::Kill) => {
            return None;
        }
        End::ClientGone(Some(_)) => (Stage::Client, sqlstate::CONNECTION_FAILURE),
        End::Violation(_) => (Stage::Protocol, sqlstate::PROTOCOL_VIOLATION),
        End::Checkout(error) => (Stage::Checkout, error.sqlstate()),
        End::ServerGone { .. } => (Stage::Server, sqlstate::CONNECTION_FAILURE),
        End::ServerBroken(_) => (Stage::Server, sqlstate::PROTOCOL_VIOLATION),
        End::Ordered(Order::IdleTimeout) => (Stage::Client, sqlstate::IDLE_SESSION_TIMEOUT),
        End::Ordered(Order::IdleInTransaction) => {
            (Stage::Client, sqlstate::IDLE_IN_TRANSACTION_SESSION_TIMEOUT)
        }
    };
    Some((stage, state.class().to_owned()))
}

/// Tells a client why it is not let in.
async fn turn_away(worker: &Worker, talk: Option<Talk>, refusal: &Refusal, peer: &str, user: &str) {
    let (stage, class) = stage_of_refusal(refusal);
    worker.gateway.events.error(stage, class);
    match refusal {
        Refusal::Gone(source) => {
            return debug!(peer, error = ?source.as_ref().map(ToString::to_string), "client went away during login");
        }
        Refusal::Told {
            sqlstate,
            message,
            detail,
            ..
        } => {
            info!(peer, user, sqlstate = sqlstate.as_str(), reason = %message, detail, "client was not let in")
        }
    }
    if let (Some(mut talk), Some(message)) = (talk, refusal.message()) {
        let _ = timeout(FAREWELL, async {
            talk.say(&message).await?;
            talk.stream.shutdown().await.map_err(Refusal::from)
        })
        .await;
    }
}

/// What a client is told when its session ends for a reason that is not its own.
fn last_word(end: &End) -> Option<ErrorFields<'static>> {
    Some(match end {
        End::Terminated | End::ClientGone(_) | End::ServerGone { told: true, .. } => return None,
        End::Violation(violation) => {
            ErrorFields::fatal(sqlstate::PROTOCOL_VIOLATION, violation.to_string())
        }
        End::Checkout(error) => {
            ErrorFields::fatal(error.sqlstate(), error.message()).hint(error.hint())
        }
        End::ServerGone { told: false, .. } => ErrorFields::fatal(
            sqlstate::CONNECTION_FAILURE,
            "the server closed the connection unexpectedly",
        )
        .hint("what was under way may or may not have been done; connect again"),
        End::ServerBroken(Broken::Parameters(body)) => {
            let view = backend::ErrorView::new(body);
            let state = view.sqlstate().unwrap_or(sqlstate::INVALID_PARAMETER_VALUE);
            ErrorFields::fatal(state, view.message().into_owned())
        }
        End::ServerBroken(broken) => {
            ErrorFields::fatal(sqlstate::CONNECTION_FAILURE, broken.to_string())
                .hint("the server connection was closed; connect again")
        }
        End::Ordered(Order::Leave | Order::Kill) => ErrorFields::fatal(
            sqlstate::ADMIN_SHUTDOWN,
            "terminating connection due to administrator command",
        ),
        End::Ordered(Order::IdleTimeout) => ErrorFields::fatal(
            sqlstate::IDLE_SESSION_TIMEOUT,
            "terminating connection due to gateway.client_idle_timeout",
        ),
        End::Ordered(Order::IdleInTransaction) => ErrorFields::fatal(
            sqlstate::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            "terminating connection due to pool.idle_in_transaction_timeout",
        ),
    })
}

async fn farewell(session: &mut Session, end: &End, client: &Client) {
    let (client_id, pool) = (client.id, &client.database);
    match end {
        End::Terminated | End::ClientGone(_) => debug!(client_id, %pool, "client left"),
        End::Ordered(order) => info!(client_id, %pool, ?order, "client was ended"),
        End::Violation(_) | End::Checkout(_) | End::ServerGone { .. } | End::ServerBroken(_) => {
            warn!(client_id, %pool, error = %crate::report::chain(end), "client's session failed");
        }
    }
    // Behind half a message, every word would be taken for the rest of it.
    if let Some(fields) = last_word(end).filter(|_| !session.is_mid_message()) {
        let mut out = session.take_outbox();
        fields.write_error(&mut out);
        let stream = session.stream();
        let _ = timeout(FAREWELL, async {
            stream.write_all(&out).await?;
            stream.shutdown().await
        })
        .await;
    } else {
        session.stream().shutdown_now();
    }
}
