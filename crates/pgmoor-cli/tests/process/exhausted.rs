//! What runs out while clients are served: room for the log, room for the state, descriptors.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pgmoor_testkit::{Pgmoor, PgmoorBuilder, Postgres, RawClient, Signal, wait_for};
use tokio::net::TcpStream;

use crate::clients::STUCK;
use crate::site::{can_mount, pgmoor_before};

/// So many descriptors, of which a gateway needs some twenty for itself.
const FILES: &str = "--nofile=160:160";

async fn app(pgmoor: &Pgmoor) -> RawClient {
    let password = pgmoor.generated_password();
    RawClient::login_to(pgmoor.address(), "app", &password, "app").await
}

async fn is_alive(pgmoor: &Pgmoor) -> bool {
    let answer = pgmoor.http("/liveness").await;
    answer.is_some_and(|answer| answer.status == 200)
}

/// The value of a metric without labels.
async fn metric(pgmoor: &Pgmoor, name: &str) -> f64 {
    let page = pgmoor.http("/metrics").await.expect("metrics").body;
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{page}"))
}

/// A gateway whose state directory is a file system of its own, set up by these commands.
fn with_state_on(postgres: &Postgres, commands: &str) -> PgmoorBuilder {
    let script = format!("mkdir -p state && {commands} && exec \"$@\"");
    pgmoor_before(postgres).under(&["unshare", "--mount", "sh", "-c", &script, "sh"])
}

/// That file system, as the process sees it.
fn state_of(pgmoor: &Pgmoor) -> PathBuf {
    let inside = pgmoor.state_dir();
    let inside = inside.strip_prefix("/").expect("it is absolute");
    PathBuf::from(format!("/proc/{}/root", pgmoor.pid())).join(inside)
}

