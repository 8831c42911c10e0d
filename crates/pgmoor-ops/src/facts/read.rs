//! Reads all groups of facts: what is independent at once, the rest through one session.

use std::sync::Arc;

use pgmoor::connector::Connector;
use tokio::time::Instant;

use super::login::{LoggedIn, Login};
use super::reading::{Reading, Unread};
use super::subject::Subject;
use super::{
    Facts, Wanted, capacity, extensions, latency, moving, network, plain, pooler, rights, server,
    tls,
};
use crate::error::Error;
use crate::session::Session;

/// The name in `pg_stat_activity`.
const APPLICATION: &str = "pgmoor check";

pub(super) async fn facts(subject: &Subject, wanted: &Wanted<'_>) -> Facts {
    let mut facts = Facts {
        configuration: subject.configuration.clone(),
        network: Err(Unread::NoGround),
        tls: Err(Unread::NoGround),
        plain: Err(Unread::NoGround),
        login: Err(Unread::NoGround),
        pooler: Err(Unread::NoGround),
        latency: Err(Unread::NoGround),
        server: Err(Unread::NoGround),
        rights: Err(Unread::NoGround),
        extensions: Err(Unread::NoGround),
        capacity: Err(Unread::NoGround),
        moving: Err(Unread::NoGround),
    };
    let Some(connector) = &subject.connector else {
        return facts;
    };
    let session;
    (facts.network, facts.tls, (facts.login, session)) = tokio::join!(
        of_network(connector, wanted),
        of_tls(connector, wanted),
        of_login(connector, subject, wanted),
    );
    // After the login: a server that is full but for one connection has that for it.
    if is_postgres_by_tls(&facts) {
        let database = subject.database.as_deref();
        facts.plain = plain::read(connector, database, wanted.limit).await;
    }
    if let Some(session) = session {
        through(&session, subject, connector, &mut facts, wanted).await;
        session.close().await;
    }
    facts
}

/// Whether there is a server to ask what it does without TLS, and it has TLS.
fn is_postgres_by_tls(facts: &Facts) -> bool {
    let telling = facts.tls.as_ref().ok().and_then(tls::Tls::telling);
    telling.is_some_and(|host| !host.chain.is_empty())
}

async fn of_network(connector: &Connector, wanted: &Wanted<'_>) -> Reading<network::Network> {
    by_hosts(connector)?;
    Ok(network::read(connector.endpoint(), wanted.limit).await)
}

async fn of_tls(connector: &Connector, wanted: &Wanted<'_>) -> Reading<tls::Tls> {
    by_hosts(connector)?;
    tls::read(connector, wanted.limit).await
}

fn by_hosts(connector: &Connector) -> Result<(), Unread> {
    if connector.goes_by_line() {
        let reason = "the connection goes by Cloud SQL's connector, which sees to that itself";
        return Err(Unread::NotApplicable(reason.to_owned()));
    }
    Ok(())
}

async fn of_login(
    connector: &Connector,
    subject: &Subject,
    wanted: &Wanted<'_>,
) -> (Reading<Login>, Option<Session>) {
    let started = Instant::now();
    let limit = connector.endpoint().connect_timeout;
    let deadline = started + limit.map_or(wanted.limit, |own| own.min(wanted.limit));
    let parameters = [("application_name".to_owned(), APPLICATION.to_owned())];
    let database = subject.database.as_deref();
    let opening = Session::open(connector, &subject.name, database, &parameters, deadline);
    let opened = opening.await;
    let login = |outcome| Login {
        user: connector.user().to_owned(),
        outcome,
        took: started.elapsed(),
    };
    match opened {
        Ok(session) => (Ok(login(Ok(LoggedIn::of(&session)))), Some(session)),
        Err(Error::Connect { source, .. }) => (Ok(login(Err(Arc::new(source)))), None),
        Err(error) => (Err(Unread::failed(&error)), None),
    }
}

/// Reads what takes a session, group by group.
async fn through(
    session: &Session,
    subject: &Subject,
    connector: &Connector,
    facts: &mut Facts,
    wanted: &Wanted<'_>,
) {
    let limit = wanted.limit;
    let database = subject.database.as_deref();
    facts.pooler = pooler::read(connector, database, session, limit)
        .await
        .map_err(|error| Unread::failed(&error));
    facts.latency = match wanted.latency {
        true => latency::read(session, limit)
            .await
            .map_err(|error| Unread::failed(&error)),
        false => Err(Unread::NotApplicable("nobody asked for it".to_owned())),
    };
    let requirement = wanted.requirement;
    facts.server = read(server::read(session, limit)).await;
    let rights = rights::read(session, &requirement.schema, &requirement.databases, limit);
    facts.rights = read(rights).await;
    facts.extensions = read(extensions::read(session, limit)).await;
    facts.capacity = read(capacity::read(session, limit)).await;
    facts.moving = match wanted.moving {
        true => read(moving::read(session, limit)).await,
        false => Err(Unread::NotApplicable(
            "not asked for; add --for move".to_owned(),
        )),
    };
}

async fn read<T>(reading: impl Future<Output = Result<T, Error>>) -> Reading<T> {
    reading.await.map_err(|error| Unread::failed(&error))
}
