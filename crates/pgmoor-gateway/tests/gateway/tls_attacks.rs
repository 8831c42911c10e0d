//! Attacks on TLS towards clients: old versions, a second handshake, a client of no name.

use std::io::Write;
use std::process::{Command, Stdio};

use pgmoor::settings::SecretFile;
use pgmoor_gateway::settings::{PoolMode, TlsMode};
use pgmoor_testkit::{Ca, RawClient, client_config, frontend as f};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use crate::fixture::{Gate, Plan};

async fn start(ca: &Ca) -> Gate {
    let certificate = ca.server();
    let plan = Plan::new(PoolMode::Transaction, 2).gateway(|gateway| {
        gateway.tls.mode = TlsMode::Allow;
        gateway.tls.certificate = Some(certificate.chain_path().to_owned());
        gateway.tls.key = Some(SecretFile::new(certificate.key_path()));
    });
    plan.start().await
}

/// A ClientHello that knows no version later than this one, and asks for what servers of its time
/// would have liked.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    // ECDHE_ECDSA, which the certificate is for: CBC for the old, GCM for the new.
    let ciphers: [u16; 4] = [0xc009, 0xc00a, 0xc02b, 0xc02c];
    body.extend([0, 8]);
    body.extend(ciphers.iter().flat_map(|cipher| cipher.to_be_bytes()));
    body.extend([1, 0]);
    // supported_groups, ec_point_formats, signature_algorithms, and direct TLS wants its ALPN.
    let mut extensions: Vec<u8> = vec![0, 10, 0, 6, 0, 4, 0, 23, 0, 29, 0, 11, 0, 2, 1, 0];
    extensions.extend([0, 13, 0, 8, 0, 6, 4, 3, 4, 1, 8, 4]);
    extensions.extend([0, 16, 0, 13, 0, 11, 10]);
    extensions.extend(b"postgresql");
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend((body.len() as u16).to_be_bytes());
    handshake.extend(body);
    let mut record = vec![0x16, 3, 1];
    record.extend((handshake.len() as u16).to_be_bytes());
    record.extend(handshake);
    record
}

#[tokio::test]
async fn versions_before_tls_1_2_are_refused_on_request_and_directly() {
    let ca = Ca::default();
    let gate = start(&ca).await;
    // SSL 3.0, TLS 1.0, TLS 1.1, and 1.2 to show that the hello is well formed otherwise.
    for (version, is_taken) in [
        ([3, 0], false),
        ([3, 1], false),
        ([3, 2], false),
        ([3, 3], true),
    ] {
        for direct in [false, true] {
            let mut client = RawClient::connect(gate.address).await;
            if !direct {
                assert_eq!(client.request_tls().await, b'S');
            }
            client.send(&client_hello(version)).await;

            if is_taken {
                // A record of a handshake, in it a ServerHello.
                let mut head = Vec::new();
                for _ in 0..6 {
                    head.push(client.expect_byte().await);
                }
                assert_eq!((head[0], head[5]), (0x16, 2), "{version:?}");
            } else {
                let end = client.read_to_end().await;
                // A record of an alert, fatal, protocol_version; and nothing else.
                assert_eq!(end.first(), Some(&0x15), "{version:?}: {end:?}");
                assert_eq!(&end[5..7], [2, 70], "{version:?}: {end:?}");
                assert_eq!(end.len(), 7, "{version:?}: {end:?}");
            }
        }
    }
    assert_eq!(gate.client().await.value("select 1").await, "1");
}

#[tokio::test]
async fn a_client_cannot_start_a_second_handshake() {
    let ca = Ca::default();
    let gate = start(&ca).await;
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-starttls", "postgres", "-tls1_2", "-connect"])
        .arg(gate.address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let mut input = openssl.stdin.take().expect("a pipe");
    // "R" on a line of its own makes it ask for one; it ends by itself when that is refused.
    input.write_all(b"R\n").expect("written");
    let output = tokio::task::spawn_blocking(move || {
        let output = openssl.wait_with_output();
        drop(input);
        output
    });
    let output = tokio::time::timeout(std::time::Duration::from_secs(20), output).await;

    let output = output
        .expect("it ends")
        .expect("no panic")
        .expect("it was started");
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("Protocol  : TLSv1.2") || told.contains("TLSv1.2"),
        "{told}"
    );
    assert!(told.contains("RENEGOTIATING"), "{told}");
    assert!(told.contains("no renegotiation"), "{told}");
    assert_eq!(gate.client().await.value("select 1").await, "1");
}

#[tokio::test]
async fn a_client_that_names_no_server_is_served_like_any_other() {
    let ca = Ca::default();
    let gate = start(&ca).await;
    let mut config = (*client_config(&ca, None)).clone();
    config.enable_sni = false;
    let mut client = RawClient::connect(gate.address).await;
    client.request_tls().await;
    client.try_start_tls_with(config.into()).await.expect("TLS");

    client.login("app", &gate.password, "app").await;

    assert_eq!(client.value("select 1").await, "1");
}

#[tokio::test]
async fn tls_that_is_cut_off_or_half_closed_takes_no_place() {
    let ca = Ca::default();
    let gate = start(&ca).await;
    for login in [false, true] {
        for reset in [false, true] {
            let mut client = RawClient::connect_tls(gate.address, &ca, None).await;
            if login {
                client.login("app", &gate.password, "app").await;
                client.send(&f::query("begin; select pg_sleep(60)")).await;
            }
            if reset {
                client.reset();
            } else {
                // A close_notify, and then the end of our direction only.
                client.shutdown_write().await;
                client.read_to_end().await;
            }
        }
    }

    pgmoor_testkit::wait_for(
        "all to be gone",
        std::time::Duration::from_secs(10),
        async || gate.gateway.clients() == 0,
    )
    .await;
    assert_eq!(gate.client().await.value("select 1").await, "1");
}

#[tokio::test]
async fn a_proof_that_is_bound_to_another_channel_is_refused() {
    let ca = Ca::default();
    let gate = start(&ca).await;
    for (hash, state) in [(vec![7; 32], "28000"), (vec![], "28000")] {
        let mut client = RawClient::connect_tls(gate.address, &ca, None).await;
        client
            .startup(&[("user", "app"), ("database", "app")])
            .await;
        client.expect(b'R').await;
        let binding = ChannelBinding::tls_server_end_point(hash);
        let mut scram = ScramSha256::new(gate.password.as_bytes(), binding);
        client
            .send(&f::sasl_initial("SCRAM-SHA-256-PLUS", scram.message()))
            .await;
        let challenge = client.expect(b'R').await;
        scram.update(&challenge.body[4..]).expect("a challenge");
        client.send(&f::sasl_response(scram.message())).await;

        client.expect_error(state).await;
        client.expect_closed().await;
    }
}
