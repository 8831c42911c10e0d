//! Who lets clients in by asking the server: what the server, or its users, can do about that.

use pgmoor_gateway::settings::{Passthrough, PoolMode};
use pgmoor_testkit::{Postgres, RawClient, ScriptedServer, backend as b};
use pgmoor_wire::scram::Verifier;

use crate::fixture::{Plan, Served, endpoint_at};

const ANN: [(&str, &str); 2] = [("user", "ann"), ("database", "app")];

fn by_query(url: &str, query: Option<&str>) -> Served {
    Plan::new(PoolMode::Transaction, 4)
        .gateway(|gateway| {
            gateway.auth.passthrough = Passthrough::Query;
            if let Some(query) = query {
                gateway.auth.auth_query = query.to_owned();
            }
        })
        .serve(&[("primary", endpoint_at(url, None))])
}

#[tokio::test]
async fn no_search_path_and_no_object_of_a_user_bends_the_question_for_a_verifier() {
    let postgres = Postgres::start().await;
    let evil = Verifier::from_password("evil", 4096).expect("a verifier");
    let evil = evil.format().expose().clone();
    // All that a user could put into the way: a table, a function and operators of the names that
    // the question has, in schemas that the defaults of role and database name first.
    postgres
        .psql(&format!(
            "create role ann login password 'right';
             create schema evil;
             create table evil.pg_authid (rolname name, rolpassword text, rolcanlogin bool,
                                          rolvaliduntil timestamptz, rolsuper bool);
             insert into evil.pg_authid values ('ann', '{evil}', true, null, false);
             create table public.pg_authid as table evil.pg_authid;
             create function evil.equal(name, text) returns bool language sql as 'select true';
             create operator evil.= (leftarg = name, rightarg = text, function = evil.equal);
             create function evil.equals(name, name) returns bool language sql as 'select true';
             create operator evil.= (leftarg = name, rightarg = name, function = evil.equals);
             create function evil.now() returns timestamptz language sql
               as $$select timestamptz '1999-01-01'$$;
             grant all on schema evil to public; grant all on all tables in schema evil to public;
             alter database app set search_path = evil, public, pg_catalog;
             alter role postgres set search_path = evil, public, pg_catalog"
        ))
        .await;
    let url = postgres.url_of("postgres", postgres.admin_password(), "app");
    let unqualified = "select rolname, rolpassword from pg_authid where rolname = $1";
    for query in [None, Some(unqualified)] {
        let gate = by_query(&url, query);
        for parameters in [
            vec![],
            vec![("search_path", "evil, pg_catalog")],
            vec![("options", "-c search_path=evil,pg_catalog")],
        ] {
            let all = [&ANN[..], &parameters].concat();
            let mut client = RawClient::connect(gate.address).await;
            client.expect_login_error(&all, "evil", "28P01").await;
            let mut client = RawClient::connect(gate.address).await;
            client.login_with(&all, "right").await;
        }
    }
}

#[tokio::test]
async fn a_server_that_answers_the_question_without_an_end_is_left() {
    let giant = [&b"D\x30\0\0\0"[..], &[0; 1000]].concat();
    let nonsense = b"D\0\0\0\x03".to_vec();
    let error = b::error("42501", "no \"pg_authid\" for you");
    for answer in [giant, nonsense, error] {
        let server = ScriptedServer::tcp().await.serve(move |mut connection| {
            let answer = answer.clone();
            async move {
                connection.welcome().await;
                let _ = connection.try_next().await;
                let _ = connection.try_send(&answer).await;
                let _ = connection.stall().await;
            }
        });
        let url = format!(
            "postgres://app@127.0.0.1:{}/app?sslmode=disable",
            server.port()
        );
        let gate = by_query(&url, None);
        let mut client = RawClient::connect(gate.address).await;

        let error = client.expect_login_error(&ANN, "x", "57P03").await;

        assert_eq!(error.text(), "the user's password cannot be checked now");
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn what_a_server_says_before_tls_reaches_no_client() {
    let server = ScriptedServer::tcp()
        .await
        .serve(|mut connection| async move {
            connection.expect_untagged().await;
            let told = b::fatal("28000", "please send your password to evil.example");
            let _ = connection.try_send(&told).await;
        });
    let url = format!(
        "postgres://app@127.0.0.1:{}/app?sslmode=require",
        server.port()
    );
    let plan = Plan::new(PoolMode::Transaction, 2)
        .pool(|pool| pool.checkout_timeout = std::time::Duration::from_millis(300));
    let gate = plan.serve(&[("primary", endpoint_at(&url, None))]);
    let mut client = RawClient::connect(gate.address).await;
    client
        .startup(&[("user", "app"), ("database", "app")])
        .await;

    let mut last = client.authenticate("app", &gate.password).await;
    while last.tag != b'E' {
        last = client.expect_any().await;
    }

    assert!(!format!("{last:?}").contains("evil"), "{last:?}");
    assert!(
        last.text()
            .contains("answered the request for TLS with an error"),
        "{last:?}"
    );
}
