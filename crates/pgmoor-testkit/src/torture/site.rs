//! A server of its own, the gateway's own binary before it, and lines between them that can break.

use std::path::Path;

use super::client::PoolMode;
use super::link::Door;
use crate::fault::FaultProxy;
use crate::pgmoor::Pgmoor;
use crate::postgres::{Postgres, client_program};

/// A database with a pool of its own, for those who are not to wait among the clients.
pub(super) const ATTACKED: &str = "attacked";

/// Which of the lines between client, gateway and server can be broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Clients reach the gateway through a relay.
    pub clients: bool,
    /// The gateway reaches the server through a relay.
    pub server: bool,
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
}

impl Site {
    /// Starts all of it.
    pub async fn start(plan: &SitePlan<'_>) -> Site {
        let postgres = Postgres::start().await;
        let server_line = match plan.lines.server {
            true => Some(FaultProxy::tcp(crate::Address::local(postgres.port())).await),
            false => None,
        };
        let port = match &server_line {
            Some(line) => line.port(),
            None => postgres.port(),
        };
        let password = postgres.app_password();
        let psql = client_program("psql");
        let programs = psql.parent().unwrap_or(Path::new("/")).display();
        let (mode, size) = (plan.mode.name(), plan.size);
        // So few that statements are taken off server connections all the time.
        let statements = 5;
        let url = format!("postgres://app:{password}@127.0.0.1:{port}/app");
        let pgmoor = Pgmoor::builder(plan.binary)
            .env("PGMOOR_PG_BIN", &programs.to_string())
            .config(&format!(
                "databases:\n  app:\n    url: \"{url}\"\n    \
                 pool: {{ mode: {mode}, size: {size}, prepared_statements: {statements} }}\n  \
                 {ATTACKED}: {{ url: \"{url}\", pool: {{ mode: {mode}, size: 4 }} }}"
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
        }
    }

    /// Where clients go.
    pub fn gate(&self) -> Door {
        Door {
            address: match &self.client_line {
                Some(line) => line.address(),
                None => self.pgmoor.address(),
            },
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

/// A way to `postgres` for its superuser.
pub fn superuser(postgres: &Postgres) -> Door {
    Door {
        address: crate::Address::local(postgres.port()),
        user: "postgres".into(),
        password: postgres.admin_password().into(),
        database: "app".into(),
    }
}
