//! The private server, its certificates and the scripted client, each against the real thing.

use std::time::Duration;

use pgmoor_testkit::{Address, Ca, Postgres, RawClient, Stop, frontend, majors, tags, wait_for};

#[tokio::test]
async fn a_private_server_serves_its_application_over_tcp_and_socket() {
    let postgres = Postgres::start().await;
    let client = postgres.connect().await;
    let over_tcp = Address::local(postgres.port());

    client
        .execute("create table t (a int)", &[])
        .await
        .expect("create");
    let mut raw = RawClient::login_to(over_tcp, "app", postgres.app_password(), "app").await;

    assert_eq!(raw.value("select count(*) from t").await, "0");
    assert_eq!(raw.parameter("server_encoding"), Some("UTF8"));
    assert_eq!(postgres.psql("select current_user").await, "postgres");
}

#[tokio::test]
async fn every_version_of_this_machine_starts_with_tls() {
    let ca = Ca::default();
    let majors = majors();
    assert!(!majors.is_empty());

    for major in majors {
        let postgres = Postgres::builder().major(major).tls(&ca).start().await;
        let address = Address::local(postgres.port());
        let mut client = RawClient::connect_tls(address, &ca, None).await;
        client.login("app", postgres.app_password(), "app").await;

        assert_eq!(postgres.major(), major);
        let version: u32 = client
            .value("show server_version_num")
            .await
            .parse()
            .expect("number");
        assert_eq!(version / 10_000, u32::from(major));
    }
}

