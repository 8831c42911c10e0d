//! What a check stands on: the facts, and what is asked of the database. A group that is not there skips
//! the check that wants it.

use std::time::SystemTime;

use super::verdict::{Skip, skip};
use crate::facts::capacity::Capacity;
use crate::facts::configuration::Configuration;
use crate::facts::extensions::Extensions;
use crate::facts::latency::Latency;
use crate::facts::login::{LoggedIn, Login};
use crate::facts::moving::Moving;
use crate::facts::network::Network;
use crate::facts::plain::Plain;
use crate::facts::pooler::Pooler;
use crate::facts::rights::Rights;
use crate::facts::server::Server;
use crate::facts::target::Target;
use crate::facts::tls::Tls;
use crate::facts::{Facts, Reading, Unread};
use crate::requirement::SystemSettings;

/// What is asked of a database.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The name of the system that it is for.
    pub system: String,
    /// What that needs.
    pub requirement: SystemSettings,
    /// How many processes of the application there will be, where that is not as the system has it.
    pub replicas: Option<u32>,
    /// How many connections each of them opens at most, where that is not as the system has it.
    pub connections: Option<u32>,
    /// Whether another login runs the migrations, and owns what they make.
    pub migrates_elsewhere: bool,
    /// Whether its data is to be moved away from there.
    pub for_move: bool,
    /// What the time is.
    pub now: SystemTime,
}

/// What a check stands on.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    facts: &'a Facts,
    /// What is asked of the database.
    pub asked: &'a Asked,
    siblings: i64,
}

/// How many connections an application opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many of its processes there are.
    pub replicas: i64,
    /// How many connections each opens at most.
    pub connections: i64,
    /// How many the applications of other databases at the same server open, as far as they are looked at
    /// too.
    pub siblings: i64,
}

impl Budget {
    /// What is asked of one database by itself.
    pub fn of(asked: &Asked) -> Self {
        let requirement = &asked.requirement;
        let replicas = asked.replicas.unwrap_or(requirement.replicas.get());
        let connections = asked.connections.unwrap_or(requirement.connections.get());
        Self {
            replicas: i64::from(replicas),
            connections: i64::from(connections),
            siblings: 0,
        }
    }

    /// How many all of them open.
    pub fn total(self) -> i64 {
        self.replicas * self.connections
    }
}

impl<'a> Ground<'a> {
    /// The facts of one database, and what is asked of it.
    pub fn new(facts: &'a Facts, asked: &'a Asked) -> Self {
        let siblings = 0;
        Self {
            facts,
            asked,
            siblings,
        }
    }

    /// Counts the connections that applications of other databases at the same server open.
    #[must_use]
    pub fn beside(self, siblings: i64) -> Self {
        Self { siblings, ..self }
    }

    /// How it is configured; that is always known.
    pub fn configuration(self) -> &'a Configuration {
        &self.facts.configuration
    }

    /// What the network says.
    ///
    /// # Errors
    /// There is no address, or not by our way.
    pub fn network(self) -> Result<&'a Network, Skip> {
        there(&self.facts.network)
    }

    /// What TLS says.
    ///
    /// # Errors
    /// There is none to speak of.
    pub fn tls(self) -> Result<&'a Tls, Skip> {
        there(&self.facts.tls)
    }

    /// Whether a session without TLS would be let in.
    ///
    /// # Errors
    /// The server was not asked.
    pub fn plain(self) -> Result<&'a Plain, Skip> {
        there(&self.facts.plain)
    }

    /// What is between us and the server.
    ///
    /// # Errors
    /// There is no session.
    pub fn pooler(self) -> Result<&'a Pooler, Skip> {
        there(&self.facts.pooler)
    }

    /// What came of the login.
    ///
    /// # Errors
    /// Nobody tried.
    pub fn login(self) -> Result<&'a Login, Skip> {
        there(&self.facts.login)
    }

    /// The session.
    ///
    /// # Errors
    /// There is none.
    pub fn session(self) -> Result<&'a LoggedIn, Skip> {
        self.login()?.outcome.as_ref().map_err(|_| Skip::NoGround)
    }

    /// How long round trips take.
    ///
    /// # Errors
    /// There is no session, or nobody asked.
    pub fn latency(self) -> Result<&'a Latency, Skip> {
        there(&self.facts.latency)
    }

    /// What the server is.
    ///
    /// # Errors
    /// There is no session.
    pub fn server(self) -> Result<&'a Server, Skip> {
        there(&self.facts.server)
    }

    /// What the login may do.
    ///
    /// # Errors
    /// There is no session.
    pub fn rights(self) -> Result<&'a Rights, Skip> {
        there(&self.facts.rights)
    }

    /// What is installed, and what can be.
    ///
    /// # Errors
    /// There is no session.
    pub fn extensions(self) -> Result<&'a Extensions, Skip> {
        there(&self.facts.extensions)
    }

    /// How much room there is.
    ///
    /// # Errors
    /// There is no session.
    pub fn capacity(self) -> Result<&'a Capacity, Skip> {
        there(&self.facts.capacity)
    }

    /// What a move depends on.
    ///
    /// # Errors
    /// There is no session, or nobody asked.
    pub fn moving(self) -> Result<&'a Moving, Skip> {
        there(&self.facts.moving)
    }

    /// What a move would meet at its target.
    ///
    /// # Errors
    /// Nobody asked, or it could not be looked at.
    pub fn target(self) -> Result<&'a Target, Skip> {
        match &self.facts.target {
            Err(Unread::Failed(_)) => skip("not reached, see PGM-MOV-019"),
            other => there(other),
        }
    }

    /// The same as it was read, for the one check that is about that.
    pub(super) fn target_reading(self) -> &'a Reading<Target> {
        &self.facts.target
    }

    /// How many connections the application will open.
    pub fn budget(self) -> Budget {
        Budget {
            siblings: self.siblings,
            ..Budget::of(self.asked)
        }
    }
}

fn there<T>(reading: &Reading<T>) -> Result<&T, Skip> {
    reading.as_ref().map_err(Skip::from)
}
