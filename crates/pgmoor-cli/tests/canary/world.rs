//! A gateway with a secret in every input, and all that can be asked of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use pgmoor_testkit::{
    Address, Ca, Pgmoor, Postgres, Serving, children_of, client_program, private_dir, wait_for,
    write_private,
};
use pgmoor_wire::scram::Verifier;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::inputs::{Secrets, configuration, make_roles, rogue, yaml};
use crate::search::{Canary, Search};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const EVERYTHING: (&str, &str) = ("PGMOOR_LOG", "trace");

pub(crate) struct World {
    pub(crate) gateway: Pgmoor,
    secrets: Secrets,
    files: TempDir,
    postgres: Postgres,
    passwords: Vec<(&'static str, String)>,
    _rogues: [Serving; 2],
    _ca: Ca,
}

/// The part of a P-256 key in PEM that no certificate shows: its second line begins with it.
fn of_key(name: &'static str, pem: &str) -> Canary {
    let line = pem.lines().nth(2).expect("a key has several lines");
    Canary::known(name, line.get(..24).expect("it is a long line"))
}

impl World {
    pub(crate) async fn start() -> Self {
        let ca = Ca::default();
        let (server, client) = (ca.server(), ca.client("app"));
        let stored = Canary::new("password behind a verifier");
        let verifier = Verifier::from_password(&stored.password(), 4096).expect("a verifier");
        let verifier = verifier.format().expose().clone();
        let key_of_verifier = verifier
            .rsplit(['$', ':'])
            .next()
            .expect("a key")
            .to_owned();
        let mut secrets = Secrets {
            url: Canary::new("password in a URL"),
            variable: Canary::new("password in ${VAR}"),
            whole_url: Canary::new("password of a URL in file:"),
            credential_file: Canary::new("password in a credential file"),
            command: Canary::new("password from a command"),
            complaint: Canary::new("what a failing command complains"),
            echo: Canary::new("password that a server repeats"),
            environment: Canary::new("PGPASSWORD"),
            listed: Canary::new("password of a listed user"),
            from_file: Canary::new("password of a user by file:"),
            stored,
            verifier: Canary::known("verifier", key_of_verifier.trim_end_matches('=')),
            users_file: Canary::new("password in the users file"),
            passed: Canary::new("password that is passed through"),
            guess: Canary::new("wrong password of a client"),
            broken: Canary::new("password in a broken address"),
            token: Canary::known("admin token", "0123456789abcdef"),
            key: of_key("key of the gateway", server.key_pem()),
            client_key: of_key("key of the endpoint", client.key_pem()),
        };
        let postgres = Postgres::builder().tls(&ca).start().await;
        make_roles(&postgres, &secrets).await;
        let files = private_dir("canary");
        let rogues = [rogue(true).await, rogue(false).await];
        let config = configuration(&secrets, &files, &postgres, &ca, &rogues);
        let (key, chain) = (server.key_path().display(), server.chain_path().display());
        write_private(&files.path().join("tls.key"), server.key_pem());
        write_private(&files.path().join("client.key"), client.key_pem());
        fs::write(files.path().join("client.crt"), client.chain_pem()).expect("written");
        let gateway = Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
            .config(&config)
            .gateway(&format!(
                "tls: {{ mode: allow, certificate: \"{chain}\", key: \"{key}\" }}\n\
                 auth:\n  passthrough: password\n  admin_users: [listed]\n  \
                 users_file: \"{at}/users.txt\"\n  users:\n    \
                 listed: {{ password: {listed} }}\n    \
                 filed: {{ password: \"file:{at}/listed.password\" }}\n    \
                 stored: {{ verifier: \"{verifier}\" }}",
                at = files.path().display(),
                listed = yaml(&secrets.listed.password()),
            ))
            .env(EVERYTHING.0, EVERYTHING.1)
            .env("CANARY_VAR", &secrets.variable.password())
            .env("PGPASSWORD", &secrets.environment.password())
            .env("TMPDIR", &files.path().display().to_string())
            .launch();
        // It never is ready in the sense of all its databases: some servers are rogues.
        wait_for("the gateway to serve", PATIENCE, async || {
            let started = gateway.http("/startup").await;
            started.is_some_and(|answer| answer.status == 200)
        })
        .await;
        let token = fs::read_to_string(gateway.state_dir().join("admin.token")).expect("a token");
        secrets.token = Canary::known("admin token", token.trim());
        let passwords = vec![
            ("listed", secrets.listed.password()),
            ("filed", secrets.from_file.password()),
            ("stored", secrets.stored.password()),
            ("inusersfile", secrets.users_file.password()),
            ("passed", secrets.passed.password()),
        ];
        Self {
            gateway,
            secrets,
            files,
            postgres,
            passwords,
            _rogues: rogues,
            _ca: ca,
        }
    }

    pub(crate) fn search(&self) -> Search {
        let s = &self.secrets;
        Search::of(
            &[
                &s.url,
                &s.variable,
                &s.whole_url,
                &s.credential_file,
                &s.command,
                &s.complaint,
                &s.echo,
                &s.environment,
                &s.listed,
                &s.from_file,
                &s.stored,
                &s.verifier,
                &s.users_file,
                &s.passed,
                &s.guess,
                &s.broken,
                &s.token,
                &s.key,
                &s.client_key,
            ]
            .map(Clone::clone),
        )
    }

    pub(crate) fn address(&self) -> Address {
        self.gateway.address()
    }

