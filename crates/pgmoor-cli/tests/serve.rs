//! `up`, `run`, `wait`, `psql` and `url` with real servers: a bundled one and an external one.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use pgmoor_testkit::{Postgres, Signal, client_program, free_port, signal, wait_for};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that `pgmoor` is started in; a bundled server's user may pass through it.
struct Place {
    directory: TempDir,
    port: u16,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("pgmoor-cli-")
            .tempdir_in("/tmp")
            .expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).expect("chmod");
        Self {
            directory,
            port: free_port(),
        }
    }

    fn with_file(yaml: &str) -> Self {
        let place = Self::new();
        place.write_file(yaml);
        place
    }

    fn write_file(&self, yaml: &str) {
        let path = self.directory.path().join("pgmoor.yaml");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .expect("open");
        file.write_all(yaml.as_bytes()).expect("write");
    }

    fn pgmoor(&self, arguments: &[&str]) -> Command {
        let psql = client_program("psql");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgmoor"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("PGMOOR_PG_BIN", psql.parent().unwrap_or(Path::new("/")))
            .env("PGMOOR_GATEWAY__ADMIN", "none")
            .stdin(Stdio::null());
        command
    }

    fn pgmoor_at_port(&self, arguments: &[&str]) -> Command {
        let mut command = self.pgmoor(arguments);
        command.env("PGMOOR_GATEWAY__LISTEN", format!("127.0.0.1:{}", self.port));
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.pgmoor_at_port(arguments).output().expect("runs")
    }

    /// Starts `up` and waits until it can be used.
    fn up(&self) -> Up {
        self.start(&["wait", "--timeout", "60s"])
    }

    fn up_with(&self, database: &str) -> Up {
        self.start(&["wait", "--timeout", "60s", "--database", database])
    }

    fn start(&self, wait: &[&str]) -> Up {
        let log = File::create(self.directory.path().join("up.log")).expect("a log");
        let mut child = self
            .pgmoor_at_port(&["up"])
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let wait = self.output(wait);
        if !wait.status.success() {
            let _ = child.kill();
            panic!("{}\n{}", text(&wait.stderr), self.log());
        }
        Up { child }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("up.log")).unwrap_or_default()
    }
}

/// A running `pgmoor up`, killed if the test ends first.
struct Up {
    child: Child,
}

impl Up {
    fn tell(&self, what: Signal) {
        signal(self.child.id(), what);
    }

