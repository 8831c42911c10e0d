//! Secrets and certificates that are replaced on disk, before and after the server's own.

use std::path::Path;
use std::time::{Duration, Instant};

use pgmoor_testkit::frontend::query;
use pgmoor_testkit::{Mount, Pgmoor, Postgres, RawClient, wait_for};

use crate::clients::STUCK;
use crate::site::{POOL, pgmoor};

/// How long after both sides agree again clients may still be refused.
const HEALED: Duration = Duration::from_secs(2);
/// What PostgreSQL logs for a password that is wrong.
const REFUSED: &str = "password authentication failed";

/// How the gateway is told the server's password.
#[derive(Debug, Clone, Copy)]
enum Way {
    CredentialFile,
    PasswordOfFile,
    UrlOfFile,
    Passfile,
}

impl Way {
    const ALL: [Way; 4] = [
        Way::CredentialFile,
        Way::PasswordOfFile,
        Way::UrlOfFile,
        Way::Passfile,
    ];

    fn content(self, postgres: &Postgres, password: &str) -> String {
        match self {
            Way::CredentialFile | Way::PasswordOfFile => format!("{password}\n"),
            Way::UrlOfFile => postgres.url_of("app", password, "app"),
            Way::Passfile => format!("*:*:app:app:{password}\n"),
        }
    }

    fn endpoint(self, postgres: &Postgres, file: &Path) -> String {
        let url = format!("\"postgres://app@127.0.0.1:{}/app\"", postgres.port());
        let file = file.display();
        match self {
            Way::CredentialFile => {
                format!("url: {url}, credential: {{ provider: file, file: \"{file}\" }}")
            }
            Way::PasswordOfFile => {
                format!("url: {url}, credential: {{ password: \"file:{file}\" }}")
            }
            Way::UrlOfFile => format!("url: \"file:{file}\""),
            Way::Passfile => {
                format!("url: {url}, credential: {{ provider: passfile, file: \"{file}\" }}")
            }
        }
    }
}

/// A gateway whose server's password stands in a file.
struct Site {
    postgres: Postgres,
    mount: Mount,
    pgmoor: Pgmoor,
    way: Way,
}

impl Site {
    async fn new(way: Way) -> Site {
        let postgres = Postgres::start().await;
        let mount = Mount::new(&[("secret", &way.content(&postgres, postgres.app_password()))]);
        let endpoint = way.endpoint(&postgres, &mount.path("secret"));
        let pgmoor = pgmoor()
            .config(&format!(
                "databases: {{ app: {{ endpoint: own, {POOL} }} }}\n\
                 endpoints: {{ own: {{ {endpoint} }} }}"
            ))
            // What is timed is the way to the server.
            .gateway("auth: { trust: [loopback], users: { app: { password: unused } } }")
            .start()
            .await;
        Site {
            postgres,
            mount,
            pgmoor,
            way,
        }
    }

    async fn client(&self) -> RawClient {
        RawClient::login_to(self.pgmoor.address(), "app", "unused", "app").await
    }

    async fn change_at_the_server(&self, password: &str) {
        let sql = format!("alter role app password '{password}'");
        self.postgres.psql(&sql).await;
    }

    fn change_on_disk(&self, password: &str) {
        let content = self.way.content(&self.postgres, password);
        self.mount.swap(&[("secret", &content)]);
    }

    /// Ends all server connections, so that the next query needs a login.
    async fn end_server_connections(&self) {
        let sql =
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app'";
        self.postgres.psql(sql).await;
        wait_for("the server connections to end", STUCK, async || {
            let left = "select count(*) from pg_stat_activity where usename = 'app'";
            self.postgres.psql(left).await == "0"
        })
        .await;
    }

    fn refused(&self) -> usize {
        self.postgres.log().matches(REFUSED).count()
    }

    /// Whether a client gets an answer; who gets none is told why, at its login when a reload has
    /// just had the gateway forget what the server says at logins.
    async fn answers(&self) -> bool {
        let mut client = RawClient::connect(self.pgmoor.address()).await;
        let parameters = [("user", "app"), ("database", "app")];
        let mut last = client.try_login_with(&parameters, "unused").await;
        if last.as_ref().is_ok_and(|ready| ready.tag == b'Z') {
            client.send(&query("select 1")).await;
            last = Ok(client.expect_any().await);
        }
        let last = last.expect("the gateway answers");
        if last.tag == b'E' {
            assert_eq!(last.sqlstate(), "28P01", "{last:?}");
        }
        last.tag != b'E'
    }

    /// Asks until there is an answer, and says after how long.
    async fn heals(&self) -> Duration {
        let began = Instant::now();
        wait_for("the gateway to serve again", STUCK, async || {
            self.answers().await
        })
        .await;
        began.elapsed()
    }
}

#[tokio::test]
async fn a_password_that_changes_at_the_server_first_heals_with_its_file() {
    for way in Way::ALL {
        let site = Site::new(way).await;
        let mut client = site.client().await;
        assert_eq!(client.value("select 1").await, "1");

        site.change_at_the_server("second").await;
        site.end_server_connections().await;
        site.change_on_disk("second");
        let before = site.refused();
        let took = site.heals().await;

        let refused = site.refused() - before;
        assert!(took < HEALED, "{way:?}: {took:?}\n{}", site.pgmoor.log());
        assert!(refused <= 1, "{way:?}: {refused}\n{}", site.postgres.log());
        assert_eq!(client.value("select 1").await, "1", "{way:?}");
    }
}

