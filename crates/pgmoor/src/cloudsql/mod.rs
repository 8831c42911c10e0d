//! Cloud SQL's connector: a way to an instance by its name, with TLS that both sides prove themselves by.
//!
//! ```text
//! name ─▶ instance ─▶ SQL Admin API: address, authority, certificate ─▶ TLS 1.3 on port 3307 ─▶ PostgreSQL
//! ```
//!
//! It knows nothing of PostgreSQL's messages: [`Connector`](crate::connector::Connector) logs in on the
//! stream it opens.

mod name;
mod schedule;

mod key;
mod settings;

mod api;

mod values;

mod cache;

mod dns;

mod destination;

mod iam;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::connector::{Again, ConnectError, Line, Opened, Opening, Stage};
use crate::credential::google::GoogleIdentity;
use crate::credential::{CredentialError, CredentialProvider};
use crate::endpoint::{Endpoint, Host};
use crate::stream::{KeepAlive, Stream};
pub use cache::Refresh;
use destination::{Destination, Known};
use dns::Dns;
use iam::IamLogin;
use name::Reference;
pub use name::{BadInstanceName, InstanceName};
pub use settings::IpType;
use values::{Issuer, Values};

/// Where instances listen for connectors.
pub const PORT: u16 = 3307;
/// Silence before TCP asks whether the instance is still there, as Google's connectors have it.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// After so many questions without an answer it is not.
const KEEPALIVE_COUNT: u32 = 4;

/// How an instance is connected to.
#[derive(Debug, Clone)]
pub struct CloudSqlOptions {
    /// `project:region:instance`, or a name in DNS that leads to it.
    pub instance: String,
    /// Which of its addresses is taken.
    pub ip_type: IpType,
    /// Its port.
    pub port: u16,
    /// Whether its server lets in who the certificate names, without a password.
    pub iam: bool,
    /// When what a connection needs is renewed.
    pub refresh: Refresh,
    /// How often a name in DNS is looked up again; never when it is zero.
    pub dns_check: Duration,
    /// Which server is asked for names; those of `/etc/resolv.conf` when none is given.
    pub dns_server: Option<SocketAddr>,
    /// Where the SQL Admin API is; that of the identity's universe when none is given.
    pub api_endpoint: Option<String>,
}

impl CloudSqlOptions {
    /// As Google's connectors do when nothing is said, but with automatic IAM login.
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            ip_type: IpType::default(),
            port: PORT,
            iam: true,
            refresh: Refresh::default(),
            dns_check: Duration::from_secs(30),
            dns_server: None,
            api_endpoint: None,
        }
    }
}

/// The way to an instance of Cloud SQL. A clone is the same.
#[derive(Clone)]
pub struct CloudSql {
    destination: Destination,
    ip_type: IpType,
    port: u16,
}

impl fmt::Debug for CloudSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloudSql").field(&self.destination).finish()
    }
}

impl CloudSql {
    /// The way to an instance, for an identity. Nothing is asked of anybody yet.
    ///
    /// # Errors
    /// The options name no instance.
    pub fn new(
        options: CloudSqlOptions,
        identity: GoogleIdentity,
    ) -> Result<Self, BadInstanceName> {
        let reference: Reference = options.instance.parse()?;
        let issuer = Arc::new(Issuer::new(identity, options.api_endpoint, options.iam));
        let dns = Dns::new(options.dns_server);
        Ok(Self {
            destination: Destination::new(
                reference,
                issuer,
                dns,
                options.refresh,
                options.dns_check,
            ),
            ip_type: options.ip_type,
            port: options.port,
        })
    }

