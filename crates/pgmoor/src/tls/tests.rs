//! Certificates, keys and authorities as they are found on disk.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pgmoor_testkit::{Ca, Certificate};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::endpoint::{Endpoint, Host, TlsSettings};
use crate::stream::Stream;

fn server_settings(certificate: &Certificate) -> ServerTlsSettings {
    ServerTlsSettings {
        certificate: certificate.chain_path().to_owned(),
        key: certificate.key_path().to_owned(),
        client_ca: None,
        client_certificate: ClientCertificate::None,
    }
}

fn settings(text: &str) -> TlsSettings {
    let text = format!("host=localhost {text}");
    Endpoint::parse(&text).expect("endpoint").tls
}

fn trusting(ca: &Ca) -> String {
    format!(
        "sslmode=verify-full sslrootcert={}",
        ca.root_path().display()
    )
}

/// Both sides of a handshake between these settings.
async fn meet(server: &ServerTls, client: &str) -> (io::Result<Stream>, io::Result<Stream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let client = ClientTls::new(settings(client), None);
    let setup = client
        .setup(&Host::tcp("localhost", 1))
        .expect("client settings");
    let connecting = async {
        let mut stream = Stream::tcp(TcpStream::connect(address).await?)?;
        stream
            .connect_tls(setup.config.clone(), setup.name.clone())
            .await?;
        // In TLS 1.3 the server's verdict comes after our handshake: one byte or its alert.
        stream.read_some(&mut [0]).await?;
        Ok(stream)
    };
    let accepting = async {
        let (socket, _) = listener.accept().await?;
        let mut stream = Stream::tcp(socket)?;
        stream.accept_tls(server.current()).await?;
        stream.write_all(b"!").await?;
        Ok(stream)
    };
    tokio::join!(connecting, accepting)
}

fn replace(path: &Path, content: &str) {
    let next = path.with_extension("next");
    fs::write(&next, content).expect("write");
    fs::set_permissions(&next, PermissionsExt::from_mode(0o600)).expect("chmod");
    fs::rename(&next, path).expect("rename");
}

#[tokio::test]
async fn both_sides_agree_on_protocol_name_and_channel() {
    let ca = Ca::default();
    let server = ServerTls::new(server_settings(&ca.server())).expect("server");

    let (client, accepted) = meet(&server, &trusting(&ca)).await;

    let (client, accepted) = (client.expect("client"), accepted.expect("server"));
    let (ours, theirs) = (
        client.tls().expect("client"),
        accepted.tls().expect("server"),
    );
    assert_eq!(ours.alpn.as_deref(), Some(ALPN));
    assert_eq!(theirs.server_name.as_deref(), Some("localhost"));
    assert!(ours.server_end_point.is_some());
    assert_eq!(ours.server_end_point, theirs.server_end_point);
    assert_eq!(ours.cipher, theirs.cipher);
    assert!(theirs.peer_certificates.is_empty());
}

#[tokio::test]
async fn server_name_is_withheld_when_sslsni_is_off() {
    let ca = Ca::default();
    let server = ServerTls::new(server_settings(&ca.server())).expect("server");
    let (_client, accepted) = meet(&server, &format!("{} sslsni=0", trusting(&ca))).await;
    let accepted = accepted.expect("server");
    assert_eq!(accepted.tls().expect("tls").server_name, None);
}

#[tokio::test]
async fn client_certificates_are_none_optional_or_required() {
    let (ca, other) = (Ca::default(), Ca::new("somebody else"));
    let shown = |certificate: &Certificate| {
        format!(
            "{} sslcert={} sslkey={}",
            trusting(&ca),
            certificate.chain_path().display(),
            certificate.key_path().display()
        )
    };
    let (good, foreign) = (ca.client("app"), other.client("app"));
    for (mode, nothing, right, wrong) in [
        (ClientCertificate::None, true, true, true),
        (ClientCertificate::Optional, true, true, false),
        (ClientCertificate::Required, false, true, false),
    ] {
        let server = ServerTls::new(ServerTlsSettings {
            client_ca: Some(ca.root_path().to_owned()),
            client_certificate: mode,
            ..server_settings(&ca.server())
        })
        .expect("server");
        for (client, expected) in [
            (trusting(&ca), nothing),
            (shown(&good), right),
            (shown(&foreign), wrong),
        ] {
            let (connected, accepted) = meet(&server, &client).await;
            assert_eq!(connected.is_ok(), expected, "{mode:?} {client}");
            assert_eq!(accepted.is_ok(), expected, "{mode:?} {client}");
        }
        let (_client, accepted) = meet(&server, &shown(&good)).await;
        let accepted = accepted.expect("accepted");
        let seen = &accepted.tls().expect("tls").peer_certificates;
        let expected = usize::from(mode != ClientCertificate::None);
        assert_eq!(seen.len(), expected);
    }
}

