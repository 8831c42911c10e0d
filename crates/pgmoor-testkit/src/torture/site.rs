//! A server of its own, the gateway's own binary before it, and lines between them that can break.
//!
//! Clients come by TCP, by TLS and by Unix socket. Certificates are of two authorities, of which
//! clients trust both, so that one can follow the other.

use std::path::Path;

use super::client::PoolMode;
use super::link::Door;
use crate::ca::{Ca, Certificate};
use crate::fault::FaultProxy;
use crate::mount::Mount;
use crate::pgmoor::Pgmoor;
use crate::postgres::{Postgres, client_program};
use crate::tls::client_config_trusting;

/// A database with a pool of its own, for those who are not to wait among the clients.
pub(super) const ATTACKED: &str = "attacked";

/// Which of the lines between client, gateway and server can be broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Clients reach the gateway through a relay.
    pub clients: bool,
    /// The gateway reaches the server through a relay.
    pub server: bool,
    /// The gateway and the server show each other certificates, and the gateway has its password
    /// from a file.
    pub server_tls: bool,
}

/// How a site is to be made.
#[derive(Clone, Debug)]
pub struct SitePlan<'a> {
    /// The gateway's program.
    pub binary: &'a Path,
    /// The mode of its pool.
    pub mode: PoolMode,
    /// The size of its pool.
    pub size: u32,
    /// Lines that can be broken.
    pub lines: Lines,
}

/// What a fault can lay hands on.
pub struct Site {
    /// The server.
    pub postgres: Postgres,
    /// The gateway.
    pub pgmoor: Pgmoor,
    /// Between clients and gateway.
    pub client_line: Option<FaultProxy>,
    /// Between gateway and server.
    pub server_line: Option<FaultProxy>,
    /// What the gateway has in files; with TLS towards the server, [`PASSWORD`] and others.
    pub(super) files: Mount,
    /// Who signs.
    pub(super) authorities: [Ca; 2],
}

/// The files of what the gateway shows to clients.
pub(super) fn gate_certificate(certificate: &Certificate) -> [(&'static str, &str); 2] {
    [
        ("tls.crt", certificate.chain_pem()),
        ("tls.key", certificate.key_pem()),
    ]
}

/// The files of what the gateway shows to the server.
pub(super) fn client_certificate(certificate: &Certificate) -> [(&'static str, &str); 2] {
    [
        ("client.crt", certificate.chain_pem()),
        ("client.key", certificate.key_pem()),
    ]
}

/// The file of the authorities that the gateway trusts.
pub(super) const ROOT: &str = "root.crt";
/// The file of the password that the gateway shows to the server.
pub(super) const PASSWORD: &str = "password";

impl Site {
    /// Starts all of it.
    pub async fn start(plan: &SitePlan<'_>) -> Site {
        let authorities = ["one", "other"].map(Ca::new);
        let files = Mount::new(&gate_certificate(&authorities[0].server()));
        let postgres = match plan.lines.server_tls {
            true => start_with_tls(&authorities[0], &files).await,
            false => Postgres::start().await,
        };
        let server_line = match plan.lines.server {
            true => Some(FaultProxy::tcp(crate::Address::local(postgres.port())).await),
            false => None,
        };
        let port = match &server_line {
            Some(line) => line.port(),
            None => postgres.port(),
        };
        let endpoint = match plan.lines.server_tls {
            true => endpoint_with_tls(port, &files),
            false => {
                let password = postgres.app_password();
                format!("{{ url: \"postgres://app:{password}@127.0.0.1:{port}/app\" }}")
            }
        };
        let psql = client_program("psql");
        let programs = psql.parent().unwrap_or(Path::new("/")).display();
        let (mode, size) = (plan.mode.name(), plan.size);
        // So few that statements are taken off server connections all the time.
        let statements = 5;
        let path = |name| files.path(name).display().to_string();
        let pgmoor = Pgmoor::builder(plan.binary)
            .env("PGMOOR_PG_BIN", &programs.to_string())
            .config(&format!(
                "databases:\n  app:\n    endpoint: own\n    \
                 pool: {{ mode: {mode}, size: {size}, prepared_statements: {statements} }}\n  \
                 {ATTACKED}: {{ endpoint: own, dbname: app, pool: {{ mode: {mode}, size: 4 }} }}\n\
                 endpoints: {{ own: {endpoint} }}"
            ))
            // Who is slow because the whole machine is shall not be sent away at a takeover.
            .gateway("shutdown_timeout: 5m")
            .gateway(&format!(
                "tls: {{ mode: allow, certificate: \"{}\", key: \"{}\" }}",
                path("tls.crt"),
                path("tls.key"),
            ))
            .start()
            .await;
        let client_line = match plan.lines.clients {
            true => Some(FaultProxy::tcp(pgmoor.address()).await),
            false => None,
        };
        Site {
            postgres,
            pgmoor,
            client_line,
            server_line,
            files,
            authorities,
        }
    }

    /// Where clients go: by TCP, by TLS and, unless there is a line that can break, by Unix socket.
    pub fn gates(&self) -> Vec<Door> {
        let tcp = self.gate();
        let trusted: Vec<_> = self.authorities.iter().collect();
        let tls = Door {
            tls: Some(client_config_trusting(&trusted, None)),
            ..tcp.clone()
        };
        let unix = Door {
            address: self.pgmoor.socket(),
            ..tcp.clone()
        };
        match self.client_line {
            Some(_) => vec![tcp, tls],
            None => vec![tcp, tls, unix],
        }
    }

    /// The way by TCP.
    pub(super) fn gate(&self) -> Door {
        Door {
            address: match &self.client_line {
                Some(line) => line.address(),
                None => self.pgmoor.address(),
            },
            tls: None,
            user: "app".into(),
            password: self.pgmoor.generated_password(),
            database: "app".into(),
        }
    }

    /// The server itself, for its superuser.
    pub fn server(&self) -> Door {
        superuser(&self.postgres)
    }

    /// What is wrong with the gateway's process, if anything.
    pub(super) fn complaint(&self) -> Option<String> {
        if let Some(status) = self.pgmoor.has_exited() {
            return Some(format!("the gateway has ended: {status}"));
        }
        let log = self.pgmoor.log();
        let line = log.lines().find(|line| line.contains("panicked"))?;
        Some(format!("the gateway's log says: {line}"))
    }
}

/// A server that wants a certificate and a password; the gateway's files of both are added.
async fn start_with_tls(authority: &Ca, files: &Mount) -> Postgres {
    let postgres = Postgres::builder()
        .tls(authority)
        .client_ca(authority)
        .hba("hostssl all app 127.0.0.1/32 scram-sha-256 clientcert=verify-ca")
        .hba("hostnossl all app 127.0.0.1/32 reject")
        .start()
        .await;
    files.swap(&[
        (ROOT, &authority.root_pem()),
        (PASSWORD, postgres.app_password()),
    ]);
    files.swap(&client_certificate(&authority.client("app")));
    postgres
}

fn endpoint_with_tls(port: u16, files: &Mount) -> String {
    let path = |name| files.path(name).display().to_string();
    format!(
        "{{ url: \"postgres://app@127.0.0.1:{port}/app?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}\", \
         credential: {{ provider: file, file: \"{}\" }} }}",
        path(ROOT),
        path("client.crt"),
        path("client.key"),
        path(PASSWORD),
    )
}

/// A way to `postgres` for its superuser.
pub fn superuser(postgres: &Postgres) -> Door {
    Door {
        address: crate::Address::local(postgres.port()),
        tls: None,
        user: "postgres".into(),
        password: postgres.admin_password().into(),
        database: "app".into(),
    }
}