    /// Who may log in, with what.
    pub(crate) fn logins(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.passwords
            .iter()
            .map(|(user, password)| (*user, &**password))
    }

    pub(crate) fn listed_password(&self) -> &str {
        &self.passwords[0].1
    }

    pub(crate) fn guess(&self) -> String {
        self.secrets.guess.password()
    }

    /// Every command that asks something, or does something, of a gateway.
    pub(crate) fn commands(&self) -> Vec<Vec<&'static str>> {
        [
            "status",
            "wait --timeout 1s",
            "wait --database echo --timeout 1s",
            "url",
            "url --database whole",
            "config check",
            "config show",
            "config show --origin",
            "config sample",
            "config schema",
            "config reference",
            "version",
            "completions bash",
            "man",
            "pause variable",
            "switch variable primary",
            "resume variable",
            "switch variable nowhere",
            "pause nowhere",
            "reload",
            "psql --database nowhere",
            "psql --database app -c select+1",
            "nonsense",
            "up",
        ]
        .iter()
        .map(|line| line.split(' ').collect())
        .collect()
    }

    /// Runs a command as the user of this gateway would.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let psql = client_program("psql");
        Command::new(env!("CARGO_BIN_EXE_pgmoor"))
            .args(["--config"])
            .arg(self.gateway.config_path())
            .args(arguments)
            .current_dir(self.files.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.files.path())
            .env("TMPDIR", self.files.path())
            .env("PGMOOR_PG_BIN", psql.parent().unwrap_or(Path::new("/")))
            .env(EVERYTHING.0, EVERYTHING.1)
            .env("CANARY_VAR", self.secrets.variable.password())
            .env("PGPASSWORD", self.secrets.environment.password())
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }

    pub(crate) fn shown_by_the_console(&self) -> Vec<(String, Output)> {
        let shows = [
            "CONFIG",
            "DATABASES",
            "POOLS",
            "CLIENTS",
            "SERVERS",
            "USERS",
            "STATS",
            "LISTS",
            "STATE",
            "HELP",
            "VERSION",
            "MEM",
        ];
        let psql = client_program("psql");
        let passfile = self.files.path().join("console.pgpass");
        let password = self
            .listed_password()
            .replace('\\', "\\\\")
            .replace(':', "\\:");
        write_private(&passfile, format!("*:*:*:*:{password}\n"));
        shows
            .iter()
            .map(|what| {
                let output = Command::new(&psql)
                    .args([
                        "-X",
                        "-A",
                        "-h",
                        "127.0.0.1",
                        "-U",
                        "listed",
                        "-d",
                        "pgmoor",
                    ])
                    .args(["-p", &self.gateway.port().to_string()])
                    .args(["-c", &format!("SHOW {what}")])
                    .env("PGPASSFILE", &passfile)
                    .output()
                    .expect("psql runs");
                assert!(output.status.success(), "SHOW {what}: {output:?}");
                assert!(!output.stdout.is_empty(), "SHOW {what}");
                (format!("SHOW {what}"), output)
            })
            .collect()
    }

    /// What psql has in its environment and arguments.
    pub(crate) fn children(&self) -> Vec<(String, Output)> {
        // The variable that the caller has set for the configuration is the caller's own: psql gets
        // the environment of the shell that it was called from, but for the password.
        let look = "\\! env | grep -v ^CANARY_VAR=; tr '\\0' ' ' < /proc/$PPID/cmdline";
        let output = self.run(&["psql", "--database", "app", "-X", "-c", look]);
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("PGPASSFILE="),
            "{output:?}"
        );
        vec![("what psql sees".to_owned(), output)]
    }

    pub(crate) fn children_of_the_gateway(&self) -> Vec<u32> {
        children_of(self.gateway.pid())
    }

    /// GET, or POST with the token, the whole answer.
    pub(crate) async fn http(&self, path: &str, post: bool) -> Vec<u8> {
        let port = self.gateway.admin_port();
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .expect("connect");
        let (verb, more) = match post {
            true => (
                "POST",
                format!("Authorization: Bearer {}\r\n", self.secrets.token.core),
            ),
            false => ("GET", String::new()),
        };
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: localhost\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answered");
        answer
    }

    /// Mistakes next to secrets, and within them.
    pub(crate) fn break_the_configuration(&self) {
        let good = fs::read_to_string(self.gateway.config_path()).expect("is there");
        let broken = self.secrets.broken.in_url();
        let more = format!(
            "  wrong1: {{ url: \"postgres://app:{broken}@h:notaport/db\" }}\n  \
             wrong2: {{ url: \"host=h password={core} prot=1\" }}\n  \
             wrong3: {{ url: \"postgres://app:{broken}@h/db?sslmod=on\", passwrd: \"{core}\" }}\n",
            core = self.secrets.broken.core
        );
        let text = good.replacen("endpoints:\n", &format!("endpoints:\n{more}"), 1);
        assert_ne!(text, good);
        fs::write(self.gateway.config_path(), text).expect("written");
    }

    pub(crate) fn log(&self) -> String {
        self.gateway.log()
    }

    pub(crate) fn server_log(&self) -> String {
        self.postgres.log()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.files.path()
    }

    /// The files through which secrets went in.
    pub(crate) fn meant_to_hold_secrets(&self) -> Vec<PathBuf> {
        [
            "listed.password",
            "users.txt",
            "whole.url",
            "credential",
            "tls.key",
            "client.key",
            "supply",
            "complain",
            "console.pgpass",
        ]
        .map(|name| self.files.path().join(name))
        .into()
    }
}
