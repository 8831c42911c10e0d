//! Every way to log in at a real server, and what settings forbid.

use pgmoor::connector::{ConnectError, Login};
use pgmoor::error::ErrorKind;
use pgmoor_testkit::{Ca, Postgres};
use pgmoor_wire::Secret;
use pgmoor_wire::scram::{ChannelBinding, ServerExchange, Verifier};

use crate::common::{ask, connect, connector, deadline, local, refused, told};

#[tokio::test]
async fn session_is_ready_with_parameters_key_and_version() {
    let postgres = Postgres::start().await;
    let mut connection = connect(&local(&postgres, "application_name=mole"))
        .await
        .expect("login");

    assert_eq!(
        connection.server_version / 10_000,
        u32::from(postgres.major())
    );
    assert!(connection.key.is_some());
    assert!(connection.leftover.is_empty());
    let told = |name: &str| {
        let mut found = connection
            .parameters
            .iter()
            .filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.clone())
    };
    assert_eq!(told("application_name").as_deref(), Some("mole"));
    assert_eq!(told("server_encoding").as_deref(), Some("UTF8"));
    assert_eq!(
        (connection.user.as_str(), connection.database.as_str()),
        ("app", "app")
    );
    let who = ask(
        &mut connection.stream,
        "select current_user || '@' || current_database()",
    )
    .await;
    assert_eq!(who.expect("answer"), "app@app");
}

#[tokio::test]
async fn trust_cleartext_md5_and_scram_all_work() {
    let postgres = Postgres::builder()
        .hba("host all trusted all trust")
        .hba("host all plain all password")
        .hba("host all old all md5")
        .start()
        .await;
    postgres
        .psql(
            "create role trusted login; create role plain login password 'p w'; \
               set password_encryption = md5; create role old login password 'öld'",
        )
        .await;
    let base = format!(
        "host=localhost hostaddr=127.0.0.1 port={} dbname=app",
        postgres.port()
    );
    for (login, method) in [
        ("user=trusted", "none"),
        ("user=plain password='p w'", "password"),
        ("user=old password=öld", "md5"),
    ] {
        assert!(connect(&format!("{base} {login}")).await.is_ok(), "{login}");
        assert!(
            connect(&format!("{base} {login} require_auth={method}"))
                .await
                .is_ok()
        );
        let error = refused(&format!("{base} {login} require_auth=scram-sha-256")).await;
        assert!(matches!(error, ConnectError::AuthMethod { .. }), "{error}");
        let error = refused(&format!("{base} {login} require_auth=!{method}")).await;
        assert!(matches!(error, ConnectError::AuthMethod { .. }), "{error}");
        let error = refused(&format!("{base} {login} channel_binding=require")).await;
        assert!(matches!(error, ConnectError::AuthMethod { .. }), "{error}");
    }
    assert!(
        connect(&local(&postgres, "require_auth=scram-sha-256"))
            .await
            .is_ok()
    );
    assert!(matches!(
        refused(&local(&postgres, "require_auth=!scram-sha-256")).await,
        ConnectError::AuthMethod { .. }
    ));
}

#[tokio::test]
async fn login_is_bound_to_the_tls_channel() {
    let ca = Ca::default();
    let plain = Postgres::start().await;
    let postgres = Postgres::builder().tls(&ca).start().await;
    for mode in ["require", "prefer", "disable"] {
        let text = local(
            &postgres,
            &format!("sslmode=require channel_binding={mode}"),
        );
        assert!(connect(&text).await.is_ok(), "{mode}");
    }
    let error = refused(&local(&plain, "sslmode=prefer channel_binding=require")).await;
    assert!(matches!(error, ConnectError::AuthMethod { .. }), "{error}");
}

#[tokio::test]
async fn scram_keys_log_in_without_the_password() {
    let postgres = Postgres::start().await;
    let stored = postgres
        .psql("select rolpassword from pg_authid where rolname = 'app'")
        .await;
    let verifier = Verifier::parse(&stored).expect("verifier");
    let (client_key, server_key) = keys(&verifier, postgres.app_password());
    let text = format!("host=127.0.0.1 port={} dbname=app", postgres.port());
    let login = Login::ScramKeys {
        user: "app",
        client_key,
        server_key,
    };

    let outcome = connector(&text).connect(login, None, &[], deadline()).await;

    assert_eq!(outcome.expect("login").user, "app");
}

