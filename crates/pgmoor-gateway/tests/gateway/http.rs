//! The admin address over HTTP, on a real gateway.

use std::net::SocketAddr;
use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_gateway::{Admin, AdminListener, Hooks, state_dir};
use pgmoor_testkit::{wait_for, wait_for_value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::console::{address, connect, guarded};
use crate::fixture::{Gate, Plan, endpoint_at};

const PATIENCE: Duration = Duration::from_secs(10);

/// A gate with an admin address.
struct Watched {
    admin: Admin,
    gate: Gate,
    token: String,
}

impl Watched {
    async fn start(plan: Plan) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), plan).await
    }

    async fn start_at(address: SocketAddr, plan: Plan) -> Self {
        let listener = AdminListener::bind(address);
        let gate = plan.start().await;
        let admin = Admin::start(&gate.gateway, listener.expect("a port")).expect("started");
        let token = state_dir::admin_token(&gate.state_dir()).expect("a token");
        let token = token.expose().clone();
        Self { admin, gate, token }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"), "")
            .await
    }

    async fn post(&self, verb: &str, body: &str) -> Answer {
        let head = format!(
            "POST /api/v1/{verb} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n",
            self.token
        );
        self.ask(&head, body).await
    }

    async fn ask(&self, head: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.admin.address())
            .await
            .expect("connect");
        let request = format!(
            "{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("answered");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status");
        Answer {
            status: status.parse().expect("a number"),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[tokio::test]
async fn everything_that_can_be_looked_at_is_there() {
    let watched = Watched::start(guarded(PoolMode::Transaction, 3)).await;
    let client = connect(&watched.gate, "app", "app")
        .await
        .expect("a client");
    client.simple_query("select 1").await.expect("a query");
    client
        .simple_query("select 1/0")
        .await
        .expect_err("an error");

    let metrics = watched.get("/metrics").await;
    let page = watched.get("/").await;
    let status = watched.get("/status").await.json();
    let clients = watched.get("/clients").await.json();
    let servers = watched.get("/servers").await.json();

    assert!(
        metrics.head.contains("text/plain; version=0.0.4"),
        "{}",
        metrics.head
    );
    for line in [
        "pgmoor_client_connections{pool=\"app\",state=\"idle\"} 1",
        "pgmoor_server_connections{pool=\"app\",state=\"idle\"} 1",
        "pgmoor_queries_total{pool=\"app\"} 2",
        "pgmoor_errors_total{stage=\"server\",code=\"22\"} 1",
        "pgmoor_server_connects_total{pool=\"app\",result=\"success\"} 1",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.body.contains(line), "{line}\n{}", metrics.body);
    }
    assert!(page.body.starts_with("<!doctype html>") && page.body.contains("primary"));
    assert!(page.head.contains("default-src 'none'"), "{}", page.head);
    assert_eq!(status["clients"]["logged_in"], 1);
    assert_eq!(status["databases"][0]["reachable"], true);
    assert_eq!(clients["clients"][0]["database"], "app");
    assert_eq!(servers["servers"][0]["state"], "idle");
    assert_eq!(watched.get("/startup").await.status, 200);
    assert_eq!(watched.get("/liveness").await.status, 200);
    assert_eq!(watched.get("/readiness").await.status, 200);
}

#[tokio::test]
async fn openmetrics_is_given_to_who_asks_for_it() {
    let watched = Watched::start(guarded(PoolMode::Transaction, 3)).await;

    let head =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n";
    let answer = watched.ask(head, "").await;

    assert!(
        answer.head.contains("application/openmetrics-text"),
        "{}",
        answer.head
    );
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    assert!(!answer.body.contains("e308"), "the last bucket is +Inf");
}