#[tokio::test]
async fn data_survives_every_kind_of_stop() {
    let postgres = Postgres::start().await;
    postgres.psql("create table t (a int)").await;

    for how in [Stop::Smart, Stop::Fast, Stop::Immediate, Stop::Kill9] {
        let _connected = match how {
            Stop::Smart => None,
            _ => Some(postgres.connect().await),
        };
        postgres.psql("insert into t values (1)").await;
        postgres.stop(how).await;
        assert!(!postgres.is_running());
        postgres.start_again().await;
    }

    assert_eq!(postgres.psql("select sum(a) from t").await, "4");
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_server() {
    let postgres = Postgres::start().await;
    let (pid, dir) = (
        postgres.pid().expect("runs"),
        postgres.socket_dir().to_owned(),
    );

    drop(postgres);

    assert!(!pgmoor_testkit::is_running(pid));
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_killed_backend_takes_the_others_with_it_and_the_server_recovers() {
    let postgres = Postgres::start().await;
    let victim = postgres.connect().await;
    let pid: i32 = victim
        .query_one("select pg_backend_pid()", &[])
        .await
        .expect("pid")
        .get(0);

    postgres.kill_backend(pid);

    wait_for("recovery", Duration::from_secs(20), async || {
        postgres.try_psql("select 1").await.is_ok()
    })
    .await;
    assert!(victim.query("select 1", &[]).await.is_err());
}

#[tokio::test]
async fn tls_logs_in_with_channel_binding_on_request_and_direct() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let address = Address::local(postgres.port());

    let mut client = RawClient::connect_tls(address.clone(), &ca, None).await;
    client.login("app", postgres.app_password(), "app").await;

    let in_use = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(client.value(in_use).await, "t");
    if postgres.major() >= 17 {
        let mut direct = RawClient::connect_direct_tls(address, &ca, None).await;
        direct.login("app", postgres.app_password(), "app").await;
        assert_eq!(direct.value(in_use).await, "t");
    }
}

#[tokio::test]
async fn a_client_certificate_is_a_login_until_it_is_revoked() {
    let ca = Ca::default();
    let good = ca.client("app");
    let revoked = ca.client("app");
    let list = ca.revoke(&[&revoked]);
    let postgres = Postgres::builder()
        .tls(&ca)
        .client_ca(&ca)
        .revoked(&list)
        .hba("hostssl all all all cert")
        .start()
        .await;
    let address = Address::local(postgres.port());

    let mut client = RawClient::connect_tls(address.clone(), &ca, Some(&good)).await;
    client.login("app", "", "app").await;
    assert_eq!(client.value("select current_user").await, "app");

    // With TLS 1.3 the refusal comes after the client's side of the handshake.
    let mut refused = RawClient::connect(address).await;
    assert_eq!(refused.request_tls().await, b'S');
    if refused.try_start_tls(&ca, Some(&revoked)).await.is_ok() {
        let user = [("user", "app")];
        let startup = frontend::startup(frontend::PROTOCOL_3_0, &user);
        let _ = refused.try_send(&startup).await;
        assert!(refused.try_next().await.is_err());
    }
}

#[tokio::test]
async fn certificates_that_are_wrong_are_refused() {
    let ca = Ca::default();
    let other = Ca::new("another CA");
    let wrong = [
        (
            "expired",
            ca.issue("localhost")
                .names(["localhost"])
                .expired()
                .finish(),
        ),
        (
            "not yet valid",
            ca.issue("localhost")
                .names(["localhost"])
                .not_yet_valid()
                .finish(),
        ),
        (
            "other name",
            ca.issue("elsewhere").names(["elsewhere.example"]).finish(),
        ),
        ("other authority", other.server()),
    ];

    for (what, certificate) in wrong {
        let postgres = Postgres::builder().certificate(&certificate).start().await;
        let mut client = RawClient::connect(Address::local(postgres.port())).await;
        assert_eq!(client.request_tls().await, b'S');
        assert!(
            client.try_start_tls(&ca, None).await.is_err(),
            "{what} was accepted"
        );
    }
}

#[tokio::test]
async fn a_leaf_of_an_intermediate_authority_is_trusted_by_the_root() {
    let ca = Ca::default();
    let certificate = ca.intermediate("an intermediate").server();
    let postgres = Postgres::builder().certificate(&certificate).start().await;

    let address = Address::local(postgres.port());
    let mut client = RawClient::connect_tls(address, &ca, None).await;

    client.login("app", postgres.app_password(), "app").await;
}

#[tokio::test]
async fn a_scripted_client_reads_pipelines_errors_and_halves() {
    let postgres = Postgres::start().await;
    let address = Address::Unix(postgres.socket_path());
    let mut client = RawClient::login_to(address, "app", postgres.app_password(), "app").await;

    let answers = client
        .pipeline(&[
            frontend::parse("a", "select $1::text"),
            frontend::bind("", "a", &[Some("x")]),
            frontend::execute("", 0),
            frontend::bind("", "nobody", &[]),
            frontend::execute("", 0),
            frontend::sync(),
        ])
        .await;
    assert_eq!(tags(&answers), "12DCEZ");
    assert_eq!(answers[4].sqlstate(), "26000");

    let query = frontend::query("select 1");
    client.send(&query[..7]).await;
    client.expect_silence(Duration::from_millis(50)).await;
    client.send_bytewise(&query[7..]).await;
    assert_eq!(tags(&client.read_until_ready().await), "TDCZ");
}

#[tokio::test]
async fn a_cancel_request_ends_the_query_of_its_key() {
    let postgres = Postgres::start().await;
    let address = Address::local(postgres.port());
    let mut client = RawClient::login_to(address, "app", postgres.app_password(), "app").await;

    client.send(&frontend::query("select pg_sleep(60)")).await;
    client.expect_silence(Duration::from_millis(50)).await;
    client.cancel().await;

    client.expect(b'T').await;
    client.expect_error("57014").await;
    client.read_until_ready().await;
}

#[tokio::test]
async fn a_cancel_request_over_tls_is_answered_by_a_clean_close() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let address = Address::local(postgres.port());
    let mut client = RawClient::connect_tls(address, &ca, None).await;
    client.login("app", postgres.app_password(), "app").await;

    client.send(&frontend::query("select pg_sleep(60)")).await;
    client.expect_silence(Duration::from_millis(50)).await;
    client.cancel_over_tls(&ca).await;

    client.read_until(b'E').await;
    client.read_until_ready().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_by_its_sqlstate() {
    let postgres = Postgres::start().await;
    let mut client = RawClient::connect(Address::local(postgres.port())).await;
    let parameters = [("user", "app"), ("database", "app")];

    client
        .expect_login_error(&parameters, "wrong", "28P01")
        .await;

    client.expect_closed().await;
}
