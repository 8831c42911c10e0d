//! TLS towards clients: asked for, direct, required; bytes before it; certificates as logins.

use pgmoor::settings::SecretFile;
use pgmoor_gateway::settings::{
    CertificateLogin, ClientCertificate, GatewaySettings, PoolMode, TlsMode,
};
use pgmoor_testkit::{Ca, RawClient, frontend as f};

use crate::fixture::{Gate, Plan};

fn with_tls(ca: &Ca, mode: TlsMode, change: impl FnOnce(&mut GatewaySettings)) -> Plan {
    let certificate = ca.server();
    Plan::new(PoolMode::Transaction, 2)
        .gateway(|gateway| {
            gateway.tls.mode = mode;
            gateway.tls.certificate = Some(certificate.chain_path().to_owned());
            gateway.tls.key = Some(SecretFile::new(certificate.key_path()));
        })
        .gateway(change)
}

/// A client's startup and login on a connection that is there already.
async fn log_in(client: &mut RawClient, gate: &Gate) {
    client.login("app", &gate.password, "app").await;
    assert_eq!(client.value("select 1").await, "1");
}

#[tokio::test]
async fn tls_is_started_by_request_and_directly_and_bound_to_the_password() {
    let ca = Ca::default();
    let gate = with_tls(&ca, TlsMode::Allow, |_| {}).start().await;

    let mut asked = RawClient::connect_tls(gate.address, &ca, None).await;
    log_in(&mut asked, &gate).await;
    let mut direct = RawClient::connect_direct_tls(gate.address, &ca, None).await;
    log_in(&mut direct, &gate).await;
    let mut plain = RawClient::connect(gate.address).await;
    log_in(&mut plain, &gate).await;

    assert!(asked.is_tls() && direct.is_tls() && !plain.is_tls());
    let mut offered = RawClient::connect_tls(gate.address, &ca, None).await;
    offered
        .startup(&[("user", "app"), ("database", "app")])
        .await;
    let mechanisms = offered.expect(b'R').await;
    let text = String::from_utf8_lossy(&mechanisms.body[4..]).into_owned();
    assert_eq!(text, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
}

#[tokio::test]
async fn a_downgraded_channel_binding_is_refused() {
    let ca = Ca::default();
    let gate = with_tls(&ca, TlsMode::Allow, |_| {}).start().await;

    // "y": I could, but you did not offer it. It was offered: somebody is between us.
    let downgraded: &[u8] = b"y,,n=,r=abcdefghijklmnopqrstuvwx";
    let unknown: &[u8] = b"p=tls-unique,,n=,r=abcdefghijklmnopqrstuvwx";
    for first in [downgraded, unknown] {
        let mut client = RawClient::connect_tls(gate.address, &ca, None).await;
        client
            .startup(&[("user", "app"), ("database", "app")])
            .await;
        client.expect(b'R').await;
        client.send(&f::sasl_initial("SCRAM-SHA-256", first)).await;

        let error = client.expect(b'E').await;

        assert!(
            ["28000", "08P01", "0A000"].contains(&&*error.sqlstate()),
            "{error:?}"
        );
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn encryption_requests_are_answered_in_the_order_of_libpq() {
    let ca = Ca::default();
    let gate = with_tls(&ca, TlsMode::Allow, |_| {}).start().await;
    let mut client = RawClient::connect(gate.address).await;
    assert_eq!(client.request_gssenc().await, b'N');
    assert_eq!(client.request_tls().await, b'S');
    client.start_tls(&ca, None).await;
    log_in(&mut client, &gate).await;

    let plain = Gate::start(PoolMode::Transaction, 1).await;
    let mut client = RawClient::connect(plain.address).await;
    assert_eq!(client.request_gssenc().await, b'N');
    assert_eq!(client.request_tls().await, b'N');
    log_in(&mut client, &plain).await;

    let mut twice = RawClient::connect(plain.address).await;
    twice.request_tls().await;
    twice.send(&f::ssl_request()).await;
    twice.expect_error("08P01").await;
    twice.expect_closed().await;
}

#[tokio::test]
async fn bytes_behind_a_request_for_encryption_are_never_taken_for_the_clients() {
    let ca = Ca::default();
    let gate = with_tls(&ca, TlsMode::Allow, |_| {}).start().await;
    for request in [f::ssl_request(), f::gssenc_request()] {
        let mut client = RawClient::connect(gate.address).await;
        let stuffed = f::startup(f::PROTOCOL_3_0, &[("user", "app"), ("database", "app")]);

        client.send(&[request, stuffed].concat()).await;

        let error = client.expect_error("08P01").await;
        assert_eq!(
            error.text(),
            "received unencrypted data after an encryption request"
        );
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn direct_tls_without_the_protocols_name_is_refused() {
    let ca = Ca::default();
    let gate = with_tls(&ca, TlsMode::Allow, |_| {}).start().await;
    let mut config = (*pgmoor_testkit::client_config(&ca, None)).clone();
    for alpn in [vec![], vec![b"http/1.1".to_vec()]] {
        config.alpn_protocols = alpn;
        let mut client = RawClient::connect(gate.address).await;

        let outcome = client.try_start_tls_with(config.clone().into()).await;

        if outcome.is_ok() {
            // Refused inside TLS, or by the close of the connection.
            let last = client.read_to_end().await;
            let text = String::from_utf8_lossy(&last).into_owned();
            assert!(text.is_empty() || text.contains("ALPN"), "{text}");
        }
    }
}

#[tokio::test]
async fn required_tls_refuses_the_plain_and_tells_what_to_do() {
    let ca = Ca::default();
    let dir = tempfile::tempdir().expect("a directory");
    let sockets = dir.path().to_owned();
    let gate = with_tls(&ca, TlsMode::Require, |gateway| {
        gateway.unix_sockets = vec![sockets.clone()];
    })
    .start()
    .await;
    let mut plain = RawClient::connect(gate.address).await;
    plain.startup(&[("user", "app"), ("database", "app")]).await;

    let error = plain.expect_error("28000").await;

    assert_eq!(error.text(), "connections without TLS are not allowed here");
    assert_eq!(
        error.hint(),
        "connect with sslmode=require or, better, sslmode=verify-full"
    );
    plain.expect_closed().await;
    let mut tls = RawClient::connect_tls(gate.address, &ca, None).await;
    log_in(&mut tls, &gate).await;
    let socket = dir.path().join(".s.PGSQL.0");
    let mut unix = RawClient::connect(socket.as_path()).await;
    log_in(&mut unix, &gate).await;
}

#[tokio::test]
async fn a_tls_client_is_not_let_in_a_second_time_inside_tls() {
    let ca = Ca::default();
    let gate = with_tls(&ca, TlsMode::Allow, |_| {}).start().await;
    let mut client = RawClient::connect_tls(gate.address, &ca, None).await;

    client.send(&f::ssl_request()).await;

    client.expect_error("08P01").await;
    client.expect_closed().await;
}

#[tokio::test]
async fn a_client_certificate_is_a_login_where_configured() {
    let (ca, clients) = (Ca::default(), Ca::new("clients"));
    let gate = with_tls(&ca, TlsMode::Require, |gateway| {
        gateway.tls.client_ca = Some(clients.root_path().to_owned());
        gateway.tls.client_certificate = ClientCertificate::Optional;
        gateway.auth.certificate = CertificateLogin::Cn;
    })
    .start()
    .await;
    let own = clients.client("app");
    let mut client = RawClient::connect_tls(gate.address, &ca, Some(&own)).await;
    client
        .startup(&[("user", "app"), ("database", "app")])
        .await;
    assert_eq!(client.expect(b'R').await.number(), 0);
    client.read_until_ready().await;
    assert_eq!(client.value("select 1").await, "1");

    let other = clients.client("eve");
    let mut client = RawClient::connect_tls(gate.address, &ca, Some(&other)).await;
    client
        .startup(&[("user", "app"), ("database", "app")])
        .await;
    let error = client.expect_error("28000").await;
    assert_eq!(
        error.text(),
        "certificate authentication failed for user \"app\""
    );

    // Without one, the password is asked for.
    let mut client = RawClient::connect_tls(gate.address, &ca, None).await;
    log_in(&mut client, &gate).await;
}

#[tokio::test]
async fn a_required_client_certificate_must_be_there_and_of_the_right_authority() {
    let (ca, clients) = (Ca::default(), Ca::new("clients"));
    let gate = with_tls(&ca, TlsMode::Require, |gateway| {
        gateway.tls.client_ca = Some(clients.root_path().to_owned());
        gateway.tls.client_certificate = ClientCertificate::Required;
    })
    .start()
    .await;
    let good = clients.client("app");
    let mut client = RawClient::connect_tls(gate.address, &ca, Some(&good)).await;
    // It lets nobody in by itself.
    log_in(&mut client, &gate).await;

    let (foreign, expired) = (
        ca.client("app"),
        clients.issue("app").for_client().expired().finish(),
    );
    for identity in [None, Some(&foreign), Some(&expired)] {
        let mut client = RawClient::connect(gate.address).await;
        client.request_tls().await;
        let shaken = client.try_start_tls(&ca, identity).await.is_ok();
        // TLS 1.3 tells a client of its certificate only after the handshake.
        if shaken {
            let startup = f::startup(f::PROTOCOL_3_0, &[("user", "app"), ("database", "app")]);
            let _ = client.try_send(&startup).await;
            assert!(
                !matches!(client.try_next().await, Ok(Some(_))),
                "answered in spite of its certificate"
            );
        }
    }
}

#[tokio::test]
async fn a_tls_handshake_that_never_ends_is_closed_without_a_word() {
    let ca = Ca::default();
    let limit = std::time::Duration::from_millis(300);
    let plan = with_tls(&ca, TlsMode::Allow, |gateway| gateway.login_timeout = limit);
    let gate = plan.start().await;
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1];
    for direct in [false, true] {
        let mut client = RawClient::connect(gate.address).await;
        if !direct {
            client.request_tls().await;
        }
        client.send(&hello).await;

        assert_eq!(client.read_to_end().await, b"");
    }
    assert_eq!(gate.client().await.value("select 1").await, "1");
}
