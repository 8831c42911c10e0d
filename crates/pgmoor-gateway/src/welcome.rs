//! What a server reports to a client at login, learned once for each set of startup parameters.
//!
//! The server itself judges what a client asks for: a value that it refuses is refused at login,
//! in the server's words.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use pgmoor_wire::{backend, frame, frontend, sqlstate, tag};
use tokio::time::timeout;

use crate::login::Refusal;
use crate::parameters::{NAME, Opening, Parameters, Value};
use crate::pool::{Condition, Pool, Reported, Rest, Server, Waiting};
use crate::settings::PoolMode;

/// How long a server may take to answer.
const LIMIT: Duration = Duration::from_secs(15);

/// What a server reports to a client with these startup parameters, and what its server connections
/// have to be opened with: in session mode all of them, so that it can go back to them.
///
/// # Errors
///
/// There is no server connection to ask, or the server refuses a parameter.
pub(crate) async fn learn(
    pool: &Rc<Pool>,
    mode: PoolMode,
    parameters: &Parameters,
) -> Result<(Reported, Opening), Refusal> {
    let mut common = parameters.clone();
    common.remove(NAME);
    let opening = |common: &Parameters| match mode {
        PoolMode::Session if !common.is_empty() => Some(common.clone()),
        PoolMode::Session | PoolMode::Transaction => None,
    };
    let (common, reported) = match pool.shared.welcomes.get(&common) {
        Some(known) => known,
        None => {
            let generation = pool.shared.generation();
            let reported = ask(pool, &common, &opening(&common)).await?;
            let is_current = || pool.shared.generation() == generation;
            let welcomes = &pool.shared.welcomes;
            welcomes.remember(common.clone(), reported.clone(), is_current);
            (common, reported)
        }
    };
    let opening = opening(&common);
    let Some(Value::Literal(name)) = parameters.get(NAME) else {
        return Ok((reported, opening));
    };
    Ok((reported.to(name), opening))
}

async fn ask(pool: &Rc<Pool>, wanted: &Parameters, opening: &Opening) -> Result<Reported, Refusal> {
    let mut server = check_out(pool, opening).await?;
    let Some(sql) = server.about.state.applied.changes_to(wanted) else {
        let reported = reported(&server);
        pool.check_in(server, Condition::Clean);
        return Ok(reported);
    };
    match timeout(LIMIT, set(&mut server, &sql)).await {
        Ok(Ok(None)) => {
            server.about.state.applied = wanted.clone();
            let reported = reported(&server);
            pool.check_in(server, Condition::Clean);
            Ok(reported)
        }
        Ok(Ok(Some(refusal))) => {
            server.about.state.dirty = true;
            pool.check_in(server, Condition::Used);
            Err(refusal)
        }
        Ok(Err(_)) | Err(_) => {
            pool.check_in(server, Condition::Unusable("server_gone", Rest::Cancel));
            Err(Refusal::new(
                sqlstate::CONNECTION_FAILURE,
                "the server closed the connection during login",
            ))
        }
    }
}

async fn check_out(pool: &Rc<Pool>, opening: &Opening) -> Result<Box<Server>, Refusal> {
    if let Some(server) = pool.try_check_out(opening) {
        return Ok(server);
    }
    let outcome = match Waiting::join(pool, opening) {
        Ok(mut waiting) => poll_fn(|cx| waiting.poll(cx)).await,
        Err(error) => Err(error),
    };
    outcome.map_err(|error| Refusal::new(error.sqlstate(), error.message()).hint(error.hint()))
}

fn reported(server: &Server) -> Reported {
    let reported = server.about.state.reported.iter();
    Reported::new(reported.map(|(name, value)| (&**name, &**value)))
}

/// Runs `sql`; the server's refusal if it has one.
async fn set(server: &mut Server, sql: &str) -> Result<Option<Refusal>, Refusal> {
    let mut out = Vec::new();
    frontend::write_query(&mut out, sql).map_err(|error| Refusal::protocol(error.to_string()))?;
    server.stream.write_all(&out).await?;
    let mut refusal = None;
    let mut inbox = std::mem::take(&mut server.about.inbox);
    loop {
        while let Some(header) =
            frame::header(&inbox).map_err(|error| Refusal::protocol(error.to_string()))?
        {
            if inbox.len() < header.len {
                break;
            }
            let rest = inbox.split_off(header.len);
            let message = std::mem::replace(&mut inbox, rest);
            let body = &message[frame::HEADER..];
            match header.tag {
                tag::ERROR_RESPONSE => {
                    let view = backend::ErrorView::new(body);
                    let state = view.sqlstate().unwrap_or(sqlstate::INVALID_PARAMETER_VALUE);
                    let told = Refusal::new(state, view.message().into_owned());
                    refusal = Some(told.hint(view.hint().unwrap_or_default().into_owned()));
                }
                tag::PARAMETER_STATUS => {
                    if let Ok(parameter) = backend::ParameterStatus::decode(body) {
                        server
                            .about
                            .state
                            .report(parameter.name, &parameter.value_str());
                    }
                }
                tag::READY_FOR_QUERY => {
                    server.about.inbox = inbox;
                    return Ok(refusal);
                }
                _ => {}
            }
        }
        if server.stream.read_onto(&mut inbox, 2048).await? == 0 {
            return Err(Refusal::Gone(None));
        }
    }
}
