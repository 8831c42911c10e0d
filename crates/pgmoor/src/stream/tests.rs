//! Streams of both kinds, plain and encrypted, in pieces of any size.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::TcpListener;

use super::*;

pub(super) async fn tcp_pair() -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (
        Stream::tcp(client.expect("connect")).expect("client"),
        Stream::tcp(server.expect("accept").0).expect("server"),
    )
}

pub(super) fn unix_pair() -> (Stream, Stream) {
    let (left, right) = UnixStream::pair().expect("pair");
    (
        Stream::unix(left).expect("left"),
        Stream::unix(right).expect("right"),
    )
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_accepted_connection_has_the_options_that_its_listener_was_given() {
    use std::os::fd::AsFd;
    use std::time::Duration;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let keepalive = KeepAlive {
        enabled: true,
        idle: Some(Duration::from_secs(41)),
        interval: Some(Duration::from_secs(7)),
        count: Some(3),
        user_timeout: Some(Duration::from_secs(90)),
    };
    let options_of_next = async || {
        let address = listener.local_addr().expect("address");
        let client = TcpStream::connect(address);
        let (_client, server) = tokio::join!(client, listener.accept());
        let server = server.expect("accept").0;
        let socket = socket2::SockRef::from(&server);
        (
            socket.tcp_nodelay().expect("nodelay"),
            socket.keepalive().expect("keepalive"),
            socket.tcp_keepalive_time().expect("idle"),
            socket.tcp_keepalive_interval().expect("interval"),
            socket.tcp_keepalive_retries().expect("count"),
            socket.tcp_user_timeout().expect("user timeout"),
        )
    };
    let (idle, interval, limit) = (
        Duration::from_secs(41),
        Duration::from_secs(7),
        Duration::from_secs(90),
    );

    keepalive.bequeath(listener.as_fd()).expect("bequeath");
    let expected = (true, true, idle, interval, 3, Some(limit));
    assert_eq!(options_of_next().await, expected);

    let off = KeepAlive {
        enabled: false,
        user_timeout: None,
        ..keepalive
    };
    off.bequeath(listener.as_fd()).expect("bequeath");
    let (_, enabled, _, _, _, user_timeout) = options_of_next().await;
    assert_eq!((enabled, user_timeout), (false, None));
}

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rcgen::KeyPair::generate().expect("key");
    let parameters = rcgen::CertificateParams::new(vec!["db".into()]).expect("names");
    let certificate = parameters.self_signed(&key).expect("sign").der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("root");
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("certificate");
    (Arc::new(client), Arc::new(server))
}

fn name() -> ServerName<'static> {
    ServerName::try_from("db").expect("name")
}

pub(super) async fn tls_pair() -> (Stream, Stream) {
    let (mut client, mut server) = tcp_pair().await;
    let (client_config, server_config) = configs();
    let (connected, accepted) = tokio::join!(
        client.connect_tls(client_config, name()),
        server.accept_tls(server_config),
    );
    connected.expect("client handshake");
    accepted.expect("server handshake");
    (client, server)
}

pub(super) async fn read_exactly(stream: &mut Stream, wanted: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 4096];
    while all.len() < wanted {
        let count = stream.read_some(&mut buffer).await.expect("read");
        assert_ne!(count, 0, "ended after {} bytes", all.len());
        all.extend_from_slice(&buffer[..count]);
    }
    all
}

pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

/// Sends a megabyte one way while the other side reads, then a word back.
pub(super) async fn exchange(left: &mut Stream, right: &mut Stream) {
    let sent = pattern(1 << 20);
    let (written, received) = tokio::join!(left.write_all(&sent), read_exactly(right, sent.len()));
    written.expect("write");
    assert!(received == sent, "bytes differ");
    right.write_all(b"pong").await.expect("answer");
    assert_eq!(read_exactly(left, 4).await, b"pong");
}

#[tokio::test]
async fn bytes_arrive_whole_over_tcp_unix_and_tls() {
    let (mut client, mut server) = tcp_pair().await;
    exchange(&mut client, &mut server).await;
    let (mut client, mut server) = unix_pair();
    exchange(&mut client, &mut server).await;
    let (mut client, mut server) = tls_pair().await;
    exchange(&mut client, &mut server).await;
    exchange(&mut server, &mut client).await;
}