    fn stop(mut self) -> Option<i32> {
        self.tell(Signal::TERM);
        self.child.wait().expect("it was started").code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_configuration_a_bundled_database_is_served_and_its_data_is_kept() {
    let place = Place::new();
    let up = place.up();

    let told = place.log();
    let made = place.output(&[
        "psql",
        "-Atqc",
        "create table t as select 42 as answer; select current_user from t",
    ]);
    let hidden = text(&place.output(&["url"]).stdout);
    let raw = text(&place.output(&["url", "--raw"]).stdout);
    let code = up.stop();

    assert_eq!(text(&made.stdout), "app\n", "{}", text(&made.stderr));
    assert_eq!(
        hidden,
        format!("postgres://app:***@127.0.0.1:{}/app\n", place.port)
    );
    assert!(
        told.contains(hidden.trim()) && told.contains("app.password"),
        "{told}"
    );
    assert_eq!(code, Some(0), "{}", place.log());
    let password = raw.split([':', '@']).nth(2).expect("a password");
    assert!(
        !place.log().contains(password),
        "the password is nowhere in the output"
    );

    let script =
        r#"printf '%s %s\n' "$PGUSER" "$DATABASE_URL"; psql -Atc 'select answer from t'; exit 7"#;
    let run = place
        .pgmoor(&["run", "--", "sh", "-c", script])
        .output()
        .expect("runs");

    assert_eq!(run.status.code(), Some(7), "{}", text(&run.stderr));
    let lines = text(&run.stdout);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(
        lines[0].starts_with(&format!("app postgres://app:{password}@127.0.0.1:")),
        "{lines:?}"
    );
    assert_eq!(lines[1], "42");
    assert_eq!(
        text(&run.stderr),
        "",
        "the command's output is not mixed with ours"
    );
}

#[tokio::test]
async fn one_line_of_configuration_serves_an_external_database() {
    let server = Postgres::start().await;
    let place = Place::with_file(&format!(
        "databases: {{ shop: {{ url: \"{}\" }} }}\n",
        server.url()
    ));

    let output = place
        .pgmoor(&[
            "run",
            "--",
            "psql",
            "-Atc",
            "select current_database(), current_user",
        ])
        .output();

    let output = output.expect("runs");
    assert_eq!(
        text(&output.stdout),
        "app|app\n",
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn a_reload_adds_a_database_and_a_broken_file_changes_nothing() {
    let server = Postgres::start().await;
    let address = server.url();
    let place = Place::with_file(&format!("databases:\n  one: {{ url: \"{address}\" }}\n"));
    let up = place.up();
    let one = text(&place.output(&["url", "--raw"]).stdout);

    place.write_file("databases: { one: { endpoint: nowhere } }\n");
    up.tell(Signal::HUP);
    wait_for("the refusal", PATIENCE, async || {
        place.log().contains("which does not exist")
    })
    .await;
    let still = Command::new(client_program("psql"))
        .args([one.trim(), "-Atc", "select 1"])
        .output()
        .expect("runs");
    place.write_file(&format!(
        "databases:\n  one: {{ url: \"{address}\" }}\n  two: {{ url: \"{address}\" }}\n"
    ));
    up.tell(Signal::HUP);
    wait_for("the reload", PATIENCE, async || {
        place.log().contains("configuration reloaded")
    })
    .await;
    let two = place.output(&["wait", "--database", "two", "--timeout", "30s"]);

    assert_eq!(text(&still.stdout), "1\n", "{}", text(&still.stderr));
    assert!(
        two.status.success(),
        "{}\n{}",
        text(&two.stderr),
        place.log()
    );
    assert!(!place.log().contains(server.app_password()));
    assert_eq!(up.stop(), Some(0), "{}", place.log());
}

#[tokio::test]
async fn a_changed_file_is_reloaded_without_being_asked() {
    let server = Postgres::start().await;
    let address = server.url();
    let place = Place::with_file(&format!("databases:\n  one: {{ url: \"{address}\" }}\n"));
    let _up = place.up();

    place.write_file(&format!(
        "databases:\n  one: {{ url: \"{address}\" }}\n  two: {{ url: \"{address}\" }}\n"
    ));

    wait_for("the database", PATIENCE, async || {
        place
            .output(&["psql", "--database", "two", "-Atc", "select 1"])
            .status
            .success()
    })
    .await;
}

#[tokio::test]
async fn an_administrator_reloads_and_ends_it_in_the_admin_database() {
    let server = Postgres::start().await;
    let address = server.url();
    let access =
        "gateway: { auth: { users: { app: { password: geheim } }, admin_users: [app] } }\n";
    let place = Place::with_file(&format!(
        "databases:\n  one: {{ url: \"{address}\" }}\n{access}"
    ));
    let mut up = place.up();
    let console = |command: &str| {
        let url = format!("postgres://app@127.0.0.1:{}/pgmoor", place.port);
        let mut psql = Command::new(client_program("psql"));
        psql.args([&url, "-XAtc", command])
            .env("PGPASSWORD", "geheim")
            .output()
            .expect("runs")
    };

    place.write_file(&format!(
        "databases:\n  one: {{ endpoint: nowhere }}\n{access}"
    ));
    let refused = console("RELOAD");
    place.write_file(&format!(
        "databases:\n  two: {{ url: \"{address}\" }}\n{access}"
    ));
    let done = console("RELOAD");
    let two = place.output(&["wait", "--database", "two"]);
    let ended = console("SHUTDOWN");
    let code = up.child.wait().expect("it was started").code();

    let refused = text(&refused.stderr);
    assert!(
        refused.contains("names the endpoint \"nowhere\", which does not exist"),
        "{refused}"
    );
    assert_eq!(text(&done.stdout), "RELOAD\n", "{}", text(&done.stderr));
    assert!(two.status.success(), "{}", text(&two.stderr));
    assert_eq!(code, Some(0), "{}\n{}", text(&ended.stderr), place.log());
}

#[test]
fn every_database_served_from_a_bundled_endpoint_is_made_also_by_a_reload() {
    let place = Place::with_file(
        "databases:\n  one: { endpoint: bundled }\n  two: { endpoint: bundled }\n",
    );
    let up = place.up_with("one");

    let two = place.output(&[
        "psql",
        "--database",
        "two",
        "-Atc",
        "select current_database()",
    ]);
    place.write_file("databases:\n  one: { endpoint: bundled }\n  three: { endpoint: bundled }\n");
    up.tell(Signal::HUP);
    let three = place.output(&["wait", "--database", "three", "--timeout", "60s"]);

    assert_eq!(text(&two.stdout), "two\n", "{}", text(&two.stderr));
    assert!(
        three.status.success(),
        "{}\n{}",
        text(&three.stderr),
        place.log()
    );
    assert_eq!(up.stop(), Some(0), "{}", place.log());
}

#[test]
fn a_command_is_run_beside_an_up_of_the_same_configuration() {
    let place = Place::new();
    place.write_file(&format!(
        "gateway: {{ listen: [\"127.0.0.1:{}\"], unix_sockets: [.] }}\n",
        place.port
    ));
    let up = place.up();

    let run = place
        .pgmoor(&["run", "--", "sh", "-c", "psql -Atc 'select 42'"])
        .output()
        .expect("runs");

    assert_eq!(text(&run.stdout), "42\n", "{}", text(&run.stderr));
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_refused_before_a_server_is_made() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", place.port)).expect("a port");

    let output = place.output(&["up"]);

    drop(taken);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr).replace(&place.port.to_string(), "PORT");
    insta::assert_snapshot!(told, @r"
    error: cannot listen on 127.0.0.1:PORT
    cause: address already in use
    hint: another program listens there (see `ss -ltnp 'sport = :PORT'`); stop it, or set gateway.listen
    ");
    assert!(!place.directory.path().join(".pgmoor/data").exists());
}

#[test]
fn a_command_that_does_not_exist_is_refused() {
    let server_is_not_needed =
        Place::with_file("databases: { app: { url: \"postgres://app@127.0.0.1:1/app\" } }\n");

    let output = server_is_not_needed
        .pgmoor(&["run", "--", "no-such-program"])
        .output()
        .expect("runs");

    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: cannot run no-such-program
    cause: no such file or directory
    hint: the command is run as it is, without a shell; for one write: pgmoor run -- sh -c '…'
    ");
}