#[tokio::test]
async fn a_password_that_changes_on_disk_first_heals_with_the_server() {
    for way in Way::ALL {
        let site = Site::new(way).await;
        let mut client = site.client().await;
        assert_eq!(client.value("select 1").await, "1");

        site.change_on_disk("second");
        site.end_server_connections().await;
        client.send(&query("select 1")).await;
        client.expect_error("28P01").await;
        site.change_at_the_server("second").await;
        let before = site.refused();
        let took = site.heals().await;

        let refused = site.refused() - before;
        assert!(took < HEALED, "{way:?}: {took:?}\n{}", site.pgmoor.log());
        assert!(refused <= 1, "{way:?}: {refused}\n{}", site.postgres.log());
    }
}

/// What was logged in before goes on at the server, so nobody has to notice.
#[tokio::test]
async fn no_client_is_refused_while_a_server_connection_is_left() {
    for way in Way::ALL {
        let site = Site::new(way).await;
        let (mut first, mut second) = (site.client().await, site.client().await);
        assert_eq!(first.value("select 1").await, "1");
        first.query("begin").await;

        site.change_at_the_server("second").await;
        second.send(&query("select 2")).await;
        wait_for("a login to be refused", STUCK, async || site.refused() > 0).await;
        first.query("commit").await;
        let answer = second.read_until_ready().await;

        assert!(
            answer.iter().any(|message| message.tag == b'D'),
            "{way:?}: {answer:?}"
        );
        first.query("begin").await;
        site.change_on_disk("second");
        assert_eq!(second.value("select 3").await, "3", "{way:?}");
        let pid = first.value("select pg_backend_pid()").await;
        let other = second.value("select pg_backend_pid()").await;
        assert_ne!(pid, other, "{way:?}: the new password lets a second one in");
    }
}

#[tokio::test]
async fn a_password_that_nobody_changes_back_is_not_tried_at_any_speed() {
    let site = Site::new(Way::CredentialFile).await;
    let mut client = site.client().await;
    assert_eq!(client.value("select 1").await, "1");
    site.change_at_the_server("second").await;
    site.end_server_connections().await;

    let before = site.refused();
    let began = Instant::now();
    let mut queries = 0;
    while began.elapsed() < Duration::from_secs(3) {
        assert!(!site.answers().await);
        queries += 1;
    }

    // Each of the workers tries again after 20 ms, then 40, and so on to 500.
    let tried = site.refused() - before;
    assert!(tried * 5 < queries, "{tried} logins for {queries} queries");
}

/// A client that the gateway takes with this password.
async fn is_let_in(pgmoor: &Pgmoor, user: &str, password: &str) -> bool {
    let mut client = RawClient::connect(pgmoor.address()).await;
    client.startup(&[("user", user), ("database", "app")]).await;
    client.authenticate(user, password).await.tag == b'R'
}

#[tokio::test]
async fn a_users_file_and_a_users_password_file_are_read_again_when_they_change() {
    let postgres = Postgres::start().await;
    let mount = Mount::new(&[("users", "\"ann\" \"one\"\n"), ("bob", "one\n")]);
    let pgmoor = pgmoor()
        .config(&format!(
            "databases: {{ app: {{ url: \"{}\", {POOL} }} }}",
            postgres.url()
        ))
        .gateway(&format!(
            "auth:\n  users_file: \"{}\"\n  users: {{ bob: {{ password: \"file:{}\" }} }}",
            mount.path("users").display(),
            mount.path("bob").display()
        ))
        .start()
        .await;
    let mut ann = RawClient::login_to(pgmoor.address(), "ann", "one", "app").await;
    assert!(is_let_in(&pgmoor, "bob", "one").await);

    mount.swap(&[("users", "\"ann\" \"two\"\n"), ("bob", "two\n")]);

    for user in ["ann", "bob"] {
        wait_for("the new password to count", STUCK, async || {
            is_let_in(&pgmoor, user, "two").await
        })
        .await;
        assert!(!is_let_in(&pgmoor, user, "one").await, "{user}");
    }
    assert_eq!(ann.value("select 1").await, "1", "who is in stays in");
}

#[tokio::test]
async fn a_half_written_users_file_leaves_the_users_as_they_were() {
    let postgres = Postgres::start().await;
    let mount = Mount::new(&[("users", "\"ann\" \"one\"\n")]);
    let pgmoor = pgmoor()
        .config(&format!(
            "databases: {{ app: {{ url: \"{}\", {POOL} }} }}",
            postgres.url()
        ))
        .gateway(&format!(
            "auth: {{ users_file: \"{}\" }}",
            mount.path("users").display()
        ))
        .start()
        .await;

    mount.swap(&[("users", "\"ann\" \"two\"\n\"bo")]);
    wait_for("the change to be refused", STUCK, async || {
        pgmoor.log().contains("users file, line 2")
    })
    .await;
    assert!(is_let_in(&pgmoor, "ann", "one").await, "{}", pgmoor.log());
    mount.swap(&[("users", "\"ann\" \"two\"\n\"bob\" \"b\"\n")]);

    wait_for("the whole file to count", STUCK, async || {
        is_let_in(&pgmoor, "bob", "b").await
    })
    .await;
    assert!(!is_let_in(&pgmoor, "ann", "one").await);
}
