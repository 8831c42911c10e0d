//! From an [`Endpoint`] to one trusted, authenticated server connection.
//!
//! ```text
//! hosts -> addresses -> socket -> TLS -> login -> right sort of server?  -> Connection
//!   ^          ^                   |        |             |
//!   |          |                   |        +- 28P01: the credential once more
//!   |          +- next address     +- next method that sslmode allows
//!   +- next host  <----------------------------------------+
//! ```
//!
//! Of several servers, each has a moment to show that it is there; those that say nothing are tried
//! again with all the time that they may have, after the others.
//!
//! It keeps no connections: that is the pool's work.

mod version;
mod doubtful;
mod longest;
mod order;
mod report;
mod stage;
mod error;
mod meaning;
mod hint;
mod spent;
mod site;
mod channel;
mod auth;
mod dial;
mod secure;
mod line;
mod cancel;
mod connection;
mod login;
mod target;
mod attempt;
mod identity;
mod start;
mod by_line;
mod easy;
mod examine;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::credential::renewal::Status;
use crate::credential::{Credential, CredentialProvider, PassfileProvider};
use crate::endpoint::{Endpoint, Host, LoadBalanceHosts};
use crate::stream::KeepAlive;
use crate::tls::ClientTls;
pub use attempt::Login;
use attempt::{Place, Search, Wish, conclude, is_rejection, is_silence};
pub use cancel::CancelTarget;
use cancel::Way;
pub use connection::Connection;
use dial::Address;
use doubtful::Doubtful;
pub use error::ConnectError;
use identity::Identity;
pub use line::{Again, Line, Opened, Opening};
use login::Failure;
pub use report::{MOVED, ServerReport};
use secure::{Encryption, Protection};
use site::Site;
pub use stage::Stage;

/// How long one of several servers may take to answer at all before the next is tried: a first packet
/// that is lost is sent again within a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects to the servers of one endpoint.
#[derive(Debug, Clone)]
pub struct Connector {
    endpoint: Arc<Endpoint>,
    credential: Arc<dyn CredentialProvider>,
    tls: Arc<ClientTls>,
    passfile: Option<PassfileProvider>,
    keepalive: KeepAlive,
    user: String,
    doubtful: Arc<Doubtful>,
    exposes_tokens: bool,
    line: Option<Arc<dyn Line>>,
}

impl Connector {
    /// Connects to `endpoint` with what `credential` supplies; libpq's default files are looked
    /// for in the home directory.
    ///
    /// Where the provider supplies no secret, the endpoint's own password or SCRAM keys are used, and
    /// where it has none, the passfile's.
    ///
    /// # Errors
    /// [`ConnectError::Startup`] when the endpoint names no user and the operating system neither.
    pub fn new(
        endpoint: Endpoint,
        credential: Arc<dyn CredentialProvider>,
    ) -> Result<Self, ConnectError> {
        Self::with_home(endpoint, credential, std::env::home_dir().as_deref())
    }