#[tokio::test]
async fn short_read_clears_readiness_without_a_second_system_call() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"hello").await.expect("write");
    poll_fn(|cx| server.poll_read_ready(cx))
        .await
        .expect("ready");
    assert!(server.is_read_ready());

    let mut buffer = [0; 64];
    assert_eq!(server.try_read(&mut buffer).expect("read"), 5);

    assert!(!server.is_read_ready());
    let error = server.try_read(&mut buffer).expect_err("nothing there");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn bytes_that_come_after_a_short_read_wake_the_reader() {
    let (mut client, mut server) = tcp_pair().await;
    let mut buffer = [0; 64];
    for round in 0..100_u8 {
        client.write_all(&[round]).await.expect("write");
        assert_eq!(server.read_some(&mut buffer).await.expect("read"), 1);
        assert_eq!(buffer[0], round);
    }
}

#[tokio::test]
async fn end_behind_a_short_read_is_seen() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"bye").await.expect("write");
    client.shutdown().await.expect("shutdown");

    let mut buffer = [0; 64];
    assert_eq!(server.read_some(&mut buffer).await.expect("read"), 3);
    assert_eq!(server.read_some(&mut buffer).await.expect("end"), 0);
    server
        .write_all(b"still")
        .await
        .expect("other half is open");
    assert_eq!(read_exactly(&mut client, 5).await, b"still");
}

#[tokio::test]
async fn peek_leaves_the_bytes() {
    let (mut client, mut server) = unix_pair();
    client.write_all(b"\x16abc").await.expect("write");

    let mut first = [0; 1];
    assert_eq!(server.peek_some(&mut first).await.expect("peek"), 1);
    assert_eq!(first, [0x16]);
    assert_eq!(read_exactly(&mut server, 4).await, b"\x16abc");
}

#[tokio::test]
async fn tls_stays_readable_while_plaintext_waits() {
    let (mut client, mut server) = tls_pair().await;
    client.write_all(b"abcdef").await.expect("write");

    let mut two = [0; 2];
    for expected in [b"ab", b"cd", b"ef"] {
        poll_fn(|cx| server.poll_read_ready(cx))
            .await
            .expect("ready");
        assert_eq!(server.try_read(&mut two).expect("read"), 2);
        assert_eq!(&two, expected);
    }
    let error = server.try_read(&mut two).expect_err("nothing there");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(!server.is_read_ready());
}

#[tokio::test]
async fn tls_writer_meets_a_bound_and_loses_nothing() {
    let (mut client, mut server) = tls_pair().await;
    let chunk = pattern(16 * 1024);
    let mut accepted = 0;
    let blocked = loop {
        match client.try_write(&chunk) {
            Ok(count) => accepted += count,
            Err(error) => break error,
        }
        assert!(accepted < 64 << 20, "no bound in sight");
    };
    assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);
    assert!(client.wants_flush());

    let (flushed, received) = tokio::join!(
        poll_fn(|cx| client.poll_flush(cx)),
        read_exactly(&mut server, accepted),
    );
    flushed.expect("flush");
    assert_eq!(received.len(), accepted);
    assert!(
        received
            .chunks(chunk.len())
            .all(|part| part == &chunk[..part.len()])
    );
}

#[tokio::test]
async fn slices_are_written_in_order_plain_and_encrypted() {
    for tls in [false, true] {
        let (mut client, mut server) = if tls { tls_pair().await } else { unix_pair() };
        let slices = [
            IoSlice::new(b"one "),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
        ];
        assert_eq!(client.try_write_vectored(&slices).expect("write"), 7);
        poll_fn(|cx| client.poll_flush(cx)).await.expect("flush");
        assert_eq!(read_exactly(&mut server, 7).await, b"one two");
    }
}

