//! One process takes the place of another with `up --takeover`, under load.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgmoor_testkit::{
    Address, Pgmoor, Postgres, RawClient, Signal, is_running, signal, wait_for, wait_for_some,
    write_private,
};

use crate::clients::STUCK;
use crate::processes::nothing_runs_in;
use crate::site::{POOL, Site, number_from, pgmoor, pgmoor_before};

/// A process that takes over; it is stopped when this is dropped.
struct Successor {
    child: Mutex<Child>,
}

impl Successor {
    /// Starts one on the same configuration, and waits until it serves.
    async fn of(pgmoor: &Pgmoor, number: usize) -> Successor {
        let log = pgmoor.dir().join(format!("successor-{number}.log"));
        let child = command(pgmoor.config_path(), &["--takeover"])
            .stderr(File::create(&log).expect("a log"))
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let successor = Successor {
            child: Mutex::new(child),
        };
        wait_for("a successor to take over", STUCK, async || {
            let told = fs::read_to_string(&log).unwrap_or_default();
            assert!(successor.exited().is_none(), "it has ended:\n{told}");
            told.contains("took over from the running pgmoor")
        })
        .await;
        successor
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exited(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("it is our child")
    }

    async fn ended(&self) -> ExitStatus {
        wait_for_some("the process to end", STUCK, async || self.exited()).await
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let mut child = self.child();
        signal(child.id(), Signal::TERM);
        let _ = child.wait();
    }
}

fn command(configuration: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgmoor"));
    command
        .arg("up")
        .args(arguments)
        .arg("--config")
        .arg(configuration)
        .current_dir(configuration.parent().expect("it is in a directory"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null());
    command
}

fn output_of(command: &mut Command) -> Output {
    command.output().expect("runs")
}

async fn app(pgmoor: &Pgmoor, address: Address) -> RawClient {
    RawClient::login_to(address, "app", &pgmoor.generated_password(), "app").await
}

/// A client whose statement runs until it is cancelled.
async fn sleeper(pgmoor: &Pgmoor, postgres: &Postgres, name: &str) -> RawClient {
    let mut client = app(pgmoor, pgmoor.address()).await;
    let sql = format!("select pg_sleep(60), '{name}'");
    client.send(&pgmoor_testkit::frontend::query(&sql)).await;
    let running = format!(
        "select count(*) from pg_stat_activity where query = $q${sql}$q$ and state = 'active'"
    );
    wait_for("the statement to run", STUCK, async || {
        postgres.psql(&running).await == "1"
    })
    .await;
    client
}

/// The SQLSTATE that a statement ends with, whatever the server has said of its columns before.
async fn error_of(client: &mut RawClient) -> String {
    let answer = client.read_until_ready().await;
    let error = answer.iter().find(|message| message.tag == b'E');
    error.expect("an error").sqlstate()
}

#[tokio::test]
async fn processes_follow_one_another_and_no_transaction_fails() {
    let site = Site::external().await;
    let takeovers = number_from("PGMOOR_TAKEOVERS", 3);
    let seconds = 4 + u32::try_from(takeovers).expect("not so many");
    let bench = site.pgbench().clients(2).seconds(seconds);
    let by_socket = bench
        .clone()
        .env("PGHOST", &site.pgmoor.dir().display().to_string());
    let runs =
        [&bench, &by_socket].map(|bench| [bench.start(), bench.clone().connect_each().start()]);
    let socket = site
        .pgmoor
        .dir()
        .join(format!(".s.PGSQL.{}", site.pgmoor.port()));

    let mut successors = Vec::new();
    for number in 1..=takeovers {
        successors.push(Successor::of(&site.pgmoor, number).await);
    }
    let last = successors.pop().expect("there was one");
    for run in runs.into_iter().flatten() {
        let report = run.finish_within(STUCK * 3).await;
        assert!(report.is_clean(), "{}", report.output);
        assert!(report.transactions > 0, "{}", report.output);
    }

    assert_eq!(site.pgmoor.exited().await.code(), Some(0));
    for successor in &successors {
        assert_eq!(successor.ended().await.code(), Some(0));
    }
    assert!(socket.exists(), "the socket's file belongs to the last one");
    for address in [site.pgmoor.address(), site.pgmoor.socket()] {
        let mut client = app(&site.pgmoor, address).await;
        assert_eq!(client.value("select 1").await, "1");
    }
    assert!(last.exited().is_none());
    drop(last);
    nothing_runs_in(site.pgmoor.dir()).await;
}

#[tokio::test]
async fn a_cancel_that_reaches_a_successor_finds_the_client_of_any_process_before_it() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;
    let mut oldest = sleeper(&pgmoor, &postgres, "oldest").await;
    let _second = Successor::of(&pgmoor, 1).await;
    let mut middle = sleeper(&pgmoor, &postgres, "middle").await;
    let _third = Successor::of(&pgmoor, 2).await;

    oldest.cancel().await;
    assert_eq!(error_of(&mut oldest).await, "57014");
    middle.cancel().await;
    assert_eq!(error_of(&mut middle).await, "57014");
    assert!(is_running(pgmoor.pid()));
    oldest.terminate().await;

    assert_eq!(pgmoor.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_successor_that_cannot_start_leaves_the_one_that_serves() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;
    let mut client = app(&pgmoor, pgmoor.address()).await;
    let good = fs::read_to_string(pgmoor.config_path()).expect("read it");
    let broken = pgmoor.dir().join("broken.yaml");
    let (_, gateway) = good.split_once("gateway:").expect("there is one");
    let bundled = format!(
        "databases: {{ app: {{ endpoint: own }} }}\n\
         endpoints: {{ own: {{ bundled: {{ data_dir: ./data, binaries: ./nowhere }} }} }}\n\
         gateway:{gateway}"
    );

    write_private(&broken, format!("lgo: {{}}\n{good}"));
    let unreadable = output_of(&mut command(&broken, &["--takeover"]));
    write_private(&broken, bundled);
    let serverless = output_of(&mut command(&broken, &["--takeover"]));

    let told = String::from_utf8_lossy(&unreadable.stderr);
    assert!(told.contains("unknown key \"lgo\""), "{told}");
    assert_eq!(unreadable.status.code(), Some(2), "{told}");
    let told = String::from_utf8_lossy(&serverless.stderr);
    assert!(told.contains("\nhint: "), "{told}");
    assert_eq!(serverless.status.code(), Some(3), "{told}");
    assert_eq!(client.value("select 1").await, "1");
    for address in [pgmoor.address(), pgmoor.socket()] {
        let mut other = app(&pgmoor, address).await;
        assert_eq!(other.value("select 2").await, "2");
    }
    let _successor = Successor::of(&pgmoor, 1).await;
    client.terminate().await;
    assert_eq!(pgmoor.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_successor_that_is_killed_while_it_starts_leaves_the_one_that_serves() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;

    for _ in 0..5 {
        let mut killed = command(pgmoor.config_path(), &["--takeover"])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        signal(killed.id(), Signal::KILL);
        killed.wait().expect("it was started");
        let mut client = app(&pgmoor, pgmoor.address()).await;
        assert_eq!(client.value("select 1").await, "1");
    }

    let successor = Successor::of(&pgmoor, 1).await;
    assert_eq!(pgmoor.exited().await.code(), Some(0));
    assert!(successor.exited().is_none());
}

#[tokio::test]
async fn a_second_gateway_on_the_same_state_is_refused() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;

    let refused = output_of(&mut command(pgmoor.config_path(), &[]));

    let told = String::from_utf8_lossy(&refused.stderr);
    let told = told.replace(&pgmoor.dir().display().to_string(), "DIR");
    insta::assert_snapshot!(told, @r"
    error: another pgmoor runs on DIR/state
    hint: stop it first, or let `pgmoor up --takeover` take its place; a gateway of its own needs another gateway.state_dir
    ");
    assert_eq!(refused.status.code(), Some(2));
    let mut client = app(&pgmoor, pgmoor.socket()).await;
    assert_eq!(client.value("select 1").await, "1");
}

#[tokio::test]
async fn a_bundled_server_goes_on_under_the_successor() {
    let site = Site::bundled().await;
    let postmaster = site.postmaster();
    let run = site.pgbench().clients(2).seconds(2).start();
    let home = site.data_dir();
    let home = home.parent().expect("it has one").to_owned();

    let successor = Successor::of(&site.pgmoor, 1).await;
    let report = run.finish_within(Duration::from_secs(20)).await;

    assert!(report.is_clean(), "{}", report.output);
    assert_eq!(site.pgmoor.exited().await.code(), Some(0));
    assert_eq!(site.postmaster(), postmaster);
    let mut client = app(&site.pgmoor, site.pgmoor.address()).await;
    assert_eq!(client.value("select 1").await, "1");
    drop(successor);
    nothing_runs_in(&home).await;
}

/// A traffic verb at the gateway of this configuration.
fn direct(pgmoor: &Pgmoor, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgmoor"));
    output_of(
        command
            .args(arguments)
            .arg("--config")
            .arg(pgmoor.config_path())
            .env_clear()
            .stdin(Stdio::null()),
    )
}

fn directed(pgmoor: &Pgmoor, arguments: &[&str]) {
    let output = direct(pgmoor, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
}

/// One that can be switched from the first server to the second.
async fn before_two(first: &Postgres, second: &Postgres) -> Pgmoor {
    let (one, two) = (first.url(), second.url());
    pgmoor()
        .config(&format!(
            "databases: {{ app: {{ endpoint: one, {POOL} }} }}\n\
             endpoints: {{ one: {{ url: \"{one}\" }}, two: {{ url: \"{two}\" }} }}"
        ))
        .start()
        .await
}

#[tokio::test]
async fn a_successor_serves_a_database_from_where_it_was_switched_to() {
    let (first, second) = tokio::join!(Postgres::start(), Postgres::start());
    let pgmoor = before_two(&first, &second).await;
    directed(&pgmoor, &["pause", "app"]);
    directed(&pgmoor, &["switch", "app", "two"]);
    directed(&pgmoor, &["resume", "app"]);

    let successor = Successor::of(&pgmoor, 1).await;

    assert_eq!(pgmoor.exited().await.code(), Some(0));
    let mut client = app(&pgmoor, pgmoor.address()).await;
    assert_eq!(client.value("show port").await, second.port().to_string());
    drop(successor);
}

#[tokio::test]
async fn a_paused_database_is_not_handed_over() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;
    let mut client = app(&pgmoor, pgmoor.address()).await;
    directed(&pgmoor, &["pause", "app"]);

    let refused = output_of(&mut command(pgmoor.config_path(), &["--takeover"]));

    insta::assert_snapshot!(String::from_utf8_lossy(&refused.stderr), @r#"
    error: cannot take over from the running pgmoor
    cause: the running pgmoor cannot be followed now: database "app" is paused
    hint: pgmoor resume lets its clients go on; then take over
    "#);
    assert_eq!(refused.status.code(), Some(2));
    directed(&pgmoor, &["resume", "app"]);
    assert_eq!(client.value("select 1").await, "1");
    let _successor = Successor::of(&pgmoor, 1).await;
}

#[tokio::test]
async fn traffic_is_not_changed_while_another_process_has_clients() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;
    let mut client = app(&pgmoor, pgmoor.address()).await;
    client.query("begin").await;
    let _second = Successor::of(&pgmoor, 1).await;
    let _third = Successor::of(&pgmoor, 2).await;

    let refused = direct(&pgmoor, &["pause", "app"]);

    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("still has clients"), "{told}");
    assert!(told.contains("\nhint: "), "{told}");
    assert_ne!(refused.status.code(), Some(0));
    assert_eq!(client.value("select 1").await, "1");
    client.query("commit").await;
    client.terminate().await;
    assert_eq!(pgmoor.exited().await.code(), Some(0));
    wait_for("the traffic can be changed", STUCK, async || {
        direct(&pgmoor, &["pause", "app"]).status.success()
    })
    .await;
    directed(&pgmoor, &["resume", "app"]);
}

#[tokio::test]
async fn a_successor_that_would_serve_from_elsewhere_is_refused() {
    let (first, second) = tokio::join!(Postgres::start(), Postgres::start());
    let pgmoor = before_two(&first, &second).await;
    let mut client = app(&pgmoor, pgmoor.address()).await;
    let good = fs::read_to_string(pgmoor.config_path()).expect("read it");
    let other = pgmoor.dir().join("other.yaml");
    write_private(&other, good.replace("endpoint: one", "endpoint: two"));

    let refused = output_of(&mut command(&other, &["--takeover"]));

    let told = String::from_utf8_lossy(&refused.stderr);
    let cause = "cause: database \"app\" is served by endpoint \"one\", and this configuration says \"two\"";
    assert!(told.contains(cause), "{told}");
    assert_eq!(client.value("show port").await, first.port().to_string());
}