    /// [`new`](Self::new) with libpq's default files below another directory, or without them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_home(
        endpoint: Endpoint,
        credential: Arc<dyn CredentialProvider>,
        home: Option<&Path>,
    ) -> Result<Self, ConnectError> {
        let user = match &endpoint.user {
            Some(user) => user.clone(),
            None => whoami::username().map_err(|error| ConnectError::Startup {
                problem: format!(
                    "the endpoint names no user, and this process has no name: {error}"
                ),
            })?,
        };
        let keepalives = endpoint.keepalives;
        let named = endpoint.passfile.clone();
        let passfile = named.or_else(|| home.map(|home| home.join(".pgpass")));
        Ok(Self {
            passfile: passfile.map(PassfileProvider::new),
            tls: Arc::new(ClientTls::new(endpoint.tls.clone(), home)),
            keepalive: KeepAlive {
                enabled: keepalives.enabled,
                idle: keepalives.idle,
                interval: keepalives.interval,
                count: keepalives.count,
                user_timeout: endpoint.tcp_user_timeout,
            },
            endpoint: Arc::new(endpoint),
            credential,
            user,
            doubtful: Arc::default(),
            exposes_tokens: false,
            line: None,
        })
    }

    /// Goes by `line` instead of to the endpoint's hosts: their addresses and TLS settings have no say
    /// then.
    #[must_use]
    pub fn by_line(mut self, line: Arc<dyn Line>) -> Self {
        self.line = Some(line);
        self
    }

    /// Sends tokens also where the server is not verified, or even without TLS. Only for an operator
    /// who says so: whoever is in between can use them.
    #[must_use]
    pub fn exposing_tokens(mut self, allowed: bool) -> Self {
        self.exposes_tokens = allowed;
        self
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Who supplies the credential.
    pub fn credential_source(&self) -> String {
        self.credential.name()
    }

    /// How the renewal of the credential stands, where it is renewed.
    pub fn credential_status(&self) -> Option<Status> {
        self.credential.status()
    }

    /// TLS as its connections have it, for whoever wants to look at a server's certificate.
    pub fn tls(&self) -> &ClientTls {
        &self.tls
    }

    /// Whether connections go by a [`Line`] instead of to the endpoint's hosts.
    pub fn goes_by_line(&self) -> bool {
        self.line.is_some()
    }

    /// The user that [`Login::Endpoint`] logs in as, unless the credential names another.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Connects, until `deadline` at the latest.
    ///
    /// `database` is the endpoint's when none is given. `parameters` are added to the endpoint's
    /// own startup parameters and win over them; `options` of both are joined.
    ///
    /// Cancel safe: dropping the future closes whatever was open.
    ///
    /// # Errors
    /// [`ConnectError`]; [`ConnectError::All`] when several attempts failed.
    pub async fn connect(
        &self,
        login: Login<'_>,
        database: Option<&str>,
        parameters: &[(String, String)],
        deadline: impl Into<Instant>,
    ) -> Result<Connection, ConnectError> {
        let wish = Wish {
            login: &login,
            database,
            parameters,
            deadline: deadline.into(),
        };
        if let Some(line) = &self.line {
            return self.connect_line(line, &wish).await;
        }
        let mut failures = Vec::new();
        for wanted in target::passes(self.endpoint.target_session_attrs) {
            let hosts = order::of(&self.endpoint.hosts, self.shuffles());
            let hosts = self.doubtful.last(hosts, Host::to_string, Instant::now());
            let mut silent = Vec::new();
            for (index, host) in hosts.iter().enumerate() {
                let search = Search {
                    wish: &wish,
                    wanted: *wanted,
                    hosts_left: hosts.len() - index - 1,
                    is_only: hosts.len() == 1,
                };
                // Boxed, here and below: what waits for this must not be as large as all that it does.
                let outcome = self.connect_host(host, &search, &mut failures, &mut silent);
                match Box::pin(outcome).await {
                    Some(connection) => return Ok(connection),
                    None if self.is_over(&failures, &wish) => return Err(conclude(failures)),
                    None => {}
                }
            }
            let count = silent.len();
            for (index, (host, address)) in silent.into_iter().enumerate() {
                let deadline = self.deadline(&wish, count - index - 1);
                let site = Site::new(address.describe(host), deadline);
                let place = site.place(host, &address, *wanted);
                match Box::pin(self.connect_address(&place, &wish)).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => failures.push(error),
                }
                if self.is_over(&failures, &wish) {
                    return Err(conclude(failures));
                }
            }
        }
        Err(conclude(failures))
    }

    /// Whether nobody else is to be tried.
    fn is_over(&self, failures: &[ConnectError], wish: &Wish<'_>) -> bool {
        Instant::now() >= wish.deadline
            || failures.last().is_some_and(|last| !last.lets_others_try())
    }

    fn shuffles(&self) -> bool {
        self.endpoint.load_balance_hosts == LoadBalanceHosts::Random
    }

    /// Tries the addresses of a host one after the other. Those that gave no sign of life are put
    /// aside into `silent`.
    async fn connect_host<'a>(
        &self,
        host: &'a Host,
        search: &Search<'_>,
        failures: &mut Vec<ConnectError>,
        silent: &mut Vec<(&'a Host, Address)>,
    ) -> Option<Connection> {
        let wish = search.wish;
        let deadline = self.deadline(wish, search.hosts_left);
        let site = Site::new(host.to_string(), deadline);
        let addresses = match dial::resolve(host, &site).await {
            Ok(addresses) => addresses,
            Err(error) => {
                failures.push(error);
                return None;
            }
        };
        let ordered = order::of(&addresses, self.shuffles());
        let ordered = self
            .doubtful
            .last(ordered, |address| address.describe(host), Instant::now());
        let (is_only, before) = (search.is_only && addresses.len() == 1, silent.len());
        for (index, address) in ordered.into_iter().enumerate() {
            let left = addresses.len() - index - 1 + search.hosts_left;
            let site = site.next(address.describe(host), self.deadline(wish, left));
            let mut place = site.place(host, address, search.wanted);
            if !is_only {
                place.patience = Some(PATIENCE);
            }
            match self.connect_address(&place, wish).await {
                Ok(connection) => {
                    self.doubtful.clear(&site.server);
                    return Some(connection);
                }
                Err(error) if !is_only && is_silence(&error) && Instant::now() < wish.deadline => {
                    self.doubtful.note(site.server.clone(), Instant::now());
                    silent.push((host, address.clone()));
                }
                Err(error) => {
                    failures.push(error);
                    if self.is_over(failures, wish) {
                        return None;
                    }
                }
            }
        }
        if silent.len() - before == addresses.len() {
            self.doubtful.note(host.to_string(), Instant::now());
        }
        None
    }

    /// Connects to one address; when the server rejects the credential and its provider has
    /// another by now, once more with that.
    async fn connect_address(
        &self,
        place: &Place<'_>,
        wish: &Wish<'_>,
    ) -> Result<Connection, ConnectError> {
        let (host, site) = (place.host, place.site);
        let identity = self.identify(host, wish, None, site).await?;
        let rejected = match self.open(place, wish, &identity).await {
            Err(failure) if failure.answered && is_rejection(&failure.error) => failure,
            outcome => return outcome.map_err(|failure| failure.error),
        };
        let Some(supplied) = &identity.supplied else {
            return Err(rejected.error);
        };
        let advice = supplied.advice.as_ref();
        match self.identify(host, wish, Some(supplied), site).await {
            Ok(renewed) if renewed.differs_from(supplied) => {
                tracing::info!(server = %site.server, "credential was renewed after the server rejected it");
                let again = self.open(place, wish, &renewed).await;
                let advice = renewed
                    .supplied
                    .as_ref()
                    .and_then(|now| now.advice.as_ref());
                again.map_err(|failure| failure.error.advised(advice))
            }
            // The same again would only count against the user; and why there is no other one
            // says less than why this one is bad.
            _ => Err(rejected.error.advised(advice)),
        }
    }

    async fn identify(
        &self,
        host: &Host,
        wish: &Wish<'_>,
        rejected: Option<&Credential>,
        site: &Site,
    ) -> Result<Identity, ConnectError> {
        let database = wish.database.or(self.endpoint.dbname.as_deref());
        let getting = identity::of(self, host, database, wish.login, rejected, site);
        site.within(Stage::Credential, getting).await
    }

    /// Tries the methods that `sslmode` allows.
    async fn open(
        &self,
        place: &Place<'_>,
        wish: &Wish<'_>,
        identity: &Identity,
    ) -> Result<Connection, Failure> {
        let tls = &self.endpoint.tls;
        let methods = secure::methods(tls.mode, tls.negotiation, place.host.is_socket());
        let mut failures = Vec::new();
        for (index, encryption) in methods.iter().enumerate() {
            let failure = match self.open_by(place, wish, identity, *encryption).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => failure,
            };
            let Failure { error, answered } = failure;
            let goes_on = index + 1 < methods.len()
                && secure::lets_next_method_try(tls.mode, &error, answered);
            failures.push(error);
            if !goes_on {
                let error = conclude(failures);
                return Err(Failure { error, answered });
            }
        }
        let error = conclude(failures);
        let answered = false;
        Err(Failure { error, answered })
    }

    async fn open_by(
        &self,
        place: &Place<'_>,
        wish: &Wish<'_>,
        identity: &Identity,
        encryption: Encryption,
    ) -> Result<Connection, Failure> {
        let unanswered = |error| Failure {
            error,
            answered: false,
        };
        let (site, mode) = (place.site, self.endpoint.tls.mode);
        let mut stream = dial::dial(place.address, &self.keepalive, site, place.patience)
            .await
            .map_err(unanswered)?;
        if let Some(wanted) = &self.endpoint.requirepeer {
            dial::check_peer(&stream, wanted, site).map_err(unanswered)?;
        }
        let protection = secure::secure(&mut stream, encryption, mode, &self.tls, place.host, site)
            .await
            .map_err(unanswered)?;
        if !self.exposes_tokens {
            identity
                .may_go_out(protection, mode, site)
                .map_err(unanswered)?;
        }
        let session = self
            .start(&mut stream, place.wanted, wish, identity, site)
            .await?;
        let encryption = match stream.tls() {
            Some(_) => encryption,
            None => Encryption::Plain,
        };
        let way = Way::Direct {
            host: place.host.clone(),
            address: place.address.clone(),
            encryption,
            mode,
            tls: self.tls.clone(),
        };
        let connection = self.connection(way, stream, session, identity, wish, site);
        Ok(Connection {
            is_verified: protection == Protection::Verified,
            ..connection
        })
    }

    /// Each address has `connect_timeout`, and none more than is left until the caller's deadline.
    /// Without a timeout of its own it has its share of that, so that the first of several
    /// addresses cannot use up the time of all others.
    fn deadline(&self, wish: &Wish<'_>, others: usize) -> Instant {
        let now = Instant::now();
        let remaining = wish.deadline.saturating_duration_since(now);
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let share = remaining / others.saturating_add(1);
        let own = self.endpoint.connect_timeout.unwrap_or(share);
        now + own.min(remaining)
    }
}
