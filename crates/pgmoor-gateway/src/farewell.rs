//! The last word: what a client is told when it is turned away or its session ends, and what the
//! log and the statistics say of it.

use std::time::Duration;

use pgmoor_wire::backend::{self, ErrorFields};
use pgmoor_wire::sqlstate;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::clients::{Client, Order};
use crate::counters::Stage;
use crate::login::{Refusal, Talk};
use crate::relay::Broken;
use crate::session::{End, Session};
use crate::worker::Worker;

/// How long a last word may take to be sent.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

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
pub(crate) fn stage_of_end(end: &End) -> Option<(Stage, String)> {
    let (stage, state) = match end {
        End::Terminated | End::ClientGone(None) | End::Ordered(Order::Leave | Order::Kill) => {
            return None;
        }
        End::ClientGone(Some(_)) => (Stage::Client, sqlstate::CONNECTION_FAILURE),
        End::Violation(_) => (Stage::Protocol, sqlstate::PROTOCOL_VIOLATION),
        End::Checkout(error) => (Stage::Checkout, error.sqlstate()),
        End::ServerGone { .. } => (Stage::Server, sqlstate::CONNECTION_FAILURE),
        End::ServerBroken(_) => (Stage::Server, sqlstate::PROTOCOL_VIOLATION),
        End::Ordered(Order::QueryTimeout) => (Stage::Server, sqlstate::QUERY_CANCELED),
        End::Ordered(Order::IdleTimeout) => (Stage::Client, sqlstate::IDLE_SESSION_TIMEOUT),
        End::Ordered(Order::IdleInTransaction) => {
            (Stage::Client, sqlstate::IDLE_IN_TRANSACTION_SESSION_TIMEOUT)
        }
    };
    Some((stage, state.class().to_owned()))
}

/// Tells a client why it is not let in.
pub(crate) async fn turn_away(
    worker: &Worker,
    talk: Option<Talk>,
    refusal: &Refusal,
    peer: &str,
    user: &str,
) {
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
        End::Ordered(Order::QueryTimeout) => ErrorFields::fatal(
            sqlstate::QUERY_CANCELED,
            "canceling statement due to pool.query_timeout",
        )
        .detail(
            "the server did not react within pool.cancel_timeout: the statement may still be done",
        )
        .hint("look at the server, then connect again"),
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

pub(crate) async fn farewell(session: &mut Session, end: &End, client: &Client) {
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
    } else if !matches!(end, End::Terminated) {
        // Who said goodbye does not wait for ours.
        session.stream().shutdown_now();
    }
}
