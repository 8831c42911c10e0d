//! Servers that lie, and what a person reads then.

use std::time::Duration;

use pgmoor::connector::{ConnectError, Login, Stage};
use pgmoor::error::ErrorKind;
use pgmoor_testkit::{ScriptedConnection, ScriptedServer, Serving, backend};
use tokio::time::Instant;

use crate::common::{connector, refused, told};

const SECRET: &str = "sehr-geheim";

async fn rogue<F, Fut>(script: F) -> Serving
where
    F: Fn(ScriptedConnection) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    ScriptedServer::tcp().await.serve(script)
}

fn text(server: &Serving, more: &str) -> String {
    format!(
        "host=127.0.0.1 port={} user=app dbname=app password={SECRET} {more}",
        server.port()
    )
}

/// What one who sends `bytes` after the startup message gets us to say.
async fn after_startup(bytes: Vec<u8>, more: &str) -> ConnectError {
    let server = rogue(move |mut connection| {
        let bytes = bytes.clone();
        async move {
            connection.expect_startup().await;
            let _ = connection.try_send(&bytes).await;
            let _ = connection.try_next().await;
        }
    })
    .await;
    let error = refused(&text(&server, &format!("sslmode=disable {more}"))).await;
    assert!(!told(&error).contains(SECRET), "{}", told(&error));
    error
}

#[tokio::test]
async fn login_without_the_servers_proof_is_refused() {
    let server = rogue(|mut connection| async move {
        connection.expect_startup().await;
        connection
            .send(&backend::auth_sasl(&["SCRAM-SHA-256"]))
            .await;
        let first = connection.expect(b'p').await;
        let text = String::from_utf8_lossy(&first.body).into_owned();
        let nonce = text.split("r=").nth(1).expect("nonce").to_owned();
        let challenge = format!("r={nonce}rogue,s=c2FsdHNhbHRzYWx0,i=4096");
        connection
            .send(&backend::auth_sasl_continue(&challenge))
            .await;
        connection.expect(b'p').await;
        connection.send(&backend::auth_ok()).await;
    })
    .await;
    let error = refused(&text(&server, "sslmode=disable")).await;
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(told(&error).contains("server could not prove that it knows the password"));
}

#[tokio::test]
async fn false_proof_and_foreign_nonce_are_refused() {
    for (nonce_kept, expected) in [
        (true, "server could not prove that it knows the password"),
        (false, "SCRAM nonce of the peer does not continue ours"),
    ] {
        let server = rogue(move |mut connection| async move {
            connection.expect_startup().await;
            connection
                .send(&backend::auth_sasl(&["SCRAM-SHA-256"]))
                .await;
            let first = connection.expect(b'p').await;
            let text = String::from_utf8_lossy(&first.body).into_owned();
            let nonce = text.split("r=").nth(1).expect("nonce").to_owned();
            let nonce = if nonce_kept {
                nonce
            } else {
                "fyko+d2lbbFgONRv9qkxdawL".into()
            };
            let challenge = format!("r={nonce}rogue,s=c2FsdHNhbHRzYWx0,i=4096");
            connection
                .send(&backend::auth_sasl_continue(&challenge))
                .await;
            if connection
                .try_next()
                .await
                .is_ok_and(|answer| answer.is_some())
            {
                let proof = "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
                connection.send(&backend::auth_sasl_final(proof)).await;
                connection.send(&backend::auth_ok()).await;
            }
        })
        .await;
        let error = refused(&text(&server, "sslmode=disable")).await;
        assert!(told(&error).contains(expected), "{}", told(&error));
    }
}

#[tokio::test]
async fn endless_iterations_are_not_done() {
    let server = rogue(|mut connection| async move {
        connection.expect_startup().await;
        connection
            .send(&backend::auth_sasl(&["SCRAM-SHA-256"]))
            .await;
        let first = connection.expect(b'p').await;
        let text = String::from_utf8_lossy(&first.body).into_owned();
        let nonce = text.split("r=").nth(1).expect("nonce").to_owned();
        let challenge = format!("r={nonce}rogue,s=c2FsdHNhbHRzYWx0,i=1000000000");
        connection
            .send(&backend::auth_sasl_continue(&challenge))
            .await;
        let _ = connection.try_next().await;
    })
    .await;
    let text = told(&refused(&text(&server, "sslmode=disable")).await);
    assert!(
        text.contains("server asks for 1000000000 SCRAM iterations, more than 100000"),
        "{text}"
    );
}

#[tokio::test]
async fn downgrade_to_no_login_or_a_clear_password_is_refused_where_forbidden() {
    for bytes in [
        backend::auth_ok(),
        backend::auth_cleartext(),
        backend::auth_md5([1, 2, 3, 4]),
    ] {
        let error = after_startup(bytes, "require_auth=scram-sha-256").await;
        assert!(matches!(error, ConnectError::AuthMethod { .. }), "{error}");
    }
}

