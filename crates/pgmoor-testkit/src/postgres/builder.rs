//! Describes a private server before it is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::Postgres;
use super::binaries::Binaries;
use super::server::{Server, start};
use super::template::Template;
use crate::ca::{Ca, Certificate};
use crate::host::{Account, copy_tree, free_port, give_to, private_dir, write_private};
use crate::process::Guard;

/// Ends the server and deletes its directory when the test process could not.
pub(super) const CLEAN_UP: &str = r#"
pid=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT "$pid"
tries=0
while [ -n "$pid" ] && kill -0 "$pid" && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries+1)); done
[ -n "$pid" ] && kill -KILL "$pid"
rm -rf "$1"
"#;

/// Small and quick; what a power cut would lose does not matter to a test.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("fsync", "off"),
    ("shared_buffers", "32MB"),
    ("max_connections", "100"),
    ("timezone", "UTC"),
    ("log_line_prefix", "%m [%p] %a "),
];

/// What a private server shall be like.
#[derive(Clone, Default)]
pub struct PostgresBuilder {
    major: Option<u16>,
    certificate: Option<Certificate>,
    client_ca: Option<PathBuf>,
    revoked: Option<PathBuf>,
    hba: Vec<String>,
    conf: Vec<(String, String)>,
}

impl PostgresBuilder {
    /// Runs this major version instead of the highest one of this machine.
    pub fn major(mut self, major: u16) -> Self {
        self.major = Some(major);
        self
    }

    /// Accepts TLS with a certificate of `ca` for localhost.
    pub fn tls(self, ca: &Ca) -> Self {
        let certificate = ca.server();
        self.certificate(&certificate)
    }

    /// Accepts TLS with this certificate.
    pub fn certificate(mut self, certificate: &Certificate) -> Self {
        self.certificate = Some(certificate.clone());
        self
    }

    /// Trusts client certificates of `ca`; to demand them, add an [`hba`](Self::hba) line.
    pub fn client_ca(mut self, ca: &Ca) -> Self {
        self.client_ca = Some(ca.root_path().to_owned());
        self
    }

    /// Refuses client certificates of this list; see [`Ca::revoke`].
    pub fn revoked(mut self, list: &Path) -> Self {
        self.revoked = Some(list.to_owned());
        self
    }

    /// Adds a line to `pg_hba.conf` before those that ask everybody for a SCRAM password.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// Sets a parameter in `postgresql.conf`.
    pub fn conf(mut self, name: &str, value: &str) -> Self {
        self.conf.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// When it does not start; the message has its log.
    pub async fn start(self) -> Postgres {
        let binaries = Binaries::find(self.major);
        let account = Account::for_servers();
        let template = Template::of(&binaries, account);
        for _ in 0..5 {
            match self.try_start(&binaries, account, &template).await {
                Ok(postgres) => return postgres,
                // Somebody took the port between our look and the server's.
                Err(log) if log.contains("could not bind") => {}
                Err(log) => panic!("PostgreSQL does not start:\n{log}"),
            }
        }
        panic!("PostgreSQL found its port taken five times in a row");
    }

    async fn try_start(
        &self,
        binaries: &Binaries,
        account: Option<Account>,
        template: &Template,
    ) -> Result<Postgres, String> {
        let dir = private_dir("pg");
        let data = dir.path().join("data");
        copy_tree(&template.data, &data).expect("copy the template");
        let port = free_port();
        self.configure(dir.path(), port);
        give_to(dir.path(), account).expect("give the data to the server's user");
        let guard = Guard::new(CLEAN_UP, &dir.path().display().to_string());
        let server = Server {
            binaries: binaries.clone(),
            account,
            dir: dir.path().to_owned(),
            child: None,
            dying: Vec::new(),
        };
        let postgres = Postgres {
            server: Mutex::new(server),
            major: binaries.major,
            port,
            admin_password: template.admin_password.clone(),
            app_password: template.app_password.clone(),
            guard,
            dir,
        };
        start(&postgres.server).await?;
        Ok(postgres)
    }

    fn configure(&self, dir: &Path, port: u16) {
        let mut settings = vec![
            ("port".to_owned(), port.to_string()),
            (
                "unix_socket_directories".to_owned(),
                dir.display().to_string(),
            ),
        ];
        let defaults = SETTINGS.iter().map(|(n, v)| (n.to_string(), v.to_string()));
        settings.extend(defaults);
        settings.extend(self.tls_settings(dir));
        settings.extend(self.conf.iter().cloned());
        let lines: String = settings
            .iter()
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect();
        write_private(&dir.join("data/postgresql.conf"), lines);

        let mut hba = self.hba.join("\n");
        hba.push_str("\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n");
        hba.push_str("local replication all scram-sha-256\n");
        hba.push_str("host replication all all scram-sha-256\n");
        write_private(&dir.join("data/pg_hba.conf"), hba);
    }

    /// Copies the files into the server's directory, as it must own its key.
    fn tls_settings(&self, dir: &Path) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        let mut file = |setting: &str, name: &str, content: &[u8]| {
            let path = dir.join(name);
            write_private(&path, content);
            settings.push((setting.to_owned(), path.display().to_string()));
        };
        if let Some(certificate) = &self.certificate {
            let (chain, key) = (certificate.chain_pem(), certificate.key_pem());
            file("ssl_cert_file", "server.crt", chain.as_bytes());
            file("ssl_key_file", "server.key", key.as_bytes());
        }
        let copies = [
            ("ssl_ca_file", "client-ca.crt", &self.client_ca),
            ("ssl_crl_file", "revoked.crl", &self.revoked),
        ];
        for (setting, name, source) in copies {
            if let Some(source) = source {
                file(setting, name, &fs::read(source).expect("read it"));
            }
        }
        if self.certificate.is_some() {
            settings.push(("ssl".to_owned(), "on".to_owned()));
        }
        settings
    }
}
