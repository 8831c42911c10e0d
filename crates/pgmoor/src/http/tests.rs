//! The client against services that answer well, badly, slowly and through proxies.

use std::sync::Arc;
use std::time::SystemTime;

use pgmoor_testkit::Ca;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::error::ErrorKind;

const MOMENT: Duration = Duration::from_secs(5);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn get(uri: &str) -> Request {
    let request = ::http::Request::builder().uri(uri);
    request.body(Body::empty()).expect("request")
}

fn client() -> Client {
    Client::new(Trust::system(), Proxies::none())
}

/// A listener, and how it is addressed.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    (listener, address)
}

/// A service inside TLS, by a certificate of `ca`; gives its port.
async fn service(ca: &Ca) -> u16 {
    let (service, _) = listen().await;
    let port = service.local_addr().expect("address").port();
    let acceptor = acceptor(ca);
    tokio::spawn(async move {
        loop {
            let (stream, _) = service.accept().await.expect("accept");
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                head(&mut stream).await;
                let _ = stream.write_all(OK).await;
                let _ = stream.flush().await;
                let _ = stream.read_u8().await;
            });
        }
    });
    port
}

fn acceptor(ca: &Ca) -> TlsAcceptor {
    let certificate = ca
        .issue("service")
        .names(["localhost", "db.service.test"])
        .finish();
    let mut config = (*pgmoor_testkit::server_config(&certificate, None)).clone();
    config.alpn_protocols.clear();
    TlsAcceptor::from(Arc::new(config))
}

/// Does what a proxy does with `CONNECT`, and gives the head it read.
async fn tunnel(mut stream: impl AsyncRead + AsyncWrite + Unpin, port: u16) -> String {
    let asked = head(&mut stream).await;
    let beyond = TcpStream::connect(("127.0.0.1", port)).await;
    let mut beyond = beyond.expect("service");
    let agreed = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    agreed.expect("write");
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut beyond).await;
    asked
}

/// A client whose every request goes by this proxy.
fn by_proxy(ca: &Ca, proxy: &str) -> Client {
    let variable = |name: &str| (name == "ALL_PROXY").then(|| proxy.to_owned());
    Client::new(
        Trust::file(ca.root_path()),
        Proxies::from_environment(variable),
    )
}

/// Reads one request's head.
async fn head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    String::from_utf8(head).expect("text")
}

/// Answers the next connection with these bytes, and gives the head it read.
fn answer(listener: TcpListener, bytes: &'static [u8]) -> tokio::task::JoinHandle<String> {
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let head = head(&mut stream).await;
        stream.write_all(bytes).await.expect("write");
        head
    })
}

