//! Where a server's name leads: elsewhere from now on, to IPv6 only, to two addresses of which one is
//! dead.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use pgmoor_testkit::{Pgmoor, PgmoorBuilder, Postgres, RawClient, free_port, wait_for};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio_postgres::Config;

use crate::clients::{STUCK, connect};
use crate::site::{POOL, can_mount, pgmoor};

/// What one attempt to connect may take when nothing is configured.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The names that a gateway knows, in a file that only it sees as `/etc/hosts`.
struct Names(TempDir);

impl Names {
    fn new(lines: &str) -> Names {
        let names = Names(tempfile::tempdir().expect("a directory"));
        names.set(lines);
        names
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("hosts")
    }

    /// In its place: the mount is of the file, not of its name.
    fn set(&self, lines: &str) {
        fs::write(self.path(), lines).expect("write");
    }
}

fn gate(names: &Path, url: &str) -> PgmoorBuilder {
    let mount = format!(
        "mount --bind \"{}\" /etc/hosts && exec \"$@\"",
        names.display()
    );
    pgmoor()
        .under(&["unshare", "--mount", "sh", "-c", &mount, "sh"])
        .config(&format!(
            "databases: {{ app: {{ url: \"{url}\", {POOL} }} }}"
        ))
}

async fn client(pgmoor: &Pgmoor) -> RawClient {
    let password = pgmoor.generated_password();
    RawClient::login_to(pgmoor.address(), "app", &password, "app").await
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_followed_by_the_next_connection() {
    if !can_mount("a name that leads elsewhere") {
        return;
    }
    let postgres = Postgres::builder()
        .conf("listen_addresses", "127.0.0.1,127.0.0.2")
        .start()
        .await;
    let (password, port) = (postgres.app_password(), postgres.port());
    let names = Names::new("127.0.0.1 db.test\n");
    let url = format!("postgres://app:{password}@db.test:{port}/app");
    let pgmoor = gate(&names.path(), &url).start().await;
    let ask = "select host(inet_server_addr()) || ' ' || pg_backend_pid()";
    let (first, pid) = {
        let told = client(&pgmoor).await.value(ask).await;
        let (host, pid) = told.split_once(' ').expect("two words");
        (host.to_owned(), pid.to_owned())
    };

    names.set("127.0.0.2 db.test\n");
    postgres.terminate_backend(pid.parse().expect("a number"));
    let next = client(&pgmoor).await.value(ask).await;

    assert_eq!(first, "127.0.0.1");
    assert!(next.starts_with("127.0.0.2 "), "{next}");
}

#[tokio::test]
async fn both_sides_work_where_there_is_only_ipv6() {
    if !can_mount("IPv6 only") {
        return;
    }
    let postgres = Postgres::builder()
        .conf("listen_addresses", "::1")
        .start()
        .await;
    let (password, port) = (postgres.app_password(), postgres.port());
    let names = Names::new("::1 db.test\n");
    let url = format!("postgres://app:{password}@db.test:{port}/app");
    let own = free_port();
    let pgmoor = gate(&names.path(), &url)
        .env("PGMOOR_GATEWAY__LISTEN", &format!("[::1]:{own}"))
        .start()
        .await;

    let mut to_gate = Config::new();
    to_gate.host("::1").port(own).user("app").dbname("app");
    to_gate.password(pgmoor.generated_password());
    let client = connect(&to_gate).await.expect("log in");
    let row = client
        .query_one("select host(inet_server_addr())", &[])
        .await;

    assert_eq!(row.expect("an answer").get::<_, String>(0), "::1");
}

/// An address that takes no connection and refuses none: as a host that is gone.
struct Silent {
    listener: Socket,
    waiting: Vec<Socket>,
}

impl Silent {
    fn at(address: SocketAddr) -> Silent {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let listener = socket();
        listener.set_reuse_address(true).expect("set it");
        listener.bind(&address.into()).expect("bind");
        listener.listen(0).expect("listen");
        let mut waiting = Vec::new();
        loop {
            let one = socket();
            let wait = Duration::from_millis(200);
            // The first that gets no answer: the queue is full.
            if one.connect_timeout(&address.into(), wait).is_err() {
                return Silent { listener, waiting };
            }
            waiting.push(one);
        }
    }
}

/// Ends all server connections, and says how long it takes until there is one again.
async fn reconnects(pgmoor: &Pgmoor, postgres: &Postgres) -> Duration {
    let mut client = client(pgmoor).await;
    let pid = client.value("select pg_backend_pid()").await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app'";
    postgres.psql(end).await;
    wait_for("the server connection to end", STUCK, async || {
        let left = "select count(*) from pg_stat_activity where usename = 'app'";
        postgres.psql(left).await == "0"
    })
    .await;
    let began = Instant::now();
    assert_ne!(client.value("select pg_backend_pid()").await, pid);
    began.elapsed()
}

async fn goes_to_the_live_one(hosts: &str, names: &str) {
    let postgres = Postgres::builder()
        .conf("listen_addresses", "127.0.0.2")
        .start()
        .await;
    let (password, port) = (postgres.app_password(), postgres.port());
    let dead = Silent::at((Ipv4Addr::LOCALHOST, port).into());
    let names = Names::new(names);
    let hosts = hosts.replace("PORT", &port.to_string());
    let url = format!("postgres://app:{password}@{hosts}/app");
    let pgmoor = gate(&names.path(), &url).start().await;

    let (first, second) = (
        reconnects(&pgmoor, &postgres).await,
        reconnects(&pgmoor, &postgres).await,
    );

    assert!(first < CONNECT_TIMEOUT / 2, "{first:?}");
    assert!(
        second < Duration::from_secs(1),
        "it is known by then: {second:?}"
    );
    assert!(!dead.waiting.is_empty());
    drop(dead.listener);
}

#[tokio::test]
async fn a_name_with_a_dead_address_leads_to_the_live_one() {
    if can_mount("a name with a dead address") {
        goes_to_the_live_one("db.test:PORT", "127.0.0.1 db.test\n127.0.0.2 db.test\n").await;
    }
}

#[tokio::test]
async fn a_list_with_a_dead_host_leads_to_the_live_one() {
    if can_mount("a list with a dead host") {
        goes_to_the_live_one("127.0.0.1:PORT,127.0.0.2:PORT", "").await;
    }
}
