//! A small HTTP/1.1 server for stand-ins: it remembers what it was asked, and misbehaves on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::sigv4::decode;
use crate::ca::Certificate;
use crate::tls::server_config;

const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 1024 * 1024;

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it was sent.
    pub raw_query: String,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers besides `content-length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// How an answer goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is this one instead.
    Instead(Reply),
    /// It takes that long.
    Late(Duration),
    /// It never comes.
    Silence,
    /// The connection is closed instead.
    HangUp,
    /// It is no HTTP.
    Garbage,
}

/// A service on a port of this host; it ends when it is dropped.
pub struct StandIn {
    port: u16,
    scheme: &'static str,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    answer: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    plans: Mutex<Vec<Plan>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Which requests go wrong, and how.
struct Plan {
    which: Box<dyn Fn(&Asked) -> bool + Send + Sync>,
    fault: Fault,
    /// So many more of them.
    left: usize,
    /// Every so-manieth of them.
    every: usize,
    seen: usize,
}

impl Asked {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The path, decoded.
    pub fn plain_path(&self) -> String {
        decode(&self.path).unwrap_or_default()
    }

    /// The query, decoded.
    pub fn query(&self) -> Vec<(String, String)> {
        pairs(&self.raw_query)
    }

    /// The body as a form, decoded.
    pub fn form(&self) -> Vec<(String, String)> {
        pairs(&String::from_utf8_lossy(&self.body))
    }

    /// A field of the query, when it is there once.
    pub fn query_field(&self, name: &str) -> Option<String> {
        only(self.query(), name)
    }

    /// A field of the body's form, when it is there once.
    pub fn form_field(&self, name: &str) -> Option<String> {
        only(self.form(), name)
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let plain = |part: &str| decode(&part.replace('+', " ")).unwrap_or_default();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(name), plain(value))
        })
        .collect()
}

fn only(fields: Vec<(String, String)>, name: &str) -> Option<String> {
    let mut found = fields.into_iter().filter(|(known, _)| known == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

impl Reply {
    /// Text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body: body.into().into_bytes(),
        }
    }

    /// JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let mut reply = Self::text(status, body.to_string());
        reply.headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        reply
    }

    /// With another header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl StandIn {
    /// Starts one that answers by `answer`.
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer).await
    }

    /// Starts one that speaks TLS and shows this certificate.
    pub async fn start_tls(
        certificate: &Certificate,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let mut config = (*server_config(certificate, None)).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start_with(Some(acceptor), answer).await
    }

    async fn start_with(
        acceptor: Option<TlsAcceptor>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let port = listener.local_addr().expect("address").port();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            asked: Mutex::default(),
            plans: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let this = shared.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, acceptor) = (this.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &shared).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(stream, &shared).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self {
            port,
            scheme,
            shared,
            serving,
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a path on it, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        let host = if self.scheme == "https" {
            "localhost"
        } else {
            "127.0.0.1"
        };
        format!("{}://{host}:{}{path}", self.scheme, self.port)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// How often it was asked so far.
    pub fn count(&self) -> usize {
        lock(&self.shared.asked).len()
    }

    /// How many requests were under way at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }

    /// Answers the next `count` requests wrong, and no others any more.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        *lock(&self.shared.plans) = vec![Plan::new(|_| true, count, fault)];
    }

    /// Answers all requests wrong until further notice.
    pub fn fail(&self, fault: Fault) {
        self.fail_next(usize::MAX, fault);
    }

    /// Answers one of so many requests wrong until further notice.
    pub fn fail_every(&self, every: usize, fault: Fault) {
        let plan = Plan::new(|_| true, usize::MAX, fault);
        *lock(&self.shared.plans) = vec![Plan { every, ..plan }];
    }

    /// Answers the next `count` of these requests wrong, after those of them that are to go wrong already.
    pub fn fail_these(
        &self,
        which: impl Fn(&Asked) -> bool + Send + Sync + 'static,
        count: usize,
        fault: Fault,
    ) {
        lock(&self.shared.plans).push(Plan::new(which, count, fault));
    }

    /// Answers well again.
    pub fn heal(&self) {
        lock(&self.shared.plans).clear();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Plan {
    fn new(
        which: impl Fn(&Asked) -> bool + Send + Sync + 'static,
        left: usize,
        fault: Fault,
    ) -> Self {
        Self {
            which: Box::new(which),
            fault,
            left,
            every: 1,
            seen: 0,
        }
    }

    fn next(&mut self, asked: &Asked) -> Option<Fault> {
        if self.left == 0 || !(self.which)(asked) {
            return None;
        }
        self.seen += 1;
        if !self.seen.is_multiple_of(self.every) {
            return None;
        }
        self.left -= 1;
        Some(self.fault.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> Option<()> {
    loop {
        let asked = read(&mut stream).await?;
        let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(now, Ordering::SeqCst);
        let answered = answer(&mut stream, shared, asked).await;
        shared.now.fetch_sub(1, Ordering::SeqCst);
        answered?;
    }
}

async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    shared: &Shared,
    asked: Asked,
) -> Option<()> {
    lock(&shared.asked).push(asked.clone());
    let fault = lock(&shared.plans)
        .iter_mut()
        .find_map(|plan| plan.next(&asked));
    let reply = match fault {
        None => (shared.answer)(&asked),
        Some(Fault::Instead(reply)) => reply,
        Some(Fault::Late(pause)) => {
            tokio::time::sleep(pause).await;
            (shared.answer)(&asked)
        }
        Some(Fault::Silence) => {
            // Until the other side gives up.
            let _ = stream.read_u8().await;
            return None;
        }
        Some(Fault::HangUp) => return None,
        Some(Fault::Garbage) => {
            stream.write_all(b"\x00\xff no HTTP \r\n\r\n").await.ok()?;
            return None;
        }
    };
    let mut head = format!("HTTP/1.1 {} -\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", reply.body.len()));
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&reply.body).await.ok()?;
    stream.flush().await.ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD {
            return None;
        }
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut asked = Asked {
        method,
        path: path.to_owned(),
        raw_query: query.to_owned(),
        headers,
        body: Vec::new(),
    };
    let length: usize = asked.header("content-length").unwrap_or("0").parse().ok()?;
    if length > MAX_BODY {
        return None;
    }
    asked.body = vec![0; length];
    stream.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}
