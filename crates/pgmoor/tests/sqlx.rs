//! A pool of sqlx through the local socket: `cargo test -p pgmoor --features sqlx --test sqlx`.
#![cfg(feature = "sqlx")]

use std::sync::Arc;

use pgmoor::adapter::LocalSocket;
use pgmoor::credential::NoCredential;
use pgmoor::{Connector, Endpoint};
use pgmoor_testkit::{Ca, Postgres};
use sqlx::postgres::PgPoolOptions;

#[tokio::test]
async fn a_pool_of_sqlx_is_logged_in_by_the_connector_through_tls_and_scram() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let url = format!(
        "{}?sslmode=verify-ca&sslrootcert={}",
        postgres.url(),
        ca.root_path().display()
    );
    let endpoint = Endpoint::parse(&url).expect("an address");
    let connector = Connector::new(endpoint, Arc::new(NoCredential)).expect("a connector");
    let socket = LocalSocket::open(connector).expect("a socket");

    for options in [socket.sqlx(), socket.url().parse().expect("an address")] {
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_with(options);
        let pool = pool.await.expect("a pool");
        let query = "select session_user::text, $1::bigint + 1, ssl from pg_stat_ssl where pid = pg_backend_pid()";
        let asked = sqlx::query_as::<_, (String, i64, bool)>(query).bind(41_i64);
        let row = asked.fetch_one(&pool).await.expect("an answer");
        assert_eq!(row, ("app".to_owned(), 42, true));
        pool.close().await;
    }
}
