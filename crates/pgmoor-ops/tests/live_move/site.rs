//! What the tests of a move share: two servers, and a way from one to the other.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::live_move::follow::{Follower, Seen};
use pgmoor_ops::live_move::journal::{self, Direction};
use pgmoor_ops::live_move::{Side, names, outgoing};
use pgmoor_ops::wire_session::WireSession;
use pgmoor_testkit::Postgres;
use tokio::time::Instant;
use tokio_postgres::Client;

/// A server that can send changes.
pub(crate) async fn server(major: u16) -> Postgres {
    Postgres::builder()
        .major(major)
        .conf("wal_level", "logical")
        .conf("max_prepared_transactions", "5")
        .start()
        .await
}

/// Its database, by the superuser.
pub(crate) fn side(postgres: &Postgres, endpoint: &str) -> Side {
    side_at(postgres, postgres.port(), endpoint)
}

/// The same, by way of another port.
pub(crate) fn side_at(postgres: &Postgres, port: u16, endpoint: &str) -> Side {
    let text = format!(
        "host=127.0.0.1 port={port} user=postgres dbname=app password={}",
        postgres.admin_password()
    );
    let parsed = Endpoint::parse(&text).unwrap();
    Side {
        endpoint: endpoint.to_owned(),
        connector: Connector::with_home(parsed, Arc::new(NoCredential), None).unwrap(),
        dbname: "app".to_owned(),
    }
}

/// A superuser in the database.
pub(crate) async fn admin(postgres: &Postgres) -> Client {
    postgres
        .connect_as("postgres", postgres.admin_password(), "app")
        .await
}

/// Two servers, the second with the tables of the first and none of its rows, and what sends changes.
pub(crate) struct Pair {
    pub(crate) from: Postgres,
    pub(crate) to: Postgres,
    pub(crate) source: Side,
    pub(crate) target: Side,
}

impl Pair {
    pub(crate) async fn new(majors: (u16, u16), tables: &str) -> Self {
        let from = server(majors.0).await;
        let to = server(majors.1).await;
        for postgres in [&from, &to] {
            admin(postgres).await.batch_execute(tables).await.unwrap();
        }
        let (source, target) = (side(&from, "old"), side(&to, "new"));
        Self {
            from,
            to,
            source,
            target,
        }
    }

    /// Makes the source send, from now on.
    pub(crate) async fn send(&self) {
        let session = self.source.session().await.unwrap();
        journal::make(&session).await.unwrap();
        outgoing::publish(&session).await.unwrap();
        let name = names::outgoing(&self.source.dbname);
        let slot = outgoing::make_slot(&self.source, &name, false, outgoing::BRIEF)
            .await
            .unwrap();
        let there = self.target.session().await.unwrap();
        journal::make(&there).await.unwrap();
        let note = format!(
            "insert into {}.progress (direction, lsn) values ('forward', '{}')",
            names::SCHEMA,
            slot.from
        );
        there.client().batch_execute(&note).await.unwrap();
    }

    pub(crate) async fn applying(&self) -> WireSession {
        let mut session = self.target.wire("changes").await.unwrap();
        session
            .query("set session_replication_role = replica")
            .await
            .unwrap();
        session
    }

    pub(crate) async fn follower(&self) -> Follower {
        let applying = self.applying().await;
        Follower::start(&self.source, applying, Direction::Forward)
            .await
            .unwrap()
    }

    /// Follows until all that was committed before this is done.
    pub(crate) async fn catch_up(&self, follower: &mut Follower) -> Seen {
        let session = self.source.session().await.unwrap();
        let beacon = journal::beacon(&session).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = follower
                .step(Instant::now() + Duration::from_millis(100))
                .await
                .unwrap();
            if seen.beacon >= beacon {
                return seen;
            }
            assert!(Instant::now() < deadline, "{seen:?}");
        }
    }

    /// All rows of a query, as text, at both sides; also behind a fence.
    pub(crate) async fn both(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let sql = format!(
            "set search_path = public; select row_text::text from ({query}) row_text order by 1"
        );
        let mut all = Vec::new();
        for side in [&self.source, &self.target] {
            let mut session = side.wire("test").await.unwrap();
            let rows = session.rows(&sql).await.unwrap();
            all.push(
                rows.iter()
                    .map(|row| row.text(0).unwrap().to_owned())
                    .collect::<Vec<_>>(),
            );
        }
        let there = all.pop().unwrap();
        (all.pop().unwrap(), there)
    }

    pub(crate) async fn assert_same(&self, tables: &[&str]) {
        for table in tables {
            let (here, there) = self.both(&format!("select * from {table}")).await;
            assert_eq!(here, there, "{table}");
        }
    }
}