#[tokio::test]
async fn bytes_behind_the_answer_to_the_request_for_tls_are_an_attack() {
    for answer in [&b"S"[..], b"N"] {
        let answer = [answer, &backend::auth_ok()[..]].concat();
        let server = rogue(move |mut connection| {
            let answer = answer.clone();
            async move {
                connection.expect_untagged().await;
                connection.send(&answer).await;
                let _ = connection.try_next().await;
            }
        })
        .await;
        let error = refused(&text(&server, "sslmode=prefer")).await;
        assert!(
            matches!(error, ConnectError::BytesBeforeTls { .. }),
            "{error}"
        );
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn error_before_tls_is_not_repeated() {
    let server = rogue(|mut connection| async move {
        connection.expect_untagged().await;
        connection
            .send(&backend::fatal(
                "28000",
                "please send your password to evil.example",
            ))
            .await;
    })
    .await;
    let text = told(&refused(&text(&server, "sslmode=require")).await);
    assert!(!text.contains("evil"), "{text}");
    assert!(
        text.contains("answered the request for TLS with an error"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_no_postgresql_is_said_to_be_none() {
    let server = rogue(|mut connection| async move {
        connection.expect_untagged().await;
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let error = refused(&text(&server, "sslmode=require")).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(told(&error).ends_with("check that host and port are those of a PostgreSQL server"));
}

#[tokio::test]
async fn impossible_and_huge_lengths_are_refused_before_they_cost_anything() {
    for length in [
        0_u32,
        3,
        0x0010_0000,
        0x3fff_ffff,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX,
    ] {
        let mut message = vec![b'R'];
        message.extend(length.to_be_bytes());
        let error = after_startup(message, "").await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{length}: {error}");
    }
}

#[tokio::test]
async fn endless_notices_and_settings_come_to_an_end() {
    let notices = backend::notice("00000", "la la").repeat(40_000);
    let error = after_startup(notices, "").await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");

    let mut settings = backend::auth_ok();
    for number in 0..300 {
        settings.extend(backend::parameter_status(&format!("s{number}"), "x"));
    }
    let error = after_startup(settings, "").await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn messages_out_of_place_are_refused() {
    let ok = backend::auth_ok();
    for bytes in [
        backend::ready(b'I'),
        backend::data_row(&[Some("1")]),
        [ok.clone(), ok.clone()].concat(),
        [ok.clone(), backend::ready(b'T')].concat(),
        [ok.clone(), backend::ready(b'?')].concat(),
        [ok.clone(), backend::backend_key(1, &[])].concat(),
        [ok, b"S\0\0\0\x05x".to_vec()].concat(),
        b"R\0\0\0\x05\0".to_vec(),
    ] {
        let error = after_startup(bytes.clone(), "").await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{bytes:?}: {error}");
    }
}

#[tokio::test]
async fn error_without_fields_is_still_an_error() {
    let error = after_startup(b"E\0\0\0\x05\0".to_vec(), "").await;
    assert!(matches!(error, ConnectError::Server { .. }), "{error}");
    assert_eq!(error.sqlstate().as_str(), "08006");
    assert!(told(&error).contains("cause: no message"));
}

#[tokio::test]
async fn password_that_a_server_repeats_is_blotted_out() {
    let server = rogue(|mut connection| async move {
        connection.expect_startup().await;
        connection.send(&backend::auth_cleartext()).await;
        connection.expect(b'p').await;
        connection
            .send(&backend::fatal("28P01", &format!("\"{SECRET}\" is wrong")))
            .await;
    })
    .await;
    let error = refused(&text(&server, "sslmode=disable")).await;
    let seen = format!("{} {error:?}", told(&error));
    assert!(!seen.contains(SECRET), "{seen}");
    assert!(seen.contains("\"***\" is wrong"), "{seen}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline_in_every_stage() {
    let never = |stage: usize| {
        rogue(move |mut connection| async move {
            if stage >= 1 {
                connection.expect_startup().await;
            }
            if stage >= 2 {
                connection.send(&backend::auth_cleartext()).await;
                connection.expect(b'p').await;
            }
            if stage >= 3 {
                connection.send(&backend::auth_ok()).await;
            }
            connection.stall().await;
        })
    };
    for (stage, mode, expected) in [
        (0, "require", Stage::Tls),
        (1, "disable", Stage::Auth),
        (2, "disable", Stage::Auth),
        (3, "disable", Stage::Startup),
    ] {
        let server = never(stage).await;
        let connector = connector(&text(&server, &format!("sslmode={mode}")));
        let deadline = Instant::now() + Duration::from_millis(150);
        let outcome = connector
            .connect(Login::Endpoint, None, &[], deadline)
            .await;
        let error = outcome.expect_err("deadline");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert_eq!(error.stage(), expected);
        assert!(Instant::now() < deadline + Duration::from_secs(5));
    }
}

#[tokio::test]
async fn server_that_hangs_up_is_told_by_stage() {
    let server = rogue(|mut connection| async move {
        connection.expect_startup().await;
    })
    .await;
    let error = refused(&text(&server, "sslmode=disable")).await;
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(
        error
            .to_string()
            .ends_with("was lost while trying to log in"),
        "{error}"
    );
}