/// Every line that would be logged is lost, and nothing else is.
#[tokio::test]
async fn a_full_disk_under_the_log_costs_nothing_but_the_log() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres)
        .env("PGMOOR_LOG", "debug")
        .log_to(Path::new("/dev/full"))
        .start()
        .await;

    for number in 0..5 {
        let mut client = app(&pgmoor).await;
        let answer = client.value(&format!("select {number}")).await;
        assert_eq!(answer, number.to_string());
        let pid = client.value("select pg_backend_pid()").await;
        client.terminate().await;
        postgres.terminate_backend(pid.parse().expect("a number"));
        let left = format!("select count(*) from pg_stat_activity where pid = {pid}");
        wait_for("the server connection to end", STUCK, async || {
            postgres.psql(&left).await == "0"
        })
        .await;
    }
    pgmoor.signal(Signal::HUP);

    assert!(is_alive(&pgmoor).await);
    let mut client = app(&pgmoor).await;
    assert_eq!(client.value("select 1").await, "1");
    assert_eq!(pgmoor.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_full_disk_under_the_state_keeps_a_gateway_from_starting_and_is_named() {
    if !can_mount("a full state directory") {
        return;
    }
    let postgres = Postgres::start().await;

    let script = "mkdir -p state && mount -t tmpfs -o size=4k,mode=700 tmpfs state \
                  && head -c 4096 /dev/zero > state/filler && \"$@\"; code=$?; \
                  ls -A state; exit $code";
    let ended = pgmoor_before(&postgres)
        .under(&["unshare", "--mount", "sh", "-c", script, "sh"])
        .try_start()
        .await;

    let exit = ended.err().expect("it cannot start");
    assert_eq!(exit.status.code(), Some(2), "{}", exit.output);
    for part in ["error:", "app.password", "no space left on device", "hint:"] {
        assert!(
            exit.output.contains(part),
            "no {part:?} in\n{}",
            exit.output
        );
    }
    let left: Vec<&str> = exit.output.lines().rev().take(1).collect();
    assert_eq!(left, ["filler"], "no half secret is left:\n{}", exit.output);
}

#[tokio::test]
async fn a_disk_that_fills_up_under_the_state_disturbs_nobody_who_is_served() {
    if !can_mount("a state directory that fills up") {
        return;
    }
    let postgres = Postgres::start().await;
    let mount = "mount -t tmpfs -o size=64k,mode=700 tmpfs state";
    let pgmoor = with_state_on(&postgres, mount).start().await;
    let state = state_of(&pgmoor);
    let password = fs::read_to_string(state.join("app.password")).expect("read it");
    let password = password.trim_end();
    let mut before = RawClient::login_to(pgmoor.address(), "app", password, "app").await;

    let filled = fs::write(state.join("filler"), vec![0; 1 << 20]);
    pgmoor.signal(Signal::HUP);
    wait_for("the reload", STUCK, async || {
        pgmoor.log().contains("configuration reloaded")
    })
    .await;

    assert!(filled.is_err(), "it is full");
    assert_eq!(before.value("select 1").await, "1");
    let mut after = RawClient::login_to(pgmoor.address(), "app", password, "app").await;
    assert_eq!(after.value("select 1").await, "1");
    assert!(is_alive(&pgmoor).await);
    assert_eq!(pgmoor.terminate().await.code(), Some(0), "{}", pgmoor.log());
}

#[tokio::test]
async fn a_read_only_state_directory_serves_when_all_is_there_and_is_named_when_not() {
    if !can_mount("a read-only state directory") {
        return;
    }
    let postgres = Postgres::start().await;
    let read_only = "if [ -e state/app.password ]; then \
                     mount --bind state state && mount -o remount,bind,ro state; fi";
    let pgmoor = with_state_on(&postgres, read_only).start().await;
    assert_eq!(pgmoor.terminate().await.code(), Some(0), "{}", pgmoor.log());

    pgmoor.start_again().await;
    let written = fs::write(state_of(&pgmoor).join("more"), "");
    let mut client = app(&pgmoor).await;
    let empty = "mount -t tmpfs -o ro,mode=700 tmpfs state";
    let ended = with_state_on(&postgres, empty).try_start().await;

    assert!(written.is_err(), "it is read-only");
    assert_eq!(client.value("select 1").await, "1");
    assert!(is_alive(&pgmoor).await);
    assert!(
        pgmoor.log().contains("--takeover` will not be possible"),
        "{}",
        pgmoor.log()
    );
    let exit = ended.err().expect("it cannot start");
    assert_eq!(exit.status.code(), Some(2), "{}", exit.output);
    for part in ["error:", "read-only file system", "hint:"] {
        assert!(
            exit.output.contains(part),
            "no {part:?} in\n{}",
            exit.output
        );
    }
}

#[tokio::test]
async fn without_descriptors_clients_wait_outside_and_those_inside_are_served() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres)
        .under(&["prlimit", FILES])
        .start()
        .await;
    let delays = "pgmoor_client_accept_delays_total";
    let (mut inside, start) = (app(&pgmoor).await, pgmoor.open_files());
    assert_eq!(metric(&pgmoor, delays).await, 0.0);

    let mut crowd = Vec::new();
    for _ in 0..300 {
        let one = TcpStream::connect(("127.0.0.1", pgmoor.port())).await;
        crowd.push(one.expect("the kernel takes it"));
    }
    wait_for("clients to be left outside", STUCK, async || {
        metric(&pgmoor, delays).await > 0.0
    })
    .await;
    // Its server connection is a descriptor, too, and so is that of whoever asks for liveness.
    assert_eq!(inside.value("select 1").await, "1");
    let (began, used) = (Instant::now(), pgmoor.cpu_time());
    let before = metric(&pgmoor, delays).await;
    wait_for("many more looks", STUCK, async || {
        assert!(is_alive(&pgmoor).await);
        metric(&pgmoor, delays).await > before + 30.0
    })
    .await;
    let (took, used) = (began.elapsed(), pgmoor.cpu_time() - used);
    let open = pgmoor.open_files();

    assert!(used < took / 2, "{used:?} of {took:?}: it must not spin");
    assert!(open < 160, "{open} of 160: some are kept back");
    assert_eq!(inside.value("select 2").await, "2");
    let told = pgmoor.log().matches("clients wait to be let in").count();
    assert!(
        (1..=4).contains(&told),
        "once for each listener:\n{}",
        pgmoor.log()
    );

    drop(crowd);
    wait_for("clients to be let in again", STUCK, async || {
        pgmoor.log().contains("clients are let in again")
    })
    .await;
    let mut next = app(&pgmoor).await;
    assert_eq!(next.value("select 3").await, "3");
    next.terminate().await;
    inside.terminate().await;
    wait_for("the descriptors to be given back", STUCK, async || {
        pgmoor.open_files() <= start
    })
    .await;
    assert_eq!(pgmoor.terminate().await.code(), Some(0), "{}", pgmoor.log());
}

