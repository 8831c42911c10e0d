//! What only the embedding program can do: reload its configuration, and end.

use std::fmt;
use std::sync::Arc;

/// Reads the configuration again and puts it into effect, or says why not. It may block.
pub type ReloadHook = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;
/// Begins to end the program; returns at once.
pub type ShutdownHook = Arc<dyn Fn(Shutdown) + Send + Sync>;

/// How a program is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Now; open transactions get the grace that is configured.
    Now,
    /// When all server connections are given back.
    WaitForServers,
    /// When all clients have left.
    WaitForClients,
}

/// What the embedding program does when it is asked to, over HTTP or in the admin database.
#[derive(Clone, Default)]
pub struct Hooks {
    /// For `RELOAD`.
    pub reload: Option<ReloadHook>,
    /// For `SHUTDOWN`.
    pub shutdown: Option<ShutdownHook>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("reload", &self.reload.is_some())
            .field("shutdown", &self.shutdown.is_some())
            .finish()
    }
}
