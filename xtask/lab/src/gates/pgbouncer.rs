//! Starts PgBouncer as an administrator would set it up: one pool, transaction mode, SCRAM.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::failure::{Context, Failure};

use super::{POOL_SIZE, Plan, Programs, Way};
use crate::process::{Process, give_to_server, write_for_server};
use crate::world::TRUSTED;

pub(super) fn start(plan: &Plan<'_>, programs: &Programs) -> Result<Process, Failure> {
    let dir = &plan.dir;
    fs::create_dir(dir).context(|| format!("cannot make \"{}\"", dir.display()))?;
    give_to_server(dir)?;

    let users = format!("\"app\" \"{}\"\n\"{TRUSTED}\" \"\"\n", plan.world.verifier);
    write_for_server(&dir.join("users.txt"), &users)?;
    write_for_server(&dir.join("server.crt"), plan.world.certificate.chain_pem())?;
    write_for_server(&dir.join("server.key"), plan.world.certificate.key_pem())?;
    let config = dir.join("pgbouncer.ini");
    write_for_server(
        &config,
        &configuration(plan, has_named_statements(&programs.pgbouncer)),
    )?;

    let mut command = Command::new(&programs.pgbouncer);
    command.arg("--quiet").arg(&config);
    Process::start("PgBouncer", &mut command, &dir.join("log"))
}

fn configuration(plan: &Plan<'_>, named_statements: bool) -> String {
    let server = plan.server();
    let dir = plan.dir.display();
    let (port, host, server_port) = (plan.port, &server.host, server.port);
    let (user, password) = (&server.user, &server.password);
    let auth = if plan.way == Way::Trust {
        "trust"
    } else {
        "scram-sha-256"
    };
    let mut text = format!(
        "[databases]\n\
         app = host={host} port={server_port} dbname=app user={user} password={password}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir = {dir}\n\
         auth_type = {auth}\n\
         auth_file = {dir}/users.txt\n\
         pool_mode = transaction\n\
         default_pool_size = {POOL_SIZE}\n\
         max_client_conn = 12000\n\
         listen_backlog = 4096\n\
         server_tls_sslmode = disable\n\
         client_tls_sslmode = allow\n\
         client_tls_cert_file = {dir}/server.crt\n\
         client_tls_key_file = {dir}/server.key\n\
         log_connections = 0\n\
         log_disconnections = 0\n\
         log_stats = 0\n"
    );
    if named_statements {
        let _ = writeln!(text, "max_prepared_statements = 200");
    }
    text
}

/// Whether this PgBouncer has named statements in transaction mode: from 1.21 on.
pub(crate) fn has_named_statements(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| version(&String::from_utf8_lossy(&output.stdout)) >= Some((1, 21)))
}

fn version(printed: &str) -> Option<(u32, u32)> {
    let mut numbers = printed
        .lines()
        .next()?
        .strip_prefix("PgBouncer ")?
        .split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_pgbouncer_prints() {
        assert_eq!(
            version("PgBouncer 1.18.0\nlibevent 2.1.12-stable\n"),
            Some((1, 18))
        );
        assert_eq!(version("something else"), None);
        assert!(version("PgBouncer 1.25.0") >= Some((1, 21)));
    }
}
