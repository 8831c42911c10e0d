//! What the log shows of clients who would like to write it themselves, and when nobody reads it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::Command;
use std::time::Duration;

use pgmoor_testkit::{Postgres, RawClient, private_dir, wait_for};

use crate::clients::STUCK;
use crate::site::pgmoor_before;

/// A name that would be a line of its own, and one that would be a record.
const FORGED: [&str; 2] = [
    "a\r\n2030-01-01T00:00:00.000000Z ERROR forged",
    "a\"}\n{\"timestamp\":\"2030-01-01T00:00:00Z\",\"level\":\"ERROR\",\"message\":\"forged\"}",
];

#[tokio::test]
async fn clients_write_no_lines_of_their_own_into_the_log() {
    let postgres = Postgres::start().await;
    for format in ["text", "json"] {
        let pgmoor = pgmoor_before(&postgres)
            .config(&format!("log: {{ format: {format}, level: trace }}"))
            .start()
            .await;
        for name in FORGED {
            for parameters in [
                [("user", name), ("database", "app")],
                [("user", "app"), ("database", name)],
            ] {
                let mut client = RawClient::connect(pgmoor.address()).await;
                client.startup(&parameters).await;
                let password = pgmoor.generated_password();
                client.authenticate(parameters[0].1, &password).await;
                client.read_to_end().await;
            }
            let mut client = RawClient::connect(pgmoor.address()).await;
            let parameters = [
                ("user", "app"),
                ("database", "app"),
                ("application_name", name),
            ];
            client
                .login_with(&parameters, &pgmoor.generated_password())
                .await;
            client.query(&format!("select '{name}'; \"{name}\"")).await;
            client.terminate().await;
        }

        wait_for("all to be logged", Duration::from_secs(10), async || {
            pgmoor.log().matches("client was not let in").count() == 4
        })
        .await;
        let log = pgmoor.log();
        let forged = log
            .lines()
            .filter(|line| line.starts_with("2030") || line.starts_with("{\"timestamp\":\"2030"));
        assert_eq!(forged.count(), 0, "{log}");
        assert!(log.contains("forged"), "it is told, within a line: {log}");
        assert!(!log.contains('\r'), "{log}");
    }
}

/// A pipe that is open for whoever writes to it, until it is full.
fn pipe(path: &std::path::Path) -> File {
    let made = Command::new("mkfifo")
        .arg(path)
        .status()
        .expect("run mkfifo");
    assert!(made.success());
    let both = OpenOptions::new().read(true).write(true).open(path);
    both.expect("open the pipe")
}

#[tokio::test]
async fn a_log_that_nobody_reads_is_lost_and_counted_and_clients_are_served() {
    let postgres = Postgres::start().await;
    let dir = private_dir("pipe");
    let path = dir.path().join("log");
    let mut unread = pipe(&path);
    let pgmoor = pgmoor_before(&postgres).log_to(&path).start().await;
    let long = "x".repeat(9_000);

    // More than the pipe and the room behind it hold.
    for _ in 0..(10 << 20) / long.len() {
        let mut client = RawClient::connect(pgmoor.address()).await;
        let parameters = [("user", "app"), ("database", long.as_str())];
        let password = pgmoor.generated_password();
        client
            .expect_login_error(&parameters, &password, "3D000")
            .await;
    }
    let password = pgmoor.generated_password();
    let mut client = RawClient::login_to(pgmoor.address(), "app", &password, "app").await;
    assert_eq!(client.value("select 1").await, "1");
    let reader = tokio::task::spawn_blocking(move || {
        let (mut log, mut piece) = (Vec::new(), [0; 1 << 16]);
        let told = b"lines of the log were lost";
        while !log.windows(told.len()).any(|window| window == told) {
            let read = unread.read(&mut piece).expect("read the pipe");
            log.drain(..log.len().saturating_sub(200));
            log.extend_from_slice(&piece[..read]);
        }
        unread
    });
    let unread = tokio::time::timeout(STUCK, reader).await;

    let _unread = unread.expect("the loss is told").expect("it was read");
    assert_eq!(pgmoor.terminate().await.code(), Some(0));
}