/// How long after its limit a client may still wait for an answer.
const LATE: Duration = Duration::from_millis(200);

/// Ten clients for each server connection, all of which are in use for longer than anybody waits.
#[tokio::test]
async fn a_pool_that_is_used_up_answers_every_client_in_time() {
    let postgres = Postgres::start().await;
    let pgmoor = crowd_before(&postgres).start().await;
    let mut holders = Vec::new();
    for _ in 0..4 {
        let mut holder = visitor(&pgmoor).await;
        holder.query("begin").await;
        holders.push(holder);
    }
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let mut client = visitor(&pgmoor).await;
        waiting.spawn(async move {
            let began = Instant::now();
            client
                .send(&pgmoor_testkit::frontend::query("select 1"))
                .await;
            let answer = client.expect_any().await;
            (answer.tag == b'E')
                .then(|| answer.sqlstate())
                .map(|code| (code, began.elapsed()))
        });
    }

    let told = waiting.join_all().await;

    for told in told {
        let (code, waited) = told.expect("no server connection came free");
        assert_eq!(code, "53300");
        let limit = Duration::from_secs(1);
        assert!((limit..limit + LATE).contains(&waited), "{waited:?}");
    }
    for mut holder in holders {
        holder.query("commit").await;
        assert_eq!(holder.value("select 1").await, "1", "who had one keeps on");
    }
}

/// Ten clients for each server connection, all of which come free all the time.
#[tokio::test]
async fn no_client_of_a_crowd_waits_much_longer_than_the_others() {
    let postgres = Postgres::start().await;
    let pgmoor = crowd_before(&postgres).start().await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let mut client = visitor(&pgmoor).await;
        crowd.spawn(async move {
            let mut waits = Vec::new();
            // Until the server connections are open it is their log-ins that are waited for.
            client.query("select pg_sleep(0.02)").await;
            for _ in 0..15 {
                let began = Instant::now();
                client.query("select pg_sleep(0.02)").await;
                waits.push(began.elapsed());
            }
            waits
        });
    }

    let mut waits: Vec<Duration> = crowd.join_all().await.into_iter().flatten().collect();

    waits.sort();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    assert_eq!(waits.len(), 600, "nobody was refused");
    assert!(
        longest <= median * 3,
        "{longest:?} and {median:?} in the middle"
    );
}

/// Lets everybody of this machine in without a proof, which would take longer than what is timed.
fn crowd_before(postgres: &Postgres) -> PgmoorBuilder {
    crate::site::pgmoor()
        .config(&format!(
            "databases: {{ app: {{ url: \"{}\", pool: {{ mode: transaction, size: 4, \
             checkout_timeout: 1s }} }} }}",
            postgres.url()
        ))
        .gateway("auth: { trust: [loopback], users: { app: { password: unused } } }")
}

async fn visitor(pgmoor: &Pgmoor) -> RawClient {
    RawClient::login_to(pgmoor.address(), "app", "unused", "app").await
}
