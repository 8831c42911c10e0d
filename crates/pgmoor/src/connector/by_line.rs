//! Connecting by a [`Line`] instead of to hosts and ports.

use std::sync::Arc;

use super::Connector;
use super::attempt::{Wish, conclude, is_rejection};
use super::auth::Proof;
use super::cancel::Way;
use super::connection::Connection;
use super::error::ConnectError;
use super::identity::Identity;
use super::line::{Again, Line, Opened};
use super::login::Failure;
use super::site::Site;
use super::target::{self, Wanted};
use crate::endpoint::Host;

impl Connector {
    /// Connects by `line`; what it showed, or the credential, is replaced once when it is refused.
    pub(super) async fn connect_line(
        &self,
        line: &Arc<dyn Line>,
        wish: &Wish<'_>,
    ) -> Result<Connection, ConnectError> {
        let site = Site::new(line.name(), self.deadline(wish, 0));
        let host = self
            .endpoint
            .hosts
            .first()
            .cloned()
            .unwrap_or_else(|| Host::tcp("", 0));
        let mut failures = Vec::new();
        for wanted in target::passes(self.endpoint.target_session_attrs) {
            match self.try_line(line, *wanted, &host, wish, &site).await {
                Ok(connection) => return Ok(connection),
                Err(error @ ConnectError::WrongServer { .. }) => failures.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(conclude(failures))
    }

    async fn try_line(
        &self,
        line: &Arc<dyn Line>,
        wanted: Wanted,
        host: &Host,
        wish: &Wish<'_>,
        site: &Site,
    ) -> Result<Connection, ConnectError> {
        let identity = self.identify(host, wish, None, site).await?;
        let opened = line.open(site.deadline).await?;
        let run = self.run_line(line, opened, wanted, wish, &identity, site);
        let first = match run.await {
            Ok(connection) => return Ok(connection),
            Err(first) => first,
        };
        // Why there is nothing better to show says less than why this was refused.
        let (opened, identity) = match (first.again, &identity.supplied) {
            // The line's own proof, or TLS that only now tells what it thinks of the certificate.
            (Some(again), _) => match again.await {
                None | Some(Err(ConnectError::Unprepared { .. })) => return Err(first.error),
                Some(opened) => (opened?, identity),
            },
            (None, Some(supplied)) if is_rejection(&first.error) => {
                match self.identify(host, wish, Some(supplied), site).await {
                    Ok(renewed) if renewed.differs_from(supplied) => {
                        (line.open(site.deadline).await?, renewed)
                    }
                    _ => return Err(first.error),
                }
            }
            (None, _) => return Err(first.error),
        };
        tracing::info!(server = %site.server, "what was shown is renewed after the server refused it");
        let run = self.run_line(line, opened, wanted, wish, &identity, site);
        run.await.map_err(|again| again.error)
    }

    async fn run_line(
        &self,
        line: &Arc<dyn Line>,
        opened: Opened,
        wanted: Wanted,
        wish: &Wish<'_>,
        identity: &Identity,
        site: &Site,
    ) -> Result<Connection, Refused> {
        let Opened {
            mut stream,
            server,
            took,
            again,
        } = opened;
        let site = site.at(server);
        for (stage, time) in took {
            site.spent.add(stage, time);
        }
        match self.start(&mut stream, wanted, wish, identity, &site).await {
            Ok(session) => {
                let way = Way::Line(line.clone());
                Ok(self.connection(way, stream, session, identity, wish, &site))
            }
            Err(Failure { error, .. }) => {
                let again = match &error {
                    ConnectError::TlsHandshake { .. } => Some(again(false, site.deadline)),
                    _ if is_rejection(&error) && matches!(identity.proof, Proof::Nothing) => {
                        Some(again(true, site.deadline))
                    }
                    _ => None,
                };
                Err(Refused { error, again })
            }
        }
    }
}

/// An attempt that failed, and the line's next one where it has something new to show.
struct Refused {
    error: ConnectError,
    again: Option<Again>,
}
