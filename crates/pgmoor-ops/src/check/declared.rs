//! What a check is: an id that stays, what it says, why that matters, and the function that judges.

use std::fmt;

use super::ground::Ground;
use super::verdict::Outcome;
use crate::facts::Group;

/// One question to a database.
pub struct Check {
    /// What it is known by, for ever: `PGM-NET-001`. It is never given to another check.
    pub id: &'static str,
    /// Where it belongs.
    pub layer: Layer,
    /// What holds when it passes, as a sentence without a full stop.
    pub title: &'static str,
    /// Why that matters, in one or two sentences.
    pub why: &'static str,
    /// What must be there for it to be judged.
    pub needs: &'static str,
    /// Judges. Plain: whatever it looks at was read before.
    pub judge: fn(Ground<'_>) -> Outcome,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// The layers, each of which stands on those before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// How it is written down.
    Configuration,
    /// Whether it is reached.
    Network,
    /// Whether it is who it should be, and nobody reads along.
    Tls,
    /// Whether we are let in.
    Login,
    /// How far away it is.
    Latency,
    /// What it is.
    Server,
    /// What we may do.
    Rights,
    /// What is installed.
    Extensions,
    /// What is left for us.
    Capacity,
    /// What the application itself wants.
    Application,
    /// Whether its data can be moved away while it is used.
    Move,
}

impl Layer {
    /// All, in their order.
    pub const ALL: [Self; 11] = [
        Self::Configuration,
        Self::Network,
        Self::Tls,
        Self::Login,
        Self::Latency,
        Self::Server,
        Self::Rights,
        Self::Extensions,
        Self::Capacity,
        Self::Application,
        Self::Move,
    ];

    /// What its checks look at.
    pub const fn reads(self) -> &'static [Group] {
        match self {
            Self::Configuration => &[],
            Self::Network => &[Group::Network, Group::Pooler],
            Self::Tls => &[Group::Tls, Group::Plain],
            Self::Login => &[Group::Login, Group::Server],
            Self::Latency => &[Group::Latency],
            Self::Server => &[Group::Server],
            Self::Rights | Self::Application => &[Group::Rights],
            Self::Extensions => &[Group::Extensions, Group::Rights, Group::Server],
            Self::Capacity => &[
                Group::Capacity,
                Group::Extensions,
                Group::Rights,
                Group::Server,
            ],
            Self::Move => &[
                Group::Moving,
                Group::Target,
                Group::Capacity,
                Group::Extensions,
                Group::Rights,
                Group::Server,
            ],
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Network => "network",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Latency => "latency",
            Self::Server => "server",
            Self::Rights => "rights",
            Self::Extensions => "extensions",
            Self::Capacity => "capacity",
            Self::Application => "application",
            Self::Move => "move",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
