//! What stands between a client and PostgreSQL in a measurement: nothing, PgBouncer, pgmoor.

mod pgbouncer;
mod pgmoor;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use xtask::failure::Failure;

use crate::address::Address;
use crate::process::Process;
use crate::session::Session;
use crate::world::{TRUSTED, World};

pub(crate) use pgbouncer::has_named_statements;

/// Server connections in each gate's pool.
pub(crate) const POOL_SIZE: u32 = 20;

/// Whom the clients talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    Direct,
    Pgbouncer,
    Pgmoor,
}

impl Subject {
    pub(crate) const ALL: [Subject; 3] = [Subject::Direct, Subject::Pgbouncer, Subject::Pgmoor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Direct => "direct",
            Subject::Pgbouncer => "PgBouncer",
            Subject::Pgmoor => "pgmoor",
        }
    }
}

/// How clients reach a gate, and the gate the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// TCP on both sides, SCRAM; TLS for clients that ask for it.
    Tcp,
    /// TCP on both sides, no proof of who the client is.
    Trust,
    /// Unix sockets on both sides, SCRAM.
    Unix,
}

/// Which programs are measured, and how.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) pgbouncer: PathBuf,
    pub(crate) pgmoor: PathBuf,
    /// Of pgmoor; 0 is one a core.
    pub(crate) workers: u32,
}

/// A running gate.
pub(crate) struct Gate {
    process: Process,
    address: Address,
}

/// What a gate of any kind is started with.
struct Plan<'a> {
    world: &'a World,
    way: Way,
    port: u16,
    /// Free for the gate's files, and for its socket.
    dir: PathBuf,
}

impl Gate {
    /// Starts a gate and waits until a client can log in; none for a direct connection.
    pub(crate) fn start(
        world: &World,
        programs: &Programs,
        subject: Subject,
        way: Way,
    ) -> Result<Option<Gate>, Failure> {
        let port = pgmoor_testkit::free_port();
        let dir = world.path(&port.to_string());
        let plan = Plan {
            world,
            way,
            port,
            dir,
        };
        let process = match subject {
            Subject::Direct => return Ok(None),
            Subject::Pgbouncer => pgbouncer::start(&plan, programs)?,
            Subject::Pgmoor => pgmoor::start(&plan, programs)?,
        };
        let address = plan.address();
        let mut gate = Gate { process, address };
        let Gate { process, address } = &mut gate;
        process.wait_until_ready(|| {
            Session::open(address, &world.tls)?
                .query("select 1")
                .map(drop)
        })?;
        Ok(Some(gate))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where clients reach it, with TLS or without.
    pub(crate) fn address(&self, tls: bool) -> Address {
        Address {
            tls,
            ..self.address.clone()
        }
    }
}

impl Plan<'_> {
    fn address(&self) -> Address {
        let direct = self.world.direct(false);
        let host = match self.way {
            Way::Tcp | Way::Trust => direct.host.clone(),
            Way::Unix => self.dir.display().to_string(),
        };
        Address {
            host,
            port: self.port,
            user: if self.way == Way::Trust {
                TRUSTED.into()
            } else {
                direct.user.clone()
            },
            ..direct
        }
    }

    /// Where the gate reaches the server.
    fn server(&self) -> Address {
        match self.way {
            Way::Tcp | Way::Trust => self.world.direct(false),
            Way::Unix => self.world.direct_unix(),
        }
    }
}

/// Where clients reach the server itself.
pub(crate) fn direct(world: &World, way: Way, tls: bool) -> Address {
    match way {
        Way::Tcp => world.direct(tls),
        Way::Unix => world.direct_unix(),
        Way::Trust => Address {
            user: TRUSTED.into(),
            ..world.direct(tls)
        },
    }
}