#[tokio::test]
async fn reload_takes_new_files_and_keeps_the_old_when_they_are_broken() {
    let ca = Ca::default();
    let (old, new) = (ca.server(), ca.server());
    let server = ServerTls::new(server_settings(&old)).expect("server");
    let before = server.current().end_point;
    assert!(!server.reload().expect("nothing changed"));

    replace(old.chain_path(), new.chain_pem());
    let error = server.reload().expect_err("the key is the old one");
    assert!(matches!(error, TlsError::Pair { .. }), "{error}");
    assert_eq!(server.current().end_point, before);

    replace(old.key_path(), new.key_pem());
    assert!(server.reload().expect("both are new"));
    assert_ne!(server.current().end_point, before);
    let (client, _accepted) = meet(&server, &trusting(&ca)).await;
    assert!(client.is_ok());
}

#[test]
fn server_without_what_it_needs_is_refused_by_name() {
    let ca = Ca::default();
    let missing = ServerTlsSettings {
        certificate: "/no/such/file".into(),
        ..server_settings(&ca.server())
    };
    let error = ServerTls::new(missing).expect_err("missing");
    assert_eq!(error.to_string(), "cannot read certificate /no/such/file");

    let no_ca = ServerTlsSettings {
        client_certificate: ClientCertificate::Required,
        ..server_settings(&ca.server())
    };
    let error = ServerTls::new(no_ca).expect_err("no authority");
    assert_eq!(
        error.hint().as_deref(),
        Some("name its file with client_ca")
    );

    let swapped = ca.server();
    let swapped = ServerTlsSettings {
        certificate: swapped.key_path().to_owned(),
        key: swapped.chain_path().to_owned(),
        ..server_settings(&swapped)
    };
    let error = ServerTls::new(swapped).expect_err("swapped");
    assert!(
        error.to_string().ends_with("holds no PEM certificate"),
        "{error}"
    );
}

#[tokio::test]
async fn self_signed_certificate_is_its_own_authority() {
    let directory = tempfile::tempdir().expect("directory");
    let (certificate, key) = (directory.path().join("crt"), directory.path().join("key"));
    let make = |is_ca| {
        let pair = rcgen::KeyPair::generate().expect("key");
        let names = vec!["localhost".to_owned()];
        let mut parameters = rcgen::CertificateParams::new(names).expect("names");
        parameters.is_ca = is_ca;
        let own = parameters.self_signed(&pair).expect("sign");
        replace(&certificate, &own.pem());
        replace(&key, &pair.serialize_pem());
    };
    let unconstrained = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    for is_ca in [unconstrained, rcgen::IsCa::NoCa] {
        make(is_ca);
        let server = ServerTls::new(ServerTlsSettings {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: None,
            client_certificate: ClientCertificate::None,
        })
        .expect("server");
        let verify = format!("sslmode=verify-full sslrootcert={}", certificate.display());
        let (client, _accepted) = meet(&server, &verify).await;
        assert!(client.is_ok(), "{client:?}");

        let other = Ca::default();
        let (client, _accepted) = meet(&server, &trusting(&other)).await;
        assert!(client.is_err());
    }
}

#[test]
fn impossible_version_bounds_are_refused() {
    let bounds = TlsSettings {
        max_version: Some(crate::endpoint::TlsVersion::V1_1),
        ..TlsSettings::default()
    };
    let client = ClientTls::new(bounds, None);
    let error = client.setup(&Host::tcp("localhost", 1)).expect_err("old");
    assert_eq!(
        error.hint().as_deref(),
        Some("pgmoor speaks TLSv1.2 and TLSv1.3")
    );
}