#[tokio::test]
async fn verbs_need_the_token_and_every_request_a_name_of_this_machine() {
    let watched = Watched::start(guarded(PoolMode::Transaction, 3)).await;
    let post = "POST /api/v1/pause HTTP/1.1\r\nHost: localhost\r\n";

    let without = watched.ask(post, "{}").await;
    let wrong = watched
        .ask(&format!("{post}Authorization: Bearer wrong\r\n"), "{}")
        .await;
    let stranger = watched
        .ask("GET /status HTTP/1.1\r\nHost: evil.example\r\n", "")
        .await;
    let strange_post = format!(
        "POST /api/v1/pause HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {}\r\n",
        watched.token
    );
    let strange_post = watched.ask(&strange_post, "{}").await;
    let by_get = format!(
        "GET /api/v1/pause HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n",
        watched.token
    );
    let by_get = watched.ask(&by_get, "").await;

    assert_eq!((without.status, wrong.status), (401, 401));
    assert!(
        wrong.json()["errors"][0]["hint"]
            .to_string()
            .contains("admin.token")
    );
    assert_eq!((stranger.status, strange_post.status), (421, 421));
    assert!(!stranger.body.contains("databases"));
    assert_eq!(by_get.status, 405);
    let status = watched.get("/status").await.json();
    assert_eq!(
        status["databases"][0]["paused"], false,
        "nothing has happened"
    );
}

#[tokio::test]
async fn every_verb_needs_the_token_and_on_a_network_lists_of_people_do_too() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let watched = Watched::start_at(everywhere, guarded(PoolMode::Transaction, 3)).await;
    let token = &watched.token;
    let wrong = [
        String::new(),
        "Authorization: Bearer root\r\n".to_owned(),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer {}\r\n", &token[..token.len() - 1]),
        format!("Authorization: Bearer {token}{token}\r\n"),
        format!("Cookie: token={token}\r\n"),
    ];
    for verb in [
        "pause",
        "drain",
        "switch",
        "resume",
        "reconnect",
        "reload",
        "shutdown",
    ] {
        for authorization in &wrong {
            let head = format!(
                "POST /api/v1/{verb}?token={token} HTTP/1.1\r\nHost: localhost\r\n{authorization}"
            );
            let answer = watched.ask(&head, "{}").await;
            assert_eq!(answer.status, 401, "{verb} {authorization}");
            assert!(!answer.body.contains(token), "{verb}");
        }
    }
    for (place, open) in [
        ("/", true),
        ("/metrics", true),
        ("/status", true),
        ("/startup", true),
        ("/readiness", true),
        ("/liveness", true),
        ("/clients", false),
        ("/servers", false),
    ] {
        assert_eq!(watched.get(place).await.status == 200, open, "{place}");
        let head =
            format!("GET {place} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n");
        assert_eq!(watched.ask(&head, "").await.status, 200, "{place}");
    }
    let status = watched.get("/status").await.json();
    assert_eq!(status["databases"][0]["paused"], false);
}

