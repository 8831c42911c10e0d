//! The admin database `pgmoor`, by psql and by a driver.

use std::time::Duration;

use pgmoor_gateway::settings::{PoolMode, UserSettings};
use pgmoor_gateway::{Hooks, Shutdown};
use pgmoor_testkit::{client_program, wait_for, wait_for_value};
use tokio_postgres::SimpleQueryMessage;

use crate::fixture::{Gate, Plan};

const PATIENCE: Duration = Duration::from_secs(10);

/// An administrator `root`, an observer `eye` and a user `app`, whose passwords are their names.
pub(crate) fn guarded(mode: PoolMode, size: u32) -> Plan {
    Plan::new(mode, size).gateway(|gateway| {
        for name in ["root", "eye", "app"] {
            let user = UserSettings {
                password: Some(pgmoor::Secret::new(name.to_owned())),
                ..UserSettings::default()
            };
            gateway.auth.users.insert(name.to_owned(), user);
        }
        gateway.auth.admin_users = vec!["root".into()];
        gateway.auth.stats_users = vec!["eye".into()];
    })
}

pub(crate) fn address(gate: &Gate, user: &str, database: &str) -> String {
    format!("postgres://{user}:{user}@{}/{database}", gate.address)
}

pub(crate) async fn connect(
    gate: &Gate,
    user: &str,
    database: &str,
) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let url = address(gate, user, database);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn console(gate: &Gate, user: &str) -> tokio_postgres::Client {
    connect(gate, user, "pgmoor")
        .await
        .expect("log in to the admin database")
}

/// Rows by their columns' names.
async fn rows(
    client: &tokio_postgres::Client,
    sql: &str,
) -> Vec<std::collections::HashMap<String, String>> {
    let messages = client.simple_query(sql).await.expect(sql);
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        let columns = row.columns().iter().enumerate();
        columns
            .map(|(index, column)| {
                let value = row.get(index).unwrap_or_default();
                (column.name().to_owned(), value.to_owned())
            })
            .collect()
    })
    .collect()
}

/// SQLSTATE, message and hint of a command that is refused.
async fn refusal(client: &tokio_postgres::Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.expect_err(sql);
    let error = error.as_db_error().expect("an error of the server");
    format!(
        "{} {} / {}",
        error.code().code(),
        error.message(),
        error.hint().unwrap_or_default()
    )
}

#[tokio::test]
async fn psql_shows_everything_there_is_to_show() {
    let gate = guarded(PoolMode::Session, 3).start().await;
    let client = connect(&gate, "app", "app").await.expect("a client");
    client.simple_query("select 1").await.expect("a query");

    let mut output = String::new();
    for what in [
        "VERSION",
        "POOLS",
        "DATABASES",
        "CLIENTS",
        "SERVERS",
        "STATS",
        "STATS_TOTALS",
        "STATS_AVERAGES",
        "TOTALS",
        "CONFIG",
        "USERS",
        "LISTS",
        "MEM",
        "STATE",
        "HELP",
    ] {
        let psql = tokio::process::Command::new(client_program("psql"))
            .args(["--no-psqlrc", "--no-align", "--set=ON_ERROR_STOP=1"])
            .arg("--dbname")
            .arg(address(&gate, "eye", "pgmoor"))
            .args([
                "--command",
                "\\conninfo",
                "--command",
                &format!("SHOW {what}"),
            ])
            .output()
            .await
            .expect("psql runs");
        let told = String::from_utf8_lossy(&psql.stderr);
        assert!(psql.status.success(), "SHOW {what}: {told}");
        output.push_str(&String::from_utf8_lossy(&psql.stdout));
        output.push_str(&told);
    }

    assert!(output.contains("pgmoor 0."), "{output}");
    assert!(
        output.contains("app|app|1|0|0|0|1|0|0|0|0|0|0|0|0|session|"),
        "{output}"
    );
    assert!(
        output.contains("databases.app.pool.size|3|20|yes"),
        "{output}"
    );
    assert!(output.contains("SHOW HELP|CONFIG|DATABASES"), "{output}");
}

