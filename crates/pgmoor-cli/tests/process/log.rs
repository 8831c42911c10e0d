//! What the log shows of clients who would like to write it themselves.

use std::time::Duration;

use pgmoor_testkit::{Postgres, RawClient, wait_for};

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
