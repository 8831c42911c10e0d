//! From an open stream to a connection that its opener can use.

use super::attempt::Wish;
use super::auth::Policy;
use super::cancel::{CancelTarget, Way};
use super::connection::Connection;
use super::error::ConnectError;
use super::identity::Identity;
use super::login::{self, Failure, Request, Session};
use super::site::Site;
use super::target::{self, Wanted};
use super::{Connector, order, version};
use crate::endpoint::ProtocolVersion;
use crate::stream::Stream;

impl Connector {
    /// Logs in on an open stream, and sees to it that the server is of the wanted sort.
    pub(super) async fn start(
        &self,
        stream: &mut Stream,
        wanted: Wanted,
        wish: &Wish<'_>,
        identity: &Identity,
        site: &Site,
    ) -> Result<Session, Failure> {
        let own = self.endpoint.startup();
        let database = self.database(wish, identity);
        let parameters = order::merge(&identity.user, database, &own, wish.parameters);
        let request = Request {
            user: &identity.user,
            proof: &identity.proof,
            policy: Policy {
                require: &self.endpoint.require_auth,
                binding: self.endpoint.channel_binding,
            },
            parameters: parameters
                .iter()
                .map(|(name, value)| (*name, value.as_ref()))
                .collect(),
            min_version: self
                .endpoint
                .min_protocol_version
                .unwrap_or(ProtocolVersion::V3_0),
            max_version: self.max_version(),
        };
        let mut session = login::log_in(stream, site, &request).await?;
        let setting = self.endpoint.target_session_attrs;
        let user = &identity.user;
        target::check(stream, &mut session, wanted, setting, user, site)
            .await
            .map_err(|error| Failure {
                error,
                answered: true,
            })?;
        if let Some(version) = session.too_old() {
            return Err(Failure {
                error: ConnectError::TooOld {
                    server: site.server.clone(),
                    version,
                },
                answered: true,
            });
        }
        Ok(session)
    }

    /// 3.2 only where it is asked for: servers and poolers exist that close on it.
    fn max_version(&self) -> ProtocolVersion {
        let least = self
            .endpoint
            .min_protocol_version
            .unwrap_or(ProtocolVersion::V3_0);
        self.endpoint.max_protocol_version.unwrap_or(least)
    }

    fn database<'a>(&'a self, wish: &Wish<'a>, identity: &'a Identity) -> &'a str {
        let configured = self.endpoint.dbname.as_deref();
        wish.database.or(configured).unwrap_or(&identity.user)
    }

    pub(super) fn connection(
        &self,
        way: Way,
        stream: Stream,
        session: Session,
        identity: &Identity,
        wish: &Wish<'_>,
        site: &Site,
    ) -> Connection {
        let supplied = identity.supplied.as_ref();
        let retired = supplied.and_then(|credential| credential.retired.clone());
        let is_verified = matches!(way, Way::Line(_));
        let server_version = session.version().map_or(0, version::number);
        Connection {
            cancel: CancelTarget {
                way,
                key: session.key.clone(),
            },
            stream,
            parameters: session.parameters,
            key: session.key,
            leftover: session.leftover,
            server_version,
            protocol_minor: session.protocol_minor,
            method: session.method,
            user: identity.user.clone(),
            database: self.database(wish, identity).to_owned(),
            server: site.server.clone(),
            retired,
            is_verified,
            took: site.spent.all(),
        }
    }
}