#[tokio::test]
async fn clients_and_servers_are_linked_and_counted() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let eye = console(&gate, "eye").await;
    let busy = connect(&gate, "app", "app").await.expect("a client");
    busy.simple_query("begin; select 1")
        .await
        .expect("a transaction");

    let clients = rows(&eye, "SHOW CLIENTS").await;
    let servers = rows(&eye, "SHOW SERVERS").await;
    let client = clients
        .iter()
        .find(|row| row["database"] == "app")
        .expect("the client");
    let server = servers
        .iter()
        .find(|row| row["state"] == "active")
        .expect("its server");
    assert_eq!(client["link"], server["ptr"]);
    assert_eq!(server["link"], client["ptr"]);
    assert_eq!(
        (&*client["state"], &*client["addr"]),
        ("active", "127.0.0.1")
    );
    let pid = busy
        .query_one("select pg_backend_pid()", &[])
        .await
        .expect("pid")
        .get::<_, i32>(0);
    assert_eq!(server["remote_pid"], pid.to_string());

    busy.simple_query("commit").await.expect("commit");
    wait_for("the transaction to be counted", PATIENCE, async || {
        let stats = rows(&eye, "SHOW STATS").await;
        stats.iter().any(|row| {
            row["database"] == "app"
                && row["total_xact_count"].parse::<u64>().expect("a number") >= 1
                && row["total_query_count"].parse::<u64>().expect("a number") >= 3
                && row["total_received"].parse::<u64>().expect("a number") > 0
        })
    })
    .await;
}

#[tokio::test]
async fn drivers_that_only_know_the_extended_protocol_are_answered() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let eye = console(&gate, "eye").await;
    drop(
        connect(&gate, "app", "app")
            .await
            .expect("a client that makes a pool"),
    );

    let pools = eye.query("SHOW POOLS", &[]).await.expect("pools");
    let version = eye.query_one("SHOW VERSION", &[]).await.expect("version");
    let one: i32 = eye.query_one("SELECT 1", &[]).await.expect("one").get(0);
    let refused = eye
        .query("SHOW NOTHING", &[])
        .await
        .expect_err("nothing to show");

    assert_eq!(pools[0].get::<_, &str>("database"), "app");
    assert_eq!(pools[0].get::<_, i32>("cl_waiting"), 0);
    assert!(version.get::<_, &str>("version").starts_with("pgmoor "));
    assert_eq!(one, 1);
    assert_eq!(refused.code().expect("an SQLSTATE").code(), "42601");
    eye.query("SHOW STATS", &[])
        .await
        .expect("goes on after an error");
}

#[tokio::test]
async fn only_administrators_change_anything_and_only_listed_users_look() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let eye = console(&gate, "eye").await;

    for command in [
        "PAUSE",
        "RESUME",
        "RECONNECT",
        "KILL app",
        "KILL_CLIENT 1",
        "DISABLE app",
        "ENABLE app",
        "WAIT_CLOSE",
        "RELOAD",
        "SHUTDOWN",
    ] {
        let told = refusal(&eye, command).await;
        assert!(
            told.starts_with("42501 admin access needed"),
            "{command}: {told}"
        );
    }
    let stranger = connect(&gate, "app", "pgmoor")
        .await
        .expect_err("no console for app");
    let stranger = stranger.as_db_error().expect("an error of the server");
    assert_eq!(stranger.code().code(), "42501");
    let wrong = format!("postgres://root:wrong@{}/pgmoor", gate.address);
    let wrong = tokio_postgres::connect(&wrong, tokio_postgres::NoTls).await;
    let code = wrong
        .err()
        .and_then(|error| error.code().cloned())
        .expect("an SQLSTATE");
    assert_eq!(code.code(), "28P01");
}

#[tokio::test]
async fn pause_waits_for_the_transaction_and_resume_lets_clients_go_on() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let root = console(&gate, "root").await;
    let busy = connect(&gate, "app", "app").await.expect("a client");
    busy.simple_query("begin").await.expect("begin");

    let pausing = tokio::spawn({
        let root = console(&gate, "root").await;
        async move { root.simple_query("PAUSE app").await }
    });
    let paused = async || rows(&root, "SHOW DATABASES").await[0]["paused"].clone();
    wait_for_value("paused", PATIENCE, "1".to_owned(), paused).await;
    assert!(!pausing.is_finished(), "a transaction is open");
    busy.simple_query("commit").await.expect("commit");
    pausing.await.expect("no panic").expect("paused");

    let waiting = tokio::spawn(async move { busy.simple_query("select 1").await });
    let queue = async || rows(&root, "SHOW POOLS").await[0]["cl_waiting"].clone();
    wait_for_value("clients that wait", PATIENCE, "1".to_owned(), queue).await;
    assert!(rows(&root, "SHOW SERVERS").await.is_empty());
    root.simple_query("RESUME app").await.expect("resumed");
    waiting
        .await
        .expect("no panic")
        .expect("served after the pause");
    assert_eq!(
        refusal(&root, "RESUME app").await,
        "55000 database app is not paused / "
    );
}