    /// An endpoint that stands for the instance, to be completed with user and database.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(Host::tcp(
            self.destination.reference().to_string(),
            self.port,
        ))
    }

    /// What to log in with where certificates carry who we are: nothing, and the user by Cloud SQL's
    /// rules. `None` where the server asks for a password.
    pub fn iam_login(&self) -> Option<Arc<dyn CredentialProvider>> {
        let iam = self.destination.issuer().login().is_some();
        iam.then(|| {
            Arc::new(IamLogin::new(self.destination.clone())) as Arc<dyn CredentialProvider>
        })
    }

    async fn open_for(&self, attempt: &Attempt) -> Result<Opened, ConnectError> {
        let (name, deadline) = (&attempt.name, attempt.deadline);
        let prepared = async {
            let known = self.destination.known().await?;
            let values = known.cache.get(deadline).await?;
            Ok::<_, CredentialError>((known, values))
        };
        let prepared = timeout_at(deadline, prepared).await;
        let (known, values) = match prepared {
            Ok(prepared) => prepared.map_err(|source| unprepared(name, source))?,
            Err(_) => return Err(attempt.timed_out(name, Stage::Credential)),
        };
        let ticket = Ticket { known, values };
        let first = match self.open_with(ticket.clone(), attempt).await {
            Err(error @ ConnectError::TlsHandshake { .. }) => error,
            outcome => return outcome,
        };
        // The instance may have another authority by now.
        match ticket.another(false, deadline).await {
            Some(ticket) => self.open_with(ticket, attempt).await,
            None => Err(first),
        }
    }

    async fn open_with(&self, ticket: Ticket, attempt: &Attempt) -> Result<Opened, ConnectError> {
        let Ticket { known, values } = &ticket;
        let mut took = vec![(Stage::Credential, attempt.started.elapsed())];
        let begun = Instant::now();
        let dialled = self.dial(known, values, attempt).await;
        let (mut stream, server) = dialled.inspect_err(|_| known.cache.renew(values))?;
        took.push((Stage::Tcp, begun.elapsed()));
        let begun = Instant::now();
        self.secure(&mut stream, &server, values, attempt).await?;
        let registered = self.destination.register(&mut stream, known);
        registered.map_err(|source| ConnectError::Lost {
            server: server.clone(),
            stage: Stage::Tls,
            source: Arc::new(source),
        })?;
        took.push((Stage::Tls, begun.elapsed()));
        let this = self.clone();
        Ok(Opened {
            stream,
            server,
            took,
            again: Box::new(move |by_login, deadline| {
                this.clone().open_again(ticket.clone(), by_login, deadline)
            }),
        })
    }

    /// Opens a stream with something else than what was refused.
    fn open_again(self, refused: Ticket, by_login: bool, deadline: Instant) -> Again {
        Box::pin(async move {
            let ticket = refused.another(by_login, deadline).await?;
            Some(self.open_with(ticket, &self.attempt(deadline)).await)
        })
    }

    fn attempt(&self, deadline: Instant) -> Attempt {
        Attempt {
            name: Line::name(self),
            started: Instant::now(),
            deadline,
        }
    }

    async fn dial(
        &self,
        known: &Known,
        values: &Values,
        attempt: &Attempt,
    ) -> Result<(Stream, String), ConnectError> {
        let name = &attempt.name;
        let addresses = match known.addresses[..] {
            [] => self.addresses(values, attempt).await?,
            ref own => own
                .iter()
                .map(|ip| SocketAddr::new(*ip, self.port))
                .collect(),
        };
        let mut failure = None;
        for (index, address) in addresses.iter().enumerate() {
            let server = format!("{name} ({address})");
            let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let left = attempt.deadline.saturating_duration_since(Instant::now());
            let until = Instant::now() + left / others;
            let connecting = async {
                let stream = Stream::tcp(TcpStream::connect(address).await?)?;
                stream.set_keepalive(&KeepAlive {
                    enabled: true,
                    idle: Some(KEEPALIVE),
                    interval: Some(KEEPALIVE),
                    count: Some(KEEPALIVE_COUNT),
                    user_timeout: None,
                })?;
                Ok(stream)
            };
            match timeout_at(until, connecting).await {
                Ok(Ok(stream)) => return Ok((stream, server)),
                Ok(Err(source)) => {
                    let source: Arc<io::Error> = Arc::new(source);
                    failure = Some(ConnectError::Connect { server, source });
                }
                Err(_) => failure = Some(attempt.timed_out(&server, Stage::Tcp)),
            }
        }
        let nothing = || ConnectError::Resolve {
            host: name.to_owned(),
            source: Arc::new(io::Error::new(io::ErrorKind::NotFound, "it has no address")),
        };
        Err(failure.unwrap_or_else(nothing))
    }

    /// What the instance's settings say, resolved where that is a name.
    async fn addresses(
        &self,
        values: &Values,
        attempt: &Attempt,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let name = &attempt.name;
        let host = values.settings.address(self.ip_type);
        let host = host.map_err(|source| unprepared(name, source.into()))?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let looking =
            timeout_at(attempt.deadline, tokio::net::lookup_host((host, self.port))).await;
        match looking {
            Err(_) => Err(attempt.timed_out(name, Stage::Dns)),
            Ok(Ok(found)) => Ok(found.collect()),
            Ok(Err(source)) => Err(ConnectError::Resolve {
                host: host.to_owned(),
                source: Arc::new(source),
            }),
        }
    }

    async fn secure(
        &self,
        stream: &mut Stream,
        server: &str,
        values: &Values,
        attempt: &Attempt,
    ) -> Result<(), ConnectError> {
        let failed = |source: io::Error| ConnectError::TlsHandshake {
            server: server.to_owned(),
            source: Arc::new(source),
        };
        let own_name = self.destination.own_name();
        let config = values
            .tls(own_name)
            .map_err(|error| failed(io::Error::other(error)))?;
        let greeted = values.dns_name(own_name).map(str::to_owned);
        let greeted = greeted.and_then(|name| ServerName::try_from(name).ok());
        let unnamed = || ServerName::from(IpAddr::from([0, 0, 0, 0]));
        let shaking = stream.connect_tls(Arc::new(config), greeted.unwrap_or_else(unnamed));
        match timeout_at(attempt.deadline, shaking).await {
            Ok(shaken) => shaken.map_err(failed),
            Err(_) => Err(attempt.timed_out(server, Stage::Tls)),
        }
    }
}

impl Line for CloudSql {
    fn name(&self) -> String {
        self.destination.reference().to_string()
    }

    fn open(&self, deadline: Instant) -> Opening<'_> {
        Box::pin(async move { self.open_for(&self.attempt(deadline)).await })
    }
}

/// One attempt to open a connection.
struct Attempt {
    name: String,
    started: Instant,
    deadline: Instant,
}

impl Attempt {
    fn timed_out(&self, server: &str, stage: Stage) -> ConnectError {
        ConnectError::Timeout {
            server: server.to_owned(),
            stage,
            waited: self.started.elapsed(),
        }
    }
}

/// What a connection is opened with.
#[derive(Clone)]
struct Ticket {
    known: Known,
    values: Arc<Values>,
}

impl Ticket {
    /// This one was refused, by TLS or by the server, whose login it stands for: another, if there is one.
    async fn another(&self, by_login: bool, deadline: Instant) -> Option<Self> {
        let getting = self.known.cache.another(&self.values, by_login);
        let values = timeout_at(deadline, getting).await.ok()??;
        let known = self.known.clone();
        Some(Self { known, values })
    }
}

fn unprepared(name: &str, source: CredentialError) -> ConnectError {
    ConnectError::Unprepared {
        server: name.to_owned(),
        source,
    }
}
