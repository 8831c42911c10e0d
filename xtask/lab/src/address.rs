//! Where a client finds a database, and how it logs in. Connects to nothing.

use std::process::Command;

/// All that a client must know.
#[derive(Clone)]
pub(crate) struct Address {
    /// An IP address, or the directory of a Unix socket.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) tls: bool,
}

impl Address {
    pub(crate) fn is_unix(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Tells a libpq program, without a secret among its arguments.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("PGHOST", &self.host)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", &self.database)
            .env("PGSSLMODE", if self.tls { "require" } else { "disable" })
            .env("PGGSSENCMODE", "disable")
    }
}