#[tokio::test]
async fn a_cancelled_pause_resumes() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let root = console(&gate, "root").await;
    let busy = connect(&gate, "app", "app").await.expect("a client");
    busy.simple_query("begin").await.expect("begin");
    let other = console(&gate, "root").await;
    let cancel = other.cancel_token();

    let pausing = tokio::spawn(async move { other.simple_query("PAUSE").await });
    let paused = async || rows(&root, "SHOW DATABASES").await[0]["paused"].clone();
    wait_for_value("paused", PATIENCE, "1".to_owned(), paused).await;
    cancel
        .cancel_query(tokio_postgres::NoTls)
        .await
        .expect("cancel");

    let told = pausing.await.expect("no panic").expect_err("cancelled");
    assert_eq!(told.code().expect("an SQLSTATE").code(), "57014");
    assert_eq!(paused().await, "0");
}

#[tokio::test]
async fn kill_ends_clients_and_keeps_new_ones_waiting_until_resume() {
    let gate = guarded(PoolMode::Session, 3).start().await;
    let root = console(&gate, "root").await;
    let doomed = connect(&gate, "app", "app").await.expect("a client");
    doomed.simple_query("select 1").await.expect("a query");

    root.simple_query("KILL app").await.expect("killed");

    wait_for("the client to be gone", PATIENCE, async || {
        doomed.is_closed()
    })
    .await;
    let servers = async || rows(&root, "SHOW SERVERS").await.len();
    wait_for_value("server connections", PATIENCE, 0, servers).await;
    root.simple_query("RESUME app").await.expect("resumed");
    connect(&gate, "app", "app").await.expect("a new client");
}

#[tokio::test]
async fn one_client_can_be_ended_and_a_database_closed_to_new_ones() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let root = console(&gate, "root").await;
    let doomed = connect(&gate, "app", "app").await.expect("a client");
    let clients = rows(&root, "SHOW CLIENTS").await;
    let id = &clients
        .iter()
        .find(|row| row["database"] == "app")
        .expect("it")["id"];

    root.simple_query(&format!("KILL_CLIENT {id}"))
        .await
        .expect("ended");
    wait_for("the client to be gone", PATIENCE, async || {
        doomed.is_closed()
    })
    .await;
    root.simple_query("DISABLE app").await.expect("disabled");
    let refused = connect(&gate, "app", "app").await.expect_err("disabled");
    root.simple_query("ENABLE app; RECONNECT; WAIT_CLOSE")
        .await
        .expect("enabled");

    assert!(
        refused
            .as_db_error()
            .expect("told")
            .message()
            .contains("disabled")
    );
    connect(&gate, "app", "app").await.expect("enabled again");
    assert!(
        refusal(&root, "KILL_CLIENT 999999")
            .await
            .starts_with("42704 client not found")
    );
    assert!(
        refusal(&root, "PAUSE nobody")
            .await
            .starts_with("3D000 there is no database")
    );
}

#[tokio::test]
async fn reload_and_shutdown_go_to_the_program_that_runs_the_gateway() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let root = console(&gate, "root").await;
    assert!(refusal(&root, "RELOAD").await.starts_with("0A000"));
    let (asked, mut heard) = tokio::sync::mpsc::unbounded_channel();
    gate.gateway.set_hooks(Hooks {
        reload: Some(std::sync::Arc::new(|| {
            Err("pgmoor.yaml:3: unknown key \"siez\"".into())
        })),
        shutdown: Some(std::sync::Arc::new(move |how| {
            let _ = asked.send(how);
        })),
    });

    let error = root.simple_query("RELOAD").await.expect_err("a bad file");
    root.simple_query("SHUTDOWN WAIT_FOR_CLIENTS")
        .await
        .expect("asked");

    let error = error.as_db_error().expect("told");
    assert_eq!(error.code().code(), "F0000");
    assert_eq!(error.detail(), Some("pgmoor.yaml:3: unknown key \"siez\""));
    assert_eq!(heard.recv().await, Some(Shutdown::WaitForClients));
}

#[tokio::test]
async fn the_admin_database_ends_with_the_gateway() {
    let gate = guarded(PoolMode::Transaction, 3).start().await;
    let root = console(&gate, "root").await;
    root.simple_query("BEGIN; SHOW STATE; COMMIT")
        .await
        .expect("what drivers say");

    gate.served.gateway.stop(PATIENCE).await;

    wait_for("the console to be gone", PATIENCE, async || {
        root.is_closed()
    })
    .await;
}

#[tokio::test]
async fn administrators_are_let_in_where_clients_have_taken_every_place() {
    let plan = guarded(PoolMode::Transaction, 1)
        .gateway(|gateway| gateway.max_client_connections = 2.try_into().expect("not zero"));
    let gate = plan.start().await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(connect(&gate, "app", "app").await.expect("let in"));
    }
    assert!(connect(&gate, "app", "app").await.is_err(), "no place left");

    let console = console(&gate, "root").await;

    let pools = rows(&console, "show pools").await;
    assert_eq!(pools[0]["database"], "app");
}
