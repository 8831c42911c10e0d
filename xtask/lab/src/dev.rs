//! `cargo x dev`: `pgmoor up` with a bundled server and a certificate of its own authority, in a
//! directory that stays from one start to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgmoor_testkit::{Ca, write_private};
use xtask::failure::{Context, Failure};
use xtask::{repository, shell};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the data, the certificates and the configuration are
    #[arg(long, default_value = ".pgmoor/dev")]
    dir: PathBuf,
    /// The port of 127.0.0.1 that clients connect to
    #[arg(long, default_value_t = 6432)]
    port: u16,
    /// Begin anew: remove the directory first
    #[arg(long)]
    fresh: bool,
    /// Only write the configuration, and start nothing
    #[arg(long)]
    no_start: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let dir = std::path::absolute(&options.dir)
        .context(|| format!("cannot find \"{}\"", options.dir.display()))?;
    if options.fresh && dir.exists() {
        fs::remove_dir_all(&dir).context(|| format!("cannot remove \"{}\"", dir.display()))?;
    }
    fs::create_dir_all(&dir).context(|| format!("cannot make \"{}\"", dir.display()))?;
    make_certificates(&dir)?;
    let config = dir.join("pgmoor.yaml");
    write(&config, &configuration(&dir, options.port))?;
    anstream::eprintln!("{}", how_to_connect(&dir, options.port));
    if options.no_start {
        return Ok(());
    }
    let binary = repository::target_dir().join("release/pgmoor");
    Err(shell::replace(
        Command::new(binary).arg("up").arg("--config").arg(config),
    ))
}

/// Makes an authority and a certificate for localhost, unless they are there.
fn make_certificates(dir: &Path) -> Result<(), Failure> {
    let [root, chain, key] = ["ca.crt", "server.crt", "server.key"].map(|name| dir.join(name));
    if root.exists() && chain.exists() && key.exists() {
        return Ok(());
    }
    let ca = Ca::new("pgmoor development CA");
    let certificate = ca.server();
    fs::copy(ca.root_path(), &root).context(|| format!("cannot write \"{}\"", root.display()))?;
    write_private(&chain, certificate.chain_pem());
    write_private(&key, certificate.key_pem());
    Ok(())
}

fn configuration(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let admin = port + 1;
    format!(
        "# Written by cargo x dev at each start.\n\
         databases:\n\
        \x20 app: {{ endpoint: bundled, pool: {{ mode: transaction, size: 10 }} }}\n\
         endpoints:\n\
        \x20 bundled: {{ bundled: {{ data_dir: \"{dir}/data\" }} }}\n\
         gateway:\n\
        \x20 listen: [\"127.0.0.1:{port}\"]\n\
        \x20 unix_sockets: [\"{dir}\"]\n\
        \x20 admin: \"127.0.0.1:{admin}\"\n\
        \x20 state_dir: \"{dir}/state\"\n\
        \x20 tls: {{ mode: allow, certificate: \"{dir}/server.crt\", key: \"{dir}/server.key\" }}\n"
    )
}

fn how_to_connect(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    format!(
        "dev: everything is in {dir}\n\
         dev: once the gateway serves, in another terminal:\n\n  \
         PGPASSWORD=$(cat {dir}/state/app.password) psql \\\n    \
         'host=localhost port={port} user=app dbname=app sslmode=verify-full sslrootcert={dir}/ca.crt'\n"
    )
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    fs::write(path, content).context(|| format!("cannot write \"{}\"", path.display()))
}
