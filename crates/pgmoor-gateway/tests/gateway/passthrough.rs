//! Users whom the server knows and the gateway does not: by verifier, or by password.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use pgmoor_gateway::settings::{Passthrough, PoolMode};
use pgmoor_testkit::{Postgres, RawClient};

use crate::fixture::{Gate, Plan, endpoint_at};

/// For what keeps a slow machine busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway whose endpoint may read verifiers, before a server that knows `ann`.
async fn start(passthrough: Passthrough) -> Gate {
    let postgres = Postgres::start().await;
    postgres
        .psql("create role ann login password 'first'; grant create on schema public to ann")
        .await;
    let url = postgres.url_of("postgres", postgres.admin_password(), "app");
    let served = Plan::new(PoolMode::Transaction, 4)
        .gateway(|gateway| gateway.auth.passthrough = passthrough)
        .serve(&[("primary", endpoint_at(&url, None))]);
    Gate { served, postgres }
}

async fn refused(gate: &Gate, user: &str, password: &str) {
    let mut client = RawClient::connect(gate.address).await;
    let parameters = [("user", user), ("database", "app")];
    let error = client
        .expect_login_error(&parameters, password, "28P01")
        .await;
    assert_eq!(
        error.text(),
        format!("password authentication failed for user \"{user}\"")
    );
    client.expect_closed().await;
}

async fn let_in(gate: &Gate, user: &str, password: &str) {
    let mut client = RawClient::login_to(gate.address, user, password, "app").await;
    assert_eq!(
        client
            .value("select session_user || ' ' || current_user")
            .await,
        format!("{user} {user}")
    );
    client.terminate().await;
}

#[tokio::test]
async fn users_of_the_server_log_in_there_as_themselves() {
    for passthrough in [Passthrough::Query, Passthrough::Password] {
        let gate = start(passthrough).await;
        gate.postgres
            .psql("create role bob login password 'bobs'")
            .await;

        let_in(&gate, "ann", "first").await;
        let_in(&gate, "bob", "bobs").await;
        let_in(&gate, "ann", "first").await;

        refused(&gate, "ann", "bobs").await;
        refused(&gate, "eve", "first").await;
        refused(&gate, "ann", "").await;
    }
}

#[tokio::test]
async fn what_changes_at_the_server_counts_at_once() {
    for passthrough in [Passthrough::Query, Passthrough::Password] {
        let gate = start(passthrough).await;
        let_in(&gate, "ann", "first").await;

        gate.postgres.psql("alter role ann password 'second'").await;
        refused(&gate, "ann", "first").await;
        let_in(&gate, "ann", "second").await;

        gate.postgres
            .psql("alter role ann valid until '2001-01-01'")
            .await;
        refused(&gate, "ann", "second").await;
        gate.postgres
            .psql("alter role ann valid until 'infinity'")
            .await;
        let_in(&gate, "ann", "second").await;

        gate.postgres.psql("alter role ann nologin").await;
        let mut client = RawClient::connect(gate.address).await;
        let parameters = [("user", "ann"), ("database", "app")];
        client.startup(&parameters).await;
        let answer = client.authenticate("ann", "second").await;
        assert_eq!(answer.tag, b'E', "{passthrough:?}: {answer:?}");

        gate.postgres
            .psql("alter role ann login; alter role ann password null")
            .await;
        refused(&gate, "ann", "second").await;
        gate.postgres.psql("drop owned by ann; drop role ann").await;
        refused(&gate, "ann", "second").await;
    }
}

#[tokio::test]
async fn a_new_password_is_used_for_new_server_connections() {
    for passthrough in [Passthrough::Query, Passthrough::Password] {
        let gate = start(passthrough).await;
        let_in(&gate, "ann", "first").await;
        gate.postgres
            .psql(
                "alter role ann password 'second'; \
                 select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ann'",
            )
            .await;

        let_in(&gate, "ann", "second").await;
    }
}

#[tokio::test]
async fn listed_users_and_trust_do_not_open_the_door_for_others() {
    let postgres = Postgres::start().await;
    let url = postgres.url_of("postgres", postgres.admin_password(), "app");
    let served = Plan::new(PoolMode::Transaction, 4)
        .gateway(|gateway| {
            gateway.auth.passthrough = Passthrough::Query;
            gateway.auth.trust = vec![pgmoor_gateway::settings::TrustScope::Loopback];
        })
        .serve(&[("primary", endpoint_at(&url, None))]);
    let gate = Gate { served, postgres };

    // The endpoint's own login is a superuser: nobody must come in as that by accident.
    refused(&gate, "nobody", "x").await;
    refused(&gate, "postgres", "x").await;
    let_in(&gate, "app", gate.postgres.app_password()).await;
}

