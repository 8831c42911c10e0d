//! The server's configuration: what pgmoor writes into the data directory, and what it forces on
//! the command line.
//!
//! `postgresql.conf` stays the operator's: it includes `pgmoor.conf`, and what stands after that
//! line wins. Where the server listens and who may log in is not open to such edits.

use std::path::Path;

use super::memory::Memory;

/// The superuser's name, for pgmoor's own work.
pub(crate) const SUPERUSER: &str = "pgmoor";

pub(crate) const CONF: &str = "pgmoor.conf";
pub(crate) const HBA: &str = "pgmoor_hba.conf";
pub(crate) const IDENT: &str = "pgmoor_ident.conf";

/// What is appended to `postgresql.conf` when the cluster is made.
pub(crate) const INCLUDE: &str = "
# pgmoor's settings. Yours go below this line, where they win.
include_if_exists = 'pgmoor.conf'
";

/// `pgmoor.conf`.
pub(crate) fn conf(max_connections: u16, memory: Memory) -> String {
    let Memory {
        shared_buffers,
        effective_cache_size,
        maintenance_work_mem,
        work_mem,
    } = memory;
    format!(
        "# Written by pgmoor at each start: edits are lost. Put your own settings into
# postgresql.conf, below the line that includes this file.

max_connections = {max_connections}
password_encryption = 'scram-sha-256'

# So that the database can be moved to another server while it is in use.
wal_level = 'logical'
max_wal_senders = 10
max_replication_slots = 10

# A quarter of the memory (or of the container's limit), at most 1 GB.
shared_buffers = '{shared_buffers}MB'
effective_cache_size = '{effective_cache_size}MB'
maintenance_work_mem = '{maintenance_work_mem}MB'
work_mem = '{work_mem}MB'

# pgmoor keeps the log beside the data directory.
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
lc_messages = 'C'
cluster_name = 'pgmoor'
"
    )
}

/// `pgmoor_hba.conf`: passwords for everyone but the superuser, whom the kernel vouches for.
pub(crate) fn hba() -> String {
    format!(
        "# Written by pgmoor at each start: edits are lost, and pg_hba.conf is not read.
# TYPE  DATABASE     USER      ADDRESS       METHOD
local   all          {SUPERUSER}                  peer map=pgmoor
local   replication  {SUPERUSER}                  peer map=pgmoor
local   all          all                     scram-sha-256
local   replication  all                     scram-sha-256
host    all          all       127.0.0.1/32  scram-sha-256
host    all          all       ::1/128       scram-sha-256
host    replication  all       127.0.0.1/32  scram-sha-256
host    replication  all       ::1/128       scram-sha-256
"
    )
}

/// `pgmoor_ident.conf`: which users of the operating system are the superuser.
pub(crate) fn ident(os_user: &str) -> String {
    let mut text = String::from("# Written by pgmoor at each start: edits are lost.\n");
    let root = if os_user == "root" {
        None
    } else {
        Some("root")
    };
    for name in [Some(os_user), root].into_iter().flatten() {
        text.push_str(&format!("pgmoor  \"{name}\"  {SUPERUSER}\n"));
    }
    text
}

/// Arguments of `postgres`; none is secret.
pub(crate) fn server_args(data_dir: &Path, socket_dir: &Path, port: u16, tcp: bool) -> Vec<String> {
    let listen = if tcp { "localhost" } else { "" };
    // The value is a list; quotes keep a comma or a space in the path together.
    let sockets = format!(
        "\"{}\"",
        socket_dir.display().to_string().replace('"', "\"\"")
    );
    let mut args = vec!["-D".to_owned(), data_dir.display().to_string()];
    for (name, value) in [
        ("listen_addresses", listen.to_owned()),
        ("port", port.to_string()),
        ("unix_socket_directories", sockets),
        ("unix_socket_permissions", "0700".to_owned()),
        ("hba_file", data_dir.join(HBA).display().to_string()),
        ("ident_file", data_dir.join(IDENT).display().to_string()),
    ] {
        args.push("-c".to_owned());
        args.push(format!("{name}={value}"));
    }
    args
}