fn told(error: &HttpError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn answer_is_given_whatever_its_status_and_redirects_are_not_followed() {
    let (listener, address) = listen().await;
    let bytes = b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 2\r\n\r\nhi";
    let server = answer(listener, bytes);

    let uri = format!("http://{address}/a/b?c=d");
    let response = client().send(get(&uri), MOMENT).await.expect("answer");

    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.body().as_str(), Some("hi"));
    let head = server.await.expect("server");
    assert!(head.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_the_query_is_not_told() {
    let (_listener, address) = listen().await;
    let uri = format!("http://{address}/t?secret=geheim");

    let error = client().send(get(&uri), Duration::from_millis(50)).await;

    let error = error.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let told = told(&error);
    assert_eq!(
        told,
        format!("cannot GET http://{address}/t: no whole answer within 50ms")
    );
}

#[tokio::test]
async fn answer_that_never_ends_is_cut_off() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    });

    let error = client()
        .send(get(&format!("http://{address}/")), MOMENT)
        .await;

    assert_eq!(error.expect_err("too long").kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn garbage_is_an_error_that_repeats_nothing_of_it() {
    let (listener, address) = listen().await;
    let _server = answer(listener, b"geheim geheim\r\n\r\n");

    let error = client()
        .send(get(&format!("http://{address}/")), MOMENT)
        .await;

    let told = told(&error.expect_err("garbage"));
    assert!(!told.contains("geheim"), "{told}");
}

#[tokio::test]
async fn https_needs_an_authority_that_is_trusted_and_goes_through_a_proxy_as_a_tunnel() {
    let ca = Ca::new("services");
    let port = service(&ca).await;
    let uri = format!("https://localhost:{port}/");

    let trusting = Client::new(Trust::file(ca.root_path()), Proxies::none());
    let answer = trusting.send(get(&uri), MOMENT).await.expect("trusted");
    assert_eq!(answer.body().as_str(), Some("ok"));
    let stranger = Ca::new("others");
    let other = Client::new(Trust::file(stranger.root_path()), Proxies::none());
    let error = other.send(get(&uri), MOMENT).await.expect_err("a stranger");
    assert_eq!(error.kind(), ErrorKind::Tls);

    let (proxy, at) = listen().await;
    let tunnel = tokio::spawn(async move {
        let (stream, _) = proxy.accept().await.expect("accept");
        tunnel(stream, port).await
    });
    let variable = |name: &str| (name == "HTTPS_PROXY").then(|| format!("http://u:pw@{at}"));
    let trust = Trust::file(ca.root_path());
    let client = Client::new(trust, Proxies::from_environment(variable));
    // A public name, which only the proxy knows the address of.
    let uri = format!("https://db.service.test:{port}/");
    let answer = client
        .send(get(&uri), MOMENT)
        .await
        .expect("through the proxy");
    assert_eq!(answer.body().as_str(), Some("ok"));
    let asked = tunnel.await.expect("proxy");
    assert!(
        asked.starts_with(&format!("CONNECT db.service.test:{port} HTTP/1.1")),
        "{asked}"
    );
    assert!(
        asked.contains("proxy-authorization: Basic dTpwdw=="),
        "{asked}"
    );
}

#[tokio::test]
async fn proxy_that_is_reached_by_https_gets_its_login_inside_tls_only() {
    let ca = Ca::new("services");
    let port = service(&ca).await;
    let (proxy, at) = listen().await;
    let place = at.replace("127.0.0.1", "localhost");
    let acceptor = acceptor(&ca);
    let proxying = tokio::spawn(async move {
        let (stream, _) = proxy.accept().await.expect("accept");
        let mut plain = acceptor
            .accept(stream)
            .await
            .expect("TLS from the first byte");
        let whole = head(&mut plain).await;
        plain.write_all(OK).await.expect("write");
        plain.flush().await.expect("flush");

        let (stream, _) = proxy.accept().await.expect("accept");
        let stream = acceptor
            .accept(stream)
            .await
            .expect("TLS from the first byte");
        (whole, tunnel(stream, port).await)
    });
    let client = by_proxy(&ca, &format!("https://u:pw@{place}"));

    let answer = client.send(get("http://db.service.test/a"), MOMENT).await;
    assert_eq!(answer.expect("answer").body().as_str(), Some("ok"));
    let uri = format!("https://db.service.test:{port}/");
    let answer = client.send(get(&uri), MOMENT).await.expect("by the tunnel");
    assert_eq!(answer.body().as_str(), Some("ok"));

    drop(client);
    let (whole, tunnel) = proxying.await.expect("proxy");
    assert!(
        whole.starts_with("GET http://db.service.test/a HTTP/1.1"),
        "{whole}"
    );
    for head in [whole, tunnel] {
        assert!(
            head.contains("proxy-authorization: Basic dTpwdw=="),
            "{head}"
        );
    }
}

#[tokio::test]
async fn proxy_that_does_not_speak_http_is_named_and_not_passed_by() {
    let ca = Ca::new("services");
    let client = by_proxy(&ca, "socks5://u:geheim@127.0.0.1:1080");

    let error = client.send(get("https://db.service.test/"), MOMENT).await;

    let error = error.expect_err("nobody speaks SOCKS here");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(
        told(&error),
        "cannot GET https://db.service.test/: ALL_PROXY names 127.0.0.1:1080, which speaks socks5, and only http and https are known here"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("NO_PROXY")));
}