/// What a gateway keeps of a client's login.
fn keys(verifier: &Verifier, password: &str) -> (Secret<[u8; 32]>, Secret<[u8; 32]>) {
    use pgmoor_wire::scram::{ClientExchange, Mechanism};
    let secret = Secret::from(password);
    let plain = Mechanism::ScramSha256;
    let mut client =
        ClientExchange::from_password(secret, plain, ChannelBinding::None).expect("client");
    let mut server = ServerExchange::new(verifier.clone(), ChannelBinding::None);
    let first = client.first().expect("client-first");
    let challenge = server.first(plain, &first).expect("server-first");
    let response = client.respond(&challenge).expect("client-final");
    let done = server.finish(&response).expect("server-final");
    (done.client_key, done.server_key)
}

#[tokio::test]
async fn password_of_somebody_else_logs_that_one_in() {
    let postgres = Postgres::start().await;
    let text = format!(
        "host=127.0.0.1 port={} dbname=app user=nobody",
        postgres.port()
    );
    let login = Login::Password {
        user: "postgres",
        password: Secret::from(postgres.admin_password()),
    };
    let mut connection = connector(&text)
        .connect(login, Some("postgres"), &[], deadline())
        .await
        .expect("login");
    let who = ask(
        &mut connection.stream,
        "select current_user || '@' || current_database()",
    )
    .await;
    assert_eq!(who.expect("answer"), "postgres@postgres");
}

#[tokio::test]
async fn wrong_password_missing_password_and_missing_database_are_told_apart() {
    let postgres = Postgres::start().await;
    let base = format!("host=127.0.0.1 port={} user=app", postgres.port());

    let wrong = refused(&format!("{base} dbname=app password=falsch")).await;
    assert_eq!(wrong.kind(), ErrorKind::Authentication);
    assert!(!wrong.is_retryable());
    let expected = format!(
        "127.0.0.1:{} rejected the login as \"app\"\n\
         cause: password authentication failed for user \"app\" (28P01)\n\
         hint: check the password; a rotated one must reach the credential's file or command too",
        postgres.port()
    );
    assert_eq!(told(&wrong), expected);

    let missing = refused(&format!("{base} dbname=app")).await;
    assert!(
        matches!(missing, ConnectError::NoPassword { .. }),
        "{missing}"
    );

    let password = postgres.app_password();
    let database = refused(&format!("{base} dbname=nowhere password={password}")).await;
    assert_eq!(database.sqlstate().as_str(), "3D000");
    assert_eq!(database.kind(), ErrorKind::Server);
}

#[tokio::test]
async fn startup_parameters_of_endpoint_and_caller_are_joined() {
    let postgres = Postgres::start().await;
    let connector = connector(&local(
        &postgres,
        "options='-c work_mem=5MB -c lock_timeout=7s' application_name=own",
    ));
    let more = [
        ("options".to_owned(), "-c lock_timeout=9s".to_owned()),
        ("search_path".to_owned(), "a,b".to_owned()),
        ("application_name".to_owned(), "caller".to_owned()),
    ];
    let outcome = connector
        .connect(Login::Endpoint, None, &more, deadline())
        .await;
    let mut connection = outcome.expect("login");
    for (setting, value) in [
        ("work_mem", "5MB"),
        ("lock_timeout", "9s"),
        ("search_path", "a,b"),
        ("application_name", "caller"),
    ] {
        let shown = ask(&mut connection.stream, &format!("show {setting}")).await;
        assert_eq!(shown.expect("setting"), value);
    }
}

#[tokio::test]
async fn newer_protocol_is_offered_and_an_older_one_taken() {
    let postgres = Postgres::start().await;
    let spoken = if postgres.major() >= 18 { 2 } else { 0 };
    let offer = connect(&local(&postgres, "max_protocol_version=3.2"))
        .await
        .expect("login");
    assert_eq!(offer.protocol_minor, spoken);
    assert_eq!(
        connect(&local(&postgres, ""))
            .await
            .expect("login")
            .protocol_minor,
        0
    );
    if spoken == 0 {
        let text = local(
            &postgres,
            "min_protocol_version=3.2 max_protocol_version=3.2",
        );
        assert_eq!(refused(&text).await.kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn no_secret_shows_in_what_is_printed_for_debugging() {
    let postgres = Postgres::start().await;
    let password = postgres.app_password();
    let connector = connector(&local(&postgres, ""));
    let login = Login::Password {
        user: "app",
        password: Secret::from(password),
    };
    let connection = crate::common::open(&connector).await.expect("login");
    let mut command = pgmoor::credential::Command::new(vec!["mint".into(), "--key=geheim".into()]);
    command.environment.push(("KEY".into(), "geheim".into()));

    let shown = format!("{connector:?} {login:?} {connection:?} {command:?}");

    assert!(!shown.contains(password), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
    let key = format!("{:?}", connection.key.as_ref().expect("key").1);
    assert!(!shown.contains(&key), "{shown}");
}
