//! Every command with secrets in every input, in text and JSON, with everything logged.

use std::process::Output;

use pgmoor_testkit::{RawClient, Signal, wait_for};

use crate::inputs::DATABASES;
use crate::search::Search;
use crate::world::{PATIENCE, World};

/// A command's output, both streams, into the search.
fn look_at(search: &mut Search, what: &str, output: &Output) {
    search.bytes(&format!("output of {what}"), &output.stdout);
    search.bytes(&format!("errors of {what}"), &output.stderr);
}

/// Whoever knows a secret and says it to pgmoor.
async fn clients(world: &World) {
    for (user, password) in world.logins() {
        let mut client = RawClient::connect(world.address()).await;
        client.set_patience(PATIENCE);
        client.startup(&[("user", user), ("database", "app")]).await;
        let last = client.authenticate(user, password).await;
        assert_eq!(last.number(), 0, "{user}: {last:?}");
        client.read_until_ready().await;
        assert_eq!(client.value("select 1").await, "1");
        client.query("select 1 / 0; nonsense").await;
        client.terminate().await;
    }
    for user in ["listed", "nobody", "passed"] {
        let mut client = RawClient::connect(world.address()).await;
        let parameters = [("user", user), ("database", "app")];
        let guess = world.guess();
        client
            .expect_login_error(&parameters, &guess, "28P01")
            .await;
    }
    // Each endpoint whose server is wrong in its own way, or asked with a credential of its own.
    for database in DATABASES {
        let mut client = RawClient::connect(world.address()).await;
        client.set_patience(PATIENCE);
        client
            .startup(&[("user", "listed"), ("database", database)])
            .await;
        client.authenticate("listed", world.listed_password()).await;
        while let Ok(Some(message)) = client.try_next().await {
            if matches!(message.tag, b'E' | b'Z') {
                break;
            }
        }
    }
}

#[tokio::test]
async fn no_secret_comes_out_of_any_command_log_page_or_process() {
    let world = World::start().await;
    let mut search = world.search();

    clients(&world).await;
    for (path, token) in [
        ("/", false),
        ("/metrics", false),
        ("/status", false),
        ("/clients", false),
        ("/servers", false),
        ("/readiness", false),
        ("/liveness", false),
        ("/nowhere", false),
        ("/api/v1/reconnect", true),
        ("/api/v1/reload", true),
        ("/api/v1/nonsense", true),
    ] {
        let answer = world.http(path, token).await;
        assert!(!answer.is_empty(), "{path}");
        search.bytes(path, &answer);
    }
    for arguments in world.commands() {
        for format in ["text", "json"] {
            let what = format!("{arguments:?} in {format}");
            let output = world.run(&[&["-o", format], &arguments[..]].concat());
            look_at(&mut search, &what, &output);
        }
    }
    for (what, output) in world.shown_by_the_console() {
        look_at(&mut search, &what, &output);
    }
    // A person at psql and a program under run: only the ways out that they were given.
    for (what, output) in world.children() {
        look_at(&mut search, &what, &output);
    }
    search.processes(&world.children_of_the_gateway());
    world.break_the_configuration();
    world.gateway.signal(Signal::HUP);
    wait_for("the broken file to be told", PATIENCE, async || {
        world.log().contains("configuration not reloaded")
    })
    .await;
    look_at(
        &mut search,
        "config check",
        &world.run(&["config", "check"]),
    );
    world.gateway.signal(Signal::TERM);
    world.gateway.exited().await;

    search.bytes("log", world.log().as_bytes());
    search.bytes("the server's log", world.server_log().as_bytes());
    search.files(world.directory(), &world.meant_to_hold_secrets());
    assert!(search.searched > 100, "only {} places", search.searched);
    assert!(search.hits.is_empty(), "{}", search.hits.join("\n"));
    // What the search rests on: everything was logged, and the odd endpoints were tried.
    for told in [
        "DEBUG",
        "client was not let in",
        "echo",
        "credential command",
    ] {
        assert!(
            world.log().contains(told),
            "{told} is not in the log:\n{}",
            world.log()
        );
    }
}

#[test]
fn a_secret_in_an_argument_is_refused_without_repeating_it() {
    let canary = crate::search::Canary::new("argument");
    let mut search = Search::of(std::slice::from_ref(&canary));
    for argument in [
        format!("--password={}", canary.core),
        format!("postgres://app:{}@h/db", canary.in_url()),
        format!("host=h password={}", canary.core),
    ] {
        for command in ["psql", "wait", "up"] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_pgmoor"))
                .args([command, &argument])
                .output()
                .expect("runs");
            assert_eq!(output.status.code(), Some(2), "{command} {argument}");
            look_at(&mut search, command, &output);
        }
    }
    assert!(search.hits.is_empty(), "{}", search.hits.join("\n"));
}