#[tokio::test]
async fn returning_client_resumes_its_session_until_files_are_reloaded() {
    let ca = Ca::default();
    let certificate = ca.server();
    let server = ServerTls::new(server_settings(&certificate)).expect("server");
    let config = pgmoor_testkit::client_config(&ca, None);
    let resumed = async || {
        let (left, right) = tokio::net::UnixStream::pair().expect("pair");
        let mut client = Stream::unix(left).expect("client");
        let mut accepted = Stream::unix(right).expect("server");
        let name = rustls_pki_types::ServerName::try_from("localhost").expect("name");
        let (connected, acceptance) = tokio::join!(
            client.connect_tls(config.clone(), name),
            accepted.accept_tls(server.current()),
        );
        connected.expect("client");
        acceptance.expect("server");
        // The ticket comes with the first bytes.
        accepted.write_all(b"!").await.expect("write");
        client.read_some(&mut [0]).await.expect("read");
        accepted.tls().expect("tls").resumed
    };
    assert!(!resumed().await);
    assert!(resumed().await);

    replace(certificate.key_path(), certificate.key_pem());
    assert!(server.reload().expect("reload"));

    assert!(!resumed().await);
}

/// A key as older tools write it: what a PKCS#8 key holds inside, under its own label.
fn older_form(pkcs8: &[u8], label: &str) -> String {
    use base64::Engine;
    let fits = |at: &usize| {
        let rest = &pkcs8[*at..];
        let (header, len) = match rest {
            [0x04, len @ 0..=0x7f, 0x30, ..] => (2, usize::from(*len)),
            [0x04, 0x81, len, 0x30, ..] => (3, usize::from(*len)),
            [0x04, 0x82, high, low, 0x30, ..] => (4, usize::from(*high) << 8 | usize::from(*low)),
            _ => return false,
        };
        header + len == rest.len()
    };
    let at = (0..pkcs8.len()).find(fits).expect("the inner key");
    let inner = (at..pkcs8.len())
        .find(|at| pkcs8[*at] == 0x30)
        .expect("its start");
    let text = base64::engine::general_purpose::STANDARD.encode(&pkcs8[inner..]);
    let lines: Vec<String> = text
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

#[tokio::test]
async fn keys_of_all_forms_are_read() {
    let directory = tempfile::tempdir().expect("directory");
    let (certificate, key) = (directory.path().join("crt"), directory.path().join("key"));
    for (algorithm, label) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "EC PRIVATE KEY"),
        (&rcgen::PKCS_RSA_SHA256, "RSA PRIVATE KEY"),
    ] {
        let pair = rcgen::KeyPair::generate_for(algorithm).expect("key");
        let names = vec!["localhost".to_owned()];
        let parameters = rcgen::CertificateParams::new(names).expect("names");
        let own = parameters.self_signed(&pair).expect("sign");
        replace(&certificate, &own.pem());
        let pkcs8 = pair.serialize_der();
        for pem in [pair.serialize_pem(), older_form(&pkcs8, label)] {
            replace(&key, &pem);
            let server = ServerTls::new(ServerTlsSettings {
                certificate: certificate.clone(),
                key: key.clone(),
                client_ca: None,
                client_certificate: ClientCertificate::None,
            })
            .expect(label);
            let verify = format!("sslmode=verify-ca sslrootcert={}", certificate.display());
            let (client, _accepted) = meet(&server, &verify).await;
            assert!(client.is_ok(), "{client:?}");
        }
    }
}

#[test]
fn key_file_without_a_key_is_told_without_its_content() {
    let ca = Ca::default();
    let certificate = ca.server();
    replace(
        certificate.key_path(),
        "-----BEGIN PRIVATE KEY-----\ngeheim!\n-----END PRIVATE KEY-----\n",
    );
    let error = ServerTls::new(server_settings(&certificate)).expect_err("no key");
    let seen = format!("{error} {error:?}");
    assert!(seen.contains("holds no PEM private key"), "{seen}");
    assert!(!seen.contains("geheim"), "{seen}");
}

#[test]
fn name_that_no_certificate_carries_matters_only_where_names_are_verified() {
    let ca = Ca::default();
    let host = Host::tcp("fe80::1%eth0", 5432);
    for (mode, usable) in [
        ("require", true),
        ("verify-ca", true),
        ("verify-full", false),
    ] {
        let text = format!("sslmode={mode} sslrootcert={}", ca.root_path().display());
        let setup = ClientTls::new(settings(&text), None).setup(&host);
        assert_eq!(setup.is_ok(), usable, "{mode}");
    }
}
