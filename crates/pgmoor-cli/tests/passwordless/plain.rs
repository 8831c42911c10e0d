//! Logins by a service file and by a client certificate alone.

use pgmoor_testkit::{Ca, Pgmoor, PgmoorBuilder, Postgres, wait_for, write_private};

use crate::site::{STUCK, refused, who};

fn gateway(url: &str, credential: &str) -> PgmoorBuilder {
    Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
        .config(&format!(
            "databases: {{ app: {{ endpoint: one, pool: {{ mode: transaction, lifetime: 1s }} }} }}\n\
             endpoints: {{ one: {{ url: \"{url}\", credential: {credential} }} }}"
        ))
        .gateway("auth: { trust: [loopback], users: { app: { password: unused } } }")
}

#[tokio::test]
async fn user_and_password_come_from_a_section_of_a_service_file_and_are_read_anew() {
    let postgres = Postgres::start().await;
    postgres
        .psql("create role ann login password 'one'; create role ben login password 'two'")
        .await;
    let files = tempfile::tempdir().expect("a directory");
    let file = files.path().join("services");
    write_private(
        &file,
        "[other]\nuser=x\npassword=no\n[app]\nuser=ann\npassword=one\nport=1\n",
    );
    let url = format!("postgres://127.0.0.1:{}/app", postgres.port());
    let credential = format!("{{ service: app, file: {} }}", file.display());
    let pgmoor = gateway(&url, &credential).start().await;
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("ann"));

    write_private(&file, "[app]\nuser=ben\npassword=two\n");

    wait_for("the other user", STUCK, async || {
        who(&pgmoor).await.as_deref() == Ok("ben")
    })
    .await;
}

#[tokio::test]
async fn a_service_without_password_is_told() {
    let files = tempfile::tempdir().expect("a directory");
    let file = files.path().join("services");
    write_private(&file, "[app]\nuser=ann\n");
    let credential = format!(
        "{{ provider: service, service: app, file: {} }}",
        file.display()
    );

    let pgmoor = gateway("postgres://127.0.0.1:1/app", &credential).launch();

    let told = refused(&pgmoor).await;
    assert!(told.contains("its section has no \"password\""), "{told}");
    assert!(told.contains("hint: add a line password=…"), "{told}");
}

#[tokio::test]
async fn a_client_certificate_alone_logs_in_and_no_password_is_ever_sent_beside_it() {
    let ca = Ca::default();
    let server = ca.issue("server").names(["localhost"]).finish();
    let own = ca.client("cert_user");
    let postgres = Postgres::builder()
        .certificate(&server)
        .client_ca(&ca)
        .hba(
            "hostssl all cert_user 127.0.0.1/32 cert\nhostssl all asked 127.0.0.1/32 scram-sha-256",
        )
        .start()
        .await;
    postgres
        .psql("create role cert_user login; create role asked login password 'geheim'; grant all on database app to cert_user")
        .await;
    let files = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (files.path().join("own.crt"), files.path().join("own.key"));
    write_private(&certificate, own.chain_pem());
    write_private(&key, own.key_pem());
    let url = |user: &str| {
        format!(
            "postgres://{user}:geheim@localhost:{}/app?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            postgres.port(),
            ca.root_path().display(),
            certificate.display(),
            key.display(),
        )
    };
    let pgmoor = gateway(&url("cert_user"), "{ provider: certificate }")
        .start()
        .await;
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("cert_user"));
    drop(pgmoor);

    // Its password is right, and in the connection string.
    let pgmoor = gateway(&url("asked"), "{ provider: certificate }").launch();

    let told = refused(&pgmoor).await;
    assert!(told.contains("asks for a password (SCRAM-SHA-256) of \"asked\", and the client certificate is all that is shown"), "{told}");
    assert!(
        told.contains("hint: at the server, let the certificate suffice"),
        "{told}"
    );
}