#[tokio::test]
async fn close_notify_is_an_end_and_a_cut_is_an_error() {
    let mut buffer = [0; 64];
    let (mut client, mut server) = tls_pair().await;
    client.write_all(b"last").await.expect("write");
    client.shutdown().await.expect("shutdown");
    assert_eq!(read_exactly(&mut server, 4).await, b"last");
    assert_eq!(server.read_some(&mut buffer).await.expect("end"), 0);
    assert_eq!(server.read_some(&mut buffer).await.expect("end again"), 0);

    let (client, mut server) = tls_pair().await;
    client.end_writing().expect("half close");
    let error = server.read_some(&mut buffer).await.expect_err("cut");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn first_bytes_of_tls_that_were_read_already_can_be_handed_in() {
    let (mut client, mut server) = tcp_pair().await;
    let (client_config, server_config) = configs();
    let accept = async {
        let mut prefix = vec![0; 3];
        let count = server.read_some(&mut prefix).await?;
        prefix.truncate(count);
        server.accept_tls_after(server_config, prefix).await
    };
    let (connected, accepted) = tokio::join!(client.connect_tls(client_config, name()), accept);
    connected.expect("client handshake");
    accepted.expect("server handshake");
    exchange(&mut client, &mut server).await;
}

#[tokio::test]
async fn handshake_with_garbage_fails_and_tells_why() {
    let (mut client, mut server) = tcp_pair().await;
    let (_, server_config) = configs();
    client
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("write");

    let error = server.accept_tls(server_config).await.expect_err("refused");

    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(server.tls().is_none());
}

#[test]
fn stream_with_tls_moves_to_another_runtime() {
    let first = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    let (client, server) = first.block_on(async {
        let (mut client, mut server) = tls_pair().await;
        exchange(&mut client, &mut server).await;
        client.write_all(b"on the way").await.expect("write");
        (
            client.detach().expect("detach"),
            server.detach().expect("detach"),
        )
    });
    drop(first);

    let moved = std::thread::spawn(move || {
        let second = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        second.block_on(async {
            let mut client = client.attach().expect("attach");
            let mut server = server.attach().expect("attach");
            assert_eq!(read_exactly(&mut server, 10).await, b"on the way");
            exchange(&mut client, &mut server).await;
            assert_eq!(client.tls().expect("tls").version, "TLSv1.3");
        });
    });
    moved.join().expect("second runtime");
}

/// Repeatable, and good enough to choose sizes by.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1 + (self.0 % most as u64) as usize
    }
}

/// Sends `sent` and receives as much at the same time, in pieces of any size, as a relay does.
async fn send_and_receive(stream: &mut Stream, sent: &[u8], seed: u64) -> Vec<u8> {
    let (mut dice, mut written, mut received) = (Dice(seed), 0, Vec::new());
    let mut buffer = vec![0; 40_000];
    poll_fn(|cx| {
        loop {
            let mut moved = false;
            if received.len() < sent.len() && stream.poll_read_ready(cx)?.is_ready() {
                let room = dice.up_to(buffer.len());
                match stream.try_read(&mut buffer[..room]) {
                    Ok(count) => {
                        assert_ne!(count, 0, "ended early");
                        received.extend_from_slice(&buffer[..count]);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => moved = true,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            let rest = &sent[written..];
            if !rest.is_empty() && stream.poll_write_ready(cx)?.is_ready() {
                let rest = &rest[..rest.len().min(dice.up_to(90_000))];
                let (left, right) = rest.split_at(dice.up_to(rest.len()) - 1);
                let slices = [IoSlice::new(left), IoSlice::new(right)];
                match stream.try_write_vectored(&slices) {
                    Ok(count) => {
                        written += count;
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => moved = true,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            let flushed = stream.poll_flush(cx)?.is_ready();
            if flushed && written == sent.len() && received.len() == sent.len() {
                return Poll::Ready(Ok(()));
            }
            if !moved {
                return Poll::Pending;
            }
        }
    })
    .await
    .expect("transfer");
    received
}

/// Sends it both ways at once through small buffers; whether it arrives as it was.
pub(super) async fn exchange_pieces(pair: (Stream, Stream), sent: &[u8], seed: u64) -> bool {
    let (mut left, mut right) = pair;
    for stream in [&left, &right] {
        let socket = socket2::SockRef::from(stream);
        socket.set_send_buffer_size(4096).expect("small buffer");
    }
    let (a, b) = tokio::join!(
        send_and_receive(&mut left, sent, seed),
        send_and_receive(&mut right, sent, seed + 100),
    );
    a == sent && b == sent
}

#[tokio::test]
async fn pieces_of_any_size_both_ways_at_once_lose_nothing() {
    let sent = pattern(3 << 20);
    for seed in 1..=6 {
        for tls in [false, true] {
            let pair = if tls { tls_pair().await } else { unix_pair() };
            assert!(
                exchange_pieces(pair, &sent, seed).await,
                "seed {seed} tls {tls}"
            );
        }
    }
}
