//! Who is let in, to what: the login itself, and the pool that it leads to.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use pgmoor::stream::Peer;
use pgmoor_wire::sqlstate;
use pgmoor_wire::startup::StartupMessage;
use tokio::time::Instant;

use crate::console::CONSOLE;
use crate::login::{Identity, Refusal, ServerLookup, Talk, prove};
use crate::pool::{Database, Login, Pool, PoolKey};
use crate::preparation::Stage;
use crate::worker::{Place, Worker};

/// Places for administrators, beyond those that all clients share: a gateway that is full is when
/// they are needed.
const CONSOLE_RESERVE: usize = 8;

/// Who was let in, to what.
pub(crate) enum Admitted {
    Console { admin: bool },
    Pool { pool: Rc<Pool>, identity: Identity },
}

/// Asks the client for its proof, and finds what it may use.
///
/// # Errors
///
/// In words for the client.
pub(crate) async fn log_in(
    worker: &Rc<Worker>,
    talk: &mut Talk,
    message: &StartupMessage,
    place: &Place,
) -> Result<Admitted, Refusal> {
    let begun = Instant::now();
    let state = worker.gateway.state.load_full();
    let user = message.user().ok_or_else(|| {
        Refusal::new(
            sqlstate::INVALID_AUTHORIZATION_SPECIFICATION,
            "no user name in the startup message",
        )
    })?;
    let name = message.database().unwrap_or(user);
    let mut limit = state.settings.max_client_connections.get() as usize;
    if name == CONSOLE {
        limit += CONSOLE_RESERVE;
    }
    if !is_operator(talk, name, user) && place.is_over(limit) {
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
    let served = database.as_ref().zip(endpoint.as_deref());
    let mut lookup = served.map(|(database, endpoint)| ServerLookup {
        endpoint,
        dbname: database.name_at(endpoint),
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
    wait_until_prepared(
        &database,
        name,
        begun + state.settings.login_timeout.mul_f32(0.9),
    )
    .await?;
    let key = PoolKey {
        database: database.name.clone(),
        user: match identity.login {
            Login::Endpoint => None,
            Login::Password(_) | Login::Keys { .. } => Some(user.into()),
        },
    };
    let pool = worker.pool(key, &database, identity.login.clone());
    pool.shared.set_login(identity.login.clone());
    Ok(Admitted::Pool { pool, identity })
}

/// A client waits for what has to be done before the first one is let in, as long as its login may take.
async fn wait_until_prepared(
    database: &Database,
    name: &str,
    deadline: Instant,
) -> Result<(), Refusal> {
    let (why, hint) = match database.preparation.settled(deadline).await {
        Stage::Done => return Ok(()),
        Stage::UnderWay { what } => (what, Some("connect again in a moment".into())),
        Stage::Failed { why, hint } => (why, hint),
    };
    let message = format!("database \"{name}\" is not ready: {why}");
    Err(Refusal::new(sqlstate::CANNOT_CONNECT_NOW, message).hint(hint.unwrap_or_default()))
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

/// Whether this is whoever runs pgmoor, on the same machine, at the admin database.
fn is_operator(talk: &Talk, database: &str, user: &str) -> bool {
    let is_own = |uid| uid == 0 || uid == rustix::process::geteuid().as_raw();
    database == CONSOLE
        && user == CONSOLE
        && matches!(*talk.stream.peer(), Peer::Unix { uid, .. } if is_own(uid))
}

/// Users of the console are those that the configuration names, and whoever runs pgmoor.
async fn log_in_to_console(
    worker: &Rc<Worker>,
    talk: &mut Talk,
    user: &str,
) -> Result<Admitted, Refusal> {
    let state = worker.gateway.state.load_full();
    if is_operator(talk, CONSOLE, user) {
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