#[tokio::test]
async fn a_user_whose_verifier_cannot_be_read_is_told_that_it_is_not_its_fault() {
    let postgres = Postgres::start().await;
    // `app` may not read pg_authid.
    let served = Plan::new(PoolMode::Transaction, 4)
        .gateway(|gateway| gateway.auth.passthrough = Passthrough::Query)
        .serve(&[("primary", endpoint_at(&postgres.url(), None))]);
    let mut client = RawClient::connect(served.address).await;

    let error = client
        .expect_login_error(&[("user", "ann"), ("database", "app")], "x", "57P03")
        .await;

    assert_eq!(error.text(), "the user's password cannot be checked now");
    assert!(!format!("{error:?}").contains("pg_authid"), "{error:?}");
}

/// An address of this machine that is not loopback, if it has one.
fn outer_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[tokio::test]
async fn a_password_is_not_asked_for_where_others_can_listen() {
    let Some(outer) = outer_address() else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let postgres = Postgres::start().await;
    let served = Plan::new(PoolMode::Transaction, 4)
        .gateway(|gateway| {
            gateway.listen = vec![SocketAddr::from(([0, 0, 0, 0], 0))];
            gateway.auth.passthrough = Passthrough::Password;
        })
        .serve(&[("primary", endpoint_at(&postgres.url(), None))]);
    let mut client = RawClient::connect(SocketAddr::new(outer, served.address.port())).await;
    client
        .startup(&[("user", "app"), ("database", "app")])
        .await;

    let error = client.expect_error("28000").await;

    assert_eq!(error.text(), "user \"app\" has to use TLS");
    assert_eq!(
        error.hint(),
        "connect with sslmode=verify-full: the password is passed on to the server"
    );
    client.expect_closed().await;
}

/// What somebody is told who claims to be `user` and knows no password.
async fn told_to_a_stranger(gate: &Gate, user: &str, database: &str) -> String {
    let mut client = RawClient::connect(gate.address).await;
    client
        .startup(&[("user", user), ("database", database)])
        .await;
    let mut last = client.authenticate(user, "a guess").await;
    while last.tag != b'E' {
        assert_ne!(last.tag, b'Z', "{user} was let in to {database}");
        last = client.expect_any().await;
    }
    client.expect_closed().await;
    format!("{} {} {}", last.sqlstate(), last.text(), last.hint())
}

#[tokio::test]
async fn a_password_that_nobody_checked_opens_no_admin_database() {
    for passthrough in [Passthrough::Query, Passthrough::Password] {
        // Both are users of the server, who are not listed.
        let postgres = Postgres::start().await;
        let url = postgres.url_of("postgres", postgres.admin_password(), "app");
        let served = Plan::new(PoolMode::Transaction, 4)
            .gateway(|gateway| {
                gateway.auth.passthrough = passthrough;
                gateway.auth.admin_users = vec!["app".into()];
                gateway.auth.stats_users = vec!["postgres".into()];
            })
            .serve(&[("primary", endpoint_at(&url, None))]);
        let gate = Gate { served, postgres };

        for user in ["app", "postgres", "nobody"] {
            assert_eq!(
                told_to_a_stranger(&gate, user, "pgmoor").await,
                format!("28P01 password authentication failed for user \"{user}\" "),
                "{passthrough:?}"
            );
        }
    }
}

#[tokio::test]
async fn strangers_do_not_learn_which_databases_there_are_or_are_closed() {
    for passthrough in [Passthrough::Query, Passthrough::Password] {
        let gate = start(passthrough).await;
        let_in(&gate, "ann", "first").await;
        let failed = "28P01 password authentication failed for user \"ann\" ";

        assert_eq!(told_to_a_stranger(&gate, "ann", "nowhere").await, failed);
        assert_eq!(told_to_a_stranger(&gate, "ann", "app").await, failed);
        gate.gateway
            .traffic()
            .disable("app", true)
            .expect("disabled");
        assert_eq!(told_to_a_stranger(&gate, "ann", "app").await, failed);
    }
}

#[tokio::test]
async fn a_storm_of_logins_takes_few_connections_of_the_server_to_check_them() {
    for passthrough in [Passthrough::Query, Passthrough::Password] {
        let postgres = Postgres::builder()
            .conf("max_connections", "20")
            .start()
            .await;
        let url = postgres.url_of("postgres", postgres.admin_password(), "app");
        let served = Plan::new(PoolMode::Transaction, 4)
            .gateway(|gateway| {
                gateway.auth.passthrough = passthrough;
                gateway.login_timeout = PATIENCE;
            })
            .serve(&[("primary", endpoint_at(&url, None))]);
        let gate = Gate { served, postgres };

        let address = gate.address;
        let storm = (0..24).map(|_| {
            tokio::spawn(async move {
                let mut client = RawClient::connect(address).await;
                client.set_patience(PATIENCE);
                let parameters = [("user", "eve"), ("database", "app")];
                client
                    .expect_login_error(&parameters, "a guess", "28P01")
                    .await;
            })
        });
        for login in storm.collect::<Vec<_>>() {
            login.await.expect("refused like any other");
        }

        let_in(&gate, "app", gate.postgres.app_password()).await;
    }
}
