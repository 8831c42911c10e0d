//! HTTP as the stand-ins need it: a request that was read whole, an answer in JSON.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request, read whole.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// By name in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        let mut all = self.query.iter();
        Some(&all.find(|(known, _)| known == name)?.1)
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The fields of a form, when the request says that it is one.
    pub(crate) fn form(&self) -> Option<HashMap<String, String>> {
        let kind = self.header("content-type")?;
        let is_form = kind.starts_with("application/x-www-form-urlencoded");
        let body = std::str::from_utf8(&self.body).ok()?;
        is_form.then(|| pairs(body).into_iter().collect())
    }

    /// The body, when the request says that it is JSON and it is.
    pub(crate) fn json(&self) -> Option<Value> {
        let kind = self.header("content-type")?;
        let is_json = kind.starts_with("application/json");
        serde_json::from_slice(&self.body).ok().filter(|_| is_json)
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Reply {
        Reply::with(200, body)
    }

    pub(crate) fn text(body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status: 200,
            headers: vec![("content-type", "application/text".to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn with(status: u16, body: &Value) -> Reply {
        Reply {
            status,
            headers: vec![("content-type", "application/json; charset=UTF-8".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// A refusal as Google's APIs word it.
    pub(crate) fn refused(status: u16, message: impl Into<String>) -> Reply {
        let name = match status {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        let error = json!({ "code": status, "message": message.into(), "status": name });
        Reply::with(status, &json!({ "error": error }))
    }

    /// A refusal as OAuth words it.
    pub(crate) fn oauth(status: u16, error: &str, description: impl Into<String>) -> Reply {
        let body = json!({ "error": error, "error_description": description.into() });
        Reply::with(status, &body)
    }
}

/// A server on a free port of 127.0.0.1, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves what `answer` answers.
pub(crate) async fn serve<F, A>(answer: F) -> Server
where
    F: Fn(Request) -> A + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("listen on 127.0.0.1");
    let address = listener.local_addr().expect("it listens");
    let answer = Arc::new(answer);
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request| {
                let answer = Arc::clone(&answer);
                async move {
                    let reply = match read(request).await {
                        Some(request) => answer(request).await,
                        None => Reply::refused(400, "the request ends before its end"),
                    };
                    Ok::<_, Infallible>(to_hyper(reply))
                }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service);
            // How a client ends its connection is its own affair.
            tokio::spawn(async { drop(serving.await) });
        }
    });
    Server { address, task }
}

async fn read(request: hyper::Request<Incoming>) -> Option<Request> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
    });
    Some(Request {
        method: head.method.as_str().to_owned(),
        path: decoded(head.uri.path()),
        query: pairs(head.uri.query().unwrap_or_default()),
        headers: headers.collect(),
        body: body.collect().await.ok()?.to_bytes().to_vec(),
    })
}

fn to_hyper(reply: Reply) -> hyper::Response<Full<Bytes>> {
    let mut builder = hyper::Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    let body = Full::new(Bytes::from(reply.body));
    builder.body(body).expect("status and headers are valid")
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let fields = text.split('&').filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let plain = |text: &str| decoded(&text.replace('+', " "));
            (plain(name), plain(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