#[tokio::test]
async fn service_of_this_machine_by_a_name_that_does_not_say_so_is_asked_without_a_proxy() {
    let ca = Ca::new("services");
    let by_proxy = by_proxy(&ca, "http://127.0.0.1:1");
    // It leads here, and nobody can tell from it.
    let (listener, at) = listen().await;
    let uri = format!("http://{}/", at.replace("127.0.0.1", "0.0.0.0"));

    let through = by_proxy.send(get(&uri), MOMENT).await;
    let through = told(&through.expect_err("there is no such proxy"));
    assert!(
        through.contains("cannot connect to 127.0.0.1:1"),
        "{through}"
    );
    let server = answer(listener, OK);
    let direct = by_proxy.direct().send(get(&uri), MOMENT).await;
    assert_eq!(direct.expect("answer").body().as_str(), Some("ok"));
    server.await.expect("server");
}

#[tokio::test]
async fn authorities_are_read_where_it_keeps_nobody_and_those_of_before_outlive_a_file_that_is_gone()
 {
    let directory = tempfile::tempdir().expect("directory");
    let ca = Ca::new("services");
    let file = directory.path().join("ca.pem");
    // Whoever writes to the pipe is who lets the reader go on.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("pipe");
    let trust = Arc::new(Trust::file(&file));

    let reading = tokio::spawn({
        let trust = trust.clone();
        async move { trust.config().await.map(drop) }
    });
    // The event loop goes on meanwhile, or this would never be written.
    let (pipe, pem) = (file.clone(), std::fs::read(ca.root_path()).expect("read"));
    let writing = tokio::task::spawn_blocking(move || std::fs::write(pipe, pem));
    writing.await.expect("a thread").expect("write");
    reading.await.expect("a task").expect("authorities");

    std::fs::remove_file(&file).expect("remove");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    tokio::time::resume();
    assert!(trust.config().await.is_ok());
    let other = Arc::new(Trust::file(&file));
    assert!(other.config().await.is_err());
}

#[tokio::test]
async fn dropped_request_closes_its_connection() {
    let (listener, address) = listen().await;
    let asking = tokio::spawn(async move {
        client()
            .send(get(&format!("http://{address}/")), MOMENT)
            .await
    });
    let (mut stream, _) = listener.accept().await.expect("accept");
    head(&mut stream).await;

    asking.abort();

    let mut rest = Vec::new();
    let ended = tokio::time::timeout(MOMENT, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

#[test]
fn retry_after_is_read_in_seconds_and_as_a_date_and_has_a_limit() {
    let asks = |text: &str| {
        let response = ::http::Response::builder().header("retry-after", text);
        let response = response.body(Body::empty()).expect("answer");
        retry_after(
            &response,
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770),
        )
    };
    assert_eq!(asks("7"), Some(Duration::from_secs(7)));
    assert_eq!(
        asks("Sun, 06 Nov 1994 08:49:37 GMT"),
        Some(Duration::from_secs(7))
    );
    assert_eq!(asks("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(asks("86400"), Some(LONGEST_RETRY_AFTER));
    assert_eq!(asks("soon"), None);
}

#[test]
fn bodies_and_logins_are_never_shown() {
    let mut request = get("http://h/");
    *request.body_mut() = Body::form([("assertion", "ge heim"), ("a&b", "ü")]);
    assert_eq!(
        request.body().as_str(),
        Some("assertion=ge%20heim&a%26b=%C3%BC")
    );
    assert!(!format!("{request:?}").contains("heim"));

    let error = Body::from("{\"token\": geheim}").json::<serde_json::Value>();
    let told = error.expect_err("no JSON").to_string();
    assert_eq!(told, "the answer is no JSON (line 1, column 11)");
}
