//! Which groups of facts are wanted: what is not wanted is not read.

use std::collections::BTreeSet;

/// A group of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What the network says.
    Network,
    /// What TLS says.
    Tls,
    /// Whether a session without TLS would be let in.
    Plain,
    /// What came of the login.
    Login,
    /// What is between us and the server.
    Pooler,
    /// How long round trips take.
    Latency,
    /// What the server is.
    Server,
    /// What the login may do.
    Rights,
    /// What is installed, and what can be.
    Extensions,
    /// How much room there is.
    Capacity,
    /// What a move depends on.
    Moving,
    /// What it would meet at its target.
    Target,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Network,
        Self::Tls,
        Self::Plain,
        Self::Login,
        Self::Pooler,
        Self::Latency,
        Self::Server,
        Self::Rights,
        Self::Extensions,
        Self::Capacity,
        Self::Moving,
        Self::Target,
    ];

    /// What has to be read besides, so that it can be read, and that it can be said why it could not.
    fn stands_on(self) -> &'static [Self] {
        match self {
            Self::Network => &[],
            Self::Tls | Self::Login => &[Self::Network, Self::Tls, Self::Login],
            Self::Plain
            | Self::Pooler
            | Self::Latency
            | Self::Server
            | Self::Rights
            | Self::Extensions
            | Self::Capacity
            | Self::Moving
            | Self::Target => &[Self::Network, Self::Tls, Self::Login],
        }
    }
}

/// Groups of facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups(BTreeSet<Group>);

impl Groups {
    /// These, and what they stand on.
    pub fn of(groups: impl IntoIterator<Item = Group>) -> Self {
        let mut all = BTreeSet::new();
        for group in groups {
            all.insert(group);
            all.extend(group.stands_on());
        }
        Self(all)
    }

    /// The same without one.
    #[must_use]
    pub fn without(mut self, group: Group) -> Self {
        self.0.remove(&group);
        self
    }

    /// Whether this one is wanted.
    pub fn has(&self, group: Group) -> bool {
        self.0.contains(&group)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
