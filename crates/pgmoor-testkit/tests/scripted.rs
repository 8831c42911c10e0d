//! The fake server, against the scripted client and against tokio-postgres.

use pgmoor_testkit::{
    Address, Ca, Login, RawClient, ScriptedServer, backend, frontend, server_config,
};
use tokio_postgres::error::SqlState;

fn config(address: &Address, password: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(address.port())
        .user("u")
        .password(password);
    config
}

#[tokio::test]
async fn every_login_is_passed_with_the_right_password_and_refused_with_a_wrong_one() {
    let password = || "secret".to_owned();
    for login in [
        Login::Cleartext(password()),
        Login::Md5(password()),
        Login::Scram(password()),
    ] {
        let server = ScriptedServer::tcp().await.serve(move |mut client| {
            let login = login.clone();
            async move {
                let startup = client.expect_startup().await;
                if client.log_in(&startup, &login).await {
                    client.greet().await;
                    client.behave().await;
                }
            }
        });
        let address = server.address();

        let right = config(&address, "secret")
            .connect(tokio_postgres::NoTls)
            .await;
        let wrong = config(&address, "wrong")
            .connect(tokio_postgres::NoTls)
            .await;

        assert!(right.is_ok());
        let refusal = wrong.err().expect("it is wrong");
        assert_eq!(refusal.code(), Some(&SqlState::INVALID_PASSWORD));
        drop(right);
        assert_eq!(server.accepted(), 2);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_reaches_the_client_with_its_sqlstate() {
    let server = ScriptedServer::unix().await;
    let mut client = RawClient::connect(server.address()).await;
    let mut played = server.accept().await;

    client.startup(&[("user", "u")]).await;
    let startup = played.expect_startup().await;
    let refusal = Login::Refuse("53300", "too many clients");
    assert!(!played.log_in(&startup, &refusal).await);
    drop(played);

    client.expect_error("53300").await;
    client.expect_closed().await;
    assert_eq!(startup.get("user"), Some("u"));
}

#[tokio::test]
async fn a_fake_server_speaks_tls_when_it_has_a_certificate() {
    let ca = Ca::default();
    let server = ScriptedServer::tcp()
        .await
        .with_tls(server_config(&ca.server(), None));
    let address = server.address();
    let served = server.serve(|mut client| async move {
        assert!(client.welcome().await.tls);
        client.behave().await;
    });

    let mut client = RawClient::connect_tls(address, &ca, None).await;
    client.login("u", "", "d").await;

    assert_eq!(client.value("select 7").await, "7");
    client.terminate().await;
    served.stop().await;
}

#[tokio::test]
async fn a_server_may_die_in_the_middle_of_a_message() {
    let server = ScriptedServer::tcp().await;
    let mut client = RawClient::connect(server.address()).await;
    let mut played = server.accept().await;
    let (_, ()) = tokio::join!(played.welcome(), client.login("u", "", "d"));

    client.send(&frontend::query("select 1")).await;
    assert_eq!(played.expect_query().await, "select 1");
    let row = backend::data_row(&[Some("half of it never comes")]);
    played.send(&row[..12]).await;
    played.reset();

    let end = client.try_next().await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test]
async fn a_cancel_request_is_read_with_its_key() {
    let server = ScriptedServer::tcp().await;
    let address = server.address();

    let cancel = RawClient::cancel_at(address, 7, &[9; 32]);
    let read = async {
        let mut played = server.accept().await;
        played.expect_cancel().await
    };

    let ((), key) = tokio::join!(cancel, read);
    assert_eq!(key, (7, vec![9; 32]));
}
