//! Reads all groups of facts: what is independent at once, the rest through one session.

use std::sync::Arc;

use pgmoor::connector::Connector;
use tokio::time::Instant;

use super::login::{LoggedIn, Login};
use super::reading::{APPLICATION, Reading, Unread};
use super::subject::Subject;
use super::{
    Facts, Group, Wanted, capacity, extensions, latency, moving, network, plain, pooler, rights,
    server, target, tls,
};
use crate::error::Error;
use crate::session::Session;

pub(super) async fn facts(subject: &Subject, wanted: &Wanted<'_>) -> Facts {
    let mut facts = nothing(subject, Unread::NoGround);
    let Some(connector) = &subject.connector else {
        return facts;
    };
    let groups = &wanted.groups;
    if groups.is_empty() {
        return nothing(subject, not_asked());
    }
    if !groups.has(Group::Login) {
        facts = nothing(subject, not_asked());
        facts.network = of_network(connector, wanted).await;
        return facts;
    }
    let (session, target);
    (facts.network, facts.tls, (facts.login, session), target) = tokio::join!(
        of_network(connector, wanted),
        of_tls(connector, wanted),
        of_login(connector, subject, wanted),
        of_target(subject, wanted),
    );
    facts.target = target;
    // After the login: a server that is full but for one connection has that for it.
    if !groups.has(Group::Plain) {
        facts.plain = Err(not_asked());
    } else if is_postgres_by_tls(&facts) {
        let database = subject.database.as_deref();
        facts.plain = plain::read(connector, database, wanted.limit).await;
    } else if session.is_some() {
        let reason = "the server has no TLS, see PGM-TLS-003";
        facts.plain = Err(Unread::NotApplicable(reason.to_owned()));
    }
    if let Some(session) = session {
        through(&session, subject, connector, &mut facts, wanted).await;
        session.close().await;
    }
    facts
}

/// Nothing but how it is configured.
fn nothing(subject: &Subject, why: Unread) -> Facts {
    Facts {
        configuration: subject.configuration.clone(),
        network: Err(why.clone()),
        tls: Err(why.clone()),
        plain: Err(why.clone()),
        login: Err(why.clone()),
        pooler: Err(why.clone()),
        latency: Err(why.clone()),
        server: Err(why.clone()),
        rights: Err(why.clone()),
        extensions: Err(why.clone()),
        capacity: Err(why.clone()),
        moving: Err(why.clone()),
        target: Err(why),
    }
}

fn not_asked() -> Unread {
    Unread::NotApplicable("nobody asked for it".to_owned())
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
    let (limit, groups) = (wanted.limit, &wanted.groups);
    let requirement = wanted.requirement;
    facts.pooler = Err(not_asked());
    if groups.has(Group::Pooler) {
        let database = subject.database.as_deref();
        facts.pooler = read(pooler::read(connector, database, session, limit)).await;
    }
    facts.latency = Err(not_asked());
    if groups.has(Group::Latency) {
        facts.latency = read(latency::read(session, limit)).await;
    }
    facts.server = Err(not_asked());
    if groups.has(Group::Server) {
        facts.server = read(server::read(session, limit)).await;
    }
    facts.rights = Err(not_asked());
    if groups.has(Group::Rights) {
        let (schema, databases) = (&requirement.schema, &requirement.databases);
        facts.rights = read(rights::read(session, schema, databases, limit)).await;
    }
    facts.extensions = Err(not_asked());
    if groups.has(Group::Extensions) {
        facts.extensions = read(extensions::read(session, limit)).await;
    }
    facts.capacity = Err(not_asked());
    if groups.has(Group::Capacity) {
        facts.capacity = read(capacity::read(session, limit)).await;
    }
    facts.moving = match groups.has(Group::Moving) {
        true => read(moving::read(session, limit)).await,
        false => Err(Unread::NotApplicable(
            "not asked for; add --for move".to_owned(),
        )),
    };
}

/// What a move would meet, where somebody says where it would go.
async fn of_target(subject: &Subject, wanted: &Wanted<'_>) -> Reading<target::Target> {
    let not = |why: &str| Err(Unread::NotApplicable(why.to_owned()));
    if !wanted.groups.has(Group::Target) {
        return not("not asked for; add --for move --to");
    }
    match &subject.target {
        Some(destination) => target::read(destination, wanted).await,
        None => not("no target is named; add --to"),
    }
}

async fn read<T>(reading: impl Future<Output = Result<T, Error>>) -> Reading<T> {
    reading.await.map_err(|error| Unread::failed(&error))
}
