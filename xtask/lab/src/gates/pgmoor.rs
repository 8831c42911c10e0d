//! Starts pgmoor by its binary, set up as PgBouncer is: one pool, transaction mode, SCRAM.

use std::fs;
use std::process::Command;

use xtask::failure::{Context, Failure};

use super::{POOL_SIZE, Plan, Programs, Way};
use crate::process::{Process, give_to_server, write_for_server};
use crate::world::TRUSTED;

pub(super) fn start(plan: &Plan<'_>, programs: &Programs) -> Result<Process, Failure> {
    let dir = &plan.dir;
    fs::create_dir(dir).context(|| format!("cannot make \"{}\"", dir.display()))?;
    give_to_server(dir)?;

    // The unprivileged user may not be able to read what is in our build directory.
    let binary = dir.join("pgmoor");
    fs::copy(&programs.pgmoor, &binary)
        .context(|| format!("cannot copy \"{}\"", programs.pgmoor.display()))?;
    give_to_server(&binary)?;

    write_for_server(&dir.join("server.crt"), plan.world.certificate.chain_pem())?;
    write_for_server(&dir.join("server.key"), plan.world.certificate.key_pem())?;
    write_for_server(&dir.join("server.password"), &plan.server().password)?;
    let config = dir.join("pgmoor.yaml");
    write_for_server(&config, &configuration(plan, programs.workers))?;

    let mut command = Command::new(binary);
    command
        .current_dir(dir)
        .arg("up")
        .arg("--config")
        .arg(&config);
    Process::start("pgmoor", &mut command, &dir.join("log"))
}

fn configuration(plan: &Plan<'_>, workers: u32) -> String {
    let server = plan.server();
    let dir = plan.dir.display();
    let (port, host, server_port) = (plan.port, &server.host, server.port);
    let (user, verifier) = (&server.user, &plan.world.verifier);
    let trust = if plan.way == Way::Trust {
        "loopback"
    } else {
        ""
    };
    format!(
        "databases:\n\
        \x20 app:\n\
        \x20   endpoint: primary\n\
        \x20   pool: {{ mode: transaction, size: {POOL_SIZE}, max_waiting: 10000 }}\n\
         endpoints:\n\
        \x20 primary:\n\
        \x20   url: \"host={host} port={server_port} dbname=app user={user} sslmode=disable\"\n\
        \x20   credential: {{ provider: file, file: {dir}/server.password }}\n\
         gateway:\n\
        \x20 listen: [\"127.0.0.1:{port}\"]\n\
        \x20 unix_sockets: [\"{dir}\"]\n\
        \x20 admin: \"127.0.0.1:{admin}\"\n\
        \x20 state_dir: {dir}/state\n\
        \x20 workers: {workers}\n\
        \x20 max_client_connections: 12000\n\
        \x20 tls: {{ mode: allow, certificate: {dir}/server.crt, key: {dir}/server.key }}\n\
        \x20 auth:\n\
        \x20   trust: [{trust}]\n\
        \x20   users:\n\
        \x20     app: {{ verifier: \"{verifier}\" }}\n\
        \x20     {TRUSTED}: {{ verifier: \"{verifier}\" }}\n",
        admin = pgmoor_testkit::free_port(),
    )
}