#[tokio::test]
async fn traffic_is_paused_drained_switched_and_resumed() {
    let plan = guarded(PoolMode::Transaction, 3);
    let watched = Watched::start(plan.clone()).await;
    let url = watched.gate.postgres.url();
    let endpoints = [
        ("primary", endpoint_at(&url, None)),
        ("other", endpoint_at(&url, Some(7))),
    ];
    watched
        .gate
        .gateway
        .reload(plan.in_state_of(&watched.gate).configuration(&endpoints))
        .expect("reloaded");
    let client = connect(&watched.gate, "app", "app")
        .await
        .expect("a client");
    client.simple_query("begin").await.expect("begin");

    let early = watched
        .post("switch", r#"{"database":"app","endpoint":"other"}"#)
        .await;
    let paused = watched.post("pause", r#"{"database":"app"}"#).await;
    let held = watched
        .post("drain", r#"{"database":"app","timeout_ms":50}"#)
        .await;
    client.simple_query("commit").await.expect("commit");
    let drained = watched.post("drain", "{}").await;
    let nowhere = watched
        .post("switch", r#"{"database":"app","endpoint":"none"}"#)
        .await;
    let switched = watched
        .post("switch", r#"{"database":"app","endpoint":"other"}"#)
        .await;
    let waiting = tokio::spawn(async move { client.simple_query("select 1").await });
    let queue = async || watched.get("/status").await.json()["clients"]["waiting"].clone();
    wait_for_value("clients that wait", PATIENCE, serde_json::json!(1), queue).await;
    let resumed = watched.post("resume", "").await;

    assert_eq!(early.status, 409, "{early:?}");
    assert_eq!(paused.json()["databases"][0], "app");
    assert_eq!(held.json()["drained"], false);
    assert_eq!(drained.json()["drained"], true, "{drained:?}");
    assert_eq!(nowhere.status, 404);
    assert_eq!(switched.status, 200, "{switched:?}");
    assert_eq!(resumed.status, 200);
    waiting
        .await
        .expect("no panic")
        .expect("served by the other endpoint");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_answered_with_what_to_do() {
    let watched = Watched::start(guarded(PoolMode::Transaction, 3)).await;

    let told = async |answer: Answer| {
        let error = &answer.json()["errors"][0];
        format!("{} {} / {}", answer.status, error["error"], error["hint"])
    };
    let huge = format!("{{\"database\":\"{}\"}}", "x".repeat(20_000));
    let all = [
        told(watched.post("pasue", "{}").await).await,
        told(watched.post("pause", "{\"databse\":\"app\"}").await).await,
        told(watched.post("pause", "{\"database\":\"nobody\"}").await).await,
        told(watched.post("pause", &huge).await).await,
        told(watched.post("switch", "{}").await).await,
        told(watched.post("reload", "{}").await).await,
        told(watched.post("shutdown", "{\"when\":\"later\"}").await).await,
        told(watched.get("/metric").await).await,
        told(
            watched
                .ask("POST /status HTTP/1.1\r\nHost: localhost\r\n", "")
                .await,
        )
        .await,
    ];

    insta::assert_snapshot!(all.join("\n"));
}

#[tokio::test]
async fn readiness_tells_which_server_is_gone_and_liveness_does_not_care() {
    let watched = Watched::start(guarded(PoolMode::Transaction, 3)).await;
    let ready = async || watched.get("/readiness").await.status;
    wait_for_value("readiness", PATIENCE, 200, ready).await;

    watched
        .gate
        .postgres
        .stop(pgmoor_testkit::Stop::Immediate)
        .await;
    let url = address(&watched.gate, "app", "app");
    let lost = tokio::spawn(async move {
        tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .is_ok()
    });
    wait_for_value("readiness", PATIENCE, 503, ready).await;
    let body = watched.get("/readiness").await.json();
    let live = watched.get("/liveness").await;
    watched.post("pause", "{\"database\":\"app\"}").await;
    let paused = watched.get("/readiness").await;
    watched.post("resume", "").await;
    watched.gate.postgres.start_again().await;
    wait_for_value("readiness", PATIENCE, 200, ready).await;

    assert_eq!(body["not_ready"][0]["database"], "app", "{body}");
    assert!(
        body["not_ready"][0]["reason"]
            .to_string()
            .contains("connect"),
        "{body}"
    );
    assert_eq!(live.status, 200);
    assert_eq!(paused.status, 200, "a pause is somebody's wish");
    lost.abort();
}

#[tokio::test]
async fn reload_over_http_tells_what_is_wrong_with_the_configuration() {
    let watched = Watched::start(guarded(PoolMode::Transaction, 3)).await;
    watched.gate.gateway.set_hooks(Hooks {
        reload: Some(std::sync::Arc::new(|| {
            Err("pgmoor.yaml:3: unknown key".into())
        })),
        shutdown: None,
    });

    let answer = watched.post("reload", "").await;

    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json()["errors"][0]["cause"],
        "pgmoor.yaml:3: unknown key"
    );
}

#[tokio::test]
async fn the_admin_address_ends_when_it_is_stopped() {
    let watched = Watched::start(guarded(PoolMode::Transaction, 3)).await;
    let address = watched.admin.address();

    watched.admin.stop();

    wait_for("the port to be closed", PATIENCE, async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}
