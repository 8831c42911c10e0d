//! Connecting by a [`Line`] instead of to hosts and ports.

use std::sync::Arc;

use super::Connector;
use super::attempt::{Wish, conclude, is_rejection};
use super::auth::Proof;
use super::cancel::Way;
use super::connection::Connection;
use super::error::ConnectError;
use super::identity::Identity;
use super::line::{Line, Opened};
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
        let identity = self.identify(host, wish, site).await?;
        let first = match self.run_line(line, wanted, wish, &identity, site).await {
            Ok(connection) => return Ok(connection),
            Err(first) => first,
        };
        let identity = match &identity.supplied {
            // The line's own proof, or TLS that only now tells what it thinks of the certificate.
            _ if first.is_new => identity,
            Some(supplied) if is_rejection(&first.error) => {
                self.credential.invalidate(supplied);
                match self.identify(host, wish, site).await {
                    Ok(renewed) if renewed.differs_from(supplied) => renewed,
                    // Why there is no other one says less than why this one is bad.
                    _ => return Err(first.error),
                }
            }
            _ => return Err(first.error),
        };
        tracing::info!(server = %site.server, "what was shown is renewed after the server refused it");
        match self.run_line(line, wanted, wish, &identity, site).await {
            Ok(connection) => Ok(connection),
            // Not having anything better says less than why this was bad.
            Err(again) if matches!(again.error, ConnectError::Unprepared { .. }) => {
                Err(first.error)
            }
            Err(again) => Err(again.error),
        }
    }

    async fn run_line(
        &self,
        line: &Arc<dyn Line>,
        wanted: Wanted,
        wish: &Wish<'_>,
        identity: &Identity,
        site: &Site,
    ) -> Result<Connection, Refused> {
        let opened = line.open(site.deadline).await;
        let Opened {
            mut stream,
            server,
            took,
            refused,
        } = opened.map_err(|error| Refused {
            is_new: matches!(error, ConnectError::TlsHandshake { .. }),
            error,
        })?;
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
                let is_new = match &error {
                    ConnectError::TlsHandshake { .. } => refused(false),
                    _ if is_rejection(&error) && matches!(identity.proof, Proof::Nothing) => {
                        refused(true)
                    }
                    _ => false,
                };
                Err(Refused { error, is_new })
            }
        }
    }
}

/// An attempt that failed; `is_new` when the line has something new to show.
struct Refused {
    error: ConnectError,
    is_new: bool,
}
